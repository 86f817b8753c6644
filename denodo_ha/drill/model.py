"""What stands there: clusters, nodes, balancers, checks and records, as templates say it.

Everything is known by a key: the stack's name, a slash and the logical id, or for what is not in
a template the text that it is named with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Key = str
READY = "/ready/"
"""Where a node's own program says whether a service is ready (docs/node.md)."""


@dataclass(frozen=True)
class Probe:
    """How a target group checks its targets; seconds; no port: the target's own."""

    protocol: str
    port: int | None
    path: str
    interval: int
    healthy: int
    unhealthy: int

    @property
    def down(self) -> int:
        """Seconds until a target that fails is out, at worst."""
        return self.interval * self.unhealthy

    @property
    def up(self) -> int:
        """Seconds until a target that works is back."""
        return self.interval * self.healthy

    @property
    def asks_readiness(self) -> bool:
        """Whether it asks the node's own program, and not only whether a port is open."""
        return self.protocol in ("HTTP", "HTTPS") and self.path.startswith(READY)


@dataclass(frozen=True)
class Serving:
    """What a machine passes a port on to: nodes and their port, and how it checks them.

    Attributes:
        nodes: the nodes.
        port: their port.
        path: what it asks them for; empty if it only connects.
        probe: its check, None if no template says how often it asks.
    """

    nodes: tuple[Key, ...]
    port: int
    path: str = ""
    probe: Probe | None = None


@dataclass(frozen=True)
class Node:
    """A machine that targets may be: a Denodo node, or a proxy in front of nodes.

    Attributes:
        key: its key.
        name: its name in its cluster.
        cluster: its cluster's name.
        zone: its Availability Zone, None where the templates don't say it.
        kind: node, or proxy for what passes connections on.
        serves: for a proxy, what each of its ports leads to; None if nothing says it.
        health_port: where a proxy tells whether it has a usable node: `/health/SERVICE` for the
            port of that service, `/health` for any.
    """

    key: Key
    name: str
    cluster: str
    zone: str | None
    kind: Literal["node", "proxy"] = "node"
    serves: Mapping[int, Serving] | None = None
    health_port: int | None = None


@dataclass(frozen=True)
class Target:
    """A machine's port in a group."""

    machine: Key
    port: int


@dataclass(frozen=True)
class Minimum:
    """A threshold of healthy targets, by count and by percentage; None is `off`."""

    count: int | None
    percentage: int | None = None


@dataclass(frozen=True)
class Group:
    """A target group.

    Attributes:
        key: its key.
        name: the service's name, else the port.
        node: for a 7.0 node's auxiliary port, the node's key.
        targets: its registered targets.
        probe: its health check.
        cross_zone: its own setting, None to use the balancer's.
        dns: below it, a zone leaves the balancer's DNS.
        routing: below it, all targets get connections.
        counted: whether HealthyHostCount exists for it.
    """

    key: Key
    name: str
    node: Key | None
    targets: tuple[Target, ...]
    probe: Probe
    cross_zone: bool | None = None
    dns: Minimum = Minimum(1)
    routing: Minimum = Minimum(1)
    counted: bool = True


@dataclass(frozen=True)
class Listener:
    """A balancer's port, and the groups that it forwards to."""

    port: int
    groups: tuple[Key, ...]


@dataclass(frozen=True)
class Balancer:
    """A load balancer.

    Attributes:
        key: its key.
        cluster: its cluster's name.
        zones: its zones, in each of which it has an address.
        cross_zone: whether an address passes connections to targets of all zones.
        internal: whether only private networks reach it.
        listeners: by port.
        jdbc: the port whose answer sends a 7.0 client on to the node's auxiliary port.
    """

    key: Key
    cluster: str
    zones: tuple[str, ...]
    cross_zone: bool
    internal: bool
    listeners: tuple[Listener, ...]
    jdbc: int | None = None


@dataclass(frozen=True)
class Cluster:
    """A stack with a balancer or with nodes.

    Attributes:
        name: its name.
        region: its region.
        nodes: keys of its nodes, proxies not among them.
        proxies: keys of its proxies.
        balancers: keys of its balancers.
        ports: what clients connect to where there is no balancer.
    """

    name: str
    region: str
    nodes: tuple[Key, ...]
    proxies: tuple[Key, ...]
    balancers: tuple[Key, ...]
    ports: tuple[int, ...] = ()


@dataclass(frozen=True)
class Database:
    """A DB instance on Amazon RDS that the nodes of a cluster share.

    Attributes:
        key: its key.
        name: what it is called there.
        cluster: its cluster's name.
        multi_az: whether a standby in another zone takes over.
        zones: the zones that it may be in, None where the templates don't say it.
        ports: what clients connect to of the services that need it, None if nothing says it.
    """

    key: Key
    name: str
    cluster: str
    multi_az: bool
    zones: tuple[str, ...] | None
    ports: tuple[int, ...] | None


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm on one metric; times in seconds.

    Attributes:
        group: the target group that its metric is of, None if it is of none of these templates.
        balancer: the balancer that its metric is of, likewise.
        zone: the one zone that it looks at.
        switch: whether people put the metric's datapoints.
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
    missing: str
    group: Key | None
    balancer: Key | None
    zone: str | None
    switch: bool


@dataclass(frozen=True)
class HealthCheck:
    """A Route 53 health check; interval in seconds.

    Attributes:
        kind: CALCULATED, CLOUDWATCH_METRIC, TCP, HTTP, …
        children: keys of the checks that a calculated one counts.
        needed: how many of them must be healthy.
        alarm: key of the alarm, None if no template has it.
        insufficient: status without enough data.
        endpoint: key of the balancer or node that it connects to, None if no template has it.
        private: whether the endpoint has no public address.
        declared: whether a template has the check itself.
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
    declared: bool = True


@dataclass(frozen=True)
class Record:
    """A failover record.

    Attributes:
        target: key of the balancer or node that it answers with, None if no template has it.
        cluster: that one's cluster.
        alias: whether it is an alias record.
        evaluates: whether it evaluates the target's health.
        check: key of its health check.
        ttl: seconds that resolvers keep it.
    """

    target: Key | None
    cluster: str | None
    alias: bool
    evaluates: bool
    check: Key | None
    ttl: int


@dataclass(frozen=True)
class Site:
    """A name with a PRIMARY and a SECONDARY record."""

    name: str
    primary: Record
    secondary: Record

    @property
    def records(self) -> Mapping[str, Record]:
        """Both records by role."""
        return {"PRIMARY": self.primary, "SECONDARY": self.secondary}


@dataclass(frozen=True)
class Model:
    """Everything, by key; what was noticed while reading is in the notes."""

    clusters: Mapping[str, Cluster]
    nodes: Mapping[Key, Node]
    balancers: Mapping[Key, Balancer]
    groups: Mapping[Key, Group]
    databases: Mapping[Key, Database] = field(default_factory=lambda: MappingProxyType({}))
    alarms: Mapping[Key, Alarm] = field(default_factory=lambda: MappingProxyType({}))
    checks: Mapping[Key, HealthCheck] = field(default_factory=lambda: MappingProxyType({}))
    sites: tuple[Site, ...] = ()
    notes: tuple[str, ...] = ()
