"""Tests wait here for a condition or a line of a process's output, for at most two minutes."""

import time
from collections.abc import Callable
from typing import IO

TIMEOUT_S = 120.0


def until(holds: Callable[[], bool], every: float = 0.02) -> None:
    """Wait until a condition holds.

    Args:
        holds: the condition.
        every: seconds between two checks.
    """
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline, "the condition does not hold after two minutes"
        time.sleep(every)


def read_until(stream: IO[str] | None, text: str) -> list[str]:
    """Read and return the lines of a process, up to the first line that contains a text.

    Raises:
        AssertionError: The process closed its output, for example because it ended.
    """
    assert stream is not None
    lines: list[str] = []
    for line in iter(stream.readline, ""):
        lines.append(line)
        if text in line:
            return lines
    message = f"no line of the output contains {text!r}: {lines}"
    raise AssertionError(message)
