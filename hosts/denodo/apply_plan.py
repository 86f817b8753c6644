"""What an apply would change: the files as they are, against what the state says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.denodo import metadata_database, properties_file, secret_settings
from hosts.denodo import settings as wanted
from hosts.denodo.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hosts.denodo.record import Record
    from hosts.denodo.settings import Setting
    from hosts.denodo.state import State
    from hosts.denodo.system import System


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        files: each file to write, with its content.
        changes: what changes in them, for people.
        reasons: why else the servers must be restarted.
        private: of the files, those that others than their owner must not read.
        recorded: whether the state is the one that was applied last.
    """

    files: Mapping[Path, bytes]
    changes: tuple[str, ...]
    reasons: tuple[str, ...]
    recorded: bool
    private: frozenset[Path] = frozenset()

    @property
    def restarts(self) -> bool:
        """Whether the servers must be restarted."""
        return bool(self.files or self.reasons)

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to do."""
        return self.recorded and not self.restarts

    def __str__(self) -> str:
        """A line for each change."""
        if self.nothing:
            return "nothing to do"
        lines = [*self.changes, *self.reasons]
        if not self.restarts:
            lines.append("no server reads what is new: it is recorded, and nothing restarts")
        return "\n".join(lines)


def plan(system: System, state: State, record: Record) -> Plan:
    """Compare a state with what is there.

    Raises:
        ImageError: a file is missing or cannot be read.
    """
    contents: dict[Path, bytes] = {}
    changes: list[str] = []
    private: set[Path] = set()
    asked = (
        *wanted.settings(state),
        *secret_settings.token(system, state),
        *metadata_database.settings(system, state, record),
    )
    for path, entries in _by_file(state, asked):
        before = _read(path)
        standing = _values(path, before)
        edits: dict[str, str] = {}
        for entry in entries:
            key = entry.key(standing)
            if key is None:
                continue
            value = entry.wanted(standing.get(key))
            if standing.get(key) != value:
                edits[key] = value
                if entry.secret:
                    private.add(path)
                shown = "(secret)" if entry.secret else value
                old = "(secret)" if entry.secret else standing.get(key, "(not set)")
                changes.append(f"{path}: {key}: {old} becomes {shown}")
        if edits:
            contents[path] = properties_file.edited(before, edits).encode(properties_file.ENCODING)
    for path, data in metadata_database.certificates(system, state):
        if not path.exists() or path.read_bytes() != data:
            contents[path] = data
            changes.append(f"{path}: other certificates of the shared database")
    applied = record.applied
    return Plan(
        files=contents,
        changes=tuple(changes),
        reasons=(*_reasons(state, applied), *metadata_database.reasons(system, state, record)),
        private=frozenset(private),
        recorded=applied is not None and applied.hash == state.hash,
    )


def _reasons(state: State, applied: State | None) -> Iterable[str]:
    if applied is None:
        yield "nothing was applied here before: the servers are started with this state"
    elif applied.restart_hash != state.restart_hash:
        yield "the servers are restarted with the new state"


def _by_file(state: State, settings: Iterable[Setting]) -> Iterable[tuple[Path, list[Setting]]]:
    found: dict[Path, list[Setting]] = {}
    for setting in settings:
        found.setdefault(state.home / setting.file, []).append(setting)
    # A file is left alone, and need not be there, if all that is wanted is what it has anyway.
    return [
        (path, entries)
        for path, entries in found.items()
        if path.exists() or not all(entry.only_if_there for entry in entries)
    ]


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(properties_file.ENCODING)
    except OSError as wrong:
        message = f"{path} cannot be read: {wrong.strerror}; is Denodo installed there?"
        raise ImageError(message) from None


def _values(path: Path, text: str) -> dict[str, str]:
    try:
        return properties_file.values(text)
    except properties_file.FormatError as wrong:
        message = f"{path}: {wrong}"
        raise ImageError(message) from None
