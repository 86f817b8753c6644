"""A real HAProxy as the load balancer in front of servers on this machine."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers.haproxy_program import PROGRAM
from tests.support.servers.ports import await_port, end

Backends = Mapping[tuple[str, int], Sequence[tuple[str, int]]]
"""Servers of each backend, by the address and port that clients connect to."""

_HEAD = """
defaults
  mode tcp
  timeout connect 2s
  timeout client 30s
  timeout server 30s
"""


@contextmanager
def haproxy(folder: Path, backends: Backends, more: str = "") -> Iterator[None]:
    """Run HAProxy with round-robin balancing until the block ends.

    Args:
        folder: folder for the configuration file.
        backends: servers that HAProxy forwards to in TCP mode.
        more: additional sections of the configuration file.
    """
    sections = [_HEAD]
    for (host, port), servers in backends.items():
        sections.append(f"listen at-{port}\n  bind {host}:{port}\n  balance roundrobin")
        sections += [f"  server s{i} {at}:{to}" for i, (at, to) in enumerate(servers)]
    file = folder / "haproxy.cfg"
    file.write_text("\n".join([*sections, more, ""]))
    server = subprocess.Popen(
        [PROGRAM, "-db", "-f", str(file)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for host, port in backends:
            await_port(host, port, server)
        yield
    finally:
        end(server)
