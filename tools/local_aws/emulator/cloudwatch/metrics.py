"""Metrics of alarms: datapoints of PutMetricData, and metrics of load balancers and instances.

A datapoint counts only after the end of its period, because the period's value may change until
then. Some metrics are computed: HealthyHostCount and UnHealthyHostCount, from the current target
health; the counts of a Network Load Balancer's flows (`flow_counts`); StatusCheckFailed of an
instance that runs: 1 while its machine is lost, else 0; and DaysToExpiry, since no certificate of
the local AWS expires. Other metrics of load balancers and instances have no data.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tools.local_aws.emulator import cuts, ministack
from tools.local_aws.emulator.clock import CLOCK
from tools.local_aws.emulator.cloudwatch import flow_counts
from tools.local_aws.emulator.cloudwatch.metric_history import HISTORY
from tools.local_aws.emulator.elb import target_health
from tools.local_aws.emulator.living import LIVING
from tools.local_aws.emulator.machines import MACHINES
from tools.local_aws.emulator.ministack import private

Alarm = ministack.Record
Series = dict[int, float]
"""A metric's values by the number of the period, for periods with data."""

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "LessThanThreshold": lambda value, limit: value < limit,
    "LessThanOrEqualToThreshold": lambda value, limit: value <= limit,
}
_NETWORK = "AWS/NetworkELB"
_COMPUTED = (_NETWORK, "AWS/ApplicationELB", "AWS/EC2", "AWS/CertificateManager")
_DAYS_TO_EXPIRY = 395.0
_UNKNOWN = "INSUFFICIENT_DATA"
_MISSING = {"breaching": "ALARM", "notBreaching": "OK"}
"""State for periods without data (AWS, Configuring how CloudWatch alarms treat missing data)."""


@dataclass(frozen=True)
class State:
    """The state of an alarm, and the reason."""

    value: str
    reason: str


def state(alarm: Alarm) -> State:
    """Return the state of an alarm, computed from its metric."""
    series, last = _series(alarm), _last_period(alarm)
    if series and alarm.get("TreatMissingData") == "ignore":
        # The newest datapoint counts, even if no evaluation took place in its period or soon after
        # it.
        newest = max(series)
        if _begin(alarm, newest + 1) > float(alarm.get("StateUpdatedTimestamp") or 0):
            last = min(last, newest + int(alarm["EvaluationPeriods"]) - 1)
    return _state_at(alarm, series, last)


def last_known(alarm: Alarm) -> State | None:
    """Return an alarm's state at the end of the last period with data; None without any data."""
    series = _series(alarm)
    return _state_at(alarm, series, max(series)) if series else None


def _state_at(alarm: Alarm, series: Series, last: int) -> State:
    """Return the alarm's state at the end of the period with number `last`."""
    count = int(alarm["EvaluationPeriods"])
    seen = [series[item] for item in range(last - count + 1, last + 1) if item in series]
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
    """Return the number of an alarm's last complete period."""
    return _period(alarm, CLOCK.now()) - 1


def _period(alarm: Alarm, at: float) -> int:
    """Return the number of the alarm's period that contains a real time."""
    return int((at - CLOCK.began) // _seconds(alarm))


def _begin(alarm: Alarm, period: int) -> float:
    """Return the real time at which the alarm's period with number `period` begins."""
    return CLOCK.began + period * _seconds(alarm)


def _seconds(alarm: Alarm) -> float:
    return CLOCK.real(float(alarm.get("Period") or 60))


def _series(alarm: Alarm) -> Series:
    """Return the values of the alarm's metric in complete periods."""
    named = {item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []}
    last = _last_period(alarm)
    if alarm["MetricName"] in flow_counts.COUNTED and alarm["Namespace"] == _NETWORK:
        return _flows(alarm, named.get("LoadBalancer", "?"), last)
    if alarm["Namespace"] in _COMPUTED and HISTORY.is_on:
        return _by_period(alarm, _recorded(alarm), last)
    if alarm["Namespace"] in _COMPUTED:
        current = computed_value(alarm)
        first = last - max(10, int(alarm["EvaluationPeriods"]))
        return {} if current is None else dict.fromkeys(range(first, last + 1), current)
    dimensions = private(ministack.cloudwatch, "_dims_key")(named)
    points: dict[int, list[ministack.Record]] = {}
    for point in ministack.metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions)) or []:
        points.setdefault(_period(alarm, point["Timestamp"]), []).append(point)
    return _by_period(alarm, points, last)


def _recorded(alarm: Alarm) -> dict[int, list[ministack.Record]]:
    """Return the recorded values in each period, with the value at the period's beginning.

    The value at the period's beginning is the last value recorded before it, unless that value is
    so old that recording had stopped in between.
    """
    points: dict[int, list[ministack.Record]] = {}
    length, before = _seconds(alarm), None
    for time, value in HISTORY.points(alarm):
        period = _period(alarm, time)
        if period not in points and before is not None:
            begin = _begin(alarm, period)
            if begin - before["Timestamp"] <= length / 2:
                points[period] = [{"Timestamp": begin, "Value": before["Value"]}]
        before = {"Timestamp": time, "Value": value}
        points.setdefault(period, []).append(before)
    return points


