"""The processes of a machine: all processes of this system below the machine's child process."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LIST_S = 60


@dataclass(frozen=True)
class Process:
    """A process: its id, the id of its parent, and its command line."""

    pid: int
    parent: int
    arguments: tuple[str, ...]

    @property
    def is_denodo(self) -> bool:
        """Return whether the process is of a Denodo server: `java`, or a stand-in's PostgreSQL."""
        program = self.arguments[0] if self.arguments else ""
        return program == "java" or program.endswith("/postgres") or program[:9] == "postgres:"

    @property
    def is_stand_in(self) -> bool:
        """Return whether the process is a stand-in for a Denodo server.

        A stand-in may have real programs as child processes, such as Java; these programs are not
        stand-ins.
        """
        return self.is_denodo and "serve" in self.arguments


def below(pid: int) -> list[Process]:
    """Return a process and all processes below it, parents first."""
    processes = list(_all())
    chosen = [item for item in processes if item.pid == pid]
    for known in chosen:
        chosen += [item for item in processes if item.parent == known.pid]
    return chosen


def of_folder(folder: Path) -> list[Process]:
    """Return the processes whose program is below a folder.

    Servers of Denodo count if any of their arguments is below the folder.
    """
    below = f"{folder}/"
    return [
        item
        for item in _all()
        if (item.arguments and item.arguments[0].startswith(below))
        or (item.is_denodo and any(word.startswith(below) for word in item.arguments))
    ]


def send(processes: list[Process], number: signal.Signals) -> None:
    """Send a signal to processes; ignore processes that have ended."""
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _all() -> Iterator[Process]:
    if not Path("/proc/self").exists():
        yield from _listed()
        return
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            # The program's name is in parentheses and may contain spaces (proc_pid_stat(5)).
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            yield Process(int(folder.name), int(fields[1]), tuple(words[:-1]))


def _listed() -> Iterator[Process]:
    command = ["ps", "-axo", "pid=,ppid=,command="]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIST_S, check=True)
    for line in done.stdout.splitlines():
        pid, parent, *words = line.split()
        yield Process(int(pid), int(parent), tuple(words))
