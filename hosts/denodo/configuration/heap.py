"""Heap sizes in the JVM options of a server, in every spelling that Java accepts.

Sources: java(1), `-Xmx`, `-Xms`; OpenJDK, launcher, `java.c`, which translates `-mx` and `-ms`;
HotSpot, `-XX:MaxHeapSize`, `-XX:InitialHeapSize`. If a size is given several times, Java uses the
last option, whatever its spelling. Files of Denodo 7.0 have `-mx1024m`, those of 8.0 `-Xmx4096m`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAXIMUM = re.compile(r"(?<!\S)(?:-Xmx|-mx(?=[0-9])|-XX:MaxHeapSize=)(?P<size>\S+)")
_INITIAL = re.compile(r"(?<!\S)(?:-Xms|-ms(?=[0-9])|-XX:InitialHeapSize=)(?P<size>\S+)")
_SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[kKmMgGtT]?)")
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def with_heap(options: str, mib: int) -> str:
    """Return JVM options that set a maximum heap of `mib` once; other options are unchanged.

    Java does not start if the initial heap is larger than the maximum, so a larger initial heap is
    lowered to the maximum.
    """
    maximum = [match["size"] for match in _MAXIMUM.finditer(options)]
    if not maximum:
        options = f"-Xmx{mib}m {options}".rstrip()
    elif len(maximum) > 1 or _bytes(maximum[0]) != mib * 2**20:
        options = _with_one(_MAXIMUM, options, f"-Xmx{mib}m")
    initial = [match["size"] for match in _INITIAL.finditer(options)]
    if initial and (_bytes(initial[-1]) or 0) > mib * 2**20:
        options = _with_one(_INITIAL, options, f"-Xms{mib}m")
    return options


def maximum_bytes(arguments: Iterable[str]) -> int | None:
    """Return the maximum heap, in bytes, in Java's arguments; None if no argument sets it."""
    sizes = [match["size"] for match in _MAXIMUM.finditer(" ".join(arguments))]
    return _bytes(sizes[-1]) if sizes else None


def _with_one(pattern: re.Pattern[str], options: str, option: str) -> str:
    """Return options with `option` in place of a pattern's first match; remove further matches."""
    first = pattern.search(options)
    assert first is not None
    rest = re.sub(pattern.pattern + r"[ \t]*", "", options[first.end() :])
    return f"{options[: first.start()]}{option}{rest}".rstrip()


def _bytes(size: str) -> int | None:
    """Return the bytes of a size such as `4g`, None for a size that Java refuses."""
    match = _SIZE.fullmatch(size)
    return int(match["number"]) * _BYTES[match["unit"].lower()] if match else None
