"""Ports that nobody has, and waiting until somebody does."""

import socket
import subprocess
import time

_PATIENCE_S = 30.0


def free_port() -> int:
    """A port that is free on every loopback address."""
    with socket.socket() as one:
        one.bind(("0.0.0.0", 0))  # noqa: S104 - bound for a moment, and never listened on
        port: int = one.getsockname()[1]
        return port


def await_port(host: str, port: int, server: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until a port is open.

    Raises:
        TimeoutError: it never was.
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
    """End a server of ours, by its id."""
    server.kill()
    server.wait(_PATIENCE_S)
