"""Java processes of one installation, as the kernel lists them (proc(5)).

Processes that cannot be read, because they belong to another user or have just ended, are left out.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common import listening_sockets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hosts.denodo.system import System


@dataclass(frozen=True)
class JavaProcess:
    """A process that runs Java, with the arguments of its command line."""

    pid: int
    arguments: tuple[str, ...]

    @property
    def is_web_container(self) -> bool:
        """Return whether the process is a Tomcat (Apache Tomcat, RUNNING.txt: `catalina.home`)."""
        return any("catalina" in argument for argument in self.arguments)


def of_home(system: System, home: Path) -> list[JavaProcess]:
    """Return the Java processes of an installation, whose folder may be a symbolic link."""
    folders = tuple({f"{folder}/" for folder in (home, _resolved(home))})
    return [
        process
        for process in _java(system)
        if any(folder in argument for argument in process.arguments for folder in folders)
    ]


def listening_on(system: System, home: Path, port: int) -> JavaProcess | None:
    """Return the Java process of an installation that listens on a port, None if unknown."""
    listening = listening_sockets.on_port(port, system.processes / "net")
    sockets = {f"socket:[{inode}]" for _, inode in listening}
    for process in of_home(system, home) if sockets else ():
        with suppress(OSError):
            for descriptor in (system.processes / str(process.pid) / "fd").iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in sockets:
                        return process
    return None


def age(system: System, pid: int) -> float:
    """Return the age of a process in seconds, infinite if the age is unknown."""
    try:
        # The program's name is in parentheses and may contain spaces, so split only the fields
        # after the name. Field 22 of the line, the start time, is item 20 of these fields.
        fields = (system.processes / str(pid) / "stat").read_text().rpartition(")")[2].split()
        uptime = float((system.processes / "uptime").read_text().split()[0])
        return uptime - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return float("inf")


def command_lines(processes: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the process id and the arguments of each process.

    Args:
        processes: folder in which the kernel lists processes.
    """
    with suppress(OSError):
        for name in filter(str.isdecimal, os.listdir(processes)):  # noqa: PTH208 - pathlib is slower
            # pathlib takes 50 % longer, and a machine has hundreds of processes.
            with suppress(OSError), open(f"{processes}/{name}/cmdline", "rb") as file:  # noqa: PTH123 - pathlib is slower
                yield int(name), file.read().split(b"\0")


def _java(system: System) -> Iterator[JavaProcess]:
    for pid, arguments in command_lines(system.processes):
        if arguments[0].rpartition(b"/")[2] == b"java":
            decoded = (argument.decode(errors="replace") for argument in arguments)
            yield JavaProcess(pid, tuple(decoded))


def _resolved(home: Path) -> Path:
    try:
        return home.resolve()
    except (OSError, RuntimeError):
        return home
