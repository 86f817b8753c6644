"""The drill's model of templates: clusters, machines, balancers, databases, checks and records.

Each object has a key: `STACK/LogicalId`, or for an object that is in no template the text that
names it there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Key = str
READINESS_PATH = "/ready/"
"""The path at which a node's own program reports whether a service is ready (docs/node.md)."""


@dataclass(frozen=True)
class TargetHealthCheck:
    """The health check of a target group; times in seconds.

    Attributes:
        protocol: TCP, HTTP or HTTPS.
        port: the port that is checked, None for the target's own.
        path: the path that is requested, empty for TCP.
        interval: seconds between two checks.
        timeout: seconds until a check without an answer has failed.
        healthy: passed checks in a row until a target is healthy.
        unhealthy: failed checks in a row until a target is unhealthy.
    """

    protocol: str
    port: int | None
    path: str
    interval: int
    healthy: int
    unhealthy: int
    timeout: int = 0

    @property
    def seconds_to_unhealthy(self) -> int:
        """The seconds until a target that no longer answers gets no connections."""
        return self.interval * self.unhealthy + self.timeout

    @property
    def seconds_to_healthy(self) -> int:
        """The seconds until a target that answers again gets connections."""
        return self.interval * self.healthy

    @property
    def is_http(self) -> bool:
        """Return whether the check sends a request, and does not only connect."""
        return self.protocol.startswith("HTTP")

    @property
    def requests_readiness(self) -> bool:
        """Return whether the check requests readiness from the node's own program."""
        return self.protocol in ("HTTP", "HTTPS") and self.path.startswith(READINESS_PATH)


@dataclass(frozen=True)
class Upstream:
    """The nodes to which a proxy passes the connections of one of its ports.

    Attributes:
        nodes: keys of the nodes.
        port: the port on the nodes.
        path: the path that the proxy's check requests; empty if the check only connects.
        health_check: the proxy's check, None if no template tells how often it runs.
    """

    nodes: tuple[Key, ...]
    port: int
    path: str = ""
    health_check: TargetHealthCheck | None = None


@dataclass(frozen=True)
class Machine:
    """A machine that can be a target: a Denodo node, or a proxy in front of nodes.

    Attributes:
        key: its key.
        name: its name in its cluster.
        cluster: the cluster's name.
        zone: its Availability Zone, None where the templates do not tell it.
        kind: "node", or "proxy" for a machine that passes connections on.
        upstreams: for a proxy, the upstream of each of its ports; None if nothing tells them.
        health_port: the port at which a proxy reports whether it has a usable node:
            `/health/SERVICE` for the port of that service, `/health` for any.
        readiness_delay: seconds until a node that runs reports that it is not ready, as far as the
            templates tell.
    """

    key: Key
    name: str
    cluster: str
    zone: str | None
    kind: Literal["node", "proxy"] = "node"
    upstreams: Mapping[int, Upstream] | None = None
    health_port: int | None = None
    readiness_delay: int = 0

    def upstream(self, port: int) -> Upstream | None:
        """Return the upstream of a port, None for a node or where nothing tells it."""
        return self.upstreams.get(port) if self.upstreams else None


@dataclass(frozen=True)
class Target:
    """A machine's port in a target group."""

    machine: Key
    port: int


@dataclass(frozen=True)
class HealthThreshold:
    """A minimum of healthy targets, by count and by percentage; None is `off`."""

    count: int | None
    percentage: int | None = None


