"""The ports that a new configuration needs, and the processes that hold them.

If a new worker needs a port that another process holds, the new worker closes all ports of the old
worker for two seconds, and then gives up. So this module checks the ports before a reload.
HAProxy's own processes can share a port with the new worker, at the same or another address
(SO_REUSEPORT).
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import listening_sockets
from hosts.haproxy.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BIND = re.compile(rb"^[ \t]*bind[ \t]+(\S+)", re.MULTILINE)
_ENDPOINT = re.compile(
    r"(?:ipv4@|ipv6@|tcp@|tcp4@|tcp6@)?(?P<address>.*):(?P<ports>\d{1,18}(-\d{1,18})?)"
)
"""Pattern of an address and ports in a `bind` line (HAProxy, Configuration Manual, bind). Addresses
of other kinds, such as UNIX sockets, have no port and do not match."""
_MOST_PORTS = 1000
_SOCKET = "socket:["
_ANY = frozenset({"", "*", "0.0.0.0", "::", "[::]"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, order=True)
class Endpoint:
    """Address and port of a `bind` line; an empty address means all addresses of the machine."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return the endpoint as text, such as `port 8404 of 127.0.0.1`."""
        return f"port {self.port}{f' of {self.address}' if self.address else ''}"


def endpoints(config: bytes) -> set[Endpoint]:
    """Return the endpoints of a configuration's `bind` lines."""
    return set(_endpoints(config))


def _endpoints(config: bytes) -> Iterator[Endpoint]:
    for text in _BIND.findall(config):
        for part in text.decode(errors="replace").split(","):
            match = _ENDPOINT.fullmatch(part)
            if match is None:
                continue
            first, _, last = match["ports"].partition("-")
            address = "" if match["address"] in _ANY else match["address"].strip("[]")
            ports = range(int(first), int(last or first) + 1)
            yield from (Endpoint(address, port) for port in ports[:_MOST_PORTS])


def require_free(file: Path, config: bytes, *, running: bytes, processes: Iterable[int]) -> None:
    """Check that no process other than HAProxy holds an endpoint of a configuration.

    Args:
        file: path of the configuration, for the message.
        config: the configuration.
        running: the configuration that HAProxy runs; if this user may not see the sockets of
            HAProxy's processes, HAProxy is assumed to hold the ports in this configuration.
        processes: HAProxy's own processes.

    Raises:
        Refused: Endpoints are in use, or not on this machine; nothing was changed.
    """
    problems = []
    for endpoint in sorted(endpoints(config)):
        problem = _problem(endpoint)
        if problem == errno.EADDRINUSE and _is_own(endpoint, running, processes):
            problem = None
        if problem is not None:
            reason = problem if isinstance(problem, str) else os.strerror(problem)
            problems.append(f"{endpoint}: {reason}")
    if problems:
        message = f"{file} needs {'; '.join(problems)}; see `ss -ltnp`; nothing was changed"
        raise Refused(message)


def _is_own(endpoint: Endpoint, running: bytes, processes: Iterable[int]) -> bool:
    """Return whether all sockets that listen on an endpoint belong to HAProxy."""
    try:
        own = set(_sockets(processes))
    except OSError:
        return endpoint.port in {other.port for other in endpoints(running)}
    holders = {
        inode
        for address, inode in listening_sockets.on_port(endpoint.port)
        if not endpoint.address or _address(address) in {"", endpoint.address}
    }
    return bool(holders) and holders <= own


def _problem(endpoint: Endpoint) -> int | str | None:
    """Try to bind an endpoint; return the error, None if the endpoint is free."""
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.address, endpoint.port))
        except OverflowError:
            return "the port number does not exist"
        except OSError as error:
            return error.errno or str(error)
    return None


def _address(text: str) -> str:
    """Return an address from the kernel's table (hexadecimal 32-bit words in host byte order).

    The result is empty for the address that means all addresses.
    """
    words = bytes.fromhex(text)
    if sys.byteorder == "little":
        words = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    address = ip_address(words)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return "" if address.is_unspecified else str(mapped or address)


def _sockets(processes: Iterable[int]) -> Iterator[str]:
    """Yield the inodes of the sockets of processes.

    Raises:
        OSError: This user may not see the files of a process, or the process has ended.
    """
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").iterdir():
            with suppress(FileNotFoundError):  # the process has closed this file in the meantime
                target = str(descriptor.readlink())
                if target.startswith(_SOCKET):
                    yield target[len(_SOCKET) : -1]
