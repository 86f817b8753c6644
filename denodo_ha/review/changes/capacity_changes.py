"""Findings on capacity that a change removes: nodes, zones, services, memory, reservations."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.facts.instance_memory import memory_gib, virtual_cpus
from denodo_ha.plan.balancer_changes import LOAD_BALANCER
from denodo_ha.plan.database_changes import INSTANCE as DATABASE
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    TARGET_GROUP,
    Properties,
    Resources,
    StackPair,
    number,
    of_type,
    text_of,
)

_INSTANCE: Final = "AWS::EC2::Instance"
_PARAMETER: Final = "AWS::SSM::Parameter"
_COMPARE: Final = (
    "compare the memory and CPUs of the old and the new type, which the review does not know"
)
_SIZES: Final = ("nano", "micro", "small", "medium", "large", "xlarge")
"""Sizes of an instance class below 2xlarge, in ascending order (Amazon RDS User Guide, Hardware
specifications for DB instance classes)."""


def capacity_findings(pair: StackPair) -> Iterator[Finding]:
    """Yield the findings on capacity."""
    if pair.before is None:
        return
    if pair.after is None:
        if _nodes(pair.old):
            nodes = ", ".join(sorted(_nodes(pair.old)))
            yield finding(
                "cluster-removed", pair.place(), f"the cluster is removed, with its nodes: {nodes}"
            )
        return
    yield from _removed(pair)
    yield from _smaller_nodes(pair)
    yield from _smaller_databases(pair)
    yield from _smaller_reservations(pair)


def _removed(pair: StackPair) -> Iterator[Finding]:
    old, new = _nodes(pair.old), _nodes(pair.new)
    for node in sorted(old.keys() - new.keys()):
        text = f"the node is removed: {len(old)} -> {len(new)} nodes"
        yield finding("node-removed", pair.place(node), text)
    targets = _existing_instances(pair.old), _existing_instances(pair.new)
    for instance in sorted(targets[0] - targets[1]):
        text = (
            "the existing instance is no longer a target of the load balancer: "
            f"{len(targets[0])} -> {len(targets[1])} existing instances"
        )
        yield finding("node-removed", pair.place(instance), text)
    before, after = _zones(old), _zones(new)
    for zone in sorted(before - after):
        text = f"no node remains in the zone: {len(before)} -> {len(after)} zones with nodes"
        yield finding("zone-removed", pair.place(zone), text)
    subnets, remaining = _balancer_subnets(pair.old), _balancer_subnets(pair.new)
    for type_ in sorted(subnets.keys() & remaining.keys()):
        if remaining[type_] < subnets[type_]:
            text = f"the load balancer loses a zone: {subnets[type_]} -> {remaining[type_]} zones"
            yield finding("zone-removed", pair.place(f"{type_} load balancer"), text)
    for service in sorted(_services(pair.old) - _services(pair.new)):
        text = "the service is removed: clients cannot connect to it any more"
        yield finding("service-removed", pair.place(service), text)


def _nodes(resources: Resources) -> dict[str, Properties]:
    """Return the properties of each node's instance."""
    return {
        node: properties
        for properties in of_type(resources, _INSTANCE).values()
        if (node := resource_tag(properties, names.NODE_TAG))
    }


def _existing_instances(resources: Resources) -> set[str]:
    """Return the ids of the target groups' instances that the stack does not create."""
    groups = of_type(resources, TARGET_GROUP).values()
    targets = [target for group in groups for target in group.get("Targets") or ()]
    ids = [target.get("Id") for target in targets if isinstance(target, Mapping)]
    return {id_ for id_ in ids if isinstance(id_, str) and id_.startswith("i-")}


def _zones(nodes: Mapping[str, Properties]) -> set[str]:
    zones = (node.get("AvailabilityZone") for node in nodes.values())
    return {text_of(zone) for zone in zones if zone}


