"""How a documented rule is written down: a function with an id, a sentence and its source."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """A documented rule.

    Attributes:
        id: its name.
        sentence: what it says.
        source: publisher and title of the page that says so.
        apply: the rule itself.
    """

    id: str
    sentence: str
    source: str
    apply: Callable[..., Any]


RULES: Final[dict[str, Rule]] = {}
"""Every rule by its id."""


def rule(id_: str, sentence: str, source: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Write a function into the book; the function itself stays as it is."""

    def written(apply: Callable[P, T]) -> Callable[P, T]:
        RULES[id_] = Rule(id_, sentence, source, apply)
        return apply

    return written
