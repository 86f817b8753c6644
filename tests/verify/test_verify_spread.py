"""Conclusions of `verify --connections` from how connections spread over the nodes."""

from collections import Counter
from itertools import product
from typing import Any

import pytest

from denodo_ha.verify.connection_spread import (
    SIGNIFICANCE,
    Spread,
    chance_of_missing,
    chance_of_uneven,
    connections_needed,
    judge_spread,
)
from denodo_ha.verify.findings import Step

PAIR = ("node1", "node2")


def judged(counts: dict[str, int], nodes: tuple[str, ...] = PAIR, **more: Any) -> Step:
    step = Step("connections")
    judge_spread(step, Spread(nodes, Counter(counts), **more))
    return step


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({"node1": 11, "node2": 9}, ""),
        ({"node1": 2}, "spread-few"),
        ({"node1": 10}, "spread-few"),
        ({"node1": 11}, "spread-missing"),
        ({"node1": 45, "node2": 5}, "spread-uneven"),
        ({"node1": 15, "node2": 5}, ""),
        ({"node1": 3, "node2": 3, "another node": 3}, ""),
        ({}, ""),
    ],
)
def test_two_nodes(counts: dict[str, int], code: str) -> None:
    assert judged(counts).finding == code


@pytest.mark.parametrize(
    ("counts", "code"), [({"node1": 9}, ""), ({"node1": 8, "node2": 1}, "spread-sticky")]
)
def test_sticky(counts: dict[str, int], code: str) -> None:
    assert judged(counts, sticky=True).finding == code


def test_one_node() -> None:
    assert judged({"node1": 9}, ("node1",)).finding == ""


def test_failed() -> None:
    step = judged({"node1": 5, "node2": 4}, failed=1)
    assert step.finding == "spread-failed"
    assert step.seen == "node1 5, node2 4, 1 failed"


@pytest.mark.parametrize("nodes", [2, 3, 5])
def test_chances_are_not_below_the_exact_ones(nodes: int) -> None:
    """The chances of a missing node and of uneven counts are at least the exact probabilities.

    The test counts the exact probabilities over all ways in which six connections can spread over
    the nodes.
    """
    ways = [Counter(map(str, node)) for node in product(range(nodes), repeat=6)]
    missing = sum(len(one) < nodes for one in ways) / len(ways)
    assert missing <= chance_of_missing(nodes, 6) + 1e-12
    often = Counter(tuple(sorted(one.values())) for one in ways)
    chances = {
        seen: chance_of_uneven(
            nodes, Counter({str(node): count for node, count in enumerate(seen)})
        )
        for seen in often
        if len(seen) == nodes
    }
    for chance in chances.values():
        as_odd = sum(often[seen] for seen, other in chances.items() if other <= chance)
        assert as_odd / len(ways) <= chance


@pytest.mark.parametrize("nodes", [2, 3, 12])
def test_enough_is_enough(nodes: int) -> None:
    assert chance_of_missing(nodes, connections_needed(nodes)) <= SIGNIFICANCE + 1e-12
    assert chance_of_missing(nodes, connections_needed(nodes) - 1) > SIGNIFICANCE
