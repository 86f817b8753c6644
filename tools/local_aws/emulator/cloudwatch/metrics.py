"""What alarms see: datapoints that somebody put, and the healthy targets of balancers.

A datapoint counts when its period is over, as a period's value may still change before. Nothing
else publishes metrics here, but for HealthyHostCount, which is what target health is now, and
ActiveFlowCount, which is none as long as there is the balancer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.elb import target_health
from tools.local_aws.emulator.ministack import private

Alarm = ministack.Record
Series = dict[int, float]
"""The value of each period that has one, by the period's number."""

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}
_UNKNOWN = "INSUFFICIENT_DATA"
_MISSING = {"breaching": "ALARM", "notBreaching": "OK"}
"""What a period without data counts as (AWS, Configuring how CloudWatch alarms treat missing
data)."""


@dataclass(frozen=True)
class State:
    """An alarm's state and why."""

    value: str
    reason: str


def state(alarm: Alarm) -> State:
    """The state that an alarm's metric asks for now."""
    return _judged(alarm, _series(alarm), _last_period(alarm))


def last_known(alarm: Alarm) -> State | None:
    """The state when there was data last, None if there never was any."""
    series = _series(alarm)
    return _judged(alarm, series, max(series)) if series else None


def _judged(alarm: Alarm, series: Series, last: int) -> State:
    """The state at the end of a period."""
    count = int(alarm["EvaluationPeriods"])
    seen = [series[one] for one in range(last - count + 1, last + 1) if one in series]
    if not seen:
        treated = alarm.get("TreatMissingData") or "missing"
        if treated == "ignore":
            return State(alarm["StateValue"], alarm["StateReason"])
        reason = f"Insufficient Data: {count} datapoints were unknown."
        return State(_MISSING.get(treated, _UNKNOWN), reason)
    limit = float(alarm["Threshold"])
    breaching = all(_COMPARED[alarm["ComparisonOperator"]](value, limit) for value in seen)
    crossed = "Threshold Crossed" if breaching else "Threshold not crossed"
    values = ", ".join(str(value) for value in seen)
    reason = f"{crossed}: {len(seen)} datapoints [{values}], threshold {limit}."
    return State("ALARM" if breaching else "OK", reason)


def _last_period(alarm: Alarm) -> int:
    """The number of the last period that is over."""
    return int(CLOCK.now() // _seconds(alarm)) - 1


def _seconds(alarm: Alarm) -> float:
    return CLOCK.real(float(alarm.get("Period") or 60))


def _series(alarm: Alarm) -> Series:
    """What an alarm's metric was in each period that is over."""
    named = {one["Name"]: one["Value"] for one in alarm.get("Dimensions") or []}
    last = _last_period(alarm)
    if (alarm["Namespace"], alarm["MetricName"]) == ("AWS/NetworkELB", "HealthyHostCount"):
        count = _healthy_hosts(named)
        return {} if count is None else dict.fromkeys(range(last - 10, last + 1), count)
    if (alarm["Namespace"], alarm["MetricName"]) == ("AWS/NetworkELB", "ActiveFlowCount"):
        balancer = f"/{named.get('LoadBalancer', '?')}"
        there = any(arn.endswith(balancer) for arn in ministack.load_balancers)
        return dict.fromkeys(range(last - 10, last + 1), 0.0) if there else {}
    dimensions = private(ministack.cloudwatch, "_dims_key")(named)
    points: dict[int, list[ministack.Record]] = {}
    for point in ministack.metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or []:
        points.setdefault(int(point["Timestamp"] // _seconds(alarm)), []).append(point)
    return {
        period: _statistic(alarm, of) for period, of in sorted(points.items()) if period <= last
    }


def _statistic(alarm: Alarm, points: list[ministack.Record]) -> float:
    stats = private(ministack.cloudwatch, "_calc_stats")(points)
    name = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    return float(private(ministack.cloudwatch, "_stat_value")(stats, name, points) or 0)


def _healthy_hosts(dimensions: dict[str, str]) -> float | None:
    """The healthy targets of a balancer's group, None where there is no such pair."""
    group = dimensions.get("TargetGroup", "?")
    balancer = dimensions.get("LoadBalancer", "?")
    for arn, shown in ministack.target_groups.items():
        if arn.endswith(f":{group}"):
            used = [one for one in shown["LoadBalancerArns"] if one.endswith(f"/{balancer}")]
            return target_health.healthy(arn) if used else None
    return None
