"""The column "Who is told, after" of the drill, and the reasons where nobody is told."""

from collections.abc import Iterable
from typing import Final

from denodo_ha.drill.outcome import Outcome

NOBODY: Final = "nobody"

UNTOLD_REASONS: Final = {
    "node-drained": "an operator does this; `status` shows it",
    "node-replaced": "an operator does this; `status` shows it",
    "zone-shifted": "an operator does this; `status` shows it",
    "region-lost": "the alarms are lost with the region; alarms.route53 tells",
    "check-unhealthy": "only Route 53 sees it; alarms.route53 tells",
    "missing-data": "only a metric is missing; alarms.route53 tells",
    "node-not-ready": "AWS checks no more than the connection, or HAProxy instead of the node",
    "nodes-not-ready": "AWS checks no more than the instance",
    "service-down": "AWS checks no more than the instance, or HAProxy instead of the node",
    "auxiliary-down": "AWS checks HAProxy instead of the node",
}
"""Reasons why no alarm on AWS's own metrics is set off, by kind of failure."""

NEVER_SET_OFF: Final = {
    "port allocation": "depends on the number of connections, which is no failure",
    "database storage": "a database that is lost sets it off; one with a standby is not lost",
    "database connections": "a database that is lost sets it off; one with a standby is not lost",
}
"""Reasons why no scenario sets off an alarm."""


def untold_reason(outcome: Outcome) -> str | None:
    """Return why nobody is told of a failure; None if somebody is, or if nothing is worse."""
    if outcome.told or not outcome.takes_redundancy or outcome.failure.kind == "nothing":
        return None
    return UNTOLD_REASONS.get(outcome.failure.kind, "no alarm of these templates sees it")


def told_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the lines of the column for failures with the same effect, the fastest alarm first.

    The seconds are those of the failure of which the alarm notifies last.
    """
    seconds: dict[str, int] = {}
    reasons: dict[str, None] = {}
    for outcome in outcomes:
        for told in outcome.told:
            name = f"{told.urgency}: {told.name}" if told.urgency else told.name
            seconds[name] = max(told.seconds, seconds.get(name, 0))
        if reason := untold_reason(outcome):
            reasons.setdefault(f"{NOBODY}: {reason}")
    by_time = sorted(seconds.items(), key=lambda item: (item[1], item[0]))
    return [*(f"{name}, {after} s" for name, after in by_time), *reasons]
