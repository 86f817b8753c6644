"""Found site: the clusters of a live site, as a configuration describes them.

A cluster is a load balancer with its ports and the instances behind them. What only further calls
show, such as the rules of security groups, is in `site_details`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.live.live_site import LivePlace, LiveSite
from denodo_ha.drill.reading.resource_reader import (
    INSTANCE,
    LISTENER,
    LOAD_BALANCER,
    RECORD_SET,
    TARGET_GROUP,
)
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, references
from denodo_ha.environment.facts.denodo_ports import (
    FLIGHT_PORT,
    JMX_FACTORY_PORT,
    JMX_REGISTRY_PORT,
    NODE_TLS_PORTS,
    PORTS,
    SCHEDULER_PORT,
)

_SERVICES: Final[Mapping[int, str]] = {
    **{port: name for name, port in PORTS["9.0"].services.items()},
    FLIGHT_PORT: "flight",
    SCHEDULER_PORT: "scheduler",
    **dict.fromkeys(NODE_TLS_PORTS, "web-tls"),
}
"""Names of services by their port on the nodes."""
_AUXILIARY_ENDINGS: Final = (JMX_REGISTRY_PORT, JMX_FACTORY_PORT)
"""Ports that Denodo 7.0 uses as auxiliary port; on further nodes often with a digit before."""
_NODE_NAME: Final = re.compile(r"(?=.{1,32}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?")
_ROLES: Final = {"PRIMARY": "active", "SECONDARY": "passive"}


@dataclass(frozen=True)
class LiveResource:
    """A resource of a live site.

    Attributes:
        place: the stack of this project that has the resource, else its region.
        logical_id: its logical id.
        type: its type.
        id: its physical id.
        region: its region.
        account: its account.
        properties: its properties.
    """

    place: str
    logical_id: str
    type: str
    id: str
    region: str
    account: str
    properties: Mapping[str, Any] = field(repr=False)

    @property
    def attributes(self) -> dict[str, str] | None:
        """The attributes of a load balancer or target group; None if they were not read."""
        for name in ("LoadBalancerAttributes", "TargetGroupAttributes"):
            if name in self.properties:
                return {
                    str(item["Key"]): str(item["Value"]) for item in as_list(self.properties[name])
                }
        return None

    @property
    def tags(self) -> dict[str, str]:
        """The tags."""
        return {
            str(tag.get("Key")): str(tag.get("Value"))
            for tag in as_list(self.properties.get("Tags"))
        }

    @property
    def is_own(self) -> bool:
        """Return whether a stack of this project has the resource."""
        return self.place != self.region


@dataclass(frozen=True)
class FoundNode:
    """An instance behind the load balancer.

    Attributes:
        name: its name in the configuration.
        resource: the instance.
        zone: its availability zone.
        address: its private address; empty if it was not read.
        security_groups: its security groups.
    """

    name: str
    resource: LiveResource
    zone: str
    address: str
    security_groups: tuple[str, ...]


@dataclass(frozen=True)
class FoundPort:
    """A port of the load balancer.

    Attributes:
        port: the port that clients use.
        listener: the listener.
        group: the target group to which it forwards; None if it forwards to none or to several.
        target_port: the port on the nodes.
        nodes: instance ids of the targets.
        attributes: attributes of the listener; None if they were not read.
    """

    port: int
    listener: LiveResource
    group: LiveResource | None
    target_port: int
    nodes: tuple[str, ...]
    attributes: Mapping[str, str] | None


@dataclass(frozen=True)
class FoundCluster:
    """A load balancer with its ports and the instances behind it.

    Attributes:
        name: name of the cluster in the configuration.
        balancer: the load balancer.
        dns_name: its DNS name.
        vpc: its VPC; empty if it was not read.
        subnets: its subnet in each zone.
        nodes: the instances behind it, by instance id.
        services: its ports that all nodes serve, by service.
        auxiliary: its ports that one node serves, by instance id.
        left_out: sentences on ports that the configuration does not have.
    """

    name: str
    balancer: LiveResource
    dns_name: str
    vpc: str
    subnets: Mapping[str, str]
    nodes: Mapping[str, FoundNode]
    services: Mapping[str, FoundPort]
    auxiliary: Mapping[str, FoundPort]
    left_out: tuple[str, ...] = ()

    @property
    def ports(self) -> Iterator[FoundPort]:
        """The ports that the configuration has."""
        yield from self.services.values()
        yield from self.auxiliary.values()


@dataclass(frozen=True)
class FoundSite:
    """A site to adopt.

    Attributes:
        clusters: its clusters; the primary first.
        record: the name that clients use; empty if it is not known.
        hosted_zone: id and name of the record's hosted zone; empty if they are not known.
        is_failover: whether the record has a primary and a secondary.
        details: what only the calls of the adoption show.
    """

    clusters: tuple[FoundCluster, ...]
    details: SiteDetails
    record: str = ""
    hosted_zone: tuple[str, str] = ("", "")
    is_failover: bool = False


class SiteResources:
    """The resources of a live site, by key."""

    def __init__(self, site: LiveSite) -> None:
        self._of_key = {
            f"{place.name}/{logical_id}": _resource(place, logical_id, raw)
            for place in site.places
            for logical_id, raw in place.resources.items()
            if isinstance(raw, Mapping) and logical_id in place.ids
        }

    def of_type(self, kind: str) -> list[LiveResource]:
        """Return the resources of a type, in the order of the places."""
        return [item for item in self._of_key.values() if item.type == kind]

    def referenced(self, value: object, kind: str) -> LiveResource | None:
        """Return the resource of a type to which a value refers."""
        for place, logical_id, _ in references(value):
            found = self._of_key.get(f"{place}/{logical_id}")
            if found is not None and found.type == kind:
                return found
        return None


def _resource(place: LivePlace, logical_id: str, raw: Mapping[str, Any]) -> LiveResource:
    return LiveResource(
        place.name,
        logical_id,
        str(raw.get("Type")),
        place.ids[logical_id],
        place.region,
        place.account,
        as_mapping(raw.get("Properties")),
    )


def network_balancers(resources: SiteResources) -> list[LiveResource]:
    """Return the Network Load Balancers of a site.

    Raises:
        UsageError: The site has none.
    """
    found = resources.of_type(LOAD_BALANCER)
    balancers = [item for item in found if item.properties.get("Type") == "network"]
    if not balancers:
        kinds = ", ".join(f"{item.id} is an Application Load Balancer" for item in found)
        message = (
            f"there is no Network Load Balancer to adopt ({kinds or 'no load balancer was found'});"
            " clients of Denodo need TCP: start with `denodo-ha init`, and move the clients to the "
            "new name"
        )
        raise UsageError(message)
    return balancers


def find_clusters(resources: SiteResources, details: SiteDetails) -> FoundSite:
    """Return the clusters of a site, and the name that clients use.

    Raises:
        UsageError: The site has no Network Load Balancer, or one without an instance behind it.
    """
    balancers = network_balancers(resources)
    records = [
        (record, balancer)
        for record in resources.of_type(RECORD_SET)
        if (balancer := _balancer_of(record, resources)) is not None
    ]
    roles = {
        balancer.id: str(record.properties["Failover"])
        for record, balancer in records
        if record.properties.get("Failover") in _ROLES
    }
    is_failover = set(roles.values()) == set(_ROLES) and len(balancers) == len(_ROLES)
    if is_failover:
        balancers.sort(key=lambda item: roles[item.id])
    names = _cluster_names(balancers, roles if is_failover else {})
    clusters = tuple(_cluster(names[item.id], item, resources, details) for item in balancers)
    names_of_records = {str(record.properties.get("Name", "")).rstrip(".") for record, _ in records}
    record = names_of_records.pop() if len(names_of_records) == 1 else ""
    zone_id = next((str(record.properties.get("HostedZoneId", "")) for record, _ in records), "")
    return FoundSite(
        clusters, details, record, (zone_id, details.zone_names.get(zone_id, "")), is_failover
    )


def _balancer_of(record: LiveResource, resources: SiteResources) -> LiveResource | None:
    values = [
        as_mapping(record.properties.get("AliasTarget")).get("DNSName"),
        *as_list(record.properties.get("ResourceRecords")),
    ]
    return next(
        (found for value in values if (found := resources.referenced(value, LOAD_BALANCER))), None
    )


def _cluster_names(balancers: list[LiveResource], roles: Mapping[str, str]) -> dict[str, str]:
    """Return the name of each cluster: by its role, else `main`, else by its region."""
    if roles:
        return {item.id: _ROLES[roles[item.id]] for item in balancers}
    if len(balancers) == 1:
        return {balancers[0].id: "main"}
    seen = Counter[str]()
    names = {}
    for item in balancers:
        seen[item.region] += 1
        suffix = f"-{seen[item.region]}" if seen[item.region] > 1 else ""
        names[item.id] = f"{item.region[: 16 - len(suffix)]}{suffix}"
    return names


def _cluster(
    name: str, balancer: LiveResource, resources: SiteResources, details: SiteDetails
) -> FoundCluster:
    listed = as_mapping(details.balancers.get(balancer.id))
    ports = sorted(
        (
            _port(item, resources, details)
            for item in resources.of_type(LISTENER)
            if resources.referenced(item.properties.get("LoadBalancerArn"), LOAD_BALANCER)
            == balancer
        ),
        key=lambda port: port.port,
    )
    nodes = _nodes(ports, resources, details)
    if not nodes:
        message = (
            f"{balancer.id}: no instance is behind this load balancer, so there is no node to "
            "adopt; nodes of this project are EC2 instances that are registered by their instance "
            "id, so register them, and run the command again"
        )
        raise UsageError(message)
    services, auxiliary, left_out = _classified(ports, nodes)
    return FoundCluster(
        name,
        balancer,
        str(listed.get("DNSName", "")),
        str(listed.get("VpcId", "")),
        {
            str(zone["ZoneName"]): str(zone["SubnetId"])
            for zone in sorted(as_list(listed.get("AvailabilityZones")), key=str)
            if "ZoneName" in zone and "SubnetId" in zone
        },
        nodes,
        services,
        auxiliary,
        tuple(left_out),
    )


def _port(item: LiveResource, resources: SiteResources, details: SiteDetails) -> FoundPort:
    actions = as_list(item.properties.get("DefaultActions"))
    forwards = [
        value
        for action in actions
        for value in (
            action.get("TargetGroupArn"),
            *(
                group.get("TargetGroupArn")
                for group in as_list(as_mapping(action.get("ForwardConfig")).get("TargetGroups"))
            ),
        )
        if value
    ]
    groups = {
        found.id: found
        for value in forwards
        if (found := resources.referenced(value, TARGET_GROUP)) is not None
    }
    group = next(iter(groups.values())) if len(groups) == 1 else None
    properties = group.properties if group else {}
    targets = as_list(properties.get("Targets"))
    own_port = as_integer(properties.get("Port"), 0)
    on_nodes = Counter(as_integer(target.get("Port"), own_port) for target in targets)
    return FoundPort(
        as_integer(item.properties.get("Port"), 0),
        item,
        group,
        on_nodes.most_common(1)[0][0] if on_nodes else own_port,
        tuple(
            node.id
            for target in targets
            if (node := resources.referenced(target.get("Id"), INSTANCE)) is not None
        ),
        details.listener_attributes.get(item.id),
    )


def _nodes(
    ports: Iterable[FoundPort], resources: SiteResources, details: SiteDetails
) -> dict[str, FoundNode]:
    """Return the instances behind a load balancer by id, sorted by zone."""
    ids = {id_ for port in ports for id_ in port.nodes}
    found = [item for item in resources.of_type(INSTANCE) if item.id in ids]
    found.sort(key=lambda item: (_zone(item, details), item.id))
    tags = [item.tags.get("Name", "") for item in found]
    plain = [re.sub(r"[^a-z0-9]", "", tag.lower()) for tag in tags]
    usable = all(map(_NODE_NAME.fullmatch, tags)) and len(set(plain)) == len(tags)
    names = tags if usable else [f"node{number}" for number in range(1, len(found) + 1)]
    nodes = {}
    for name, item in zip(names, found, strict=True):
        listed = as_mapping(details.instances.get(item.id))
        groups = as_list(item.properties.get("SecurityGroupIds"))
        nodes[item.id] = FoundNode(
            name,
            item,
            _zone(item, details),
            str(listed.get("PrivateIpAddress", "")),
            tuple(map(str, groups)),
        )
    return nodes


def _zone(item: LiveResource, details: SiteDetails) -> str:
    placement = as_mapping(as_mapping(details.instances.get(item.id)).get("Placement"))
    return str(item.properties.get("AvailabilityZone") or placement.get("AvailabilityZone", ""))


def _classified(
    ports: list[FoundPort], nodes: Mapping[str, FoundNode]
) -> tuple[dict[str, FoundPort], dict[str, FoundPort], list[str]]:
    """Return the services, the auxiliary ports, and sentences on all other ports."""
    services: dict[str, FoundPort] = {}
    auxiliary: dict[str, FoundPort] = {}
    left_out = []
    for port in ports:
        if port.group is None or not port.nodes:
            what = "forwards to no target group or to several" if port.group is None else "has no"
            what = what if port.group is None else "has no instance as a target"
            left_out.append(f"port {port.port} {what}, so the configuration does not have it")
        elif _is_auxiliary(port, len(nodes)):
            (node,) = port.nodes
            if node in auxiliary:
                left_out.append(
                    f"port {port.port} leads to {nodes[node].name} alone, as "
                    f"{auxiliary[node].port} does, which is taken as its auxiliary port"
                )
            else:
                auxiliary[node] = port
        else:
            name = _SERVICES.get(port.target_port, "")
            if not name or name in services:
                name = f"port-{port.port}"
            services[name] = port
    return services, auxiliary, left_out


def _is_auxiliary(port: FoundPort, nodes: int) -> bool:
    """Return whether a port leads to the second (RMI) port of one node."""
    if len(set(port.nodes)) != 1 or port.target_port in _SERVICES:
        return False
    return nodes > 1 or port.target_port % 10_000 in _AUXILIARY_ENDINGS
