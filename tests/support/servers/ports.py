"""Free ports, and waiting until a server listens."""

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Collection, Iterator

_PATIENCE_S = 180.0
_FIRST, _SLICE, _SLICES = 10_000, 2_700, 8
"""Below the ports that the kernel gives to connections, which come and go; a part for each of the
workers of a run, so that none takes what another is about to use."""


def _mine() -> Iterator[int]:
    """The ports of this process's part, each once; runs beside each other begin elsewhere."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SLICES
    first = _FIRST + worker * _SLICE
    begin = first + os.getpid() * 37 % _SLICE
    return itertools.chain(range(begin, first + _SLICE), range(first, begin))


_candidates = _mine()


def free_port() -> int:
    """A port that is free on every loopback address, and was not given before."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int, *, but: Collection[int] = ()) -> list[int]:
    """Ports that are free on every loopback address; none was given before."""
    free = (port for port in _candidates if port not in but and _is_free(port))
    return list(itertools.islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # A server that has just ended does not block the port; one that listens does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - bound for a moment, and never listened on
        except OSError:
            return False
        return True


def await_port(host: str, port: int, server: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a port is open.

    Raises:
        TimeoutError: the port was not opened in time.
        ChildProcessError: the server that should open it has ended.
    """
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        if server is not None and server.poll() is not None:
            message = f"the server for {host}:{port} ended with {server.returncode}"
            raise ChildProcessError(message)
        try:
            with socket.create_connection((host, port), 1):
                return
        except OSError:
            time.sleep(0.02)
    message = f"nothing on {host}:{port}"
    raise TimeoutError(message)


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server process."""
    server.kill()
    server.wait(_PATIENCE_S)
