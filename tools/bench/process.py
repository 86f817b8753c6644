"""CPU and wall-clock seconds of processes, including their children."""

import os
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 600  # seconds


class BenchError(Exception):
    """Error that prevents a measurement; its message is for the user."""


@dataclass(frozen=True)
class Run:
    """Measurement of a process that has ended.

    Attributes:
        wall: wall-clock seconds.
        cpu: CPU seconds on all cores together.
        stderr: the process's standard error.
    """

    wall: float
    cpu: float
    stderr: str


def run(command: Sequence[str], extra: Mapping[str, str]) -> Run:
    """Run a command with additional environment variables; fail if the command fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | extra,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        message = f"`{' '.join(command)}` failed with status {done.returncode}\n{done.stderr}"
        raise BenchError(message)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, done.stderr)


def by_turns(times: int, *processes: Callable[[], Run]) -> list[list[Run]]:
    """Return measured runs of several processes, after one warm-up run of each.

    The processes run in turn, so that changes of the machine's speed affect all processes equally.
    """
    for process in processes:
        process()
    turns = [[process() for process in processes] for _ in range(times)]
    return [list(runs) for runs in zip(*turns, strict=True)]


def median(runs: Sequence[Run], of: Callable[[Run], float]) -> float:
    """Return the median over the runs of the number that `of` returns for a run."""
    return statistics.median(of(run) for run in runs)
