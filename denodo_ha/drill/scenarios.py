"""The scenarios of a drill: every single failure in a model, and some pairs of failures."""

from collections.abc import Iterable, Iterator
from itertools import combinations, product
from typing import TYPE_CHECKING

from denodo_ha.drill.engine import aws_rules
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.model import Cluster, Database, Model
from denodo_ha.drill.outcome import Failure

if TYPE_CHECKING:
    from denodo_ha.drill.model.machines import Key

Scenario = tuple[Failure, Situation]


def scenarios(model: Model) -> Iterator[Scenario]:
    """Yield all scenarios of a model, the situation without a failure first."""
    yield Failure("nothing", ", ".join(sorted(model.clusters)), ""), Situation()
    for cluster in model.clusters.values():
        yield from _machines(model, cluster)
        yield from _ports(model, cluster)
        yield from _balancers(cluster)
        yield from _databases(model, cluster)
    yield from _zones(model)
    yield from _regions(model)
    yield from _checks(model)
    yield from _shifted_zones(model)
    yield from _license_managers(model)
    yield from _pairs_of_nodes(model)
    yield from _nodes_and_zones(model)
    yield from _regions_and_nodes(model)
    yield from _all_not_ready(model)


def _in_cluster(cluster: Cluster, kind: str, name: str, state: ClusterState) -> Scenario:
    return Failure(kind, cluster.name, name), Situation(((cluster.name, state),))


def _machines(model: Model, cluster: Cluster) -> Iterator[Scenario]:
    for key in cluster.nodes:
        node, name = frozenset({key}), model.machines[key].name
        yield _in_cluster(cluster, "node-lost", name, ClusterState(lost_machines=node))
        yield _in_cluster(cluster, "no-capacity", name, ClusterState(lost_machines=node))
        yield _in_cluster(cluster, "node-not-ready", name, ClusterState(unready_nodes=node))
        if cluster.balancers:
            yield _in_cluster(cluster, "node-drained", name, ClusterState(drained_nodes=node))
            replaced = ClusterState(drained_nodes=node, lost_machines=node)
            yield _in_cluster(cluster, "node-replaced", name, replaced)
    for key in cluster.proxies:
        state = ClusterState(lost_machines=frozenset({key}))
        yield _in_cluster(cluster, "proxy-lost", model.machines[key].name, state)


def _ports(model: Model, cluster: Cluster) -> Iterator[Scenario]:
    """Yield the failure of each service, on one node and on all, and of each auxiliary port."""
    services, auxiliary_ports = model.ports_of_nodes(cluster)
    for service, ports in services.items():
        for key, port in ports:
            name = f"{service} on {model.machines[key].name}"
            state = ClusterState(closed_ports=frozenset({(key, port)}))
            yield _in_cluster(cluster, "service-down", name, state)
        if len(ports) > 1:
            state = ClusterState(closed_ports=frozenset(ports))
            yield _in_cluster(cluster, "service-down", f"{service} on all nodes", state)
    for key, port in auxiliary_ports:
        name = f"{port} of {model.machines[key].name}"
        state = ClusterState(closed_ports=frozenset({(key, port)}))
        yield _in_cluster(cluster, "auxiliary-down", name, state)


def _balancers(cluster: Cluster) -> Iterator[Scenario]:
    for key in cluster.balancers:
        state = ClusterState(lost_balancers=frozenset({key}))
        yield _in_cluster(cluster, "balancer-lost", key.partition("/")[2], state)


def _databases(model: Model, cluster: Cluster) -> Iterator[Scenario]:
    """Yield the loss of each shared database: of its DB instance or of the underlying host."""
    for database in model.databases_of(cluster.name):
        state = _databases_lost([database])
        yield _in_cluster(cluster, "database-failed", database.name, state)


def _databases_lost(databases: Iterable[Database]) -> ClusterState:
    """Return the state of a cluster that has lost the instances of databases."""
    failing_over: set[Key] = set()
    lost: set[Key] = set()
    for database in databases:
        recovers = aws_rules.database_failover(multi_az=database.multi_az) is not None
        (failing_over if recovers else lost).add(database.key)
    return ClusterState(
        failing_over_databases=frozenset(failing_over), lost_databases=frozenset(lost)
    )


def _zones(model: Model) -> Iterator[Scenario]:
    """Yield the loss of each zone, for all clusters of its region."""
    states_by_zone: dict[tuple[str, str], dict[str, ClusterState]] = {}
    for cluster in model.clusters.values():
        databases = model.databases_of(cluster.name)
        zones = {model.machines[key].zone for key in (*cluster.nodes, *cluster.proxies)}
        zones |= {zone for key in cluster.balancers for zone in model.balancers[key].zones}
        zones |= {zone for database in databases for zone in database.zones or ()}
        for zone in sorted(zone for zone in zones if zone):
            state = ClusterState(lost_zones=frozenset({zone})) | _databases_lost(
                database for database in databases if database.may_be_in(zone)
            )
            states_by_zone.setdefault((cluster.region, zone), {})[cluster.name] = state
    for (_, zone), states in states_by_zone.items():
        yield Failure("zone-lost", ", ".join(states), zone), Situation(tuple(states.items()))


def _regions(model: Model) -> Iterator[Scenario]:
    regions: dict[str, list[str]] = {}
    for cluster in model.clusters.values():
        regions.setdefault(cluster.region, []).append(cluster.name)
    for region, names in regions.items():
        states = tuple((name, ClusterState(region_lost=True)) for name in names)
        yield Failure("region-lost", ", ".join(names), region), Situation(states)


