"""Notes of a drill: sentences on parts of the templates that are unknown or not supported.

A reader adds a note if a template refers to an object that no template has. `model_notes` yields
notes on the model as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from denodo_ha.drill.model.balancers import Balancer, TargetGroup
from denodo_ha.drill.model.dns import Record
from denodo_ha.drill.model.machines import Key, Machine
from denodo_ha.drill.model.model import ANY_SUBJECT, Model, Subject, Unknown
from denodo_ha.drill.outcome import Outcome
from denodo_ha.environment.facts.instance_recovery import Recovery


class ReadingNotes:
    """The notes from reading templates, without duplicates, in the order of reading."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}
        self._unknowns: dict[str, Unknown] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of all notes."""
        return tuple(self._texts)

    def unknowns(self, in_use: Iterable[Key]) -> tuple[Unknown, ...]:
        """Return the unknown parts that can prevent policies from holding.

        Args:
            in_use: keys of the checks and alarms that failover records use.
        """
        used = {"", *in_use}
        return tuple(unknown for unknown in self._unknowns.values() if unknown.about in used)

    def _add(self, text: str, *hides: Subject, about: Key = "") -> None:
        self._texts.setdefault(text)
        if hides:
            self._unknowns.setdefault(text, Unknown(text, frozenset(hides), about))

    def hidden(self, key: Key, what: str) -> None:
        """Add a note that an unread part of a template may contain resources of any type."""
        self._add(
            f"{key} may contain balancers, nodes, records or checks that the drill does not know: "
            f"{what}",
            *ANY_SUBJECT,
        )

    def nested_stack_unknown(self, key: Key) -> None:
        """Add a note that no local file has the template of a nested stack."""
        self.hidden(key, "no local file has the template of this nested stack")

    def nested_stack_unreadable(self, key: Key, error: str) -> None:
        """Add a note that the template of a nested stack cannot be read."""
        self.hidden(key, f"the template of this nested stack cannot be read ({error})")

    def loop_unknown(self, stack: str, name: str) -> None:
        """Add a note that a loop (Fn::ForEach) cannot be expanded."""
        self.hidden(
            f"{stack}/Fn::ForEach::{name}",
            "only a deployment knows the items of this loop",
        )

    def undecided(self, key: Key, reasons: Iterable[str], hides: Iterable[Subject]) -> None:
        """Add a note that a resource depends on values that are known only after deployment."""
        self._add(
            f"{key} depends on {', '.join(sorted(set(reasons)))}, which only a deployment knows",
            *hides,
            about=key if set(hides) == {"check"} else "",
        )

    def unknown_targets(self, target_group: Key) -> None:
        """Add a note that the templates do not list all targets of a target group."""
        self._add(
            f"{target_group}: not all targets of this target group are known, so the nodes that "
            "get its connections are unknown",
            "node",
        )

    def unknown_listener_of(self, listener: Key) -> None:
        """Add a note that the balancer or a target group of a listener is not known."""
        self._add(
            f"{listener}: the balancer of this listener, or the target group to which the listener "
            "forwards, is not among the resources that were read",
            "balancer",
            "node",
        )

    def unknown_zones(self, key: Key) -> None:
        """Add a note that the templates do not contain the zones of a balancer."""
        self._add(
            f"{key}: the zones of this balancer are not known; the drill assumes the zones of its "
            "targets",
            "address",
        )

    def zone_by_parameter(self, key: Key, zone: str) -> None:
        """Add a note that the zone of a node is known only after deployment."""
        self._add(f"{key}: only a deployment knows the zone of this instance ({zone})", "zone")

    def other_routing(self, name: object, policy: str) -> None:
        """Add a note that a DNS name has a routing policy that the drill does not support."""
        self._add(
            f"{name} has records with the routing policy {policy}, which the drill does not read",
            "record",
        )

    def joined_halves(self, name: str) -> None:
        """Add a note that both records of a failover name are assumed to be in one hosted zone."""
        self._add(
            f"{name}: the PRIMARY and the SECONDARY record name their hosted zone in different "
            "ways; the drill assumes that both records are in the same hosted zone",
            "record",
        )

    def unread_check(self, check: Key, what: str) -> None:
        """Add a note that the status of a health check or alarm is not known."""
        self._add(f"{check}: {what}; the drill assumes healthy", "check", about=check)

    def upstreams_unknown(self, auto_scaling_group: Key) -> None:
        """Add a note that the nodes behind an Auto Scaling group are not known."""
        self._add(
            f"{auto_scaling_group}: the nodes to which the instances of this Auto Scaling group "
            "connect are not known, because its metadata Denodo.Serves does not name them",
            "node",
        )

    def no_jdbc_listener(self, balancer: Key) -> None:
        """Add a note that a balancer has auxiliary ports but no jdbc listener."""
        self._add(
            f"{balancer} has auxiliary ports and no listener for jdbc, so no client is directed to "
            "the auxiliary ports"
        )

    def alarm_of_unknown_balancer(self, alarm: Key, balancer: object) -> None:
        """Add a note that no template has the balancer of an alarm's metric."""
        self._add(
            f"alarm {alarm} monitors a balancer that is not among the resources that were read "
            f"({balancer}); the drill assumes that the alarm's metric has no data",
            "check",
            about=alarm,
        )

    def alarm_of_detached_target_group(
        self, alarm: Key, target_group: object, *, known: bool
    ) -> None:
        """Add a note that no listener of the balancer has the target group of an alarm's metric."""
        hides: tuple[Subject, ...] = () if known else ("check",)
        self._add(
            f"alarm {alarm} monitors a target group that no listener of the balancer has "
            f"({target_group}), so the alarm's metric has no data",
            *hides,
            about=alarm,
        )

    def unknown_health_check(self, check: object) -> None:
        """Add a note that no template has a health check to which a template refers."""
        self._add(
            f"health check {check} is not among the resources that were read; the drill assumes "
            "that this health check is healthy",
            "check",
            about=str(check),
        )

    def unknown_alarm(self, check: Key, alarm: object) -> None:
        """Add a note that no template has the alarm of a health check."""
        self._add(
            f"the alarm of the health check {check} is not among the resources that were read "
            f"({alarm}); the drill assumes that this alarm has no data",
            "check",
            about=check,
        )

    def unsupported_alarm(self, check: Key, alarm: Key, reason: str) -> None:
        """Add a note that Route 53 does not support the alarm of a health check."""
        self._add(
            f"health check {check}: Route 53 does not support the alarm {alarm}, because {reason}",
            "check",
            about=check,
        )

    def existing_metadata_server(self, stack: str, host: str) -> None:
        """Add a note that nodes keep their metadata on a server that no stack creates."""
        self._add(
            f"{stack}: nodes keep their metadata on {host}, which no stack creates; it is not "
            f"known if another server takes over after a failure of {host}",
            "metadata server",
        )

    def database_of_unknown_cluster(self, database: Key) -> None:
        """Add a note that the cluster of a database is not known."""
        self._add(
            f"{database}: the cluster that uses this database is not known, because the metadata "
            "Denodo.Keeps does not name the cluster; the drill leaves out the database's failure",
            "database",
        )

    def database_of_unknown_services(self, database: Key, cluster: str) -> None:
        """Add a note that the services that need a database are not known."""
        self._add(
            f"{database}: the services of {cluster} that a failure of this database interrupts are "
            "not known, because the metadata Denodo.Keeps does not name the services",
            "database",
        )

    def database_in_unknown_zone(self, database: Key) -> None:
        """Add a note that the zone of a database is not known."""
        self._add(
            f"{database}: the zone of this database is not known; the drill assumes that the loss "
            "of any zone includes the database"
        )

    def unknown_record_target(self, name: object, role: object, value: object) -> None:
        """Add a note that no template has the target of a failover record."""
        self._add(
            f"{name}: the {role} record answers with {value}, which is not among the resources "
            "that were read; the services behind this record are unknown",
            "record",
        )

    def incomplete_failover_name(self, name: str, role: str, *, known: bool) -> None:
        """Add a note that a name has only a PRIMARY or only a SECONDARY record."""
        hides: tuple[Subject, ...] = () if known else ("record",)
        self._add(f"{name} has only a {role} record, so DNS cannot fail over", *hides)

    def records_without_check(self, name: str, records: Mapping[str, Record]) -> None:
        """Add a note on each record of a failover name that has no health check."""
        for role, record in records.items():
            if record.check is None and not (record.alias and record.evaluates):
                effect = (
                    "never fails over automatically"
                    if role == "PRIMARY"
                    else "may fail over to a cluster that does not serve"
                )
                self._add(
                    f"{name}: the {role} record has no health check, so this record always counts "
                    f"as healthy, and the site {effect}"
                )


