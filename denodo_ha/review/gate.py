"""The gate of a review: the categories of `--fail-on`, and the limit of the monthly cost."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, get_args

from denodo_ha.cli.errors import UsageError
from denodo_ha.environment.facts.review_findings import Category

CATEGORIES: Final = get_args(Category)
_COST: Final = "cost"
_LIMIT: Final = re.compile(r"\+([0-9]{1,6}(?:\.[0-9]{1,3})?)%")


@dataclass(frozen=True)
class Gate:
    """Conditions that end a review with exit code 1.

    Attributes:
        categories: the categories of findings.
        cost_limit: the rise of the monthly cost, in percent, above which it is a finding; None if
            `--fail-on` does not name the cost.
    """

    categories: frozenset[str] = frozenset()
    cost_limit: Decimal | None = None


def parse_gate(fail_on: str | None) -> Gate:
    """Return the gate of a value of `--fail-on`, such as `worse,access,cost:+20%`.

    Raises:
        UsageError: A category does not exist, or a limit is wrong.
    """
    if fail_on is None:
        return Gate()
    parts = [part.strip().partition(":") for part in fail_on.split(",")]
    errors = list(dict.fromkeys(error for part in parts if (error := _error(*part))))
    if errors:
        message = (
            f"--fail-on {fail_on}: {'; '.join(errors)}; the categories are: "
            f"{', '.join(CATEGORIES)}; cost:+20% allows a rise of the monthly cost by 20 %"
        )
        raise UsageError(message)
    limits = [_limit(text) for name, _, text in parts if name == _COST]
    return Gate(frozenset(name for name, _, _ in parts), min(limits, default=None))


def _error(name: str, colon: str, limit: str) -> str:
    if name not in CATEGORIES:
        return f"{name!r} is not a category"
    if colon and name != _COST:
        return f"{name} cannot have a limit"
    return f"{limit!r} is not a limit such as +20%" if colon and not _LIMIT.fullmatch(limit) else ""


def _limit(text: str) -> Decimal:
    """Return the limit of a rise in percent; 0 without a limit, so that any rise is above it."""
    match = _LIMIT.fullmatch(text)
    return Decimal(match.group(1)) if match else Decimal(0)
