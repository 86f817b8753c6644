"""The drill's model of templates: clusters, their resources, and the unknown parts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from denodo_ha.drill.model.balancers import Balancer, TargetGroup
from denodo_ha.drill.model.dns import Alarm, FailoverName, HealthCheck, Record
from denodo_ha.drill.model.machines import Key, Machine
from denodo_ha.drill.model.notifications import Notification

NodePort = tuple[Key, int]
"""A node and a port of the node."""


@dataclass(frozen=True)
class Cluster:
    """A stack, or a part of a stack, with a balancer or with nodes.

    Attributes:
        name: its name.
        region: its region.
        nodes: keys of its nodes, without proxies.
        proxies: keys of its proxies.
        balancers: keys of its balancers.
        ports: the ports to which clients connect if the cluster has no balancer.
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
        multi_az: whether the database has a standby in another zone, which takes over if the
            database fails.
        zones: the zones in which the database may be, None if the templates do not contain them.
        ports: the client ports of the services that need the database, None if they are unknown.
    """

    key: Key
    name: str
    cluster: str
    multi_az: bool
    zones: tuple[str, ...] | None
    ports: tuple[int, ...] | None

    def may_be_in(self, zone: str) -> bool:
        """Return whether the instance may be in a zone; True if its zones are unknown."""
        return self.zones is None or zone in self.zones


@dataclass(frozen=True)
class Copies:
    """Copies of a cluster's data in another region.

    Attributes:
        export_seconds: seconds between two exports of a node's metadata; None without exports.
        are_exports_copied: whether the bucket of exports is replicated.
        is_database_copied: whether the backups of the cluster's database are replicated.
    """

    export_seconds: int | None
    are_exports_copied: bool
    is_database_copied: bool


Subject = Literal[
    "balancer", "address", "node", "zone", "record", "check", "database", "metadata server"
]
"""The kinds of objects about which a verdict may be unknown. "address" means the zones of a
balancer, and "metadata server" a shared database that is not known to belong to the site."""


ANY_SUBJECT: frozenset[Subject] = frozenset(
    ("balancer", "address", "node", "zone", "record", "check", "database")
)


@dataclass(frozen=True)
class Unknown:
    """A part of the templates that is not understood, or is known only after deployment.

    Attributes:
        text: the text of the note on this part.
        hides: the kinds of objects that it may hide or change; a policy that depends on one of
            these kinds is never reported as held.
        about: key of the check or alarm to which this part belongs. The part is ignored unless a
            failover record uses this check or alarm. Empty for parts that always count.
    """

    text: str
    hides: frozenset[Subject]
    about: Key = ""


@dataclass(frozen=True)
class Model:
    """All objects of the templates by key, and the notes on unknown parts.

    Attributes:
        license_managers: the host of the License Manager of each cluster, where it is known.
        copies: the data of each cluster that is copied to another region.
        notifications: the alarms that notify a topic.
        database_events: keys of the databases whose failures are events that notify a topic.
        unpaired_names: the DNS names that have a PRIMARY or a SECONDARY record, and not both.
        unknowns: the unknown parts that can prevent policies from holding; `notes` contains their
            texts too.
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
    copies: Mapping[str, Copies] = field(default_factory=lambda: MappingProxyType({}))
    notifications: tuple[Notification, ...] = ()
    database_events: frozenset[Key] = frozenset()
    unpaired_names: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()
    unknowns: tuple[Unknown, ...] = ()

    def databases_of(self, cluster: str) -> list[Database]:
        """Return the databases that the nodes of a cluster share."""
        return [database for database in self.databases.values() if database.cluster == cluster]

    def ports_of_nodes(self, cluster: Cluster) -> tuple[dict[str, list[NodePort]], list[NodePort]]:
        """Return the node ports of each service, and the auxiliary ports of nodes."""
        services: dict[str, list[NodePort]] = {}
        auxiliary_ports: list[NodePort] = []
        for balancer in (self.balancers[key] for key in cluster.balancers):
            for listener in balancer.listeners:
                for group in (self.target_groups[key] for key in listener.target_groups):
                    ports: list[NodePort] = []
                    for target in group.targets:
                        machine = self.machines[target.machine]
                        upstream = machine.upstream(target.port)
                        if machine.kind == "node":
                            ports.append((machine.key, target.port))
                        elif upstream is not None:
                            ports += [(key, upstream.port) for key in upstream.nodes]
                    if group.auxiliary_node is not None:
                        auxiliary_ports += ports
                    else:
                        # All proxies of a target group have the same nodes, so one proxy is enough.
                        known = services.get(group.name, [])
                        services[group.name] = list(dict.fromkeys((*known, *ports)))
        for port_number in cluster.ports:
            services.setdefault(str(port_number), [(key, port_number) for key in cluster.nodes])
        return services, list(dict.fromkeys(auxiliary_ports))

    def checks_of(self, records: Iterable[Record]) -> list[HealthCheck]:
        """Return the health checks of records and all their child checks, sorted by name."""
        keys: set[Key] = set()
        waiting = [record.check for record in records]
        while waiting:
            key = waiting.pop()
            if key is not None and key in self.checks and key not in keys:
                keys.add(key)
                waiting += self.checks[key].children
        return sorted((self.checks[key] for key in keys), key=lambda check: (check.name, check.key))

    def alarm_of(self, check: HealthCheck) -> Alarm | None:
        """Return the alarm of a metric check; None if no template has the alarm."""
        return self.alarms.get(check.alarm or "")

    def by_operators_alone(self, record: Record) -> bool:
        """Return whether only operators' switches decide a record's health."""
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
