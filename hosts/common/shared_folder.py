"""Files in a folder that another user may change.

The owner of a folder can put a symbolic link, a FIFO, a device or a folder in place of any file, at
any moment. So a program with more rights opens the folder once and names its files relative to the
descriptor, follows no link, reads nothing but regular files of a limited size, and changes
permissions by descriptor.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hosts.common.files import PRIVATE, TEMPORARY_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

SIZE_LIMIT = 16 * 1024 * 1024
"""Maximum number of bytes that are read of a file."""


@contextmanager
def open_folder(path: Path, *, owners: Container[int]) -> Iterator[int]:
    """Open a folder; the block receives the descriptor.

    Args:
        path: the folder.
        owners: ids of the users of whom one must own the folder.

    Raises:
        OSError: The folder cannot be opened, is a link, belongs to another user, or can be changed
            by every user.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_uid not in owners:
            problem = f"the folder {path} belongs to user {status.st_uid}"
            raise OSError(errno.EPERM, problem, str(path))
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            problem = f"every user can change the folder {path}"
            raise OSError(errno.EPERM, problem, str(path))
        yield descriptor
    finally:
        os.close(descriptor)


def read_file(name: str, *, folder: int, limit: int = SIZE_LIMIT) -> bytes:
    """Return the content of a regular file.

    Args:
        name: name of the file in the folder.
        folder: descriptor of the folder.
        limit: maximum number of bytes.

    Raises:
        OSError: The file cannot be read, is not a regular file, or is too large.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", name)
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit} bytes", name)
    return content


def replace_file(name: str, content: bytes, *, folder: int, mode: int) -> None:
    """Replace a file completely or not at all; a link or a FIFO is replaced itself.

    Args:
        name: name of the file in the folder.
        content: the new content.
        folder: descriptor of the folder.
        mode: permissions of the file.

    Raises:
        OSError: The file cannot be written; the old file is unchanged.
    """
    _remove_temporary_files(name, folder)
    # A name that the owner of the folder cannot know before.
    temporary = f".{name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, PRIVATE, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        _remove_empty_folder(name, folder)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:  # also after Ctrl-C, no temporary file is left
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def _remove_temporary_files(name: str, folder: int) -> None:
    """Remove the temporary files of runs that were killed."""
    for entry in os.listdir(folder):
        if entry.startswith(f".{name}.") and entry.endswith(TEMPORARY_SUFFIX):
            with suppress(OSError):
                os.unlink(entry, dir_fd=folder)


def _remove_empty_folder(name: str, folder: int) -> None:
    """Remove an empty folder in place of the file, which could not be replaced by a file."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            os.rmdir(name, dir_fd=folder)
