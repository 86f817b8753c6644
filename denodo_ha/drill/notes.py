"""The notes of a drill: all that the drill does not understand or know, each in a sentence.

Reading a template adds a note where the template refers to something that no template has.
`model_notes` adds what the model as a whole leaves open.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from denodo_ha.drill.model import Balancer, Key, Model, Record, TargetGroup


class ReadingNotes:
    """The notes of reading templates, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self._texts: dict[str, None] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """The notes."""
        return tuple(self._texts)

    def _add(self, text: str) -> None:
        self._texts.setdefault(text)

    def upstreams_unknown(self, auto_scaling_group: Key) -> None:
        """Add that the nodes behind an Auto Scaling group are not known."""
        self._add(
            f"{auto_scaling_group}: nothing says which nodes its instances serve (metadata "
            "Denodo.Serves), so what lies behind it is unknown"
        )

    def no_jdbc_listener(self, balancer: Key) -> None:
        """Add that a balancer has auxiliary ports without a jdbc listener."""
        self._add(
            f"{balancer}: has auxiliary ports and no listener for jdbc, so no client is sent on "
            "to them"
        )

    def alarm_of_unknown_balancer(self, alarm: Key, balancer: object) -> None:
        """Add that no template has the balancer of an alarm's metric."""
        self._add(
            f"alarm {alarm}: looks at a balancer that none of these templates has ({balancer}); "
            "it is taken as reporting nothing"
        )

    def alarm_of_detached_target_group(self, alarm: Key, target_group: object) -> None:
        """Add that no listener of the balancer has the target group of an alarm's metric."""
        self._add(
            f"alarm {alarm}: looks at a target group that no listener of the balancer has "
            f"({target_group}); nothing is reported for it"
        )

    def unknown_health_check(self, check: object) -> None:
        """Add that no template has a health check."""
        self._add(f"health check {check}: none of these templates has it; it is taken as healthy")

    def unknown_alarm(self, check: Key, alarm: object) -> None:
        """Add that no template has the alarm of a health check."""
        self._add(
            f"health check {check}: none of these templates has its alarm ({alarm}); it is taken "
            "as an alarm without data"
        )

    def database_of_unknown_cluster(self, database: Key) -> None:
        """Add that the cluster of a database is not known."""
        self._add(
            f"{database}: nothing says whose metadata this database keeps (metadata "
            "Denodo.Keeps), so its failure is left out"
        )

    def database_of_unknown_services(self, database: Key, cluster: str) -> None:
        """Add that the services that need a database are not known."""
        self._add(
            f"{database}: nothing says which services of {cluster} keep their metadata there "
            "(metadata Denodo.Keeps), so what its failure takes is unknown"
        )

    def database_in_unknown_zone(self, database: Key) -> None:
        """Add that the zone of a database is not known."""
        self._add(
            f"{database}: nothing says in which zone this database is, so it is taken to be lost "
            "with each"
        )

    def unknown_record_target(self, name: object, role: object, value: object) -> None:
        """Add that no template has the target of a failover record."""
        self._add(
            f"{name}: its {role} record answers with {value}, which none of these templates has; "
            "what lies there is unknown"
        )

    def incomplete_failover_name(self, name: str, roles: Sequence[str]) -> None:
        """Add that a name has a record of one role only."""
        self._add(f"{name}: has only a {', '.join(roles)} record, so nothing fails over")

    def records_without_check(self, name: str, records: Mapping[str, Record]) -> None:
        """Add which of a failover name's records have no health check."""
        for role, record in records.items():
            if record.check is None and not (record.alias and record.evaluates):
                effect = (
                    "never moves by itself" if role == "PRIMARY" else "may move onto a dead cluster"
                )
                self._add(
                    f"{name}: its {role} record has no health check, so it always counts as "
                    f"healthy and the site {effect}"
                )


def model_notes(
    model: Model, addresses: Callable[[Key], Sequence[str]], drained: frozenset[Key]
) -> Iterator[str]:
    """Yield the notes on what the model as a whole leaves open.

    Args:
        model: the model of the templates.
        addresses: returns the zones whose addresses are in a balancer's DNS without a failure.
        drained: keys of the nodes that are drained from the start.
    """
    for balancer in model.balancers.values():
        yield from _check_notes(model, balancer)
        in_dns = addresses(balancer.key)
        missing = [zone for zone in balancer.zones if zone not in in_dns]
        if missing:
            yield (
                f"{balancer.cluster}: the balancer's address in {', '.join(missing)} is not in its "
                "DNS, even with nothing failed: a target group has no healthy target there"
            )
    for cluster_name in dict.fromkeys(database.cluster for database in model.databases.values()):
        yield (
            f"{cluster_name}: checks are taken not to see whether its database answers, so its "
            "nodes stay in service and DNS stays while it does not"
        )
    for cluster in model.clusters.values():
        nodes = [model.machines[key] for key in cluster.nodes]
        in_service = [node.name for node in nodes if node.key not in drained]
        if len(in_service) == 1 < len(nodes):
            yield (
                f"{cluster.name}: only {in_service[0]} is left in service while the others are "
                "drained"
            )
        unknown = [node.name for node in nodes if node.zone is None]
        if unknown:
            yield (
                f"{cluster.name}: nothing says which zone {', '.join(unknown)} is in, so no zone's "
                "loss takes it"
            )


def _check_notes(model: Model, balancer: Balancer) -> Iterator[str]:
    """Yield the notes on what the health checks of services do not detect."""
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
            "that is alive and not ready, as in a promotion, keeps its share of the connections"
        )
    if any(group.health_check.requests_readiness for group in groups):
        yield (
            f"{balancer.cluster}: a node counts as not ready when its own program says so; of "
            "promotions that program learns at jdbc, from 8.0 on: drain a node before one"
        )
    other = [
        group.name
        for group in groups
        if group.health_check.is_http and not group.health_check.requests_readiness
    ]
    if other:
        yield (
            f"{balancer.cluster}: what the checks of {', '.join(other)} ask for is not known "
            "here; they are taken to pass while the port is open"
        )


def _is_passed_to_nodes(model: Model, group: TargetGroup) -> bool:
    """Return whether a proxy passes a target group's check to its nodes, so that it tests them."""
    check = group.health_check
    return check.is_http and any(
        model.machines[target.machine].upstream(target.port) is not None
        and check.port in (None, target.port)
        for target in group.targets
    )
