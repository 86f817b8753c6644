"""Found clusters: load balancers of a live site with their ports, nodes and other resources."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.live.live_site import LiveSite, LiveTemplate
from denodo_ha.drill.live.site_templates import ROUTE53
from denodo_ha.drill.reading.resource_reader import INSTANCE
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, references

_INSTANCE_ID: Final = re.compile(r"i-[0-9a-f]+")


@dataclass(frozen=True)
class LiveResource:
    """A resource of a live site.

    Attributes:
        owner: the stack of this project that has the resource, else its region.
        logical_id: its logical id.
        type: its type.
        id: its physical id.
        region: its region.
        account: its account.
        properties: its properties.
    """

    owner: str
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
        """The tags of the resource."""
        return {
            str(tag.get("Key")): str(tag.get("Value"))
            for tag in as_list(self.properties.get("Tags"))
        }

    @property
    def is_own(self) -> bool:
        """Return whether a stack of this project has the resource."""
        return self.owner not in (self.region, ROUTE53)


@dataclass(frozen=True)
class FoundNode:
    """An instance behind the load balancer.

    Attributes:
        name: its name in the configuration.
        zone: its availability zone.
        address: its private address; empty if it was not read.
        security_groups: its security groups.
    """

    name: str
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

    @property
    def checked_port(self) -> int:
        """The port on the nodes that the health check connects to."""
        properties = self.group.properties if self.group else {}
        return as_integer(properties.get("HealthCheckPort"), self.target_port)


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
        left_out: sentences on ports that the configuration will not have, with the reason.
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
    def fixed_addresses(self) -> dict[str, str]:
        """The fixed address in each zone: a private address, or an Elastic IP allocation."""
        zone_of = {subnet: zone for zone, subnet in self.subnets.items()}
        return {
            zone_of[mapping["SubnetId"]]: str(address)
            for mapping in as_list(self.balancer.properties.get("SubnetMappings"))
            if mapping.get("SubnetId") in zone_of
            and (address := mapping.get("AllocationId") or mapping.get("PrivateIPv4Address"))
        }

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
        other_targets: names and addresses to which the record also leads, and which are not load
            balancers of the site.
        details: data that only the adoption reads, and the drill does not.
    """

    clusters: tuple[FoundCluster, ...]
    details: SiteDetails
    record: str = ""
    hosted_zone: tuple[str, str] = ("", "")
    is_failover: bool = False
    other_targets: tuple[str, ...] = ()


class SiteResources:
    """Resources of a live site, with the references between them."""

    def __init__(self, site: LiveSite) -> None:
        self._of_key = {
            f"{template.name}/{logical_id}": _resource(template, logical_id, raw)
            for template in site.templates
            for logical_id, raw in template.resources.items()
            if logical_id in template.ids
        }

    def of_type(self, kind: str) -> list[LiveResource]:
        """Return the resources of a type, in the order of the templates."""
        return [item for item in self._of_key.values() if item.type == kind]

    def targets(self, group: LiveResource) -> list[tuple[str, int]]:
        """Return the instance id and the port of each target of a target group.

        If a target is not among the resources, it is an instance that a stack of this project has
        adopted.
        """
        own_port = as_integer(group.properties.get("Port"), 0)
        targets = []
        for target in map(as_mapping, as_list(group.properties.get("Targets"))):
            instance = self.referenced(target.get("Id"), INSTANCE)
            id_ = instance.id if instance is not None else str(target.get("Id"))
            if _INSTANCE_ID.fullmatch(id_):
                targets.append((id_, as_integer(target.get("Port"), own_port)))
        return targets

    def referenced(self, value: object, kind: str) -> LiveResource | None:
        """Return the resource of a type to which a value refers."""
        for template, logical_id, _ in references(value):
            resource = self._of_key.get(f"{template}/{logical_id}")
            if resource is not None and resource.type == kind:
                return resource
        return None


def _resource(template: LiveTemplate, logical_id: str, raw: Mapping[str, Any]) -> LiveResource:
    return LiveResource(
        template.name,
        logical_id,
        str(raw.get("Type")),
        template.ids[logical_id],
        template.region,
        template.account,
        as_mapping(raw.get("Properties")),
    )
