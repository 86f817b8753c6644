"""Counts of flows, which the server publishes as metrics of the load balancers."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable

from tools.local_aws.living.balancer.flows import Flow

NEW = "NewFlowCount"
ACTIVE = "ActiveFlowCount"
FAIL_OPEN = "UnhealthyRoutingFlowCount"
REJECTED = "RejectedFlowCount"
RESETS = {
    "client": "TCP_Client_Reset_Count",
    "target": "TCP_Target_Reset_Count",
    "balancer": "TCP_ELB_Reset_Count",
}


class Counts:
    """Counts of flows since the last report, such as new and reset flows, by load balancer ARN.

    Attributes:
        changed: event that is set while there are counts to report.
    """

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, balancer: str, metric: str) -> None:
        """Count an event; metric `ACTIVE` only notes that the number of open flows has changed."""
        self._counts[balancer][metric] += 1
        self.changed.set()

    def take(self, flows: Iterable[Flow]) -> dict[str, dict[str, int]]:
        """Return the counts and the number of open flows, and set the counts to zero."""
        active = Counter(flow.balancer for flow in flows if not flow.is_idle)
        report = {
            arn: {**counts, ACTIVE: active[arn]} for arn, counts in self._counts.items() if counts
        }
        self._counts.clear()
        self.changed.clear()
        return report
