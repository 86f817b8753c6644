"""Files that are replaced whole or not at all, and that outlast a power cut.

A file is written beside its place, made durable, and renamed; the rename is made durable by
its folder. So at any moment the place holds the old file or the new one.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644

_BACKUP = ".before-denodo-node"
_BESIDE = ".denodo-node"


def replace(path: Path, data: bytes, *, mode: int = PUBLIC, private: bool = False) -> None:
    """Put data at a place; a file that stands there gives its owner and mode.

    Args:
        path: the place.
        data: the content.
        mode: the mode of a new file.
        private: let nobody but the owner read it, whatever the mode was.
    """
    path = path.resolve()
    _write(path, data, like=path, mode=mode, private=private)


def back_up(path: Path) -> Path:
    """Copy a file beside itself, with owner and mode; the folder of a backup has room for it."""
    path = path.resolve()
    copy = backup_of(path)
    _write(copy, path.read_bytes(), like=path, mode=PUBLIC)
    return copy


def restore(path: Path) -> None:
    """Put a file's backup back, if it was not put back already.

    By a rename alone: a full disk is one of the reasons to be here.
    """
    path = path.resolve()
    copy = backup_of(path)
    if copy.exists():
        copy.replace(path)
        _make_durable(path.parent)


def remove(path: Path) -> None:
    """Remove a file, if it is there."""
    if path.exists():
        path.unlink()
        _make_durable(path.parent)


def backup_of(path: Path) -> Path:
    """Where a file's backup lies."""
    return path.with_name(f"{path.name}{_BACKUP}")


def is_source(path: Path) -> bool:
    """Whether a file is somebody else's, and none that was put beside it here."""
    return not path.name.endswith((_BACKUP, _BESIDE))


def _write(path: Path, data: bytes, *, like: Path, mode: int, private: bool = False) -> None:
    # One name for one place: what a power cut left there is overwritten.
    beside = path.with_name(f".{path.name}{_BESIDE}")
    try:
        model = like.stat()
        mode = stat.S_IMODE(model.st_mode)
    except FileNotFoundError:
        model = None
    if private:
        mode &= PRIVATE
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(beside, flags, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            own = os.fstat(file.fileno())
            if model and (own.st_uid, own.st_gid) != (model.st_uid, model.st_gid):
                os.fchown(file.fileno(), model.st_uid, model.st_gid)
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink()
        raise
    _make_durable(path.parent)


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
