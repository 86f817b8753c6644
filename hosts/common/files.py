"""Files that are replaced completely or not at all, also if the machine loses its power.

The new content is written to a temporary file in the same folder, flushed to the disk, and
renamed; then the folder is flushed. So the path always names the old file or the new one.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644

TEMPORARY_SUFFIX = ".denodo-node"
"""Suffix of temporary files, on every kind of host; deployed programs know the files by it."""


def write_atomically(
    path: Path, content: bytes, *, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Replace a file.

    Args:
        path: the file; a symbolic link is replaced itself.
        content: the new content.
        mode: permissions of the file.
        owner: ids of user and group; None: those of this process.

    Raises:
        OSError: The file cannot be written; the old file is unchanged.
    """
    # The name is constant, so that the next write replaces what a power cut leaves behind.
    temporary = path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, PRIVATE)
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
        temporary.replace(path)
    except BaseException:  # also after Ctrl-C, no temporary file is left
        temporary.unlink()
        raise
    flush_folder(path.parent)


def replace(path: Path, content: bytes, *, mode: int = PUBLIC, private: bool = False) -> None:
    """Replace a file, or the file that a symbolic link leads to, and keep its owner and mode.

    Args:
        path: the file.
        content: the new content.
        mode: permissions of a new file.
        private: remove all permissions except those of the owner.

    Raises:
        OSError: The file cannot be written; the old file is unchanged.
    """
    path = path.resolve()
    owner = None
    try:
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        owner = (status.st_uid, status.st_gid)
    except FileNotFoundError:
        pass
    write_atomically(path, content, mode=mode & PRIVATE if private else mode, owner=owner)


def remove(path: Path) -> None:
    """Remove a file, if it exists, and make the removal durable."""
    if path.exists():
        path.unlink()
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the renames and removals in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
