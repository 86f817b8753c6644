"""Flow counts of load balancers, which the process that forwards connections reports.

`ActiveFlowCount` and `NewFlowCount` always have data, the other metrics only while their value is
not zero (AWS, CloudWatch metrics for your Network Load Balancer).
"""

from collections import deque
from collections.abc import Mapping

from tools.local_aws.emulator.clock import CLOCK

ACTIVE = "ActiveFlowCount"
_NEW = "NewFlowCount"
COUNTED = (
    _NEW,
    "UnhealthyRoutingFlowCount",
    "RejectedFlowCount",
    "TCP_Client_Reset_Count",
    "TCP_Target_Reset_Count",
    "TCP_ELB_Reset_Count",
)
"""Metrics that count events. `PortAllocationErrorCount` has no data, as the local AWS never runs
out of ports.
"""
_KEPT = 4000
"""Project default: number of reports that are kept for each load balancer."""

_reports: dict[str, deque[tuple[float, Mapping[str, float]]]] = {}


def put(counts: Mapping[str, Mapping[str, float]]) -> None:
    """Add a report of load balancers, by ARN: open flows now, and events since the last report.

    Raises:
        KeyError: a metric is unknown.
    """
    now = CLOCK.now()
    for arn, values in counts.items():
        for metric in values:
            if metric not in (ACTIVE, *COUNTED):
                raise KeyError(metric)
        name = arn.partition(":loadbalancer/")[2]
        _reports.setdefault(name, deque(maxlen=_KEPT)).append((now, dict(values)))


def stretch(factor: float) -> None:
    """Multiply the age of each report by a factor, after a change of the pace."""
    now = CLOCK.now()
    for name, reports in [*_reports.items()]:
        ages = [(now - (now - at) * factor, values) for at, values in [*reports]]
        _reports[name] = deque(ages, maxlen=_KEPT)


def active(balancer: str) -> float:
    """Return the number of open flows of a load balancer, by its name in metrics: `net/NAME/ID`."""
    reports = _reports.get(balancer)
    return float(reports[-1][1].get(ACTIVE, 0)) if reports else 0.0


def total(metric: str, balancer: str, begin: float, end: float) -> float | None:
    """Return the number of events between two real times; None if AWS would report no datapoint."""
    reports = [*_reports.get(balancer, ())]
    count = float(sum(values.get(metric, 0) for at, values in reports if begin <= at < end))
    return count if count or metric == _NEW else None
