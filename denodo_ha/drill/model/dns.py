"""Alarms, Route 53 health checks and failover records in the drill's model."""

from collections.abc import Mapping
from dataclasses import dataclass

from denodo_ha.drill.model.machines import Key


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm on one metric; times in seconds.

    Attributes:
        datapoints: the number of datapoints in the last `periods` that must breach the threshold
            to raise the alarm.
        target_group: key of the metric's target group, None if no template has the group.
        balancer: key of the metric's balancer, None if no template has the balancer.
        zone: the zone whose data the alarm uses, None for the data of all zones.
        switch: whether the alarm belongs to an operators' switch, whose datapoints operators send.
        source: namespace, metric and dimensions, which are the same for alarms on the same metric.
        machine: key of the metric's instance, None for other metrics.
        by_node: whether the node itself publishes the metric.
        proxy: key of the inner load balancer whose targets the metric counts, None for others.
        proxy_port: the port of these targets.
        check: key of the metric's health check, None for other metrics.
        database: key of the metric's database, None for other metrics.
    """

    key: Key
    name: str
    region: str
    metric: str
    statistic: str
    operator: str
    threshold: float
    period: int
    periods: int
    datapoints: int
    missing: str
    target_group: Key | None
    balancer: Key | None
    zone: str | None
    switch: bool
    source: tuple[str, ...] = ()
    machine: Key | None = None
    by_node: bool = False
    proxy: Key | None = None
    proxy_port: int = 0
    check: Key | None = None
    database: Key | None = None

    @property
    def periods_until_ok(self) -> int:
        """The number of periods without a breach after which the alarm is OK again."""
        return self.periods - self.datapoints + 1


@dataclass(frozen=True)
class HealthCheck:
    """A Route 53 health check; interval in seconds.

    Attributes:
        kind: CALCULATED, CLOUDWATCH_METRIC, TCP, HTTP, …
        children: keys of the child checks of a calculated check.
        needed: the number of children that must be healthy.
        alarm: key of the alarm, None if no template has it.
        insufficient: the status while the alarm has insufficient data.
        endpoint: key of the balancer or node that is checked, None if no template has it.
        private: whether the endpoint has no public address.
    """

    key: Key
    name: str
    kind: str
    inverted: bool = False
    disabled: bool = False
    children: tuple[Key, ...] = ()
    needed: int = 0
    alarm: Key | None = None
    insufficient: str = "LastKnownStatus"
    endpoint: Key | None = None
    private: bool = False
    port: int = 0
    interval: int = 30
    failures: int = 3


@dataclass(frozen=True)
class Record:
    """A failover record.

    Attributes:
        target: key of the balancer or node to which the record points, None if no template has
            the target.
        cluster: the target's cluster.
        alias: whether it is an alias record.
        evaluates: whether the alias evaluates the target's health.
        check: key of its health check.
        ttl: the seconds for which resolvers cache it.
    """

    target: Key | None
    cluster: str | None
    alias: bool
    evaluates: bool
    check: Key | None
    ttl: int


@dataclass(frozen=True)
class FailoverName:
    """A DNS name with a PRIMARY and a SECONDARY record."""

    name: str
    primary: Record
    secondary: Record

    @property
    def records(self) -> Mapping[str, Record]:
        """The two records by role."""
        return {"PRIMARY": self.primary, "SECONDARY": self.secondary}
