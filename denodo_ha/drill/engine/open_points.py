"""Open points: behaviour that AWS does not document, and which open points affect a model."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Final

from denodo_ha.drill.engine.balancer_view import BalancerView
from denodo_ha.drill.model.dns import Alarm, Record
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Model


@dataclass(frozen=True)
class Interpretation:
    """A set of assumptions: for each open point, one of its two possible answers.

    Attributes:
        threshold_for_alias: whether an alias that evaluates health applies a target group's DNS
            thresholds, and not only "a healthy target in every target group".
        zones_count_all: whether, with cross-zone on, each zone reports the healthy targets of all
            zones instead of only its own.
        missing_by_alarm: whether a metric check without data also depends on the alarm's
            TreatMissingData, instead of only on the check's own setting.
        some_is_healthy: whether an endpoint check is healthy if only some of its connections
            succeed.
    """

    threshold_for_alias: bool = False
    zones_count_all: bool = False
    missing_by_alarm: bool = False
    some_is_healthy: bool = False


OPEN_POINTS: Final = {
    "threshold_for_alias": (
        "EvaluateTargetHealth ignores a target group's dns_failover settings",
        "EvaluateTargetHealth applies a target group's dns_failover settings",
    ),
    "zones_count_all": (
        "HealthyHostCount of a zone counts the targets of that zone",
        "HealthyHostCount of a zone counts the targets of all zones",
    ),
    "missing_by_alarm": (
        "without data, the health check's InsufficientDataHealthStatus decides",
        "without data, the alarm's TreatMissingData decides",
    ),
    "some_is_healthy": (
        "an endpoint check is unhealthy if only some of its connections succeed",
        "an endpoint check is healthy if only some of its connections succeed",
    ),
}
"""Descriptions of the two assumptions about each open point: first for False, then for True."""

HOST_COUNTS: Final = {"HealthyHostCount": 0, "UnHealthyHostCount": 1}
"""The metrics that count targets, with the index of the count in `BalancerView.reported`."""


def interpretations(points: frozenset[str]) -> tuple[Interpretation, ...]:
    """Return every combination of assumptions about the given open points."""
    names = sorted(points)
    return tuple(
        Interpretation(**dict(zip(names, values, strict=True)))
        for values in product((False, True), repeat=len(names))
    )


def relevant_open_points(model: Model, view: Callable[[Key], BalancerView]) -> frozenset[str]:
    """Return the open points that may change an outcome in a model.

    Args:
        model: the model of the templates.
        view: returns the `BalancerView` of a balancer before any failure.
    """
    records = [record for name in model.failover_names for record in name.records.values()]
    checks = model.checks_of(records)
    alarms = [alarm for check in checks if (alarm := model.alarm_of(check))]
    points = set()
    if any(_evaluates_thresholds(model, record) for record in records):
        points.add("threshold_for_alias")
    if any(
        _depends_on_zones(alarm) or _reported_by_one_zone(alarm, view)
        for alarm in alarms
        if not alarm.switch
    ):
        points.add("zones_count_all")
    if any(alarm.missing != "missing" for alarm in alarms):
        points.add("missing_by_alarm")
    if any(check.endpoint in model.balancers for check in checks):
        points.add("some_is_healthy")
    return frozenset(points)


def _evaluates_thresholds(model: Model, record: Record) -> bool:
    """Return whether a record evaluates a balancer whose DNS thresholds are not AWS's default."""
    balancer = model.balancers.get(record.target or "")
    if balancer is None or not (record.alias and record.evaluates):
        return False
    thresholds = (model.target_groups[key].dns_threshold for key in balancer.target_groups)
    return any((one.count, one.percentage) != (1, None) for one in thresholds)


def _reported_by_one_zone(alarm: Alarm, view: Callable[[Key], BalancerView]) -> bool:
    """Return whether an alarm's target group has targets in only one of the balancer's zones.

    If that zone is lost, the metric has data only if each zone counts the targets of all zones,
    which is an open point.
    """
    if alarm.metric not in HOST_COUNTS or alarm.target_group is None or alarm.balancer is None:
        return False
    balancer = view(alarm.balancer)
    own = balancer.reported(alarm.target_group, zones_count_all=False)
    every = balancer.reported(alarm.target_group, zones_count_all=True)
    return len(own) == 1 < len(every)


def _depends_on_zones(alarm: Alarm) -> bool:
    """Return whether an alarm's state may depend on which targets each zone counts.

    The state of an alarm on "no healthy target at all" does not depend on this open point: the
    state is the same whether zones count their own targets or all targets.
    """
    return alarm.metric in HOST_COUNTS and not (
        alarm.metric == "HealthyHostCount"
        and alarm.statistic in ("Maximum", "Sum")
        and alarm.operator == "LessThanThreshold"
        and 0 < alarm.threshold <= 1
    )
