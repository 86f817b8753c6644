"""The heap among a server's JVM options: all the others stay as they are."""

from __future__ import annotations

import re

_MOST = re.compile(r"(?<!\S)-Xmx(?P<size>\S+)")
_LEAST = re.compile(r"(?<!\S)-Xms(?P<size>\S+)")
_SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[kKmMgGtT]?)")
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def with_heap(options: str, mib: int) -> str:
    """JVM options with a heap of so many MiB at most.

    A least size that is more than that would keep Java from starting, and becomes the same.
    """
    most = [found["size"] for found in _MOST.finditer(options)]
    # Of an option that stands twice the last counts.
    if not most:
        options = f"-Xmx{mib}m {options}".rstrip()
    elif _bytes(most[-1]) != mib * 2**20:
        options = _MOST.sub(f"-Xmx{mib}m", options)
    least = [found["size"] for found in _LEAST.finditer(options)]
    if least and (_bytes(least[-1]) or 0) > mib * 2**20:
        options = _LEAST.sub(f"-Xms{mib}m", options)
    return options


def _bytes(size: str) -> int | None:
    """A size as Java reads it, None for what is none."""
    found = _SIZE.fullmatch(size)
    return int(found["number"]) * _BYTES[found["unit"].lower()] if found else None
