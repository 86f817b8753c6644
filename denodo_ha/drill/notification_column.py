"""The column "Notification, after" of the drill, and the reasons for failures without an alarm."""

from collections.abc import Iterable
from typing import Final

from denodo_ha.drill.outcome import Outcome

NOBODY: Final = "none"

REASONS_WITHOUT_NOTIFICATION: Final = {
    "node-drained": "an operator does this on purpose; `status` shows the node",
    "node-replaced": "an operator does this on purpose; `status` shows the node",
    "zone-shifted": "an operator does this on purpose; `status` shows the shift",
    "region-lost": "the alarms are lost with the region; `alarms.route53` adds an alarm",
    "check-unhealthy": "only Route 53 detects this failure; `alarms.route53` adds an alarm",
    "missing-data": "only a metric is missing; `alarms.route53` adds an alarm",
    "node-not-ready": "AWS checks only the connection to the port, or checks HAProxy",
    "nodes-not-ready": "AWS checks only the instance",
    "service-down": "AWS checks only the instance, or checks HAProxy",
    "auxiliary-down": "AWS checks HAProxy and not the node",
}
"""Reasons why no alarm on AWS's own metrics detects a failure, by kind of failure."""

NEVER_SET_OFF: Final = {
    "port allocation": "depends on the number of connections, which is not a failure",
    "node flapping": "in the drill, a node that has failed does not become healthy and fail again",
    "server restarted": "the drill's failures last, and the watchdog repairs a stopped server",
    "node memory": "depends on the load, which is not a failure",
    "node disk": "depends on the load, which is not a failure",
    "export overdue": "depends on the time, which is not a failure",
    "node certificate": "depends on the time, which is not a failure",
    "HAProxy certificate": "depends on the time, which is not a failure",
    "balancer certificate": "depends on the time, which is not a failure",
    "database storage": "only the loss of a database without a standby sets off this alarm",
    "database connections": "only the loss of a database without a standby sets off this alarm",
}
"""By name of an alarm: why no scenario of the drill sets off this alarm."""


def reason_without_notification(outcome: Outcome) -> str | None:
    """Return why no alarm notifies of a failure; None if an alarm does, or if none is needed."""
    if outcome.notifications or not outcome.takes_redundancy or outcome.failure.kind == "nothing":
        return None
    return REASONS_WITHOUT_NOTIFICATION.get(
        outcome.failure.kind, "no alarm of these templates detects this failure"
    )


def notification_lines(outcomes: Iterable[Outcome]) -> list[str]:
    """Return the lines of the column for failures with the same effect, the fastest alarm first.

    If an alarm notifies of several of these failures, its line has the longest time.
    """
    seconds: dict[str, int] = {}
    reasons: dict[str, None] = {}
    for outcome in outcomes:
        for sent in outcome.notifications:
            name = f"{sent.urgency}: {sent.name}" if sent.urgency else sent.name
            seconds[name] = max(sent.seconds, seconds.get(name, 0))
        if reason := reason_without_notification(outcome):
            reasons.setdefault(f"{NOBODY}: {reason}")
    by_time = sorted(seconds.items(), key=lambda item: (item[1], item[0]))
    return [*(f"{name}, {after} s" for name, after in by_time), *reasons]
