"""Capacity that a change removes: nodes, zones, services, instance types, heap, connections."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from denodo_ha.deployed.stack import mapping_in, resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.facts.instance_memory import memory_gib, virtual_cpus
from denodo_ha.environment.facts.limits import NLB_IDLE_TIMEOUT_DEFAULT_S
from denodo_ha.environment.haproxy.systemd_unit import maxconn_of
from denodo_ha.environment.loading.bounded_document import parse_json_answer
from denodo_ha.plan.balancer_changes import LOAD_BALANCER
from denodo_ha.plan.database_changes import INSTANCE as DATABASE
from denodo_ha.plan.node_changes import joined_text
from denodo_ha.review.finding import Finding, finding
from denodo_ha.review.stack_pair import (
    LISTENER,
    TARGET_GROUP,
    Properties,
    Resources,
    StackPair,
    attributes,
    listener_label,
    number,
    of_type,
    text_of,
)

_INSTANCE: Final = "AWS::EC2::Instance"
_PARAMETER: Final = "AWS::SSM::Parameter"
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
            yield finding("cluster-removed", pair.place(), f"its nodes are removed: {nodes}")
        return
    yield from _removed(pair)
    yield from _smaller_nodes(pair)
    yield from _smaller_haproxy(pair)
    yield from _smaller_databases(pair)
    yield from _shorter_idle_timeouts(pair)


def _removed(pair: StackPair) -> Iterator[Finding]:
    old, new = _nodes(pair.old), _nodes(pair.new)
    for node in sorted(old.keys() - new.keys()):
        text = f"the node is removed: {len(old)} -> {len(new)} nodes"
        yield finding("node-removed", pair.place(node), text)
    before, after = _zones(old), _zones(new)
    for zone in sorted(before - after):
        text = f"no node is in the zone any more: {len(before)} -> {len(after)} zones"
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
    """Return the properties of the instances of nodes by node."""
    return {
        node: properties
        for properties in of_type(resources, _INSTANCE).values()
        if (node := resource_tag(properties, names.NODE_TAG))
    }


def _zones(nodes: Mapping[str, Properties]) -> set[str]:
    zones = (node.get("AvailabilityZone") for node in nodes.values())
    return {text_of(zone) for zone in zones if zone}


def _balancer_subnets(resources: Resources) -> dict[str, int]:
    """Return the number of subnets of each load balancer by its type."""
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
    before, after = node_states(pair.old), node_states(pair.new)
    for node in sorted(old.keys() & new.keys()):
        types = old[node].get("InstanceType"), new[node].get("InstanceType")
        yield from _smaller_type(pair.place(node), *types, "instance-smaller")
    for node in sorted(before.keys() & after.keys()):
        heaps = number(before[node].get("heap_mib")), number(after[node].get("heap_mib"))
        if heaps[0] is not None and heaps[1] is not None and heaps[1] < heaps[0]:
            text = f"Virtual DataPort's heap {heaps[0]} -> {heaps[1]} MiB"
            yield finding("heap-smaller", pair.place(node), text)
        versions = [
            mapping_in(state, "denodo").get("version") for state in (before[node], after[node])
        ]
        if None not in versions and versions[0] != versions[1]:
            text = (
                f"Denodo {versions[0]} -> {versions[1]}: the node needs an image of this version, "
                "and its metadata must be migrated"
            )
            yield finding("version-changed", pair.place(node), text)


def _smaller_type(place: str, before: Any, after: Any, name: str) -> Iterator[Finding]:
    """Yield a finding if an instance type has less memory or fewer CPUs, or may have."""
    if not (isinstance(before, str) and isinstance(after, str)) or before == after:
        return
    memory, cpus = [(read(before), read(after)) for read in (memory_gib, virtual_cpus)]
    if None in (*memory, *cpus):
        text = f"{before} -> {after}: compare their memory and CPUs, which are not known here"
        yield finding("instance-type-unknown", place, text)
    less = [
        f"{unit} {old} -> {new}"
        for unit, (old, new) in (("GiB of memory", memory), ("virtual CPUs", cpus))
        if old is not None and new is not None and new < old
    ]
    if less:
        yield finding(name, place, f"{before} -> {after}: {', '.join(less)}")


def node_states(resources: Resources) -> dict[str, Mapping[str, Any]]:
    """Return the desired states of nodes by node; a state that is not JSON is left out."""
    return {
        node: state
        for properties in of_type(resources, _PARAMETER).values()
        if (node := resource_tag(properties, names.NODE_TAG))
        and (state := _parsed(properties.get("Value", "")))
    }


def _parsed(value: Any) -> Mapping[str, Any]:
    try:
        state = parse_json_answer(joined_text(value) or "{}")
    except ValueError:
        return {}
    return state if isinstance(state, Mapping) else {}


def _smaller_haproxy(pair: StackPair) -> Iterator[Finding]:
    for _, before, after in pair.kept("AWS::EC2::LaunchTemplate"):
        data = [mapping_in(properties, "LaunchTemplateData") for properties in (before, after)]
        types = [settings.get("InstanceType") for settings in data]
        yield from _smaller_type(pair.place("HAProxy"), types[0], types[1], "haproxy-smaller")
    for _, before, after in pair.kept("AWS::AutoScaling::AutoScalingGroup"):
        counts = [number(properties.get("MinSize")) for properties in (before, after)]
        if counts[0] is not None and counts[1] is not None and counts[1] < counts[0]:
            text = f"{counts[0]} -> {counts[1]} HAProxy instances"
            yield finding("haproxy-fewer", pair.place("HAProxy"), text)
    for _, before, after in pair.kept(_PARAMETER):
        limits = [_maxconn(properties) for properties in (before, after)]
        if limits[0] is not None and limits[1] is not None and limits[1] < limits[0]:
            text = (
                f"maxconn {limits[0]} -> {limits[1]} client connections for each HAProxy instance"
            )
            yield finding("haproxy-maxconn-lower", pair.place("HAProxy"), text)


def _maxconn(properties: Properties) -> int | None:
    drop_in = _parsed(properties.get("Value", "")).get("drop_in")
    return maxconn_of(drop_in) if isinstance(drop_in, str) else None


def _smaller_databases(pair: StackPair) -> Iterator[Finding]:
    for _, before, after in pair.kept(DATABASE):
        old, new = before.get("DBInstanceClass"), after.get("DBInstanceClass")
        if not (isinstance(old, str) and isinstance(new, str)) or old == new:
            continue
        sizes = [_size(name) for name in (old, new)]
        if None in sizes:
            text = f"{old} -> {new}: compare their memory and CPUs, which are not known here"
            yield finding("instance-type-unknown", pair.place("database"), text)
        elif sizes[1] < sizes[0]:  # type: ignore[operator] # neither is None
            yield finding("database-smaller", pair.place("database"), f"{old} -> {new}")
        elif _family(old) != _family(new):
            text = f"{old} -> {new}: compare their memory and CPUs, which are not known here"
            yield finding("instance-type-unknown", pair.place("database"), text)


def _family(class_: str) -> str:
    return class_.rpartition(".")[0]


def _size(class_: str) -> int | None:
    """Return a number that orders the sizes of a class; None if the size is not known."""
    size = class_.rpartition(".")[2]
    if size in _SIZES:
        return _SIZES.index(size)
    match = re.fullmatch(r"([0-9]{1,3})xlarge", size)
    return len(_SIZES) + int(match[1]) if match else None


def _shorter_idle_timeouts(pair: StackPair) -> Iterator[Finding]:
    """Yield listeners that end idle connections earlier, such as those of clients with a query."""
    for id_, before, after in pair.kept(LISTENER):
        old, new = (
            number(attributes(each, "ListenerAttributes").get("tcp.idle_timeout.seconds"))
            or NLB_IDLE_TIMEOUT_DEFAULT_S
            for each in (before, after)
        )
        if new < old:
            text = (
                f"idle connections end after {old} -> {new} s; a connection is idle while its "
                "client waits for the result of a query"
            )
            yield finding("idle-timeout-shorter", pair.place(listener_label(pair.new, id_)), text)
