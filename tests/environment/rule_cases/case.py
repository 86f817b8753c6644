"""Case of a rule: a change of a valid configuration, and the problem that the rule reports."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.registry import Rule
from tests.support.configurations import Data, changed, minimal


@dataclass(frozen=True)
class Wrong:
    """A configuration for which a rule reports a problem.

    Attributes:
        rule: the rule.
        changes: the changes of the base, see `changed`.
        path: path of the problem, as in messages.
        says: texts that the message contains.
        base: returns the valid configuration.
        severity: severity of the problem.
        others: number of further errors, from rules that the change violates as well.
        deploying: True if the configuration is loaded to make stacks from it.
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
        """Return the broken configuration: the base with the changes."""
        return changed(self.base(), self.changes)

    def __str__(self) -> str:
        return f"{self.rule.__name__}: {self.path}"


@dataclass(frozen=True)
class Right:
    """A configuration that the rule accepts; often one at the rule's limit."""

    rule: Rule
    changes: Mapping[str, Any]
    base: Callable[[], Data] = field(default=minimal)
    deploying: bool = True

    @property
    def data(self) -> Data:
        """Return the accepted configuration: the base with the changes."""
        return changed(self.base(), self.changes)

    def __str__(self) -> str:
        return f"{self.rule.__name__}: {', '.join(self.changes)}"