def _by_period(alarm: Alarm, points: dict[int, list[ministack.Record]], last: int) -> Series:
    return {
        period: _statistic(alarm, of) for period, of in sorted(points.items()) if period <= last
    }


def _flows(alarm: Alarm, balancer: str, last: int) -> Series:
    """Return a flow count of a load balancer in each period; empty if there is no such balancer."""
    there = any(arn.endswith(f"/{balancer}") for arn in ministack.load_balancers)
    if not there or _is_cut_off(alarm):
        return {}
    metric = alarm["MetricName"]
    first = last - max(10, int(alarm["EvaluationPeriods"]))
    values = {
        period: flow_counts.total(
            metric, balancer, _begin(alarm, period), _begin(alarm, period + 1)
        )
        for period in range(first, last + 1)
    }
    return {period: value for period, value in values.items() if value is not None}


def computed_value(alarm: Alarm) -> float | None:
    """Return the current value of an alarm's metric.

    None: the metric has no data, or the local AWS does not compute it.
    """
    if alarm.get("Namespace") not in _COMPUTED or not alarm.get("MetricName"):
        return None
    if _is_cut_off(alarm):
        return None
    named = {item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []}
    return _computed(alarm["MetricName"], named)


def _is_cut_off(alarm: Alarm) -> bool:
    """Return whether the alarm's region or load balancer, or its metric alone, is cut off."""
    named = {item["Name"]: item["Value"] for item in alarm.get("Dimensions") or []}
    balancer = f"/{named.get('LoadBalancer', '?')}"
    arn = next((arn for arn in ministack.load_balancers if arn.endswith(balancer)), "")
    is_cut = cuts.is_cut(ministack.region(), resource=arn)
    return is_cut or any(
        cuts.has_no_data(other["AlarmName"]) and _metric(other) == _metric(alarm)
        for other in ministack.alarms.values()
    )


def _metric(alarm: Alarm) -> tuple[object, ...]:
    """Return the identity of an alarm's metric: namespace, name and dimensions."""
    dimensions = sorted((item["Name"], item["Value"]) for item in alarm.get("Dimensions") or [])
    return alarm.get("Namespace"), alarm.get("MetricName"), dimensions


def set_pace(pace: float) -> None:
    """Set the pace, and keep the age of all measurements in seconds of AWS.

    With changed ages, an alarm would evaluate periods again that were already over.
    """
    factor, now = CLOCK.pace / pace, CLOCK.now()
    HISTORY.stretch(factor)
    flow_counts.stretch(factor)
    for _, points in [*ministack.metrics.all_items()]:
        for point in [*points]:
            point["Timestamp"] = now - (now - point["Timestamp"]) * factor
    CLOCK.began = now - (now - CLOCK.began) * factor
    CLOCK.pace = pace


def install() -> None:
    """Record the values of metrics while the part `metrics` is on."""
    LIVING.when("metrics", lambda: HISTORY.start(computed_value), HISTORY.stop)


def _statistic(alarm: Alarm, points: list[ministack.Record]) -> float:
    stats = private(ministack.cloudwatch, "_calc_stats")(points)
    name = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    return float(private(ministack.cloudwatch, "_stat_value")(stats, name, points) or 0)


def _computed(metric: str, dimensions: dict[str, str]) -> float | None:
    """Return the current value of a metric of a load balancer or instance; None without data."""
    match metric:
        case "HealthyHostCount":
            return _targets(dimensions, "healthy")
        case "UnHealthyHostCount":
            return _targets(dimensions, "unhealthy")
        case "ActiveFlowCount":
            name = dimensions.get("LoadBalancer", "?")
            there = any(arn.endswith(f"/{name}") for arn in ministack.load_balancers)
            return flow_counts.active(name) if there else None
        case "StatusCheckFailed":
            return _status_check(dimensions.get("InstanceId", "?"))
        case "DaysToExpiry":
            return _DAYS_TO_EXPIRY
    return None


def _status_check(id_: str) -> float | None:
    """Return 1 if the status checks of an instance fail, else 0; None unless the instance runs."""
    instance = ministack.instances.get(id_)
    if instance is None or instance["State"]["Name"] != "running":
        return None
    zone = str((instance.get("Placement") or {}).get("AvailabilityZone", ""))
    is_lost = MACHINES.is_dead(id_) or cuts.fails_status_checks(ministack.region(), zone, id_)
    return float(is_lost)


def _targets(dimensions: dict[str, str], state: str) -> float | None:
    """Return the number of targets in a state; None without the load balancer or target group."""
    group = dimensions.get("TargetGroup", "?")
    balancer = dimensions.get("LoadBalancer", "?")
    for arn, description in ministack.target_groups.items():
        if arn.endswith(f":{group}"):
            used = [
                item for item in description["LoadBalancerArns"] if item.endswith(f"/{balancer}")
            ]
            return target_health.count(arn, state) if used else None
    return None