def _checks(model: Model) -> Iterator[Scenario]:
    """Yield the scenarios of health checks and alarms.

    In each scenario, one check is unhealthy without a cause, one alarm has no data, or one switch
    is thrown.
    """
    seen: set[Key] = set()
    for failover_name in model.failover_names:
        for record in failover_name.records.values():
            cluster = record.cluster or ""
            for check in model.checks_of([record]):
                if check.key in seen:
                    continue
                seen.add(check.key)
                yield (
                    Failure("check-unhealthy", cluster, check.name),
                    Situation(unhealthy_checks=frozenset({check.key})),
                )
                alarm = model.alarm_of(check)
                if alarm is None or alarm.key in seen:
                    continue
                seen.add(alarm.key)
                keys = frozenset({alarm.key})
                yield (
                    Failure("missing-data", cluster, alarm.name),
                    Situation(alarms_without_data=keys),
                )
                if alarm.switch:
                    yield (
                        Failure("switch-thrown", cluster, alarm.name),
                        Situation(thrown_switches=keys),
                    )


def _pairs_of_nodes(model: Model) -> Iterator[Scenario]:
    """Yield the loss of any two nodes of one cluster, or of the two clusters of a failover name.

    Pairs of nodes in other clusters are omitted: their effects do not depend on each other.
    """
    for cluster in model.clusters.values():
        for pair in combinations(cluster.nodes, 2):
            name = " + ".join(model.machines[key].name for key in pair)
            state = ClusterState(lost_machines=frozenset(pair))
            yield _in_cluster(cluster, "nodes-lost", name, state)
    for primary, secondary in _joined(model):
        for first, second in product(
            model.clusters[primary].nodes, model.clusters[secondary].nodes
        ):
            name = (
                f"{primary}/{model.machines[first].name} + "
                f"{secondary}/{model.machines[second].name}"
            )
            states = (
                (primary, ClusterState(lost_machines=frozenset({first}))),
                (secondary, ClusterState(lost_machines=frozenset({second}))),
            )
            yield Failure("nodes-lost", f"{primary}, {secondary}", name), Situation(states)


def _joined(model: Model) -> Iterator[tuple[str, str]]:
    """Yield the names of the two clusters of each failover name, the primary first."""
    joined = dict.fromkeys(
        (name.primary.cluster, name.secondary.cluster) for name in model.failover_names
    )
    for primary, secondary in joined:
        if primary is not None and secondary is not None and primary != secondary:
            yield primary, secondary


def _shifted_zones(model: Model) -> Iterator[Scenario]:
    """Yield a zonal shift away from each zone of the balancers that allow zonal shifts."""
    for cluster in model.clusters.values():
        balancers = [model.balancers[key] for key in cluster.balancers]
        zones = {zone for one in balancers if one.zonal_shift for zone in one.zones if zone}
        for zone in sorted(zones) if len(zones) > 1 else ():
            state = ClusterState(shifted_zones=frozenset({zone}))
            yield _in_cluster(cluster, "zone-shifted", zone, state)


def _license_managers(model: Model) -> Iterator[Scenario]:
    """Yield the loss of each License Manager, which does not affect nodes that run already."""
    clusters: dict[str, list[str]] = {}
    for cluster, host in model.license_managers.items():
        clusters.setdefault(host, []).append(cluster)
    for host, names in clusters.items():
        states = tuple((name, ClusterState(license_manager_lost=True)) for name in names)
        yield Failure("license-manager-lost", ", ".join(names), host), Situation(states)


def _nodes_and_zones(model: Model) -> Iterator[Scenario]:
    """Yield the loss of each node together with the loss of each other zone of its cluster."""
    for cluster in model.clusters.values():
        nodes = [model.machines[key] for key in cluster.nodes]
        zones = sorted({node.zone for node in nodes if node.zone is not None})
        for node, zone in product(nodes, zones):
            if node.zone not in (None, zone):
                state = ClusterState(
                    lost_machines=frozenset({node.key}), lost_zones=frozenset({zone})
                ) | _databases_lost(
                    one for one in model.databases_of(cluster.name) if one.may_be_in(zone)
                )
                yield _in_cluster(cluster, "node-and-zone-lost", f"{node.name} + {zone}", state)


def _regions_and_nodes(model: Model) -> Iterator[Scenario]:
    """Yield the loss of a cluster's region together with the loss of a node of the other cluster.

    There is one such scenario for each node.
    """
    for pair in _joined(model):
        for lost, other in (pair, pair[::-1]):
            region = model.clusters[lost].region
            if region == model.clusters[other].region:
                continue
            for key in model.clusters[other].nodes:
                states = (
                    (lost, ClusterState(region_lost=True)),
                    (other, ClusterState(lost_machines=frozenset({key}))),
                )
                name = f"{region} + {other}/{model.machines[key].name}"
                yield (
                    Failure("region-and-node-lost", f"{lost}, {other}", name),
                    Situation(states),
                )


def _all_not_ready(model: Model) -> Iterator[Scenario]:
    """Yield the situation that no node of either cluster of a failover name is ready.

    This can happen during a promotion to all nodes at once.
    """
    for pair in _joined(model):
        states = tuple(
            (name, ClusterState(unready_nodes=frozenset(model.clusters[name].nodes)))
            for name in pair
        )
        yield Failure("nodes-not-ready", ", ".join(pair), "all"), Situation(states)
