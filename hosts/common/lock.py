"""An exclusive lock on a file, which the kernel releases when the process ends for any reason."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_POLL_SECONDS = 0.1
_NOTE_LENGTH = 200
"""Maximum number of characters that are read of the note that the holder of a lock has written."""


class LockedError(Exception):
    """Another process holds the lock.

    Attributes:
        holder: the note of the process that holds the lock, empty if the note is not written yet.
    """

    def __init__(self, path: Path, holder: str) -> None:
        super().__init__(f"{path} is locked by {holder or 'another process'}")
        self.holder = holder


def acquire(path: Path, *, note: str, mode: int, seconds: float = 0) -> IO[str]:
    """Lock a file.

    Args:
        path: the file, which is created if it does not exist.
        note: text that describes the holder, for the error of other processes.
        mode: permissions of a new file.
        seconds: time to wait for a lock that another process holds.

    Returns:
        The open file, which holds the lock until the file is closed.

    Raises:
        LockedError: Another process holds the lock.
        OSError: The file cannot be opened, or is not a regular file.
    """
    file = _open(path, os.O_RDWR | os.O_CREAT, mode, "r+")
    try:
        _lock(file, path, seconds)
        file.truncate(0)
        file.write(note)
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def acquire_existing(path: Path, *, seconds: float = 0) -> IO[str]:
    """Lock an existing file, which this user may only read, without a note (see `acquire`)."""
    file = _open(path, os.O_RDONLY, 0, "r")
    try:
        _lock(file, path, seconds)
    except BaseException:
        file.close()
        raise
    return file


def _open(path: Path, flags: int, mode: int, purpose: str) -> IO[str]:
    # O_NOFOLLOW: `acquire` truncates the file, and a symbolic link could lead to another file.
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, mode)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "the path is not a regular file", str(path))
    return os.fdopen(descriptor, purpose, errors="replace")


def _lock(file: IO[str], path: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # noqa: PERF203 - each try may succeed
            if time.monotonic() >= end:
                raise LockedError(path, file.read(_NOTE_LENGTH).strip()) from None
            time.sleep(_POLL_SECONDS)  # polling, because a blocking flock has no time limit
        else:
            return
