"""Flow counts of load balancers, which the process that forwards connections reports.

AWS, CloudWatch metrics for your Network Load Balancer: `ActiveFlowCount` and `NewFlowCount` are
reported always, the others only while they are not zero.
"""

from collections import deque
from collections.abc import Mapping

from tools.local_aws.emulator.clock import CLOCK

METRICS = {
    "ActiveFlowCount": "open flows",
    "NewFlowCount": "flows since the last report",
    "UnhealthyRoutingFlowCount": "flows that were sent to unhealthy targets (fail-open)",
    "RejectedFlowCount": "flows that the load balancer rejected",
    "TCP_Client_Reset_Count": "resets by clients",
    "TCP_Target_Reset_Count": "resets by targets",
    "TCP_ELB_Reset_Count": "resets by the load balancer",
}
"""Metrics with what a report of them counts."""

_ALWAYS = ("ActiveFlowCount", "NewFlowCount")
_GAUGE = "ActiveFlowCount"
_KEPT = 4000
"""Project default: reports that are kept for each load balancer."""

_reports: dict[str, deque[tuple[float, Mapping[str, float]]]] = {}


def put(counts: Mapping[str, Mapping[str, float]]) -> None:
    """Add a report of the counts of load balancers, by their ARNs.

    Raises:
        KeyError: a metric is unknown.
    """
    now = CLOCK.now()
    for arn, values in counts.items():
        for metric in values:
            METRICS[metric]
        name = arn.partition(":loadbalancer/")[2]
        _reports.setdefault(name, deque(maxlen=_KEPT)).append((now, dict(values)))


def value(metric: str, balancer: str, begin: float, end: float) -> float | None:
    """Return a metric's value in a period, None if nothing was reported.

    The value is the sum; of `ActiveFlowCount` it is the maximum.

    Args:
        metric: name of the metric.
        balancer: the load balancer's name in its metrics: `net/NAME/ID`.
        begin: real time at which the period begins.
        end: real time at which the period ends.
    """
    reports = _reports.get(balancer, ())
    values = [counts[metric] for at, counts in reports if begin <= at < end and metric in counts]
    if metric == _GAUGE:
        earlier = [counts[metric] for at, counts in reports if at < begin and metric in counts]
        return max([0.0, *earlier[-1:], *values])
    total = float(sum(values))
    return total if total or metric in _ALWAYS else None
