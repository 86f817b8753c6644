"""Findings on outcomes that get worse, from the drills of the templates of both revisions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from denodo_ha.drill.comparison import outcome_changes
from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.event_orders import PROPERTIES, OrdersResult, search_orders
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.outcome import Failure
from denodo_ha.environment.derived.failure_kinds import FAILURE_KINDS
from denodo_ha.review.finding import Finding, finding

MOST_STATES: Final = 25_000
"""Project limit: states that the search of event orders visits for a failover name, in about three
seconds. The examples have fewer states, and `denodo-ha drill --orders` searches up to 200,000."""

_LOST_ALARM = "no alarm is set off any more"
"""Beginning of the worsening that `denodo_ha.drill.comparison` reports for a lost alarm."""
_MAX_FAILURES = 3


@dataclass(frozen=True)
class OutcomeComparison:
    """The comparison of the drills of two revisions.

    Attributes:
        findings: what gets worse.
        compared: sentences on the failures and orders of events that were compared.
    """

    findings: tuple[Finding, ...] = ()
    compared: tuple[str, ...] = ()


def compare_outcomes(base: Model, new: Model) -> OutcomeComparison:
    """Compare the drills of two models, if both have a load balancer or instance."""
    if not base.clusters or not new.clusters:
        side = "after" if base.clusters else "before"
        reason = f"the templates {side} the change have no load balancer or instance"
        return OutcomeComparison(compared=(f"No failures were compared: {reason}.",))
    before, after = drill_model(base), drill_model(new)
    orders = search_orders(new, states_per_name=MOST_STATES)
    failures = f"{len(before.outcomes)} failures before and {len(after.outcomes)} after the change"
    return OutcomeComparison(
        (*_failure_findings(before, after), *_order_findings(base, orders)),
        (f"Compared: the outcome of {failures}.", *map(_searched, orders)),
    )


def _failure_findings(before: DrillResult, after: DrillResult) -> Iterator[Finding]:
    """Yield a finding for each set of worsenings, with all failures that have these worsenings."""
    failures: dict[tuple[str, tuple[str, ...]], list[Failure]] = {}
    for change in outcome_changes(before, after):
        if change.worsenings:
            key = (change.failure.cluster, change.worsenings)
            failures.setdefault(key, []).append(change.failure)
    for (cluster, worsenings), items in failures.items():
        is_alarm = all(worsening.startswith(_LOST_ALARM) for worsening in worsenings)
        name = "alarm-lost" if is_alarm else "failure-worse"
        yield finding(
            name, cluster.replace(", ", " and "), f"{_joined(items)}: {'; '.join(worsenings)}"
        )


def _order_findings(base: Model, orders: tuple[OrdersResult, ...]) -> Iterator[Finding]:
    """Yield a finding for each property that event orders violate only after the change."""
    # Without a violation in the new templates, the base's templates need not be searched.
    if not any(result.stories for result in orders):
        return
    violated = {
        (story.name, story.property)
        for result in search_orders(base, states_per_name=MOST_STATES)
        for story in result.stories
    }
    for result in orders:
        for story in result.stories:
            if (story.name, story.property) not in violated:
                broken = f"no longer true: {PROPERTIES[story.property]}"
                steps = "; ".join(story.steps)
                yield finding("event-order-worse", story.name, f"{broken} Shortest order: {steps}")


def _searched(result: OrdersResult) -> str:
    """Return a sentence on the search for a failover name."""
    states = f"{result.states:,} states"
    name = f"of failures, repairs and the operators' switch for {result.name}"
    if result.complete:
        extent = f"Searched: every order {name} ({states})"
    else:
        extent = f"Searched: the shortest orders {name} (the first {states}, not all)"
    verdict = {
        "holds": "after each of these orders, DNS answers correctly",
        "unknown": "the templates lack values that the search needs",
    }.get(result.word, "there are orders after which DNS answers wrongly")
    return f"{extent}: {verdict}."


def _joined(failures: list[Failure]) -> str:
    texts = [f"{FAILURE_KINDS[item.kind]} {item.name}".strip() for item in failures]
    more = len(texts) - _MAX_FAILURES
    return ", ".join(texts[:_MAX_FAILURES]) + (f" and {more} more" if more > 0 else "")
