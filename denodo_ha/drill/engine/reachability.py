"""Whether new connections get through."""

from collections.abc import Iterable
from enum import Enum


class Reach(Enum):
    """How many of the new connections to a port get through."""

    ALL = "all"
    SOME = "some"
    NONE = "none"
    UNKNOWN = "unknown"


def combined(parts: Iterable[Reach]) -> Reach:
    """What comes of several ways, of which a connection takes any; none without a way."""
    first, mixed, unknown = None, False, False
    for part in parts:
        first = first or part
        mixed |= part is not first
        unknown |= part is Reach.UNKNOWN
    if unknown and mixed:
        return Reach.UNKNOWN
    return Reach.SOME if mixed else first or Reach.NONE


def chained(first: Reach, second: Reach) -> Reach:
    """What comes of a connection that needs a second one."""
    for worst in (Reach.NONE, Reach.UNKNOWN, Reach.SOME):
        if worst in (first, second):
            return worst
    return Reach.ALL
