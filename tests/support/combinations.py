"""Combinations of factors: all of them, or a sample in which each pair of values occurs."""

import os
from collections.abc import Collection
from itertools import combinations, product
from typing import Final

WHOLE: Final = os.environ.get("DENODO_HA_WHOLE") == "1"
"""True if tests run all combinations, as in `make test-whole` before a release."""


def pairwise(*factors: Collection[str]) -> list[tuple[str, ...]]:
    """Return combinations in which each pair of values of two factors occurs, in a fixed order.

    Each next combination adds as many pairs as possible that have not occurred before.
    """
    rest = list(product(*factors))
    missing = {pair for combination in rest for pair in _pairs(combination)}
    chosen = []
    while missing:
        best = max(rest, key=lambda combination: len(missing & _pairs(combination)))
        missing -= _pairs(best)
        rest.remove(best)
        chosen.append(best)
    return chosen


def _pairs(combination: tuple[str, ...]) -> set[frozenset[tuple[int, str]]]:
    return {frozenset(pair) for pair in combinations(enumerate(combination), 2)}
