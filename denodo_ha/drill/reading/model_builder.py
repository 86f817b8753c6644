"""The model of some stacks: clusters from balancers and nodes, and the sites that join them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model import Balancer, Cluster, Key, Model, Node
from denodo_ha.drill.reading.balancers import JDBC, FindBalancers
from denodo_ha.drill.reading.checks import FindChecks
from denodo_ha.drill.reading.databases import find_databases
from denodo_ha.drill.reading.nodes import FindNodes
from denodo_ha.drill.reading.records import find_sites
from denodo_ha.drill.reading.resource_reader import INSTANCE, LOAD_BALANCER, Reader
from denodo_ha.environment.facts.denodo_ports import PORTS
from denodo_ha.environment.names import CLUSTER_TAG


def build(stacks: tuple[SynthesisedStack, ...]) -> Model:
    """Read stacks as a model."""
    reader = Reader(stacks)
    nodes = FindNodes(reader)
    balancers = FindBalancers(reader, nodes)
    checks = FindChecks(reader, balancers)
    targets = _targets(balancers)
    names = _names(reader)
    clusters: dict[str, Cluster] = {}
    machines: dict[Key, Node] = {}
    owned: dict[Key, Balancer] = {}
    of_stacks: dict[str, str] = {}
    for stack in stacks:
        for parts in _parts(stack, nodes.found.nodes, balancers, targets):
            keys, of_balancers, suffix = parts
            name = names[stack.name] + suffix
            of_stacks.setdefault(stack.name, name)
            for key in keys:
                machines[key] = replace(nodes.found.nodes[key], cluster=name)
            for key in of_balancers:
                owned[key] = replace(balancers.balancers[key], cluster=name)
            clusters[name] = Cluster(
                name,
                stack.region,
                _by_kind(machines, keys, "node"),
                _by_kind(machines, keys, "proxy"),
                tuple(of_balancers),
                () if of_balancers else (PORTS["8.0"].services[JDBC],),
            )
    machines = _told_apart(machines)
    sites = find_sites(reader, checks, machines, owned)
    model = Model(
        clusters=clusters,
        nodes=machines,
        balancers=owned,
        groups=balancers.groups,
        databases=find_databases(reader, nodes, of_stacks),
        alarms=checks.alarms,
        checks=checks.checks,
        sites=sites,
    )
    return replace(model, notes=tuple(reader.notes))


Parts = tuple[list[Key], list[Key], str]


def _parts(
    stack: SynthesisedStack,
    nodes: Mapping[Key, Node],
    balancers: FindBalancers,
    targets: Mapping[Key, frozenset[Key]],
) -> Iterator[Parts]:
    """A stack's clusters: one, unless it has balancers that share no machine."""
    own = [key for key, one in balancers.balancers.items() if one.cluster == stack.name]
    here = [key for key, one in nodes.items() if one.cluster == stack.name]
    together: list[tuple[list[Key], set[Key]]] = []
    for key in own:
        reached = set(targets[key])
        sharing = [one for one in together if one[1] & reached]
        for one in sharing:
            together.remove(one)
        keys = [*(each for one in sharing for each in one[0]), key]
        together.append((keys, reached.union(*(one[1] for one in sharing))))
    if not together:
        bare = [key for key in here if nodes[key].kind == "node"]
        if bare:
            yield bare, [], ""
        return
    # Machines of another stack belong to it when a balancer here has them as targets.
    for keys, reached in together:
        suffix = f"-{keys[0].partition('/')[2]}" if len(together) > 1 else ""
        yield [key for key in nodes if key in reached], keys, suffix


def _targets(balancers: FindBalancers) -> Mapping[Key, frozenset[Key]]:
    """The machines behind every balancer, those behind proxies too."""
    nodes = balancers.machines
    found: dict[Key, frozenset[Key]] = {}
    for key, balancer in balancers.balancers.items():
        reached: set[Key] = set()
        for listener in balancer.listeners:
            for group in listener.groups:
                for target in balancers.groups[group].targets:
                    reached.add(target.machine)
                    serves = nodes[target.machine].serves or {}
                    reached |= {node for serving in serves.values() for node in serving.nodes}
        found[key] = frozenset(reached)
    return found


def _names(reader: Reader) -> Mapping[str, str]:
    """The clusters' names: what our tags say where that tells them apart, else the stacks'."""
    tagged: dict[str, str] = {}
    # A cluster's database and its alarms have the cluster's tag, too, in a stack that is none.
    clusters = {one.stack.name for one in reader.of(LOAD_BALANCER, INSTANCE)}
    for resource in reader.resources.values():
        name = resource.tags.get(CLUSTER_TAG)
        if name and resource.stack.name in clusters:
            tagged.setdefault(resource.stack.name, name)
    return {
        stack.name: name
        if (name := tagged.get(stack.name)) and [*tagged.values()].count(name) == 1
        else stack.name
        for stack in reader.stacks
    }


def _by_kind(machines: Mapping[Key, Node], keys: list[Key], kind: str) -> tuple[Key, ...]:
    return tuple(
        sorted(
            (key for key in keys if machines[key].kind == kind), key=lambda key: machines[key].name
        )
    )


def _told_apart(machines: Mapping[Key, Node]) -> dict[Key, Node]:
    """Machines of one cluster with the same name go by their logical ids."""
    names = [(one.cluster, one.name) for one in machines.values()]
    return {
        key: replace(one, name=key.rpartition("/")[2])
        if names.count((one.cluster, one.name)) > 1
        else one
        for key, one in machines.items()
    }
