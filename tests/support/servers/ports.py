"""Free ports, and waiting until a server listens."""

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Collection, Iterator

_PATIENCE_S = 180.0
_FIRST, _SLICE, _SLICES = 10_000, 2_700, 8
"""First port: below the kernel's ephemeral ports. Each worker of a test run has its own range, so
that workers do not use the same port.
"""


def _mine() -> Iterator[int]:
    """Yield each port of this process's range once; concurrent runs begin at different ports."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _SLICES
    first = _FIRST + worker * _SLICE
    begin = first + os.getpid() * 37 % _SLICE
    return itertools.chain(range(begin, first + _SLICE), range(first, begin))


_candidates = _mine()


def free_port() -> int:
    """Return a port that is free on every loopback address and was not returned before."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int, *, but: Collection[int] = ()) -> list[int]:
    """Return ports that are free on every loopback address and were not returned before."""
    free = (port for port in _candidates if port not in but and _is_free(port))
    return list(itertools.islice(free, count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # With SO_REUSEADDR, a port whose server has just ended counts as free; a port on which a
        # server listens does not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - bound for a moment, and never listened on
        except OSError:
            return False
        return True


def await_port(host: str, port: int, server: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a port accepts connections.

    Raises:
        TimeoutError: The port did not accept connections in time.
        ChildProcessError: The server's process has ended.
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
