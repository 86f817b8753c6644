"""Memory and virtual CPUs of instance types, and the size of Virtual DataPort's heap.

A synth does not call AWS, so the memory is derived from the name of the instance type: the families
c, m and r have a fixed number of GiB for each virtual CPU, and each size has a fixed number of
virtual CPUs (AWS, Amazon EC2 instance types: compute, general purpose and memory optimized). The
memory of other families is unknown, and the heap keeps the size that is set in the image.
"""

import re
from typing import Final

MIB_A_GIB: Final = 1024
HEAP_MOST_GIB: Final = 1024
"""Project limit of `denodo.heap_gib`: the author of a larger value probably meant MiB."""

_GIB_A_CPU = {"c": 2, "m": 4, "r": 8}
_CPUS = {"large": 2, "xlarge": 4}
_TYPE = re.compile(
    r"(?P<family>[cmr])(?P<generation>[0-9])[a-z]*(-flex)?\.(?P<count>[0-9]*)"
    r"(?P<size>large|xlarge)"
)
_OTHERS = ("c5n",)
"""Families whose ratio of memory to CPUs differs from the ratio of c, m and r (c5n.xlarge has 10.5
GiB)."""

_OLDEST_GENERATION = 5
"""Oldest generation whose memory can be derived. Older generations have other memory sizes
(m4.xlarge has 16 GiB, c4.xlarge 7.5)."""


def memory_gib(instance_type: str) -> int | None:
    """Return the memory of an instance type in GiB; None if the memory is unknown."""
    cpus = virtual_cpus(instance_type)
    if cpus is None or instance_type.startswith(tuple(f"{family}." for family in _OTHERS)):
        return None
    return _GIB_A_CPU[instance_type[0]] * cpus


def virtual_cpus(instance_type: str) -> int | None:
    """Return the number of virtual CPUs of an instance type; None if the number is unknown."""
    match = _TYPE.fullmatch(instance_type)
    if match is None or int(match["generation"]) < _OLDEST_GENERATION:
        return None
    if match["count"] and match["size"] == "large":
        return None
    return _CPUS[match["size"]] * int(match["count"] or 1)


def heap_gib(instance_type: str) -> int | None:
    """Return Virtual DataPort's heap in GiB: half of the memory, if the memory is known.

    Denodo recommends 16 GB of memory for a heap of 8 GB (Denodo, Virtual DataPort 7.0 Installation
    Guide, sizing).
    """
    memory = memory_gib(instance_type)
    return memory // 2 if memory else None
