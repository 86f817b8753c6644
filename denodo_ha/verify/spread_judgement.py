"""How connections spread over nodes, and whether that is what the balancer promises.

A Network Load Balancer picks a node by a hash of the flow (AWS, "What is a Network Load
Balancer?"), so that connections from one client's many ports spread like thrown dice. A test of
dice can only say how seldom chance does the same; what is below `SELDOM` counts as a fault.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, comb, log
from typing import Final

from denodo_ha.verify.step import Step

SELDOM: Final = 0.001
"""Ours: a healthy balancer is called wrong in at most one of a thousand runs."""


@dataclass(frozen=True)
class Spread:
    """What was seen.

    Attributes:
        nodes: the nodes that should be seen.
        counts: connections by the node that answered, under its name or another mark.
        failed: connections that no node answered.
        sticky: whether one client should stay on one node.
    """

    nodes: Sequence[str]
    counts: Counter[str]
    failed: int = 0
    sticky: bool = False

    @property
    def total(self) -> int:
        """Connections that were answered."""
        return self.counts.total()

    def __str__(self) -> str:
        """`node1 11, node2 9`."""
        shown = [f"{name} {self.counts[name]}" for name in sorted({*self.nodes, *self.counts})]
        if self.failed:
            shown.append(f"{self.failed} failed")
        return ", ".join(shown)


def judge(step: Step, spread: Spread) -> None:
    """Say how connections spread, and what is wrong with that."""
    step.said = str(spread)
    if spread.failed:
        step.wrong("spread-failed", step.said)
        return
    if spread.sticky:
        if len(spread.counts) > 1:
            step.wrong("spread-sticky", step.said)
        return
    count = max(len(spread.nodes), len(spread.counts))
    if count < 2 or not spread.total:
        return
    missing = count - len(spread.counts)
    chance = unseen(count, spread.total) if missing else uneven(count, spread.counts)
    if missing and chance >= SELDOM:
        step.note("spread-few", f"{step.said}; {enough(count)} connections would tell")
    elif chance < SELDOM:
        code = "spread-missing" if missing else "spread-uneven"
        step.wrong(code, f"{step.said}; by chance that is seldom ({chance:.1g})")
    elif set(spread.counts) <= set(spread.nodes):
        step.said += ", as chance would have it"


def unseen(nodes: int, connections: int) -> float:
    """At most how likely it is that even chance leaves out a node."""
    return min(1.0, nodes * (1 - 1 / nodes) ** connections)


def uneven(nodes: int, counts: Counter[str]) -> float:
    """At most how likely it is that even chance gives some node a share as odd as the oddest."""
    total = counts.total()
    return min(1.0, 2 * nodes * min(_tail(total, nodes, seen) for seen in counts.values()))


def enough(nodes: int) -> int:
    """How many connections show every node but for a chance below `SELDOM`."""
    return 1 if nodes < 2 else ceil(log(SELDOM / nodes) / log(1 - 1 / nodes))


def _tail(total: int, nodes: int, seen: int) -> float:
    """How likely one node gets as few, or as many, whichever is less likely; exact."""
    ways = [comb(total, one) * (nodes - 1) ** (total - one) for one in range(total + 1)]
    few, many, every = sum(ways[: seen + 1]), sum(ways[seen:]), nodes**total
    return float(min(few, many) / every)
