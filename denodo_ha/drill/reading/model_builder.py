"""Builder of the drill's model: finds clusters, their balancers and nodes, and failover names."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model.balancers import Balancer
from denodo_ha.drill.model.machines import Key, Machine
from denodo_ha.drill.model.model import Cluster, Copies, Database, Model
from denodo_ha.drill.reading.balancers import JDBC, BalancerReader
from denodo_ha.drill.reading.databases import read_databases
from denodo_ha.drill.reading.failover_records import read_failover_names
from denodo_ha.drill.reading.health_checks import HealthCheckReader
from denodo_ha.drill.reading.machines import MachineReader
from denodo_ha.drill.reading.notifications import databases_with_events, read_notifications
from denodo_ha.drill.reading.resource_reader import (
    DATABASE,
    INSTANCE,
    LOAD_BALANCER,
    ResourceReader,
)
from denodo_ha.drill.reading.values import as_mapping
from denodo_ha.environment.facts.denodo_ports import PORTS
from denodo_ha.environment.names import CATALOG_STACK_SUFFIX, CLUSTER_TAG

_BUCKET: Final = "AWS::S3::Bucket"
_REPLICATION: Final = "ReplicationConfiguration"
_BACKUP_REGION: Final = "AutomaticBackupReplicationRegion"
_EXPORT_INTERVAL: Final = re.compile(r'"exports"\s*:\s*{[^{}]*"every"\s*:\s*(\d{1,9})')
_LICENSE_MANAGER: Final = re.compile(r'"license_manager"\s*:\s*{[^{}]*"host"\s*:\s*"([^"]+)"')


def build_model(stacks: tuple[SynthesisedStack, ...]) -> Model:
    """Return the drill's model of the given stacks."""
    reader = ResourceReader(stacks)
    machine_reader = MachineReader(reader)
    balancer_reader = BalancerReader(reader, machine_reader)
    checks = HealthCheckReader(reader, balancer_reader.balancers)
    machines_behind = _machines_behind(balancer_reader, machine_reader.machines)
    names = _cluster_names(reader)
    clusters: dict[str, Cluster] = {}
    machines: dict[Key, Machine] = {}
    balancers: dict[Key, Balancer] = {}
    first_clusters: dict[str, str] = {}
    for stack in reader.stacks:
        parts = _clusters_of_stack(
            stack, machine_reader.machines, balancer_reader.balancers, machines_behind
        )
        for machine_keys, balancer_keys, suffix in parts:
            name = names[stack.name] + suffix
            first_clusters.setdefault(stack.name, name)
            for key in machine_keys:
                machines[key] = replace(machine_reader.machines[key], cluster=name)
            for key in balancer_keys:
                balancers[key] = replace(balancer_reader.balancers[key], cluster=name)
            clusters[name] = Cluster(
                name,
                stack.region,
                _keys_of_kind("node", machine_keys, machines),
                _keys_of_kind("proxy", machine_keys, machines),
                tuple(balancer_keys),
                () if balancer_keys else (PORTS["8.0"].services[JDBC],),
            )
    machines = _with_unique_names(machines)
    failover_names, unpaired_names = read_failover_names(reader, checks, machines, balancers)
    databases = read_databases(reader, machine_reader, first_clusters)
    model = Model(
        clusters=clusters,
        machines=machines,
        balancers=balancers,
        target_groups=balancer_reader.target_groups,
        databases=databases,
        alarms=checks.alarms,
        checks=checks.checks,
        failover_names=failover_names,
        unpaired_names=unpaired_names,
        notifications=tuple(read_notifications(reader)),
        database_events=databases_with_events(reader),
        license_managers=_license_managers(reader, first_clusters),
        copies=_copies(reader, first_clusters, databases),
    )
    return replace(
        model, notes=reader.notes.texts, unknowns=reader.notes.unknowns(_checks_in_use(model))
    )


def _license_managers(reader: ResourceReader, clusters: Mapping[str, str]) -> dict[str, str]:
    """Return each cluster's License Manager host, found in the desired states of its nodes."""
    return {
        cluster: match.group(1)
        for cluster, state in _desired_states(reader, clusters)
        if (match := _LICENSE_MANAGER.search(state))
    }


