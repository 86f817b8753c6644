"""Every single failure of a model, and every pair of nodes."""

from collections.abc import Iterator
from itertools import combinations, product

from denodo_ha.drill.engine import databases
from denodo_ha.drill.engine.check_health import checks_of
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model import Cluster, Key, Model
from denodo_ha.drill.outcome import Failure

Scenario = tuple[Failure, Situation]


def scenarios(model: Model) -> Iterator[Scenario]:
    """All of them, the situation without a failure first."""
    everyone = ", ".join(sorted(model.clusters))
    yield Failure("nothing", everyone, ""), Situation()
    for cluster in model.clusters.values():
        yield from _machines(model, cluster)
        yield from _ports(model, cluster)
        yield from _balancers(cluster)
        yield from _databases(model, cluster)
    yield from _zones(model)
    yield from _regions(model)
    yield from _checks(model)
    yield from _pairs(model)


def _in(cluster: str, state: ClusterState) -> Situation:
    return Situation(((cluster, state),))


def _machines(model: Model, cluster: Cluster) -> Iterator[Scenario]:
    for key in cluster.nodes:
        one, name = frozenset({key}), model.nodes[key].name
        states = {
            "node-lost": ClusterState(dead=one),
            "node-not-ready": ClusterState(promoting=one),
        }
        if cluster.balancers:
            states["node-drained"] = ClusterState(drained=one)
        for kind, state in states.items():
            yield Failure(kind, cluster.name, name), _in(cluster.name, state)
    for key in cluster.proxies:
        state = ClusterState(dead=frozenset({key}))
        yield Failure("proxy-lost", cluster.name, model.nodes[key].name), _in(cluster.name, state)


def _ports(model: Model, cluster: Cluster) -> Iterator[Scenario]:
    """Each service down on one node and on all, and each auxiliary port alone."""
    services, auxiliary = served(model, cluster)
    for label, ports in services.items():
        for key, port in ports:
            state = ClusterState(closed=frozenset({(key, port)}))
            name = f"{label} on {model.nodes[key].name}"
            yield Failure("service-down", cluster.name, name), _in(cluster.name, state)
        if len(ports) > 1:
            state = ClusterState(closed=frozenset(ports))
            name = f"{label} on all nodes"
            yield Failure("service-down", cluster.name, name), _in(cluster.name, state)
    for key, port in auxiliary:
        state = ClusterState(closed=frozenset({(key, port)}))
        name = f"{port} of {model.nodes[key].name}"
        yield Failure("auxiliary-down", cluster.name, name), _in(cluster.name, state)


NodePort = tuple[Key, int]


def served(model: Model, cluster: Cluster) -> tuple[dict[str, list[NodePort]], list[NodePort]]:
    """The ports on nodes behind each service, and the auxiliary ports on nodes."""
    services: dict[str, list[NodePort]] = {}
    auxiliary: list[NodePort] = []
    for balancer in (model.balancers[key] for key in cluster.balancers):
        for listener in balancer.listeners:
            for group in (model.groups[key] for key in listener.groups):
                ports: list[NodePort] = []
                for target in group.targets:
                    machine = model.nodes[target.machine]
                    if machine.kind == "node":
                        ports.append((machine.key, target.port))
                    elif machine.serves and target.port in machine.serves:
                        serving = machine.serves[target.port]
                        ports += [(key, serving.port) for key in serving.nodes]
                if group.node is not None:
                    auxiliary += ports
                else:
                    known = services.setdefault(group.name, [])
                    known += [one for one in ports if one not in known]
    for port in cluster.ports:
        services.setdefault(str(port), [(key, port) for key in cluster.nodes])
    return services, list(dict.fromkeys(auxiliary))


def _balancers(cluster: Cluster) -> Iterator[Scenario]:
    for key in cluster.balancers:
        state = ClusterState(balancers=frozenset({key}))
        name = key.partition("/")[2]
        yield Failure("balancer-lost", cluster.name, name), _in(cluster.name, state)


def _databases(model: Model, cluster: Cluster) -> Iterator[Scenario]:
    """Each shared database's instance, or what it stands on, is gone."""
    for one in databases.of(model, cluster):
        state = databases.failed([one])
        yield Failure("database-failed", cluster.name, one.name), _in(cluster.name, state)


def _zones(model: Model) -> Iterator[Scenario]:
    """A zone is lost for every cluster of its region."""
    places: dict[tuple[str, str], dict[str, ClusterState]] = {}
    for cluster in model.clusters.values():
        machines = (*cluster.nodes, *cluster.proxies)
        zones = {model.nodes[key].zone for key in machines}
        zones |= {zone for key in cluster.balancers for zone in model.balancers[key].zones}
        shared = databases.of(model, cluster)
        zones |= {zone for one in shared for zone in one.zones or ()}
        for zone in sorted(zone for zone in zones if zone is not None):
            taken = databases.failed(one for one in shared if databases.may_be_in(one, zone))
            state = ClusterState(zones=frozenset({zone})) | taken
            places.setdefault((cluster.region, zone), {})[cluster.name] = state
    for (_, zone), states in places.items():
        yield Failure("zone-lost", ", ".join(states), zone), Situation(tuple(states.items()))


def _regions(model: Model) -> Iterator[Scenario]:
    regions: dict[str, list[str]] = {}
    for cluster in model.clusters.values():
        regions.setdefault(cluster.region, []).append(cluster.name)
    for region, names in regions.items():
        states = tuple((name, ClusterState(region=True)) for name in names)
        yield Failure("region-lost", ", ".join(names), region), Situation(states)


def _checks(model: Model) -> Iterator[Scenario]:
    """Each health check unhealthy for no reason, each alarm without data, each switch thrown."""
    seen: set[Key] = set()
    for site in model.sites:
        for record in site.records.values():
            name = record.cluster or ""
            for check in checks_of(model, record):
                if check.key in seen:
                    continue
                seen.add(check.key)
                yield (
                    Failure("check-unhealthy", name, check.name),
                    Situation(unhealthy=frozenset({check.key})),
                )
                alarm = model.alarms.get(check.alarm or "")
                if alarm is None or alarm.key in seen:
                    continue
                seen.add(alarm.key)
                one = frozenset({alarm.key})
                yield Failure("missing-data", name, alarm.name), Situation(silent=one)
                if alarm.switch:
                    yield Failure("switch-thrown", name, alarm.name), Situation(thrown=one)


def _pairs(model: Model) -> Iterator[Scenario]:
    """Every pair of nodes of a cluster, and of two clusters that a failover name joins.

    Pairs of clusters that nothing joins are left out: each does what it does alone.
    """
    for cluster in model.clusters.values():
        for pair in combinations(cluster.nodes, 2):
            name = " + ".join(model.nodes[key].name for key in pair)
            state = ClusterState(dead=frozenset(pair))
            yield Failure("nodes-lost", cluster.name, name), _in(cluster.name, state)
    joined = dict.fromkeys((site.primary.cluster, site.secondary.cluster) for site in model.sites)
    for one, two in joined:
        if one is None or two is None or one == two:
            continue
        for first, second in product(model.clusters[one].nodes, model.clusters[two].nodes):
            name = f"{one}/{model.nodes[first].name} + {two}/{model.nodes[second].name}"
            states = (
                (one, ClusterState(dead=frozenset({first}))),
                (two, ClusterState(dead=frozenset({second}))),
            )
            yield Failure("nodes-lost", f"{one}, {two}", name), Situation(states)
