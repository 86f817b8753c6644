"""What a change has touched so far, so that a run that was killed can be undone by the next.

    begin ──▶ keep ──▶ (files are edited, servers started) ──▶ end
      │         │
      │         └─ the files' backups are all there
      └─ the servers may be stopped

A run that finds a journal puts the backups back and starts over: it never builds on half a
change.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.denodo import files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.denodo.system import System


class Journal:
    """The journal of the change under way, if there is one."""

    def __init__(self, system: System) -> None:
        self._file = system.folder / "journal.json"
        self._system = system

    @property
    def open(self) -> bool:
        """Whether a change is under way, or was when its run was killed."""
        return self._file.exists()

    @property
    def change(self) -> str:
        """The change under way: it is whole once the record of what is applied names it."""
        return str(self._read()["change"])

    def begin(self) -> str:
        """From here on the servers may be stopped; gives the change's id."""
        change = uuid.uuid4().hex
        self._write(change, [])
        return change

    def keep(self, change: str, paths: Iterable[Path]) -> None:
        """Back files up; from here on they may be changed."""
        kept = list(paths)
        for path in kept:
            files.back_up(path)
        self._write(change, kept)

    def undo(self) -> None:
        """Put back what was changed."""
        for path in self._read()["files"]:
            files.restore(Path(path))

    def end(self) -> None:
        """The change is whole, or undone."""
        files.remove(self._file)

    def _write(self, change: str, kept: Iterable[Path]) -> None:
        data = {"change": change, "at": self._system.time, "files": [str(path) for path in kept]}
        files.replace(self._file, json.dumps(data, indent=1).encode())

    def _read(self) -> dict[str, Any]:
        data = json.loads(self._file.read_text())
        assert isinstance(data, dict)
        return data
