"""Recovery of instances whose host fails, by instance type.

Simplified automatic recovery is on for every instance of a supported type. For some other types, an
alarm with the action "recover" does the same. In both cases EC2 moves the instance to another host,
which is a reboot for the instance: the instance keeps its id, addresses and volumes.

Sources: AWS, EC2 User Guide, "Configure simplified automatic recovery on an Amazon EC2 instance"
and "Configure CloudWatch action based recovery on an EC2 instance".
"""

import re
from enum import StrEnum
from typing import Final


class Recovery(StrEnum):
    """Ways in which EC2 recovers an instance whose host fails."""

    AUTOMATIC = "automatic"
    ALARM = "alarm"
    NONE = "none"


_FAMILIES: Final = frozenset(
    (
        *("a1", "m3", "m4", "m5", "m5a", "m5n", "m5zn", "m6a", "m6g", "m6i", "m6in", "m7a", "m7g"),
        *("m7i", "m7i-flex", "m8a", "m8azn", "m8g", "m8gb", "m8gn", "m8i", "m8i-flex", "t1", "t2"),
        *("t3", "t3a", "t4g", "c3", "c4", "c5", "c5a", "c5n", "c6a", "c6g", "c6gn", "c6i", "c6in"),
        *("c7a", "c7g", "c7gn", "c7i", "c7i-flex", "c8a", "c8g", "c8gb", "c8gn", "c8i"),
        *("c8i-flex", "r3", "r4", "r5", "r5a", "r5b", "r5n", "r6a", "r6g", "r6i", "r6in", "r7a"),
        *("r7g", "r7i", "r7iz", "r8a", "r8g", "r8gb", "r8gn", "r8i", "r8i-flex", "x1", "x1e"),
        *("x2iezn", "x8g", "x8i", "g3", "g5g", "inf1", "p3", "vt1", "hpc6a", "hpc7a", "hpc7g"),
        "hpc8a",
    )
)
"""Families with simplified automatic recovery, except in metal sizes, which need an alarm."""
_HIGH_MEMORY: Final = re.compile(r"u-[0-9]+tb1|u7i(?:n|nh)?-[0-9]+tb")
_ALARM_FAMILIES: Final = frozenset({"x2idn", "x2iedn"})
"""Families with instance store volumes for which an alarm can recover the instance."""


def recovery_of(instance_type: str) -> Recovery:
    """Return how EC2 recovers an instance of a type."""
    family, _, size = instance_type.partition(".")
    if family in _ALARM_FAMILIES:
        return Recovery.ALARM
    if family in _FAMILIES or _HIGH_MEMORY.fullmatch(family):
        return Recovery.ALARM if size.startswith("metal") else Recovery.AUTOMATIC
    return Recovery.NONE
