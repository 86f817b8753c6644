"""Detection of scripts by which an operator stops a server or changes Denodo.

Denodo's shutdown scripts and installers run for some seconds, during which the kernel lists their
processes. After such a script has run, the watchdog starts no server until all servers have been
started in another way. The same applies if the node program has run the script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.denodo.servers import processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STOPPED = "stopped"
"""File with the name of the last script that stopped or changed Denodo. The file remains when the
watchdog restarts."""

_STOP = re.compile(
    rb"(^|/)[a-z]+_shutdown\.sh$"
    # Names of Denodo's installers, updates and uninstallers, all of which are Java or shell
    # programs.
    rb"|(^|/)(un)?installer(_cli)?\.(sh|jar)$"
    rb"|(^|/)denodo[^/]*(install|update|hotfix)[^/]*\.(jar|sh)$",
    re.IGNORECASE,
)


@dataclass
class OperatorScripts:
    """Scripts that were run on this machine to stop servers or to change Denodo.

    Attributes:
        processes: folder in which the kernel lists processes.
        folder: folder of the watchdog, which only root can write.
        seen_at: time, by the clock of the watch loop, at which such a script was last seen running.
    """

    processes: Path
    folder: Path
    seen_at: float = float("-inf")

    @property
    def stopped(self) -> str:
        """Return the name of the last script run since all servers ran; empty if there was none."""
        try:
            return files.read(self.folder / STOPPED, limit=4096).decode(errors="replace")
        except OSError:
            return ""

    def observe(self, now: float) -> None:
        """Check once whether a script that stops or changes Denodo runs, and store its name."""
        stops = [argument for argument in self._arguments() if _STOP.search(argument)]
        if stops:
            self.seen_at = now
            name = stops[0].rpartition(b"/")[2].decode(errors="replace")
            if name != self.stopped:
                files.replace(self.folder / STOPPED, name.encode())

    def forget(self) -> None:
        """Remove the stored name of the script; the caller has found that the servers run again."""
        files.remove(self.folder / STOPPED)

    def _arguments(self) -> Iterator[bytes]:
        """Yield the program and the first three arguments of each process, one text at a time."""
        for _, arguments in processes.command_lines(self.processes):
            yield from arguments[:4]
