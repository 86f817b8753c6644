"""Finding of a review: a reason why a reviewer should look at a change before it is merged."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Final

from denodo_ha.environment.facts.review_findings import CATEGORY_OF, Category
from denodo_ha.environment.model.environment import Acceptance

TITLES: Final[Mapping[Category, str]] = {
    "worse": "What gets worse",
    "replacement": "What clients notice",
    "access": "Access that widens",
    "protection": "Protections turned off",
    "cost": "Monthly cost",
}
"""Titles of the categories, in the order of the page."""

_ORDER: Final = tuple(TITLES)


@dataclass(frozen=True)
class Finding:
    """A reason to look at a change.

    Attributes:
        category: the category, which `--fail-on` names.
        name: the name, which `accept` of the configuration names.
        where: the cluster, and the node, service or other part of the cluster.
        text: the change, with the values before and after.
    """

    category: Category
    name: str
    where: str
    text: str


def finding(name: str, where: str, text: str) -> Finding:
    """Return a finding; its name determines its category."""
    return Finding(CATEGORY_OF[name], name, where, text)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order of the review's page, without duplicates."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda item: _ORDER.index(item.category)))


def split_accepted(
    findings: Iterable[Finding], accept: Mapping[str, Acceptance], today: date
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """Return the findings that are open, and those that `accept` of the configuration silences.

    Args:
        findings: all findings.
        accept: the acceptances by name of the finding.
        today: today's date; an acceptance that ended before this day has no effect.
    """
    silenced = {
        name for name, acceptance in accept.items() if date.fromisoformat(acceptance.until) >= today
    }
    items = tuple(findings)
    return (
        tuple(item for item in items if item.name not in silenced),
        tuple(item for item in items if item.name in silenced),
    )


def summary(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield each name with the places of its findings, such as `tls-off (active: web)`."""
    by_name = sorted(findings, key=lambda item: (_ORDER.index(item.category), item.name))
    for name, items in groupby(by_name, key=lambda item: item.name):
        places = tuple(dict.fromkeys(item.where for item in items if item.where))
        yield f"{name} ({_joined(places)})" if places else name


_MAX_PLACES: Final = 4


def _joined(places: tuple[str, ...]) -> str:
    more = len(places) - _MAX_PLACES
    suffix = f" and {more} more" if more > 0 else ""
    return ", ".join(places[:_MAX_PLACES]) + suffix
