"""Make a process hang: stop it with SIGSTOP, and resume it when a block ends."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMEOUT_S = 60
STOPPED_OR_ENDED = frozenset("TtZX")


@contextmanager
def suspended(pid: int) -> Iterator[None]:
    """Stop every thread of a process until the block ends."""
    try:
        suspend(pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def suspend(pid: int) -> None:
    """Stop a process, and wait until the kernel shows each of its threads as stopped.

    `kill` returns earlier, and a server's other threads may still answer a request afterwards.

    Raises:
        TimeoutError: a thread still runs after a minute.
    """
    os.kill(pid, signal.SIGSTOP)
    limit = time.monotonic() + TIMEOUT_S
    while running := [task for task in Path(f"/proc/{pid}/task").iterdir() if _runs(task)]:
        if time.monotonic() > limit:
            msg = f"threads of process {pid} still run: {running}"
            raise TimeoutError(msg)
        time.sleep(0.01)


def _runs(task: Path) -> bool:
    """Return whether a thread is not stopped; in `stat`, the state follows the name in (...)."""
    try:
        stat = (task / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in STOPPED_OR_ENDED
