"""Log files of Denodo's servers, read from the position at which the last reading ended.

Each server has a folder below `logs` of the installation (Denodo, "Log column details", and
"Configuring the Logging System"). A file is recognised by its inode: if log4j renames the file, the
rest of the file is still read, and sent under the file's first name.

The files belong to the Denodo user, who also runs this process: root never opens the files.
"""

from __future__ import annotations

import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hosts.common import files, json_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

READ_BYTES = 4 * 2**20
"""Project default: maximum number of bytes of each file that are read at once."""
BACKLOG_BYTES = 64 * 2**20
"""Project default: maximum number of unread bytes of a file. If there are more, only the end of the
file is sent."""
FIRST_BYTES = 64 * 2**10
"""Project default: number of bytes at the end of each file that the first reading on a node
sends."""
RECENT_SECONDS = 24 * 3600
"""Project default: age of a file above which the first reading on a node sends nothing of the
file."""

_SUFFIXES = (".log", ".out")
_STATEMENTS = ("vdp-queries", "vdp-requests")
"""Beginnings of names of log files with users' statements (Denodo, "Log column details")."""
_MOST_FILES = 200
_POSITIONS_LIMIT = 2**20


@dataclass(frozen=True)
class LogLines:
    """New lines of a file.

    Attributes:
        source: name of the server's folder.
        name: name of the file when it was first seen.
        lines: the lines, without line breaks.
    """

    source: str
    name: str
    lines: tuple[str, ...]


class LogFiles:
    """The log files of an installation, and the positions up to which they were sent.

    Args:
        folder: the folder `logs` of the installation.
        positions: the file with the positions.
        statements: whether to read files with the statements of users.
        now: the time in seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        positions: Path,
        *,
        statements: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._file = folder, positions
        self._statements, self._now = statements, now
        self._positions = self._load()
        self._is_first = not positions.exists()

    def read(self) -> Iterator[LogLines]:
        """Yield the new lines of each file.

        The position of a file is recorded when the caller requests the next lines, so that lines
        whose sending fails are read again.
        """
        known, seen = self._positions, set[str]()
        for folder in self._folders():
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name)[:_MOST_FILES]:
                    status = entry.stat(follow_symlinks=False)
                    key = f"{folder.name}/{status.st_ino}"
                    if not stat.S_ISREG(status.st_mode) or not self._is_read(entry.name, key):
                        continue
                    seen.add(key)
                    name, offset = known.get(key) or (entry.name, self._start(status))
                    # Read a file that is shorter than the recorded position from its start: it was
                    # emptied, or is a new file with the inode of a removed one.
                    offset = offset if offset <= status.st_size else 0
                    lines, end = _read_lines(folder / entry.name, offset)
                    if lines:
                        yield LogLines(folder.name, name, lines)
                    known[key] = (name, end)
        self._positions = {key: position for key, position in known.items() if key in seen}
        self._is_first = False
        self._save()

    def _folders(self) -> list[Path]:
        with suppress(OSError):
            return sorted(path for path in self._folder.iterdir() if path.is_dir())
        return []

    def _is_read(self, name: str, key: str) -> bool:
        if key in self._positions:
            return True
        has_statements = name.startswith(_STATEMENTS)
        return name.endswith(_SUFFIXES) and (self._statements or not has_statements)

    def _start(self, status: os.stat_result) -> int:
        """Return the position from which to read a file that was not read before."""
        if not self._is_first:
            return 0
        recent = self._now() - status.st_mtime < RECENT_SECONDS
        return max(status.st_size - FIRST_BYTES, 0) if recent else status.st_size

    def _load(self) -> dict[str, tuple[str, int]]:
        try:
            data: Any = json_object.parse(files.read(self._file, limit=_POSITIONS_LIMIT))
            return {str(key): (str(name), int(offset)) for key, (name, offset) in data.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # without positions, some lines are sent again

    def _save(self) -> None:
        text = json.dumps(self._positions, indent=1) + "\n"
        files.write_atomically(self._file, text.encode(), mode=files.PRIVATE)


def _read_lines(path: Path, offset: int) -> tuple[tuple[str, ...], int]:
    """Return the complete lines from an offset on, and the offset of the next line."""
    # Without O_NONBLOCK, opening a FIFO that has no writer would block.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return (), offset
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return (), offset
        skipped = ""
        if status.st_size - offset > BACKLOG_BYTES:
            skipped = f"({status.st_size - offset - READ_BYTES} bytes of this file are not sent)"
            offset = status.st_size - READ_BYTES
        file.seek(offset)
        content = file.read(READ_BYTES)
    end = content.rfind(b"\n") + 1
    if not end and len(content) == READ_BYTES:
        end = len(content)  # a line that is too long is sent in parts
    lines = content[:end].decode(errors="replace").split("\n")
    text = tuple(line for line in (skipped, *lines) if line)
    return text, offset + end
