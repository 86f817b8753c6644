"""The resources of some stacks with resolved properties, which the other readers read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model import Key
from denodo_ha.drill.notes import ReadingNotes
from denodo_ha.drill.reading.expressions import (
    Resolver,
    as_integer,
    as_list,
    as_mapping,
    references,
)
from denodo_ha.environment.names import METADATA

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
INSTANCE = "AWS::EC2::Instance"
SUBNET = "AWS::EC2::Subnet"
ELASTIC_IP = "AWS::EC2::EIP"
ELASTIC_IP_ASSOCIATION = "AWS::EC2::EIPAssociation"
AUTO_SCALING_GROUP = "AWS::AutoScaling::AutoScalingGroup"
ALARM = "AWS::CloudWatch::Alarm"
HEALTH_CHECK = "AWS::Route53::HealthCheck"
DATABASE = "AWS::RDS::DBInstance"
DATABASE_SUBNETS = "AWS::RDS::DBSubnetGroup"
RECORD_SET = "AWS::Route53::RecordSet"
RECORD_SET_GROUP = "AWS::Route53::RecordSetGroup"

RESOURCE_TYPES = frozenset(
    {
        *(LOAD_BALANCER, LISTENER, TARGET_GROUP, INSTANCE, SUBNET, ELASTIC_IP),
        *(ELASTIC_IP_ASSOCIATION, AUTO_SCALING_GROUP, ALARM, HEALTH_CHECK),
        *(DATABASE, DATABASE_SUBNETS, RECORD_SET, RECORD_SET_GROUP),
    }
)
"""The types of the resources that the drill reads."""


@dataclass(frozen=True)
class Resource:
    """A resource with its properties resolved."""

    stack: SynthesisedStack
    id: str
    type: str
    properties: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """The resource's key."""
        return f"{self.stack.name}/{self.id}"

    @cached_property
    def tags(self) -> Mapping[str, str]:
        """The resource's tags."""
        tags = as_list(self.properties.get("Tags", self.properties.get("HealthCheckTags")))
        return {str(tag.get("Key")): str(tag.get("Value")) for tag in tags if isinstance(tag, dict)}

    @property
    def own_metadata(self) -> Mapping[str, Any]:
        """This project's metadata of the resource."""
        return as_mapping(self.metadata.get(METADATA))

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes of a balancer or a target group."""
        attributes = as_list(
            self.properties.get("LoadBalancerAttributes")
            or self.properties.get("TargetGroupAttributes")
        )
        return {
            str(item.get("Key")): _attribute_text(item.get("Value"))
            for item in attributes
            if isinstance(item, dict)
        }

    def integer(self, name: str, default: int) -> int:
        """Return a property that is an integer."""
        return as_integer(self.properties.get(name), default)


class ResourceReader:
    """Reader of the resources of some stacks, and of references between them."""

    def __init__(self, stacks: tuple[SynthesisedStack, ...]) -> None:
        self.stacks = stacks
        self.resolver = Resolver(stacks)
        self.notes = ReadingNotes()

    @cached_property
    def resources(self) -> Mapping[Key, Resource]:
        """All resources of the types that the drill reads, by key."""
        resources: dict[Key, Resource] = {}
        for stack in self.stacks:
            for id_, raw in stack.resources.items():
                if raw["Type"] in RESOURCE_TYPES and self.resolver.exists(stack, raw):
                    properties = self.resolver.properties(stack, id_)
                    metadata = self.resolver.value(stack, raw.get("Metadata", {}))
                    resource = Resource(stack, id_, raw["Type"], properties, as_mapping(metadata))
                    resources[resource.key] = resource
        return resources

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Return the resources of some types."""
        return (resource for resource in self.resources.values() if resource.type in types)

    def referenced(self, value: object, *types: str) -> Resource | None:
        """Return the first resource of some types to which a value refers."""
        for stack, id_, _ in references(value):
            resource = self.resources.get(f"{stack}/{id_}")
            if resource is not None and resource.type in types:
                return resource
        return None

    def own_metadata(self, stack: SynthesisedStack) -> Mapping[str, Any]:
        """Return this project's metadata of a template."""
        metadata = as_mapping(stack.template.get("Metadata"))
        return as_mapping(as_mapping(self.resolver.value(stack, metadata)).get(METADATA))


def _attribute_text(value: object) -> str:
    # YAML reads true, false and off as booleans, where the attribute is text.
    return str(value).lower() if isinstance(value, bool) else str(value)