def _desired_states(
    reader: ResourceReader, clusters: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield the text of each SSM parameter of a cluster's stack, with the cluster's name."""
    for stack in reader.stacks:
        for resource in stack.resources.values():
            if resource["Type"] == "AWS::SSM::Parameter" and stack.name in clusters:
                properties = as_mapping(resource.get("Properties"))
                value = reader.resolver.value(stack, properties.get("Value"))
                yield clusters[stack.name], str(value)


def _copies(
    reader: ResourceReader, clusters: Mapping[str, str], databases: Mapping[Key, Database]
) -> dict[str, Copies]:
    """Return the data of each cluster that is copied: its exports, and its database's backups."""
    every = {
        cluster: int(match.group(1))
        for cluster, state in _desired_states(reader, clusters)
        if (match := _EXPORT_INTERVAL.search(state))
    }
    copied_exports = {
        clusters.get(stack.name.removesuffix(CATALOG_STACK_SUFFIX))
        for stack in reader.stacks
        for resource in stack.resources.values()
        if resource["Type"] == _BUCKET and _REPLICATION in as_mapping(resource.get("Properties"))
    }
    copied_databases = {
        databases[resource.key].cluster
        for resource in reader.of_type(DATABASE)
        if resource.key in databases and _BACKUP_REGION in resource.properties
    }
    return {
        cluster: Copies(every.get(cluster), cluster in copied_exports, cluster in copied_databases)
        for cluster in clusters.values()
    }


def _checks_in_use(model: Model) -> Iterator[Key]:
    """Yield the checks that failover records use, and the alarms of these checks."""
    records = [record for name in model.failover_names for record in name.records.values()]
    yield from (record.check for record in records if record.check is not None)
    for check in model.checks_of(records):
        yield from (check.key, *check.children)
        if check.alarm is not None:
            yield check.alarm


def _clusters_of_stack(
    stack: SynthesisedStack,
    machines: Mapping[Key, Machine],
    balancers: Mapping[Key, Balancer],
    machines_behind: Mapping[Key, frozenset[Key]],
) -> Iterator[tuple[list[Key], list[Key], str]]:
    """Yield the machines, balancers and name suffix of each cluster of a stack.

    A stack is one cluster, unless it has balancers that share no machine.
    """
    own = [key for key, balancer in balancers.items() if balancer.cluster == stack.name]
    parts: list[tuple[list[Key], set[Key]]] = []
    for key in own:
        behind = set(machines_behind[key])
        sharing = [part for part in parts if part[1] & behind]
        for part in sharing:
            parts.remove(part)
        keys = [*(other for part in sharing for other in part[0]), key]
        parts.append((keys, behind.union(*(part[1] for part in sharing))))
    if not parts:
        of_others = frozenset[Key]().union(*machines_behind.values())
        nodes = [
            key
            for key, machine in machines.items()
            if machine.cluster == stack.name and machine.kind == "node" and key not in of_others
        ]
        if nodes:
            yield nodes, [], ""
        return
    # A machine of another stack belongs to this cluster if this cluster's balancer targets it.
    for keys, behind in parts:
        suffix = f"-{keys[0].partition('/')[2]}" if len(parts) > 1 else ""
        yield [key for key in machines if key in behind], keys, suffix


def _machines_behind(
    reader: BalancerReader, machines: Mapping[Key, Machine]
) -> Mapping[Key, frozenset[Key]]:
    """Return the machines behind every balancer, including the nodes behind proxies."""
    behind: dict[Key, frozenset[Key]] = {}
    for key, balancer in reader.balancers.items():
        keys: set[Key] = set()
        for group in balancer.target_groups:
            for target in reader.target_groups[group].targets:
                keys.add(target.machine)
                upstreams = machines[target.machine].upstreams or {}
                keys |= {node for upstream in upstreams.values() for node in upstream.nodes}
        behind[key] = frozenset(keys)
    return behind


def _cluster_names(reader: ResourceReader) -> Mapping[str, str]:
    """Return a cluster name for each stack: the cluster tag if unique, else the stack's name."""
    tagged: dict[str, str] = {}
    # Stacks with a cluster's database or alarms have the cluster's tag too, but are not clusters.
    with_clusters = {resource.stack.name for resource in reader.of_type(LOAD_BALANCER, INSTANCE)}
    for resource in reader.resources.values():
        name = resource.tags.get(CLUSTER_TAG)
        if name and resource.stack.name in with_clusters:
            tagged.setdefault(resource.stack.name, name)
    counts = Counter(tagged.values())
    return {
        stack.name: name if (name := tagged.get(stack.name)) and counts[name] == 1 else stack.name
        for stack in reader.stacks
    }


def _keys_of_kind(kind: str, keys: list[Key], machines: Mapping[Key, Machine]) -> tuple[Key, ...]:
    """Return the keys of the machines of a kind, sorted by name."""
    of_kind = (key for key in keys if machines[key].kind == kind)
    return tuple(sorted(of_kind, key=lambda key: machines[key].name))


def _with_unique_names(machines: Mapping[Key, Machine]) -> dict[Key, Machine]:
    """Return the machines; a name that occurs twice in a cluster is replaced by the logical id."""
    names = Counter((machine.cluster, machine.name) for machine in machines.values())
    return {
        key: replace(machine, name=key.rpartition("/")[2])
        if names[machine.cluster, machine.name] > 1
        else machine
        for key, machine in machines.items()
    }
