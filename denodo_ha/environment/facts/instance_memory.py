"""How much memory an instance type has, and what of it is Virtual DataPort's heap.

Synth asks no account, so the memory is told by the type's name: families of one letter have a
fixed number of GiB for each virtual CPU, and sizes a fixed number of those (AWS, Amazon EC2
instance types: compute, general purpose and memory optimized). A family that does not follow
this is unknown, and its heap stays as the image has it.
"""

import re
from typing import Final

MIB_A_GIB: Final = 1024
HEAP_MOST_GIB: Final = 1024
"""Ours: whoever writes more has written MiB."""

_GIB_A_CPU = {"c": 2, "m": 4, "r": 8}
_CPUS = {"large": 2, "xlarge": 4}
_TYPE = re.compile(
    r"(?P<family>[cmr])(?P<generation>[0-9])[a-z]*(-flex)?\.(?P<count>[0-9]*)"
    r"(?P<size>large|xlarge)"
)
_OTHERS = ("c5n",)
"""Families with a rate of their own (c5n.xlarge has 10.5 GiB)."""

_OLDEST_GENERATION = 5
"""Before it, families have other sizes (m4.xlarge has 16 GiB, c4.xlarge 7.5)."""


def memory_gib(instance_type: str) -> int | None:
    """GiB of memory of an instance type, None where its name does not tell."""
    found = _TYPE.fullmatch(instance_type)
    if found is None or int(found["generation"]) < _OLDEST_GENERATION:
        return None
    if instance_type.startswith(tuple(f"{family}." for family in _OTHERS)):
        return None
    if found["count"] and found["size"] == "large":
        return None
    return _GIB_A_CPU[found["family"]] * _CPUS[found["size"]] * int(found["count"] or 1)


def heap_gib(instance_type: str) -> int | None:
    """GiB of Virtual DataPort's heap: half of the memory, where that is known.

    16 GB of memory are for 8 GB of heap (Denodo, Virtual DataPort 7.0 Installation Guide, sizing).
    """
    memory = memory_gib(instance_type)
    return memory // 2 if memory else None
