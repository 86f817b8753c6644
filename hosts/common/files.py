"""Files that are replaced completely or not at all, even if the machine loses power.

The new content is written to a temporary file in the same folder, flushed to the disk, and renamed;
then the folder is flushed. So the path always leads to the complete old file or the complete new
one.

A file is written through an open descriptor of its folder. So a user who renames the folder during
the write, or replaces the folder with a symbolic link, cannot redirect the write. Only regular
files up to a size limit are read: a FIFO would block the reader, and a device may have endless
content.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644

READ_LIMIT = 16 * 2**20
"""Maximum size in bytes of a file that is read."""

TEMPORARY_SUFFIX = ".denodo-node"
"""Suffix of the temporary files of all host programs. By this suffix, installed programs find
files that a killed run has left."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def read(path: Path, *, limit: int = READ_LIMIT, follow: bool = True) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        limit: size in bytes above which the file is refused.
        follow: read the file that a symbolic link leads to.

    Raises:
        OSError: The file cannot be read, is larger than the limit, or is not a regular file.
    """
    # Without O_NONBLOCK, opening a FIFO that has no writer would block.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    descriptor = os.open(path, flags)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "the path is not a regular file", str(path))
        content = bytearray()
        while chunk := os.read(descriptor, min(2**20, limit + 1 - len(content))):
            content += chunk
            if len(content) > limit:
                raise OSError(errno.EFBIG, f"the file is larger than {limit} bytes", str(path))
        return bytes(content)
    finally:
        os.close(descriptor)


@contextmanager
def open_folder(path: Path, *, trusted: bool = False) -> Iterator[int]:
    """Open a folder; yield its descriptor, for the parameter `dir_fd` of functions in `os`.

    Args:
        path: the folder; symbolic links in the path are resolved first.
        trusted: if this process is root, refuse the folder if another user can replace its
            entries, or those of a folder above it.

    Raises:
        OSError: The folder cannot be opened.
        PermissionError: Another user can replace the folder or its entries.
    """
    resolved = path.resolve()
    descriptor = os.open(resolved.anchor, _FOLDER)
    try:
        reached = resolved.__class__(resolved.anchor)
        if trusted:
            _check_owner(descriptor, reached)
        for name in resolved.parts[1:]:
            parent, descriptor = descriptor, os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(parent)
            reached /= name
            if trusted:
                _check_owner(descriptor, reached)
        yield descriptor
    finally:
        os.close(descriptor)


def _check_owner(descriptor: int, path: Path) -> None:
    """Refuse a folder whose entries a user other than root can replace."""
    if os.geteuid() != 0:
        return
    status = os.fstat(descriptor)
    others = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid)
    # In a sticky folder such as /tmp, only the owner of an entry can replace the entry.
    if status.st_uid or (others and not status.st_mode & stat.S_ISVTX):
        message = (
            "users other than root can write in the folder, so root does not write files in the"
            f" folder; run `chown root:root {path}; chmod go-w {path}`"
        )
        raise PermissionError(errno.EPERM, message, str(path))


def write_atomically(
    path: Path,
    content: bytes,
    *,
    mode: int,
    owner: tuple[int, int] | None = None,
    trusted: bool = False,
) -> None:
    """Replace a file.

    Args:
        path: the file; if it is a symbolic link, the link is replaced, not its target.
        content: the new content.
        mode: permissions of the file.
        owner: ids of user and group; None: the user and group of this process.
        trusted: refuse a folder whose entries another user can replace (`open_folder`).

    Raises:
        OSError: The file cannot be written; the old file is unchanged.
    """
    # The temporary name is constant: the next write replaces a file left by a power failure.
    temporary = f".{path.name}{TEMPORARY_SUFFIX}"
    with open_folder(path.parent, trusted=trusted) as folder:
        _remove(path.with_name(temporary), temporary, folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, PRIVATE, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                status = os.fstat(file.fileno())
                if owner is not None and owner != (status.st_uid, status.st_gid):
                    os.fchown(file.fileno(), *owner)
                    os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.rename(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:  # remove the temporary file, even after Ctrl-C
            os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)


def replace(
    path: Path,
    content: bytes,
    *,
    mode: int = PUBLIC,
    private: bool = False,
    trusted: bool = False,
) -> None:
    """Replace a file, or the target of a symbolic link, and keep the file's owner and mode.

    Args:
        path: the file.
        content: the new content.
        mode: permissions of a new file.
        private: remove all permissions except those of the owner.
        trusted: refuse a folder whose entries another user can replace (`open_folder`).

    Raises:
        OSError: The file cannot be written; the old file is unchanged.
    """
    path = path.resolve()
    owner = None
    try:
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            mode = stat.S_IMODE(status.st_mode)
            owner = (status.st_uid, status.st_gid)
    except FileNotFoundError:
        pass
    mode = mode & PRIVATE if private else mode
    write_atomically(path, content, mode=mode, owner=owner, trusted=trusted)


def remove(path: Path) -> None:
    """Remove a file, a symbolic link or a folder, if it exists, and make the removal durable."""
    if not os.path.lexists(path):
        return
    with open_folder(path.parent) as folder:
        _remove(path, path.name, folder)
        os.fsync(folder)


def _remove(path: Path, name: str, folder: int) -> None:
    """Remove a file, link or subfolder `name` from an open folder, if the entry exists."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(name, dir_fd=folder)


def flush_folder(folder: Path) -> None:
    """Make the renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
