"""Reader of systemd's journal: entries of given units after a position (cursor)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.common.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_ENTRIES = 10_000
"""Project default: maximum number of entries that one call of `read` returns. If there are more,
only the newest entries are returned."""
_SECONDS = 60


@dataclass(frozen=True)
class JournalEntry:
    """An entry of the journal.

    Attributes:
        unit: name of the unit that the entry is about.
        time_ms: milliseconds since 1970 (UTC).
        message: text of the entry.
        cursor: position of the entry in the journal.
    """

    unit: str
    time_ms: int
    message: str
    cursor: str


def read(
    units: Sequence[str], cursor: str, *, program: str = "journalctl"
) -> Iterator[JournalEntry]:
    """Yield the entries of units since a cursor, or since the boot if the cursor is empty.

    Args:
        units: names of units, which need not exist.
        cursor: cursor of the last entry that was read.
        program: name or path of `journalctl`.

    Raises:
        OSError: `journalctl` cannot be run, or fails.
    """
    # Without `--all`, journalctl writes null for long fields (journalctl(1)).
    command = [program, "--output=json", "--all", "--no-pager", "--quiet"]
    command += [f"--lines={MOST_ENTRIES}", f"--after-cursor={cursor}" if cursor else "--boot"]
    result = run([*command, *(f"--unit={unit}" for unit in units)], seconds=_SECONDS)
    if not result.succeeded:
        message = f"journalctl {result}"
        raise OSError(message)
    for line in result.output.splitlines():
        if (entry := read_entry(line)) is not None:
            yield entry


def read_entry(line: str) -> JournalEntry | None:
    """Return the entry in a line of `journalctl --output=json`, None if there is none."""
    try:
        data: Any = json_object.parse(line)
        return JournalEntry(
            # Messages of systemd itself about a unit have the unit's name in the field UNIT.
            str(data.get("UNIT") or data.get("_SYSTEMD_UNIT") or ""),
            int(data["__REALTIME_TIMESTAMP"]) // 1000,
            _text(data.get("MESSAGE")),
            str(data["__CURSOR"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None  # a line that is not an entry, for example of a journal that is being repaired


def _text(message: Any) -> str:
    """Return the text of a message, a list of bytes if the text is not printable."""
    if isinstance(message, list):
        return bytes(message).decode(errors="replace")
    return message if isinstance(message, str) else ""
