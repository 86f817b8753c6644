"""What a case of a rule is: a change to a valid configuration, and what the rule says of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.registry import Rule
from tests.support.configurations import Data, changed, minimal


@dataclass(frozen=True)
class Wrong:
    """A configuration that a rule must speak up about.

    Attributes:
        rule: the rule.
        changes: what is changed in the base, see `changed`.
        path: where the message points, as messages show it.
        says: parts of the message.
        base: makes the valid configuration.
        severity: how bad it is.
        others: how many more errors there are, from rules that the change breaks as well.
        deploying: whether the configuration is loaded to make stacks of it.
    """

    rule: Rule
    changes: Mapping[str, Any]
    path: str
    says: tuple[str, ...]
    base: Callable[[], Data] = field(default=minimal)
    severity: Severity = Severity.ERROR
    others: int = 0
    deploying: bool = True

    @property
    def data(self) -> Data:
        """The configuration."""
        return changed(self.base(), self.changes)

    def __str__(self) -> str:
        return f"{self.rule.__name__}: {self.path}"


@dataclass(frozen=True)
class Right:
    """A configuration just inside what a rule allows."""

    rule: Rule
    changes: Mapping[str, Any]
    base: Callable[[], Data] = field(default=minimal)
    deploying: bool = True

    @property
    def data(self) -> Data:
        """The configuration."""
        return changed(self.base(), self.changes)

    def __str__(self) -> str:
        return f"{self.rule.__name__}: {', '.join(self.changes)}"
