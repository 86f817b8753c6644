"""The HAProxy of this machine: its files, and its sockets (Runtime API)."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import lock
from hosts.haproxy.errors import Failed, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWER_SECONDS = 10
"""Limit of one answer: HAProxy answers at once, and a reload once the new worker has started."""
_LOCK_SECONDS = 10
_LOCK_MODE = 0o666
"""Reduced by the umask of the process."""
_ABSENT_SECONDS = 0.5
"""Time for which a socket may be absent during a reload."""


@dataclass(frozen=True)
class LocalHaproxy:
    """The HAProxy of this machine; the defaults are those that `denodo-ha haproxy render` writes.

    Attributes:
        run: folder of the sockets.
        state: file that keeps the state of the servers over reloads.
        config: HAProxy's configuration.
        program: HAProxy's executable.
    """

    run: Path = Path("/run/haproxy")
    state: Path = Path("/var/lib/haproxy/server-state")
    config: Path = Path("/etc/haproxy/haproxy.cfg")
    program: str = "/usr/sbin/haproxy"

    def query(self, command: str) -> str:
        """Return the answer of the serving worker.

        Raises:
            NoAnswer: The worker does not answer.
        """
        return _query(self.run / "admin.sock", command)

    def query_master(self, command: str) -> str:
        """Return the answer of the master process, which knows all workers.

        Raises:
            NoAnswer: The master does not answer.
        """
        return _query(self.run / "master.sock", command)

    def execute(self, *commands: str) -> None:
        """Execute commands on the serving worker, in one request.

        Raises:
            NoAnswer: The worker does not answer.
            Failed: The answer is not empty, as it is after commands that succeed.
        """
        answer = " ".join(self.query("; ".join(commands)).split())
        if answer:
            message = f"HAProxy did not execute `{'; '.join(commands)}`: {answer}"
            raise Failed(message)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of changes: two drains at once could each rely on the other's node.

        Raises:
            Refused: Another command holds the lock, or this user cannot write it.
        """
        path = self.state.with_name(f"{self.state.name}.lock")
        note = f"process {os.getpid()}"
        try:
            file = lock.acquire(path, note=note, mode=_LOCK_MODE, seconds=_LOCK_SECONDS)
        except lock.LockedError:
            message = f"another command changes nodes on this host (it holds {path}): wait for it"
            raise Refused(message) from None
        except OSError as error:
            message = f"{path} cannot be written ({error.strerror}): run this as root"
            raise Refused(message) from error
        with file:
            yield


def _connect(connection: socket.socket, path: Path) -> None:
    """Connect to a socket, which may be absent for a moment during a reload."""
    end = time.monotonic() + _ABSENT_SECONDS
    while True:
        try:
            connection.connect(str(path))
            return
        except (FileNotFoundError, ConnectionRefusedError):  # noqa: PERF203 - each try may succeed
            if time.monotonic() > end:
                raise
            time.sleep(0.05)  # the creation of a socket cannot be waited for


def _query(path: Path, command: str) -> str:
    """Send one command to a socket, and return the whole answer."""
    content = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            _connect(connection, path)
            connection.sendall(f"{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            while True:
                received = connection.recv(65_536)
                if not received:
                    break
                content += received
    except (FileNotFoundError, ConnectionRefusedError):
        message = f"no HAProxy answers at {path}: see `systemctl status haproxy`"
        raise NoAnswer(message) from None
    except PermissionError:
        message = f"{path} does not let this user in: be root, or a member of its group"
        raise NoAnswer(message) from None
    except OSError as error:
        message = f"HAProxy at {path} did not answer `{command}`: {error}"
        raise NoAnswer(message) from error
    answer = content.decode(errors="replace")
    if answer.startswith(("Permission denied", "Unknown command")):
        message = f"HAProxy at {path} did not execute `{command}`: {answer.splitlines()[0]}"
        raise NoAnswer(message)
    return answer