def model_notes(
    model: Model, addresses: Callable[[Key], Sequence[str]], drained: frozenset[Key]
) -> Iterator[Unknown]:
    """Yield the notes on the model as a whole.

    Args:
        model: the model of the templates.
        addresses: returns the zones whose addresses are in a balancer's DNS before any failure.
        drained: keys of the nodes that are drained before any failure.
    """
    for balancer in model.balancers.values():
        yield from map(_note, _check_notes(model, balancer))
        in_dns = addresses(balancer.key)
        missing = [zone for zone in balancer.zones if zone not in in_dns]
        if missing:
            yield _note(
                f"{balancer.cluster}: even without a failure, the balancer's DNS name does not "
                f"resolve to the address in {', '.join(missing)}: a target group has no healthy "
                "target in that zone"
            )
    for name in model.failover_names:
        hosts = [
            model.license_managers.get(record.cluster or "") for record in name.records.values()
        ]
        if hosts[0] is not None and hosts[0] == hosts[1]:
            yield _note(
                f"{name.name}: both sides have the same License Manager, {hosts[0]}: while "
                f"{hosts[0]} is lost, a node that stops cannot start again, on either side"
            )
    for cluster_name in dict.fromkeys(database.cluster for database in model.databases.values()):
        yield _note(
            f"{cluster_name}: the drill assumes that health checks do not detect a failed "
            "database, so the nodes remain in service and the DNS answer does not change"
        )
    for cluster in model.clusters.values():
        nodes = [model.machines[key] for key in cluster.nodes]
        in_service = [node.name for node in nodes if node.key not in drained]
        if len(in_service) == 1 < len(nodes):
            yield _note(
                f"{cluster.name}: only {in_service[0]} is in service, the other nodes are drained"
            )
        yield from map(_note, _recovery_notes(cluster.name, nodes))
        unknown = [node.name for node in nodes if node.zone is None]
        if unknown:
            text = (
                f"{cluster.name}: the zone of {', '.join(unknown)} is not known, so the loss of a "
                f"zone does not include {', '.join(unknown)}"
            )
            # A cluster of one node is lost with its zone, whichever zone it is. So no policy
            # depends on this unknown zone.
            yield _note(text, "zone") if len(nodes) > 1 else _note(text)


