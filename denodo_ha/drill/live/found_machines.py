"""Machines of a site: the instances with their zones, and the drained nodes among them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.deployed.environment_locator import stack_tags
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls
from denodo_ha.drill.live.balancer_reader import FoundBalancers, region_of
from denodo_ha.drill.live.entry_points import EntryPoints
from denodo_ha.drill.live.found_resource import FoundResource
from denodo_ha.drill.live.machine_reader import (
    instance_resources,
    read_auto_scaling_groups,
    read_instances,
    read_subnets,
)
from denodo_ha.drill.live.own_stacks import OwnStack
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.reading.resource_reader import (
    AUTO_SCALING_GROUP,
    ELASTIC_IP,
    INSTANCE,
    SUBNET,
)
from denodo_ha.environment.names import DRAINED_TAG

_GROUP_TAG = "aws:autoscaling:groupName"


@dataclass(frozen=True)
class FoundMachines:
    """The instances of a site.

    Attributes:
        instances: the instances by id, as the API shows them.
        adopted: ids of instances that a stack of this project registers and does not define.
        members: instance ids in Auto Scaling groups of this project, each with the name of its
            group.
        resources: instances, addresses, subnets and Auto Scaling groups.
        missing: the adopted instances that do not exist.
    """

    instances: Mapping[str, Mapping[str, Any]]
    adopted: frozenset[str]
    members: Mapping[str, str]
    resources: tuple[FoundResource, ...]
    missing: frozenset[str] = frozenset()

    @property
    def drained(self) -> frozenset[str]:
        """The ids of the instances that `denodo-ha drain` has taken out of service."""
        return frozenset(
            id_ for id_, item in self.instances.items() if DRAINED_TAG in stack_tags(item)
        )

    def drained_keys(self, own: Iterable[OwnStack]) -> frozenset[Key]:
        """Return the keys of the drained nodes that stacks of this project have."""
        drained = self.drained
        return frozenset(
            key
            for stack in own
            for key in (
                *(f"{stack.name}/{id_}" for id_ in drained & stack.existing_zones.keys()),
                *(
                    f"{stack.name}/{logical_id}"
                    for logical_id, id_ in stack.of_type(INSTANCE)
                    if id_ in drained
                ),
            )
        )

    def zones(self, balancers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        """Return the zones of subnets and of adopted instances, by id."""
        zones = {
            zone["SubnetId"]: str(zone["ZoneName"])
            for item in balancers
            for zone in item.get("AvailabilityZones", ())
            if "SubnetId" in zone
        }
        for id_, item in self.instances.items():
            zone = item.get("Placement", {}).get("AvailabilityZone")
            if zone and item.get("SubnetId"):
                zones[item["SubnetId"]] = zone
            if zone and id_ in self.adopted:
                zones[id_] = zone
        for resource in self.resources:
            if resource.type == SUBNET and "AvailabilityZone" in resource.properties:
                zones[resource.id] = resource.properties["AvailabilityZone"]
        return zones

    def networks(self, own: Iterable[OwnStack]) -> dict[str, str]:
        """Return the regions of nodes that no stack of this project has, by the nodes' VPC."""
        ids = {id_ for stack in own for _, id_ in stack.of_type(INSTANCE)}
        return {
            item["VpcId"]: item["Region"]
            for id_, item in self.instances.items()
            if item.get("VpcId") and id_ not in ids | self.adopted | self.members.keys()
        }

    def notes(self) -> Iterator[str]:
        """Yield notes on adopted nodes that do not exist, and on nodes of Auto Scaling groups."""
        for id_ in sorted(self.missing):
            yield f"{id_}: this instance is a target in a stack's template, and no longer exists"
        names: dict[str, list[str]] = {}
        for id_, item in self.instances.items():
            group = stack_tags(item).get(_GROUP_TAG)
            if group and id_ not in self.members:
                names.setdefault(group, []).append(id_)
        for group, ids in sorted(names.items()):
            yield (
                f"{', '.join(sorted(ids))}: the Auto Scaling group {group} replaces lost "
                "instances; the drill assumes that each of its instances must be repaired instead"
            )


