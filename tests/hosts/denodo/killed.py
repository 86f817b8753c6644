"""Runs of the program in child processes that are killed at a chosen step.

A step is the creation, renaming or removal of a file, or the start of a program. Python calls audit
hooks before each step (PEP 578), so the program needs no code for these tests.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from hosts.common.errors import HostError
from hosts.denodo.apply import apply
from hosts.denodo.state import State
from hosts.denodo.system import System

_STEPS = (
    *("os.mkdir", "os.rmdir", "os.remove", "os.rename", "os.truncate", "os.symlink", "os.link"),
    *("os.chmod", "os.chown", "subprocess.Popen"),
)
KILLED = -signal.SIGKILL


def run(system: System, state: State, *, kill_at: int = 0) -> int:
    """Apply a state in a process that is killed before its n-th step; return its exit code."""
    return forked(lambda: apply(system, state), kill_at)


def forked(action: Callable[[], None], kill_at: int = 0) -> int:
    """Run an action in a process that is killed before its n-th step; return its exit code."""

    def child() -> int:
        if kill_at:
            _kill_at(kill_at)
        return _code(action)

    return _forked(child)


def steps(action: Callable[[], None]) -> int:
    """Run an action in a child process; return the number of the action's steps."""
    reading, writing = os.pipe()

    def child() -> int:
        counted = 0

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal counted
            counted += _is_step(event, arguments)

        sys.addaudithook(count)
        code = _code(action)
        os.write(writing, str(counted).encode())
        return code

    assert _forked(child) == 0
    os.close(writing)
    with os.fdopen(reading) as pipe:
        return int(pipe.read())


def _code(action: Callable[[], None]) -> int:
    try:
        action()
    except HostError as wrong:
        return wrong.code
    return 0


def _forked(do: Callable[[], int]) -> int:
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            code = do()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _kill_at(step: int) -> None:
    left = step

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if _is_step(event, arguments):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _is_step(event: str, arguments: tuple[Any, ...]) -> bool:
    return event in _STEPS or (event == "open" and _makes(arguments))


def _makes(arguments: tuple[Any, ...]) -> bool:
    """Return whether the audit event `open` is of an `os.open` (no mode) that creates a file."""
    _path, mode, flags = arguments
    return mode is None and bool(flags & os.O_CREAT)
