"""Deadline: the time by which all AWS calls in a block of code must end.

    with deadline.limited(10):
        sides = read_sides(aws, site)       # every call inside ends within 10 s

A deadline applies to its `with` block, and to every thread that `denodo_ha.aws.concurrency` starts
in that block. An inner deadline never expires after an outer one. `denodo_ha.aws.http_session`
derives the timeout of each attempt of a call from the deadline, so waiting for a region that does
not answer ends at the deadline.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

LOOK_S: Final = 8.0
"""Project default: seconds that a command waits for AWS's answers when it reads a state."""
LAST_LOOK_S: Final = 2.0
"""Project default: seconds for the last observation, which begins when a wait's timeout expires."""

_paused, _pauses = 0.0, 0
_ends: ContextVar[float | None] = ContextVar("denodo_ha_deadline", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Limit the time of all AWS calls in a block.

    Args:
        seconds: seconds from now; an outer deadline that expires earlier remains valid.
    """
    outer, ends = _ends.get(), _now() + seconds
    token = _ends.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _ends.reset(token)


@contextmanager
def extended(seconds: float) -> Iterator[None]:
    """Set a new deadline for a block, for example for an undo after the outer deadline expired."""
    token = _ends.set(_now() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def left(limit: float) -> float:
    """Return the seconds to the deadline, at most a limit; 0 or less after the deadline."""
    ends = _ends.get()
    return limit if ends is None else min(limit, ends - _now())


@contextmanager
def paused() -> Iterator[None]:
    """Stop the time of all deadlines, for example while a person types an MFA code.

    If a pause begins inside of another pause, the time of the inner pause is not counted twice.
    """
    global _paused, _pauses  # noqa: PLW0603 - pauses apply to all threads
    begin = time.monotonic()
    _pauses += 1
    try:
        yield
    finally:
        _pauses -= 1
        if not _pauses:
            _paused += time.monotonic() - begin


def _now() -> float:
    """Return the time of the deadlines: seconds since an arbitrary moment, without the pauses."""
    return time.monotonic() - _paused
