"""Whether a template's conditions hold, as far as the template alone tells."""

from collections.abc import Callable, Mapping
from typing import Any

Known = Callable[[Any], str | None]
"""Gives the text that an expression comes to, None where only a deploy knows it."""

_DEEPEST = 20


def holds(conditions: Mapping[str, Any], name: str, known: Known) -> bool | None:
    """Whether a condition holds, None where only a deploy knows it."""
    return _judged(conditions, conditions.get(name), known, 0)


def _judged(conditions: Mapping[str, Any], one: Any, known: Known, depth: int) -> bool | None:
    if depth > _DEEPEST or not isinstance(one, dict) or len(one) != 1:
        return None
    ((key, argument),) = one.items()
    if key == "Condition":
        return _judged(conditions, conditions.get(str(argument)), known, depth + 1)
    parts = argument if isinstance(argument, list) else []
    if key == "Fn::Equals":
        return _equal([known(part) for part in parts])
    return _combined(key, [_judged(conditions, part, known, depth + 1) for part in parts])


def _equal(texts: list[str | None]) -> bool | None:
    return None if None in texts or len(texts) != 2 else texts[0] == texts[1]


def _combined(key: str, parts: list[bool | None]) -> bool | None:
    if key == "Fn::Not" and len(parts) == 1:
        return None if parts[0] is None else not parts[0]
    if key not in ("Fn::And", "Fn::Or"):
        return None
    decides = key == "Fn::Or"
    if decides in parts:
        return decides
    return None if None in parts else not decides


def as_map(value: Any) -> Mapping[Any, Any]:
    """A map, empty for anything else."""
    return value if isinstance(value, dict) else {}