def read_machines(
    calls: SiteCalls,
    points: EntryPoints,
    balancers: FoundBalancers,
    others: Iterable[FoundResource],
) -> FoundMachines:
    """Return the instances of entry points, of this project's stacks, and behind balancers.

    Args:
        calls: the caller of AWS.
        points: the entry points.
        balancers: the balancers with their targets.
        others: other resources found: Elastic IP addresses and databases.
    """
    others = list(others)
    names = {
        stack.region: [name for _, name in stack.of_type(AUTO_SCALING_GROUP)]
        for stack in points.own
        if any(True for _ in stack.of_type(AUTO_SCALING_GROUP))
    }
    groups, members = read_auto_scaling_groups(calls, names)
    adopted = {id_ for stack in points.own for id_ in stack.existing_zones if id_.startswith("i-")}
    ids, addresses = _targets(balancers)
    for stack in points.own:
        own_ids = [id_ for _, id_ in stack.of_type(INSTANCE)]
        own_ids += [id_ for id_ in stack.existing_zones if id_ in adopted]
        ids.setdefault(stack.region, []).extend(own_ids)
    known = points.instances
    networks = _networks_of_addresses(balancers)
    missing = {
        region: [id_ for id_ in of_region if id_ not in known] for region, of_region in ids.items()
    }
    found = read_instances(calls, missing, addresses)
    wanted = {id_ for of_region in missing.values() for id_ in of_region}
    # Another VPC may use the same private addresses: leave out instances that were found by their
    # address in a VPC without target groups of the site.
    near = {
        id_: item for id_, item in found.items() if id_ in wanted or item.get("VpcId") in networks
    }
    instances = {**known, **near}
    placed = [item for id_, item in instances.items() if id_ not in adopted and id_ not in members]
    of_instances = [
        item
        for item in others
        if item.type == ELASTIC_IP and item.properties["InstanceId"].text in instances
    ]
    resources = [*instance_resources(placed), *of_instances, *groups]
    subnets = read_subnets(calls, _subnet_ids([*resources, *balancers.resources, *others]))
    gone = (
        id_
        for stack in points.own
        for id_ in stack.existing_zones
        if id_ in adopted - instances.keys()
        and not calls.is_unread(aws_calls.INSTANCES, stack.region)
    )
    return FoundMachines(
        instances, frozenset(adopted), members, (*resources, *subnets), frozenset(gone)
    )


def _targets(balancers: FoundBalancers) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return the instance ids and the addresses that are targets of target groups, by region."""
    ids: dict[str, list[str]] = {}
    addresses: dict[str, list[str]] = {}
    for arn, health in balancers.health.items():
        kind = balancers.target_types[arn]
        into = {"instance": ids, "ip": addresses}.get(kind)
        if into is not None:
            into.setdefault(region_of(arn), []).extend(target.id for target in health)
    return ids, addresses


def _networks_of_addresses(balancers: FoundBalancers) -> frozenset[str]:
    """Return the VPCs of the target groups whose targets are addresses."""
    return frozenset(
        str(resource.properties.get("VpcId"))
        for resource in balancers.resources
        if resource.properties.get("TargetType") == "ip"
    )


def _subnet_ids(resources: Iterable[FoundResource]) -> dict[str, list[str]]:
    """Return the ids of the subnets of resources by region."""
    ids: dict[str, list[str]] = {}
    for resource in resources:
        properties = resource.properties
        of_resource = [
            *properties.get("Subnets", ()),
            *properties.get("VPCZoneIdentifier", ()),
            *properties.get("SubnetIds", ()),
            *(mapping["SubnetId"] for mapping in properties.get("SubnetMappings", ())),
            *([properties["SubnetId"]] if "SubnetId" in properties else ()),
        ]
        if of_resource:
            ids.setdefault(resource.region, []).extend(of_resource)
    return ids