@dataclass(frozen=True)
class TargetGroup:
    """A target group.

    Attributes:
        key: its key.
        name: the service's name, else the port.
        auxiliary_node: for the auxiliary port of a 7.0 node, the node's key.
        targets: the registered targets.
        health_check: its health check.
        cross_zone: its own cross-zone setting, None if the balancer's applies.
        dns_threshold: with fewer healthy targets in a zone, the zone leaves the balancer's DNS.
        routing_threshold: with fewer healthy targets, all targets get connections.
        reports_host_count: whether CloudWatch has the metric HealthyHostCount of it.
        targets_unknown: whether targets are registered that no template tells.
    """

    key: Key
    name: str
    auxiliary_node: Key | None
    targets: tuple[Target, ...]
    health_check: TargetHealthCheck
    cross_zone: bool | None = None
    dns_threshold: HealthThreshold = HealthThreshold(1)
    routing_threshold: HealthThreshold = HealthThreshold(1)
    reports_host_count: bool = True
    targets_unknown: bool = False


@dataclass(frozen=True)
class Listener:
    """A balancer's port.

    Attributes:
        port: the port.
        target_groups: keys of the target groups to which it forwards, rules' ones included.
        ends_connections: whether the balancer itself ends clients' TCP connections, as for TLS.
        answers_itself: whether it forwards nothing, and redirects or answers requests itself.
    """

    port: int
    target_groups: tuple[Key, ...]
    ends_connections: bool = False
    answers_itself: bool = False


@dataclass(frozen=True)
class Balancer:
    """A load balancer.

    Attributes:
        key: its key.
        cluster: the cluster's name.
        zones: its zones, in each of which it has an address; empty text for one that no
            template tells.
        cross_zone: whether an address passes connections to targets of all zones.
        internal: whether only private networks reach it.
        listeners: its listeners by port.
        zonal_shift: whether a zonal shift may take the traffic away from a zone.
        jdbc_port: the port whose answer sends a 7.0 client on to the node's auxiliary port.
    """

    key: Key
    cluster: str
    zones: tuple[str, ...]
    cross_zone: bool
    internal: bool
    listeners: tuple[Listener, ...]
    jdbc_port: int | None = None
    zonal_shift: bool = False

    @property
    def target_groups(self) -> tuple[Key, ...]:
        """The keys of the target groups of all listeners, each once."""
        keys = (key for listener in self.listeners for key in listener.target_groups)
        return tuple(dict.fromkeys(keys))


@dataclass(frozen=True)
class Cluster:
    """A stack with a balancer or with nodes.

    Attributes:
        name: its name.
        region: its region.
        nodes: keys of its nodes, without proxies.
        proxies: keys of its proxies.
        balancers: keys of its balancers.
        ports: the ports to which clients connect where there is no balancer.
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
        name: its logical id.
        cluster: the cluster's name.
        multi_az: whether a standby in another zone takes over.
        zones: the zones that it may be in, None where the templates do not tell them.
        ports: the clients' ports of the services that need it, None if nothing tells them.
    """

    key: Key
    name: str
    cluster: str
    multi_az: bool
    zones: tuple[str, ...] | None
    ports: tuple[int, ...] | None

    def may_be_in(self, zone: str) -> bool:
        """Return whether losing a zone may take the instance; True for unknown zones."""
        return self.zones is None or zone in self.zones


@dataclass(frozen=True)
class Alarm:
    """A CloudWatch alarm on one metric; times in seconds.

    Attributes:
        datapoints: the breaching periods, of the last `periods`, at which the alarm goes off.
        target_group: key of the target group that the metric is of, None if no template has it.
        balancer: key of the balancer that the metric is of, None if no template has it.
        zone: the one zone that the alarm watches.
        switch: whether operators put the metric's datapoints.
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

    @property
    def periods_until_ok(self) -> int:
        """The periods without a breach after which the alarm is OK again."""
        return self.periods - self.datapoints + 1


@dataclass(frozen=True)
class HealthCheck:
    """A Route 53 health check; interval in seconds.

    Attributes:
        kind: CALCULATED, CLOUDWATCH_METRIC, TCP, HTTP, …
        children: keys of the checks that a calculated check counts.
        needed: the number of children that must be healthy.
        alarm: key of the alarm, None if no template has it.
        insufficient: the status without enough data.
        endpoint: key of the balancer or node to which it connects, None if no template has it.
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
        target: key of the balancer or node that the record answers with, None if no template has
            it.
        cluster: the target's cluster.
        alias: whether it is an alias record.
        evaluates: whether it evaluates the target's health.
        check: key of its health check.
        ttl: the seconds for which resolvers keep it.
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
        """Both records by role."""
        return {"PRIMARY": self.primary, "SECONDARY": self.secondary}


