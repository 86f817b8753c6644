"""Where HAProxy's files are on this machine, and how its sockets are asked."""

from __future__ import annotations

import fcntl
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 10
"""For one answer: HAProxy gives it in a moment, a reload when the new worker is there."""
_LOCK_SECONDS = 10
_ABSENT_SECONDS = 0.5


@dataclass(frozen=True)
class LocalHaproxy:
    """HAProxy's files; the defaults are those of the file that `denodo-ha haproxy render` writes.

    Attributes:
        run: folder of the sockets.
        state: file that keeps the servers' state over reloads.
        config: HAProxy's configuration.
        program: HAProxy.
    """

    run: Path = Path("/run/haproxy")
    state: Path = Path("/var/lib/haproxy/server-state")
    config: Path = Path("/etc/haproxy/haproxy.cfg")
    program: str = "/usr/sbin/haproxy"

    def query(self, command: str) -> str:
        """What the serving worker answers.

        Raises:
            NoAnswer: nobody answers.
        """
        return _ask(self.run / "admin.sock", command)

    def query_master(self, command: str) -> str:
        """What the master answers, which knows all workers.

        Raises:
            NoAnswer: nobody answers.
        """
        return _ask(self.run / "master.sock", command)

    def execute(self, *commands: str) -> None:
        """Have the worker do something, in one go.

        Raises:
            Failed: it did not; a command that worked says nothing.
        """
        said = " ".join(self.query("; ".join(commands)).split())
        if said:
            message = f"HAProxy did not do `{'; '.join(commands)}`: {said}"
            raise Failed(message)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else change nodes meanwhile: two drains could each think of the other's node.

        Raises:
            Refused: somebody else is at it.
        """
        path = self.state.with_name(f"{self.state.name}.lock")
        try:
            file = path.open("w")
        except OSError as wrong:
            message = f"{path} cannot be written ({wrong.strerror}): run this as root"
            raise Refused(message) from wrong
        with file:
            end = time.monotonic() + _LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        message = f"another command is changing nodes here (it holds {path}); wait"
                        raise Refused(message) from None
                    time.sleep(0.1)  # a lock that waits by itself has no limit of time
            yield


def _connect(connection: socket.socket, path: Path) -> None:
    """Connect; for a moment of a reload nobody listens."""
    end = time.monotonic() + _ABSENT_SECONDS
    while True:
        try:
            connection.connect(str(path))
            return
        except (FileNotFoundError, ConnectionRefusedError):  # noqa: PERF203 - each try may find it
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # a socket that is not there cannot be waited for


def _ask(path: Path, command: str) -> str:
    """One command to a socket, and all that comes back."""
    found = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_SECONDS)
            _connect(connection, path)
            connection.sendall(f"{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            while True:
                more = connection.recv(65_536)
                if not more:
                    break
                found += more
    except (FileNotFoundError, ConnectionRefusedError):
        message = f"no HAProxy answers at {path}: see `systemctl status haproxy`"
        raise NoAnswer(message) from None
    except PermissionError:
        message = f"{path} does not let you in: be root, or a member of its group"
        raise NoAnswer(message) from None
    except OSError as wrong:
        message = f"HAProxy at {path} did not answer `{command}`: {wrong}"
        raise NoAnswer(message) from wrong
    answer = found.decode(errors="replace")
    if answer.startswith(("Permission denied", "Unknown command")):
        message = f"HAProxy at {path} did not do `{command}`: {answer.splitlines()[0]}"
        raise NoAnswer(message)
    return answer
