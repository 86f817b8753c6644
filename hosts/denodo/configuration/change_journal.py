"""Journal of a change: if a run is killed, the next run uses the journal to undo the change.

    begin ──▶ keep ──▶ (files are edited, servers started) ──▶ end
      │         │
      │         └─ from here, the backups of all files exist
      └─ from here, servers may be stopped

A run that finds a journal of an earlier run restores the backups and starts from the beginning,
unless the record of the applied state shows that the change is complete. No run continues a partial
change. Backups contain earlier passwords, so they are removed at the end of a change. A run that
finds no journal removes all backups that earlier runs have left.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, json_object
from hosts.denodo import log

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.denodo.system import System

_BACKUP_SUFFIX = ".before-denodo-node"


CONFIGURED = ("conf", "resources/apache-tomcat/conf")
"""Folders below DENODO_HOME in which the program and Denodo's scripts change files."""


class Journal:
    """The journal of the change in progress, if there is one.

    Args:
        system: the machine.
        home: DENODO_HOME, whose files a change backs up.
    """

    def __init__(self, system: System, home: Path) -> None:
        self._file = system.folder / "journal.json"
        self._system = system
        self._home = home

    @property
    def open(self) -> bool:
        """Return whether a change is in progress, or has been interrupted."""
        return os.path.lexists(self._file)

    @property
    def change(self) -> str:
        """Return the id of the change, empty if the journal cannot be read.

        The change is complete once the record of the applied state contains this id.
        """
        return self._read()[0]

    def begin(self) -> str:
        """Open the journal, before the servers are stopped; return the id of the new change."""
        change = uuid.uuid4().hex
        self._write(change, [])
        return change

    def keep(self, change: str, paths: Iterable[Path]) -> None:
        """Back up the files that a change will write, and list these files in the journal."""
        kept = list(paths)
        for path in kept:
            _back_up(path)
        self._write(change, kept)

    def undo(self) -> None:
        """Restore each file in the journal from the backup of this file."""
        for path in self._read()[1]:
            _restore(path)

    def end(self) -> None:
        """Remove the backups and the journal of a change that is complete or undone."""
        if self.open:
            for path in self._read()[1]:
                files.remove(_backup_of(path.resolve()))
        files.remove(self._file)

    def remove_leftovers(self) -> None:
        """Remove backups and temporary files of runs that were killed.

        The caller holds the lock of records (`Record.locked`), and no change is in progress.
        """
        for path in self._own_files():
            files.remove(path)

    def _own_files(self) -> list[Path]:
        folders = [self._home / folder for folder in CONFIGURED]
        found = [path for folder in folders for path in folder.rglob("*") if is_own_file(path)]
        return found + [path for path in self._system.folder.iterdir() if is_own_file(path)]

    def _write(self, change: str, kept: Iterable[Path]) -> None:
        data = {"change": change, "at": self._system.time, "files": [str(path) for path in kept]}
        files.replace(self._file, json.dumps(data, indent=1).encode())

    def _read(self) -> tuple[str, list[Path]]:
        """Return the id of the change in the journal, and the files that have backups."""
        try:
            data = json_object.parse(files.read(self._file, follow=False))
            return str(data["change"]), [Path(path) for path in data["files"]]
        except (OSError, ValueError, TypeError, KeyError):
            # All backups that exist belong to this change, because earlier runs removed their own
            # backups.
            log.warning(f"{self._file} cannot be read; all backups below {self._home} are restored")
            backups = [path for path in self._own_files() if path.name.endswith(_BACKUP_SUFFIX)]
            return "", [_original_of(path) for path in backups]


def is_own_file(path: Path) -> bool:
    """Return whether a file is a backup or a temporary file of this program."""
    return path.name.endswith((_BACKUP_SUFFIX, files.TEMPORARY_SUFFIX))


def _back_up(path: Path) -> None:
    """Copy a file to its backup, which gets the file's owner and mode."""
    path = path.resolve()
    status = path.stat()
    files.write_atomically(
        _backup_of(path),
        files.read(path),
        mode=status.st_mode & 0o7777,
        owner=(status.st_uid, status.st_gid),
    )


def _restore(path: Path) -> None:
    """Replace a file with its backup, if the backup still exists.

    Only rename the backup and write nothing, because the change may have failed on a full disk.
    """
    path = path.resolve()
    backup = _backup_of(path)
    if backup.exists():
        backup.replace(path)
        files.flush_folder(path.parent)


def _original_of(backup: Path) -> Path:
    return backup.with_name(backup.name[: -len(_BACKUP_SUFFIX)])


def _backup_of(path: Path) -> Path:
    return path.with_name(f"{path.name}{_BACKUP_SUFFIX}")
