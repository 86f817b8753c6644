"""What a builder of the model reads: typed values of resources, wherever they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model import Key
from denodo_ha.drill.reading.expressions import Resolver, marks
from denodo_ha.environment.names import METADATA


@dataclass(frozen=True)
class Resource:
    """A resource with its properties resolved."""

    stack: SynthesisedStack
    id: str
    kind: str
    properties: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def key(self) -> Key:
        """Its key."""
        return f"{self.stack.name}/{self.id}"

    @property
    def tags(self) -> Mapping[str, str]:
        """Its tags."""
        found = self.properties.get("Tags", self.properties.get("HealthCheckTags"))
        listed = found if isinstance(found, list) else []
        return {
            str(one.get("Key")): str(one.get("Value")) for one in listed if isinstance(one, dict)
        }

    @property
    def ours(self) -> Mapping[str, Any]:
        """Our own metadata."""
        return mapping(self.metadata.get(METADATA))

    @property
    def attributes(self) -> Mapping[str, str]:
        """The attributes of a balancer or a target group."""
        found = self.properties.get("LoadBalancerAttributes") or self.properties.get(
            "TargetGroupAttributes"
        )
        listed = found if isinstance(found, list) else []
        return {
            str(one.get("Key")): _plain(one.get("Value")) for one in listed if isinstance(one, dict)
        }

    def number(self, key: str, default: int) -> int:
        """A whole number among its properties."""
        return number(self.properties.get(key), default)


class Reader:
    """The resources of some stacks, resolved once."""

    def __init__(self, stacks: tuple[SynthesisedStack, ...]) -> None:
        self.stacks = stacks
        self.resolver = Resolver(stacks)
        self.notes: list[str] = []

    @cached_property
    def resources(self) -> Mapping[Key, Resource]:
        """All of the kinds that matter, by key."""
        found: dict[Key, Resource] = {}
        for stack in self.stacks:
            for id_, raw in stack.resources.items():
                if raw["Type"] in KINDS and self.resolver.exists(stack, raw):
                    properties = self.resolver.properties(stack, id_)
                    metadata = self.resolver.value(stack, raw.get("Metadata", {}))
                    one = Resource(stack, id_, raw["Type"], properties, mapping(metadata))
                    found[one.key] = one
        return found

    def of(self, *kinds: str) -> Iterator[Resource]:
        """The resources of some kinds."""
        return (one for one in self.resources.values() if one.kind in kinds)

    def named(self, value: object, *kinds: str) -> Resource | None:
        """The resource of some kinds that a value is made of."""
        for stack, id_, _ in marks(value):
            found = self.resources.get(f"{stack}/{id_}")
            if found is not None and found.kind in kinds:
                return found
        return None

    def note(self, text: str) -> None:
        """Keep something that people should know, once."""
        if text not in self.notes:
            self.notes.append(text)

    def ours(self, stack: SynthesisedStack) -> Mapping[str, Any]:
        """Our own metadata of a template."""
        metadata = mapping(stack.template.get("Metadata"))
        return mapping(mapping(self.resolver.value(stack, metadata)).get(METADATA))


LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
INSTANCE = "AWS::EC2::Instance"
SUBNET = "AWS::EC2::Subnet"
ADDRESS = "AWS::EC2::EIP"
ASSOCIATION = "AWS::EC2::EIPAssociation"
FLEET = "AWS::AutoScaling::AutoScalingGroup"
ALARM = "AWS::CloudWatch::Alarm"
CHECK = "AWS::Route53::HealthCheck"
DATABASE = "AWS::RDS::DBInstance"
DATABASE_SUBNETS = "AWS::RDS::DBSubnetGroup"
RECORD = "AWS::Route53::RecordSet"
RECORDS = "AWS::Route53::RecordSetGroup"

KINDS = frozenset(
    {
        *(LOAD_BALANCER, LISTENER, GROUP, INSTANCE, SUBNET, ADDRESS, ASSOCIATION, FLEET),
        *(ALARM, CHECK, DATABASE, DATABASE_SUBNETS, RECORD, RECORDS),
    }
)


def mapping(value: object) -> Mapping[str, Any]:
    """A map, empty for anything else."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """A list, empty for anything else."""
    return value if isinstance(value, list) else []


def number(value: object, default: int) -> int:
    """A whole number, however it is written."""
    try:
        return int(float(str(value)))
    except ValueError:
        return default


def is_true(value: object) -> bool:
    """Whether a flag is set, however it is written."""
    return str(value).lower() == "true"


def _plain(value: object) -> str:
    """An attribute's value: YAML reads true, false and off as more than text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
