"""The journal of a change, by which the next run undoes a change whose run was killed.

    begin ──▶ keep ──▶ (files are edited, servers started) ──▶ end
      │         │
      │         └─ the backups of all files exist
      └─ the servers may be stopped

A run that finds a journal restores the backups and starts again: no run continues a partial
change.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.common import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.denodo.system import System

_BACKUP_SUFFIX = ".before-denodo-node"


class Journal:
    """The journal of the change in progress, if there is one."""

    def __init__(self, system: System) -> None:
        self._file = system.folder / "journal.json"
        self._system = system

    @property
    def open(self) -> bool:
        """Return whether a change is in progress, or was when its run was killed."""
        return self._file.exists()

    @property
    def change(self) -> str:
        """Return the id of the change; it is complete once the record of the applied state has it.

        Raises:
            OSError: No change is in progress.
        """
        return str(self._read()["change"])

    def begin(self) -> str:
        """Open the journal, before the servers are stopped; return the id of the new change."""
        change = uuid.uuid4().hex
        self._write(change, [])
        return change

    def keep(self, change: str, paths: Iterable[Path]) -> None:
        """Back up files, before they are changed."""
        kept = list(paths)
        for path in kept:
            _back_up(path)
        self._write(change, kept)

    def undo(self) -> None:
        """Restore all files that were backed up."""
        for path in self._read()["files"]:
            _restore(Path(path))

    def end(self) -> None:
        """Close the journal: the change is complete, or undone."""
        files.remove(self._file)

    def _write(self, change: str, kept: Iterable[Path]) -> None:
        data = {"change": change, "at": self._system.time, "files": [str(path) for path in kept]}
        files.replace(self._file, json.dumps(data, indent=1).encode())

    def _read(self) -> dict[str, Any]:
        data = json.loads(self._file.read_text())
        assert isinstance(data, dict)
        return data


def is_own_file(path: Path) -> bool:
    """Return whether a file is a backup or a temporary file of this program."""
    return path.name.endswith((_BACKUP_SUFFIX, files.TEMPORARY_SUFFIX))


def _back_up(path: Path) -> None:
    """Copy a file to its backup, with owner and mode."""
    path = path.resolve()
    status = path.stat()
    files.write_atomically(
        _backup_of(path),
        path.read_bytes(),
        mode=status.st_mode & 0o7777,
        owner=(status.st_uid, status.st_gid),
    )


def _restore(path: Path) -> None:
    """Rename the backup of a file to the file, if the backup still exists.

    Nothing is written, because a full disk may be the reason of the restore.
    """
    path = path.resolve()
    backup = _backup_of(path)
    if backup.exists():
        backup.replace(path)
        files.flush_folder(path.parent)


def _backup_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{_BACKUP_SUFFIX}")
