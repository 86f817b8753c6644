"""The HAProxy of this machine: paths of files, the lock, and commands to the Runtime API."""

from __future__ import annotations

import os
import re
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, lock
from hosts.haproxy.errors import Failed, NoAnswer, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

STATE_FILE = Path("/var/lib/haproxy/server-state")
"""Default path of the state file, as in configurations that `denodo-ha haproxy render` writes.
HAProxy's user may own the file's folder."""
OWN_FOLDER = Path("/var/lib/denodo-haproxy")
"""Folder with the lock for commands of root; only root can change the folder."""

_ANSWER_SECONDS = 10
"""Time limit between two parts of an answer. HAProxy answers immediately; only the answer to the
command `reload` waits until the new worker has started."""
_WHOLE_ANSWER_SECONDS = 60
_ANSWER_BYTES = 64 * 1024 * 1024
_SHOW = re.compile(r"(@!\d+ )?show ")
"""Commands whose answer ends with an empty line (HAProxy, Management Guide, Unix Socket
commands)."""
_LOCK_SECONDS = 10
_OWN_LOCK_MODE = 0o640
_LOCK_MODE = 0o666
"""Permissions of the lock beside the state file; the umask of the process removes some of them."""
_ABSENT_SECONDS = 0.5
"""Project default: time that a query waits for a socket, which may be absent during a reload."""


@dataclass(frozen=True)
class LocalHaproxy:
    """HAProxy of this machine; the default paths are those that `denodo-ha haproxy render` writes.

    Attributes:
        run: folder of the sockets.
        state: file that keeps the states of the servers during a reload.
        config: HAProxy's configuration.
        program: HAProxy's executable.
    """

    run: Path = Path("/run/haproxy")
    state: Path = STATE_FILE
    config: Path = Path("/etc/haproxy/haproxy.cfg")
    program: str = "/usr/sbin/haproxy"

    def query(self, command: str) -> str:
        """Send a command to the serving worker; return the worker's answer.

        Raises:
            NoAnswer: The worker does not answer.
        """
        return _query(self.run / "admin.sock", command)

    def query_master(self, command: str) -> str:
        """Send a command to the master process, which knows all workers; return the answer.

        Raises:
            NoAnswer: The master does not answer.
        """
        return _query(self.run / "master.sock", command)

    def execute(self, *commands: str) -> None:
        """Execute commands on the serving worker, in one request.

        Raises:
            NoAnswer: The worker does not answer.
            Failed: The answer is not empty; only commands that succeed have an empty answer.
        """
        answer = " ".join(self.query("; ".join(commands)).split())
        if answer:
            message = f"HAProxy did not execute `{'; '.join(commands)}`: {answer}"
            raise Failed(message)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that every command takes before it changes nodes.

        Without the lock, two simultaneous drains could each rely on the node that the other drains.

        Raises:
            Refused: Another command holds the lock, or this user cannot write the lock file.
        """
        path = self._lock_file()
        note = f"process {os.getpid()}"
        with ExitStack() as held:
            try:
                if path.parent == OWN_FOLDER:
                    _prepare_own_lock(path, self.state.parent)
                elif self.state == STATE_FILE:
                    with suppress(FileNotFoundError, PermissionError):
                        # Commands of root use another lock (`_lock_file`); hold that lock too if
                        # this user can read it.
                        own = lock.acquire_existing(OWN_FOLDER / "lock", seconds=_LOCK_SECONDS)
                        held.enter_context(own)
                held.enter_context(
                    lock.acquire(path, note=note, mode=_LOCK_MODE, seconds=_LOCK_SECONDS)
                )
            except lock.LockedError as error:
                message = (
                    f"another command changes nodes on this host ({error}): wait until that command"
                    " has ended"
                )
                raise Refused(message) from None
            except OSError as error:
                message = f"the lock {path} cannot be written: {error.strerror}"
                if os.geteuid() != 0:
                    message += "; run the command as root"
                else:
                    message += f"; see `ls -la {path.parent}`"
                raise Refused(message) from error
            yield

    def _lock_file(self) -> Path:
        """Return the lock in `OWN_FOLDER` for root, else the lock beside the state file."""
        if self.state == STATE_FILE and os.geteuid() == 0:
            return OWN_FOLDER / "lock"
        return self.state.with_name(f"{self.state.name}.lock")


def _prepare_own_lock(path: Path, state_folder: Path) -> None:
    """Create the folder and the lock of root's commands.

    Users in the group of the state file's folder may read the lock file, and so hold the lock.

    Raises:
        OSError: The folder or the lock cannot be created, or another user can change them.
    """
    path.parent.mkdir(mode=0o755, exist_ok=True)
    with files.open_folder(path.parent, trusted=True) as folder:
        flags = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path.name, flags, _OWN_LOCK_MODE, dir_fd=folder)
        try:
            with suppress(OSError):
                os.fchown(descriptor, 0, state_folder.stat().st_gid)
            os.fchmod(descriptor, _OWN_LOCK_MODE)
        finally:
            os.close(descriptor)


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
            time.sleep(0.05)  # polling, because no event announces the new socket


def _query(path: Path, command: str) -> str:
    """Send one command to a socket of HAProxy, and return HAProxy's whole answer."""
    content = b""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            _connect(connection, path)
            connection.sendall(f"{command}\n".encode())
            connection.shutdown(socket.SHUT_WR)
            end = time.monotonic() + _WHOLE_ANSWER_SECONDS
            while True:
                received = connection.recv(65_536)
                if not received:
                    break
                content += received
                if len(content) > _ANSWER_BYTES or time.monotonic() > end:
                    message = f"HAProxy at {path} does not end its answer to `{command}`"
                    raise NoAnswer(message)
    except (FileNotFoundError, ConnectionRefusedError):
        message = f"no HAProxy answers at {path}: see `systemctl status haproxy`"
        raise NoAnswer(message) from None
    except PermissionError:
        message = (
            f"this user may not connect to HAProxy's socket {path}: run the command as root, or as"
            " a member of the socket's group"
        )
        raise NoAnswer(message) from None
    except OSError as error:
        message = f"HAProxy at {path} did not answer `{command}`: {error}"
        raise NoAnswer(message) from error
    answer = content.decode(errors="replace")
    if answer.startswith(("Permission denied", "Unknown command")):
        message = f"HAProxy at {path} did not execute `{command}`: {answer.splitlines()[0]}"
        raise NoAnswer(message)
    if _SHOW.match(command) and not answer.endswith("\n\n"):
        message = (
            f"HAProxy at {path} did not complete its answer to `{command}`, which ends with"
            f" {answer[-60:]!r}: run the command again"
        )
        raise NoAnswer(message)
    return answer
