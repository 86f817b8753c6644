"""Free ports, and waiting until a server listens."""

import itertools
import os
import socket
import subprocess
import time
from collections.abc import Collection, Iterator

_PATIENCE_S = 180.0
_FIRST, _END = 10_000, 31_600
"""First and last port, below the kernel's ephemeral ports. Each worker of a test run has its own
part of this range, so that workers do not use the same port.
"""


def _mine() -> Iterator[int]:
    """Yield each port of this process's range in turn; concurrent runs begin at different ports.

    A whole run asks for thousands of ports, so the run uses the first ports again at the end.
    """
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    size = (_END - _FIRST) // count
    first = _FIRST + worker % count * size
    begin = first + os.getpid() * 37 % size
    return itertools.cycle((*range(begin, first + size), *range(first, begin)))


_candidates = _mine()


def free_port() -> int:
    """Return a port that is free on every loopback address and was not returned lately."""
    (port,) = free_ports(1)
    return port


def free_ports(count: int, *, but: Collection[int] = ()) -> list[int]:
    """Return ports that are free on every loopback address and were not returned lately."""
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
            with socket.create_connection((host, port), _PATIENCE_S):
                return
        except OSError:
            time.sleep(0.02)
    message = f"nothing on {host}:{port}"
    raise TimeoutError(message)


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server process."""
    server.kill()
    server.wait(_PATIENCE_S)
