"""Deadline: the time until which the calls of a command may last.

    with deadline.limited(10):
        sides = read_sides(aws, site)       # every call inside ends within 10 s

A deadline holds for its block, in every thread that `denodo_ha.aws.concurrency` starts there. An
inner deadline never ends after an outer one. `denodo_ha.aws.http_session` derives the timeouts of
each attempt of a call from it, so a region that does not answer costs what is left, and no more.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

LOOK_S: Final = 8.0
"""Ours: seconds that a command may take to read a state, while a region does not answer."""
LAST_LOOK_S: Final = 2.0
"""Ours: seconds of the last look of a wait whose timeout has expired."""

_ends: ContextVar[float | None] = ContextVar("denodo_ha_deadline", default=None)


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Let every call of a block end within some seconds.

    Args:
        seconds: seconds from now; an outer deadline that ends before is kept.
    """
    outer, ends = _ends.get(), time.monotonic() + seconds
    token = _ends.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _ends.reset(token)


@contextmanager
def extended(seconds: float) -> Iterator[None]:
    """Give a block some seconds of its own, such as an undo after the deadline has expired."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def left(limit: float) -> float:
    """Return the seconds that are left, at most a limit; 0 or less if the deadline has expired."""
    ends = _ends.get()
    return limit if ends is None else min(limit, ends - time.monotonic())
