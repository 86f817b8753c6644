"""The plan of an apply: the difference between Denodo's files and the desired state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.denodo.configuration import properties_file, secret_settings
from hosts.denodo.configuration.settings import settings
from hosts.denodo.errors import ImageError
from hosts.denodo.metadata import metadata_database

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hosts.denodo.configuration.settings import Setting
    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System


@dataclass(frozen=True)
class Plan:
    """The changes that an apply would make.

    Attributes:
        files: each file to write, with its content.
        changes: one line for each changed value.
        reasons: other reasons to restart the servers.
        recorded: whether the planned state is already recorded as the applied state.
        private: paths in `files` that only the file's owner may read.
    """

    files: Mapping[Path, bytes]
    changes: tuple[str, ...]
    reasons: tuple[str, ...]
    recorded: bool
    private: frozenset[Path] = frozenset()

    @property
    def restarts(self) -> bool:
        """Return whether the servers must be restarted."""
        return bool(self.files or self.reasons)

    @property
    def nothing(self) -> bool:
        """Return whether an apply would change and record nothing."""
        return self.recorded and not self.restarts

    def __str__(self) -> str:
        """Return the plan as text, with one line for each change."""
        if self.nothing:
            return "nothing to do"
        lines = [*self.changes, *self.reasons]
        if not self.restarts:
            lines.append(
                "no server reads the changed keys: the state is recorded without a restart"
            )
        return "\n".join(lines)


def plan(system: System, state: State, record: Record) -> Plan:
    """Compare a state with the files of the node.

    Raises:
        ImageError: A file is missing or cannot be read.
        StateError: A secret cannot be read.
    """
    contents: dict[Path, bytes] = {}
    changes: list[str] = []
    private: set[Path] = set()
    desired = (
        *settings(state, record.applied),
        *secret_settings.token(system, state),
        *metadata_database.settings(system, state, record),
    )
    for path, entries in _by_file(state, desired):
        before = _read(path)
        current = _values(path, before)
        edits: dict[str, str] = {}
        for entry in entries:
            key = entry.key(current)
            if key is None:
                continue
            value = entry.new_value(current.get(key))
            if current.get(key) == value:
                continue
            edits[key] = value
            if entry.secret:
                private.add(path)
            old = "(secret)" if entry.secret else current.get(key, "(not set)")
            new = "(secret)" if entry.secret else value
            changes.append(f"{path}: {key}: {old} becomes {new}")
        if edits:
            contents[path] = properties_file.edited(before, edits).encode(properties_file.ENCODING)
    for path, content in metadata_database.certificates(system, state):
        if not _contains(path, content):
            contents[path] = content
            changes.append(f"{path}: the certificates of the shared database change")
    applied = record.applied
    return Plan(
        files=contents,
        changes=tuple(changes),
        reasons=(*_reasons(state, applied), *metadata_database.reasons(system, state, record)),
        recorded=applied is not None and applied.hash == state.hash,
        private=frozenset(private),
    )


def _reasons(state: State, applied: State | None) -> Iterable[str]:
    if applied is None:
        yield "no state was applied before: the servers are started with this state"
    elif applied.restart_hash != state.restart_hash:
        yield "the servers are restarted with the new state"


def _by_file(state: State, desired: Iterable[Setting]) -> Iterable[tuple[Path, list[Setting]]]:
    by_file: dict[Path, list[Setting]] = {}
    for setting in desired:
        by_file.setdefault(state.home / setting.file, []).append(setting)
    # Leave out a missing file if each of its settings applies only to a key that exists already.
    return [
        (path, entries)
        for path, entries in by_file.items()
        if path.exists() or not all(entry.only_if_set for entry in entries)
    ]


def _read(path: Path) -> str:
    try:
        return files.read(path).decode(properties_file.ENCODING)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror}; is Denodo installed there?"
        raise ImageError(message) from None


def _contains(path: Path, content: bytes) -> bool:
    try:
        return files.read(path) == content
    except OSError:
        return False


def _values(path: Path, text: str) -> dict[str, str]:
    try:
        return properties_file.values(text)
    except properties_file.FormatError as error:
        message = f"{path}: {error}"
        raise ImageError(message) from None