def _recovery_notes(cluster: str, nodes: Iterable[Machine]) -> Iterator[str]:
    """Yield notes on what EC2 does if the host of a node's instance fails."""
    names: dict[Recovery, list[str]] = {}
    for node in nodes:
        if node.recovery is not None:
            names.setdefault(node.recovery, []).append(node.name)
    ways = {
        Recovery.AUTOMATIC: "by simplified automatic recovery",
        Recovery.ALARM: "by a CloudWatch alarm with the recover action",
    }
    for recovery, way in ways.items():
        if recovery in names:
            yield (
                f"{cluster}: when a host fails, EC2 moves its instance to another host {way} "
                f"({', '.join(names[recovery])}); an instance that is terminated must be replaced"
            )
    if Recovery.NONE in names:
        yield (
            f"{cluster}: when a host fails, EC2 does not move its instance to another host, "
            f"because the instance type has no recovery ({', '.join(names[Recovery.NONE])}): stop "
            "and start the instance, or replace the instance"
        )


def load_notes(outcomes: Iterable[Outcome]) -> Iterator[Unknown]:
    """Yield notes on the highest load of a node after the loss of another node of its cluster."""
    loads: dict[str, int] = {}
    for outcome in outcomes:
        if outcome.failure.kind == "node-lost":
            cluster = outcome.failure.cluster
            loads[cluster] = max(loads.get(cluster, 100), outcome.load_percent)
    for cluster, load in loads.items():
        if load > 100:
            yield _note(
                f"{cluster}: after the loss of one node, another node has up to {load} % of its "
                "previous load; set a limit with --max-load PERCENT"
            )


def _note(text: str, *hides: Subject) -> Unknown:
    return Unknown(text, frozenset(hides))


def _check_notes(model: Model, balancer: Balancer) -> Iterator[str]:
    """Yield notes on the failures that the health checks of services do not detect."""
    groups = [model.target_groups[key] for key in balancer.target_groups]
    groups = [
        group
        for group in groups
        if group.auxiliary_node is None and not _is_passed_to_nodes(model, group)
    ]
    connecting = [group.name for group in groups if not group.health_check.is_http]
    if connecting:
        yield (
            f"{balancer.cluster}: the checks of {', '.join(connecting)} only connect, so a node "
            "that runs and is not ready, as during a promotion, still gets connections"
        )
    if any(group.health_check.requests_readiness for group in groups):
        yield (
            f"{balancer.cluster}: a node counts as not ready when its node program reports that "
            "the node is not ready; the node program detects promotions for jdbc only, from Denodo "
            "8.0 on: drain a node before a promotion"
        )
    other = [
        group.name
        for group in groups
        if group.health_check.is_http and not group.health_check.requests_readiness
    ]
    if other:
        yield (
            f"{balancer.cluster}: it is not known what the checks of {', '.join(other)} test; the "
            "drill assumes that these checks pass while the port is open"
        )


def _is_passed_to_nodes(model: Model, group: TargetGroup) -> bool:
    """Return whether a proxy forwards a target group's check to nodes."""
    check = group.health_check
    return check.is_http and any(
        model.machines[target.machine].upstream(target.port) is not None
        and check.port in (None, target.port)
        for target in group.targets
    )