def _balancer_subnets(resources: Resources) -> dict[str, int]:
    """Return the number of subnets of each load balancer, by the load balancer's type."""
    return {
        str(properties.get("Type", "application")): len(
            properties.get("Subnets") or properties.get("SubnetMappings") or ()
        )
        for properties in of_type(resources, LOAD_BALANCER).values()
    }


def _services(resources: Resources) -> set[str]:
    groups = of_type(resources, TARGET_GROUP).values()
    return {tag for group in groups if (tag := resource_tag(group, names.SERVICE_TAG))}


def _smaller_nodes(pair: StackPair) -> Iterator[Finding]:
    old, new = _nodes(pair.old), _nodes(pair.new)
    for node in sorted(old.keys() & new.keys()):
        types = old[node].get("InstanceType"), new[node].get("InstanceType")
        yield from smaller_type(pair.place(node), *types, "instance-smaller")


def smaller_type(place: str, before: Any, after: Any, name: str) -> Iterator[Finding]:
    """Yield a finding if a new instance type has less memory or CPUs, or an unknown amount."""
    if not (isinstance(before, str) and isinstance(after, str)) or before == after:
        return
    memory, cpus = [(read(before), read(after)) for read in (memory_gib, virtual_cpus)]
    if None in (*memory, *cpus):
        text = f"instance type {before} -> {after}: {_COMPARE}"
        yield finding("instance-type-unknown", place, text)
    less = [
        f"{unit} {old} -> {new}"
        for unit, (old, new) in (("GiB of memory", memory), ("virtual CPUs", cpus))
        if old is not None and new is not None and new < old
    ]
    if less:
        yield finding(name, place, f"instance type {before} -> {after}: {', '.join(less)}")


def _smaller_databases(pair: StackPair) -> Iterator[Finding]:
    for _, before, after in pair.kept(DATABASE):
        old, new = before.get("DBInstanceClass"), after.get("DBInstanceClass")
        if not (isinstance(old, str) and isinstance(new, str)) or old == new:
            continue
        sizes = [_size(name) for name in (old, new)]
        if None in sizes:
            text = f"instance class {old} -> {new}: {_COMPARE}"
            yield finding("instance-type-unknown", pair.place("database"), text)
        elif sizes[1] < sizes[0]:  # type: ignore[operator] # neither size is None
            text = f"instance class {old} -> {new}"
            yield finding("database-smaller", pair.place("database"), text)
        elif _family(old) != _family(new):
            text = f"instance class {old} -> {new}: {_COMPARE}"
            yield finding("instance-type-unknown", pair.place("database"), text)


def _family(class_: str) -> str:
    return class_.rpartition(".")[0]


def _size(class_: str) -> int | None:
    """Return a number that is higher for a larger instance class; None if the size is not known."""
    size = class_.rpartition(".")[2]
    if size in _SIZES:
        return _SIZES.index(size)
    match = re.fullmatch(r"([0-9]{1,3})xlarge", size)
    return len(_SIZES) + int(match[1]) if match else None


def _smaller_reservations(pair: StackPair) -> Iterator[Finding]:
    """Yield zones that have fewer reserved places for a platform and tenancy than before."""
    before, after = _reserved_places(pair.old), _reserved_places(pair.new)
    for key in sorted(before):
        if after.get(key, 0) < before[key]:
            text = (
                f"reserved places for {key[1]} instances: {before[key]} -> {after.get(key, 0)}; "
                "without a place, EC2 may have no capacity for a node that is started or replaced"
            )
            yield finding("capacity-reservation-smaller", pair.place(key[0]), text)


def _reserved_places(resources: Resources) -> dict[tuple[str, str], int]:
    """Return the reserved places by zone and by kind, which is the platform and the tenancy."""
    places: dict[tuple[str, str], int] = {}
    for item in of_type(resources, "AWS::EC2::CapacityReservation").values():
        kind = f"{text_of(item.get('InstancePlatform', ''))} ({item.get('Tenancy', 'default')})"
        key = text_of(item.get("AvailabilityZone", "")), kind
        places[key] = places.get(key, 0) + (number(item.get("InstanceCount")) or 0)
    return places