Subject = Literal["balancer", "address", "node", "zone", "record", "check", "database"]
"""The kinds of objects that something unknown may hide; address: the zones of a balancer."""
ANY_SUBJECT: frozenset[Subject] = frozenset(
    ("balancer", "address", "node", "zone", "record", "check", "database")
)


@dataclass(frozen=True)
class Unknown:
    """A part of the templates that the drill does not understand or that only a deployment knows.

    Attributes:
        text: the note on it.
        hides: the kinds of objects that it may hide or change; a policy that rests on one of them
            is neither held nor broken.
        about: the check or alarm that it is about; it matters if a failover record uses that.
    """

    text: str
    hides: frozenset[Subject]
    about: Key = ""


@dataclass(frozen=True)
class Model:
    """All objects of the templates by key, and the notes on what was not understood.

    Attributes:
        license_managers: the host of the License Manager of each cluster, as far as known.
        unpaired_names: the names with a failover record of one role only.
        unknowns: what a policy must not rest on; `notes` has their texts too.
    """

    clusters: Mapping[str, Cluster]
    machines: Mapping[Key, Machine]
    balancers: Mapping[Key, Balancer]
    target_groups: Mapping[Key, TargetGroup]
    databases: Mapping[Key, Database] = field(default_factory=lambda: MappingProxyType({}))
    alarms: Mapping[Key, Alarm] = field(default_factory=lambda: MappingProxyType({}))
    checks: Mapping[Key, HealthCheck] = field(default_factory=lambda: MappingProxyType({}))
    failover_names: tuple[FailoverName, ...] = ()
    license_managers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    unpaired_names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    unknowns: tuple[Unknown, ...] = ()

    def databases_of(self, cluster: str) -> list[Database]:
        """Return the databases that the nodes of a cluster share."""
        return [database for database in self.databases.values() if database.cluster == cluster]

    def checks_of(self, records: Iterable[Record]) -> list[HealthCheck]:
        """Return the health checks of records with all that these count, by name."""
        keys: set[Key] = set()
        waiting = [record.check for record in records]
        while waiting:
            key = waiting.pop()
            if key is not None and key in self.checks and key not in keys:
                keys.add(key)
                waiting += self.checks[key].children
        return sorted((self.checks[key] for key in keys), key=lambda check: check.name)

    def alarm_of(self, check: HealthCheck) -> Alarm | None:
        """Return the alarm of a metric check, None if no template has it."""
        return self.alarms.get(check.alarm or "")

    def by_operators_alone(self, record: Record) -> bool:
        """Return whether a record's health depends on operators' switches only."""
        if record.alias and record.evaluates:
            return False
        checks = [check for check in self.checks_of([record]) if check.kind != "CALCULATED"]
        alarms = [self.alarm_of(check) for check in checks]
        return bool(alarms) and all(alarm is not None and alarm.switch for alarm in alarms)

    def clusters_behind(self, name: FailoverName) -> frozenset[str]:
        """Return the clusters whose failures may change the health of a failover name's records."""
        keys: set[Key | None] = set()
        for record in name.records.values():
            keys.add(record.target)
            for check in self.checks_of([record]):
                alarm = self.alarm_of(check)
                keys |= {check.endpoint, alarm.balancer if alarm else None}
        owners = (
            self.balancers.get(key or "") or self.machines.get(key or "") for key in keys - {None}
        )
        return frozenset(owner.cluster for owner in owners if owner is not None)
