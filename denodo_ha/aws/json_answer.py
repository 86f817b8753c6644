"""JSON that machines and services answer, such as the output of a node's program."""

import json
import math
from typing import Any, Final, NoReturn

DEPTH: Final = 100
"""Ours: levels of lists and objects; no answer has more than ten."""


def parse_json(text: str | bytes) -> Any:
    """Return JSON as data, in which every number is finite.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply.
    """
    try:
        value = json.loads(text, parse_constant=_reject, parse_float=_finite)
    except RecursionError:
        value, depth = None, DEPTH + 1
    else:
        depth = _depth(value)
    if depth > DEPTH:
        message = f"its lists and objects have more than {DEPTH} levels"
        raise ValueError(message)
    return value


def _depth(value: object) -> int:
    """Return the levels of lists and objects; one more than `DEPTH` if there are more."""
    level, depth = [value], 0
    while depth <= DEPTH and any(isinstance(each, dict | list) for each in level):
        level, depth = [each for parent in level for each in _children(parent)], depth + 1
    return depth


def _children(value: object) -> list[Any]:
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list) else []


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _reject(text)


def _reject(text: str) -> NoReturn:
    message = f"{text} is not a finite number"
    raise ValueError(message)
