"""The journal of a machine: a line of JSON for each line that a unit writes."""

import json
import threading
import time
from pathlib import Path
from typing import IO

_MOST_BYTES = 4 * 1024 * 1024
"""Project default: size from which on a boot drops the older half of the journal."""


class Journal:
    """The journal of a machine, in a file."""

    def __init__(self, file: Path) -> None:
        self._file, self._lock = file, threading.Lock()
        self._number = time.time_ns()

    def shorten(self) -> None:
        """Drop the older half of a large journal."""
        if self._file.exists() and self._file.stat().st_size > _MOST_BYTES:
            lines = self._file.read_text().splitlines(keepends=True)
            self._file.write_text("".join(lines[len(lines) // 2 :]))

    def add(self, unit: str, message: str, invocation: str = "") -> None:
        """Add an entry."""
        with self._lock, self._file.open("a") as file:
            self._number += 1
            entry = {
                "_SYSTEMD_UNIT": unit,
                "_SYSTEMD_INVOCATION_ID": invocation,
                "__REALTIME_TIMESTAMP": str(time.time_ns() // 1000),
                "__CURSOR": str(self._number),
                "MESSAGE": message,
            }
            file.write(json.dumps(entry) + "\n")

    def follow(self, unit: str, invocation: str, output: IO[bytes]) -> None:
        """Add the lines of a unit's output to the journal, until the output ends."""
        with output:
            for line in output:
                self.add(unit, line.decode(errors="replace").rstrip("\n"), invocation)

    def read(
        self,
        *,
        units: tuple[str, ...] = (),
        after: str = "",
        invocation: str = "",
        most: int | None = None,
    ) -> list[dict[str, str]]:
        """Return entries, oldest first.

        Args:
            units: only entries of these units.
            after: only entries after this cursor.
            invocation: only entries of this run of a unit.
            most: number of entries at most, the newest ones; None for all.
        """
        if not self._file.exists():
            return []
        entries: list[dict[str, str]] = [
            json.loads(line) for line in self._file.read_text().splitlines()
        ]
        chosen = [
            entry
            for entry in entries
            if (not units or entry["_SYSTEMD_UNIT"] in units)
            and (not after or int(entry["__CURSOR"]) > int(after))
            and (not invocation or entry["_SYSTEMD_INVOCATION_ID"] == invocation)
        ]
        return chosen if most is None else chosen[max(0, len(chosen) - most) :]
