"""Detection of scripts by which an operator stops a server or changes Denodo.

Denodo's shutdown scripts and installers run for seconds, in which the kernel lists their processes.
The watchdog does not start servers that such a script has stopped, until they run again. This also
applies if the node program has run the script, because it uses the same scripts.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STOPPED = "stopped"
"""File with the name of the last such script, which a restart of the watchdog does not lose."""

_STOP = re.compile(
    rb"(^|/)[a-z]+_shutdown\.sh$"
    # Names of Denodo's installers, updates and uninstaller; all of them are Java or shell programs.
    rb"|(^|/)(un)?installer(_cli)?\.(sh|jar)$"
    rb"|(^|/)denodo[^/]*(install|update|hotfix)[^/]*\.(jar|sh)$",
    re.IGNORECASE,
)


@dataclass
class OperatorScripts:
    """Scripts that were run on this machine to stop servers or to change Denodo.

    Attributes:
        processes: folder in which the kernel lists processes.
        folder: folder of the watchdog that only root can write.
        seen_at: when such a process was last seen, by the clock of the loop.
    """

    processes: Path
    folder: Path
    seen_at: float = float("-inf")

    @property
    def stopped(self) -> str:
        """Return the script that was run since the servers last ran, empty if there was none."""
        try:
            return files.read(self.folder / STOPPED, limit=4096).decode(errors="replace")
        except OSError:
            return ""

    def observe(self, now: float) -> None:
        """Check once whether such a script runs, and store its name."""
        stops = [argument for argument in self._arguments() if _STOP.search(argument)]
        if stops:
            self.seen_at = now
            name = stops[0].rpartition(b"/")[2].decode(errors="replace")
            if name != self.stopped:
                files.replace(self.folder / STOPPED, name.encode())

    def forget(self) -> None:
        """Remove the stored name, because the servers run again."""
        files.remove(self.folder / STOPPED)

    def _arguments(self) -> Iterator[bytes]:
        """Yield the program and the first arguments of each process."""
        for line in self.processes.glob("[0-9]*/cmdline"):
            with suppress(OSError):  # the process has ended
                yield from line.read_bytes().split(b"\0")[:4]
