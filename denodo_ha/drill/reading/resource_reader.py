"""Reader of the resources of stacks, with resolved properties, for all other readers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.model.machines import Key
from denodo_ha.drill.model.model import Subject
from denodo_ha.drill.notes import ReadingNotes
from denodo_ha.drill.reading.expressions import Resolver
from denodo_ha.drill.reading.hidden_resources import note_hidden_resources
from denodo_ha.drill.reading.template_expansion import expand_templates
from denodo_ha.drill.reading.values import as_integer, as_list, as_mapping, is_infinite, references
from denodo_ha.environment.names import METADATA

LOAD_BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
LISTENER_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
INSTANCE = "AWS::EC2::Instance"
SUBNET = "AWS::EC2::Subnet"
ELASTIC_IP = "AWS::EC2::EIP"
ELASTIC_IP_ASSOCIATION = "AWS::EC2::EIPAssociation"
AUTO_SCALING_GROUP = "AWS::AutoScaling::AutoScalingGroup"
ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE_ALARM = "AWS::CloudWatch::CompositeAlarm"
EVENT_SUBSCRIPTION = "AWS::RDS::EventSubscription"
HEALTH_CHECK = "AWS::Route53::HealthCheck"
DATABASE = "AWS::RDS::DBInstance"
DATABASE_SUBNETS = "AWS::RDS::DBSubnetGroup"
RECORD_SET = "AWS::Route53::RecordSet"
RECORD_SET_GROUP = "AWS::Route53::RecordSetGroup"

UNREAD_METADATA: Final = "Unread"
"""Key of this project's metadata on a target group of a live site: a call that reads the group's
targets gave no answer, so the group may have more targets."""

_SUBJECTS: Final[Mapping[str, tuple[Subject, ...]]] = {
    LOAD_BALANCER: ("balancer", "address"),
    LISTENER: ("balancer", "node"),
    LISTENER_RULE: ("balancer", "node"),
    TARGET_GROUP: ("balancer", "node"),
    INSTANCE: ("node", "zone"),
    SUBNET: ("address", "zone"),
    ELASTIC_IP: ("record",),
    ELASTIC_IP_ASSOCIATION: ("record",),
    AUTO_SCALING_GROUP: ("node", "zone"),
    ALARM: ("check",),
    COMPOSITE_ALARM: (),
    EVENT_SUBSCRIPTION: (),
    HEALTH_CHECK: ("check",),
    DATABASE: ("database",),
    DATABASE_SUBNETS: ("database",),
    RECORD_SET: ("record",),
    RECORD_SET_GROUP: ("record",),
}
"""The resource types that the drill reads, with the kinds of objects that each one describes."""

RESOURCE_TYPES = frozenset(_SUBJECTS)
"""The types of the resources that the drill reads."""

_INSTANCE_PROPERTIES: Final = frozenset({"SubnetId", "AvailabilityZone", "NetworkInterfaces"})
_UNREAD_PROPERTIES: Final = frozenset(
    {
        *("Tags", "HealthCheckTags", "Name", "SecurityGroups", "SslPolicy", "Certificates"),
        *("AlarmActions", "OKActions", "InsufficientDataActions", "AlarmDescription", "Comment"),
        *("VpcId", "CidrBlock", "MaxSize", "LaunchConfigurationName", "LaunchTemplate"),
        *("MixedInstancesPolicy", "NotificationConfigurations", "ActionsEnabled", "Domain"),
        *("TerminationPolicies", "MetricsCollection", "IpAddressType", "MapPublicIpOnLaunch"),
        *("LoadBalancerNames", "HealthCheckType", "HealthCheckGracePeriod", "AlarmName"),
        *("Ipv6CidrBlock", "AssignIpv6AddressOnCreation", "VpcSecurityGroupIds", "Matcher"),
    }
)
_READ_OF_DATABASES: Final = frozenset(
    {"MultiAZ", "AvailabilityZone", "DBSubnetGroupName", "SubnetIds"}
)
_READ_ATTRIBUTES: Final = ("load_balancing.cross_zone", "target_group_health.")
_READ_LITERALLY: Final = frozenset(
    {
        *("Port", "Protocol", "Type", "Scheme", "TargetType", "Weight", "Failover"),
        *("HealthCheckPort", "HealthCheckProtocol", "HealthCheckIntervalSeconds"),
        *("HealthCheckTimeoutSeconds", "HealthyThresholdCount", "UnhealthyThresholdCount"),
        *("DesiredCapacity", "MinSize", "MultiAZ", "MetricName", "Statistic", "Threshold"),
        *("ComparisonOperator", "Period", "EvaluationPeriods", "DatapointsToAlarm"),
        *("TreatMissingData", "TTL"),
        *("InsufficientDataHealthStatus", "Inverted", "Disabled", "HealthThreshold"),
        *("RequestInterval", "FailureThreshold", "EvaluateTargetHealth"),
    }
)
"""The properties that the drill reads as a number or a string, and not as a reference."""


def _is_read(kind: str, name: str) -> bool:
    """Return whether the drill reads a property of a type of resource."""
    if kind == INSTANCE:
        return name in _INSTANCE_PROPERTIES
    if kind in (DATABASE, DATABASE_SUBNETS):
        return name in _READ_OF_DATABASES
    return name not in _UNREAD_PROPERTIES or (kind in (RECORD_SET,) and name == "Name")


@dataclass(frozen=True)
class Resource:
    """A resource with resolved properties."""

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
        self.notes = ReadingNotes()
        self.stacks, nested = expand_templates(stacks, self.notes)
        self.resolver = Resolver(self.stacks, nested)
        for stack in self.stacks:
            note_hidden_resources(stack, self.notes)

    @cached_property
    def resources(self) -> Mapping[Key, Resource]:
        """All resources of the types that the drill reads, by key."""
        resources: dict[Key, Resource] = {}
        for stack in self.stacks:
            for id_, raw in stack.resources.items():
                if raw["Type"] in RESOURCE_TYPES and self._exists(stack, id_, raw):
                    properties = self._properties(stack, id_, raw)
                    metadata = self.resolver.value(stack, raw.get("Metadata", {}))
                    resource = Resource(stack, id_, raw["Type"], properties, as_mapping(metadata))
                    resources[resource.key] = resource
        return resources

    def _exists(self, stack: SynthesisedStack, id_: str, raw: Mapping[str, Any]) -> bool:
        self.resolver.undecided.clear()
        exists = self.resolver.exists(stack, raw)
        self._note_undecided(stack, id_, raw["Type"], list(self.resolver.undecided))
        return exists

    def _properties(
        self, stack: SynthesisedStack, id_: str, raw: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return a resource's properties, and add a note on values known only after deployment."""
        properties: dict[str, Any] = {}
        reasons: list[str] = []
        written = raw.get("Properties", {})
        for name in as_mapping(written):
            self.resolver.undecided.clear()
            properties |= as_mapping(self.resolver.value(stack, {"": 0, name: written[name]}))
            if _is_read(raw["Type"], str(name)):
                reasons += self.resolver.undecided
                reasons += self._open_values(str(name), properties.get(name))
        properties.pop("", None)
        self._note_undecided(stack, id_, raw["Type"], reasons)
        return properties

    def _open_values(self, name: str, value: object) -> Iterator[str]:
        """Yield a text on each unknown number or string in a property that the drill needs."""
        if isinstance(value, dict):
            # The drill reads only some attributes: ignore the values of others, such as a bucket
            # for logs.
            if "Key" in value:
                is_read = str(value["Key"]).startswith(_READ_ATTRIBUTES)
                value = {str(value["Key"]): value.get("Value")} if is_read else {}
            for key, item in value.items():
                yield from self._open_values(str(key), item)
        elif isinstance(value, list):
            for item in value:
                yield from self._open_values("", item)
        elif name in _READ_LITERALLY or name.startswith(_READ_ATTRIBUTES):
            text = str(value)
            is_open = "{{resolve:" in text or any(map(self._is_open, references(text)))
            if is_open or is_infinite(value):
                yield f"the value of {name}"

    def _is_open(self, found: tuple[str, str, str]) -> bool:
        """Return whether a reference names a parameter, or a resource that these templates lack."""
        stack, id_, _ = found
        return f"{stack}/{id_}" not in self._ids

    @cached_property
    def _ids(self) -> frozenset[Key]:
        return frozenset(f"{stack.name}/{id_}" for stack in self.stacks for id_ in stack.resources)

    def is_open(self, value: object) -> bool:
        """Return whether a value depends on a parameter or on something outside the templates."""
        return any(map(self._is_open, references(value)))

    def _note_undecided(
        self, stack: SynthesisedStack, id_: str, kind: str, reasons: list[str]
    ) -> None:
        if reasons:
            self.notes.undecided(f"{stack.name}/{id_}", reasons, _SUBJECTS[kind])

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Return the resources of the given types."""
        return (resource for resource in self.resources.values() if resource.type in types)

    def referenced(self, value: object, *types: str) -> Resource | None:
        """Return the first resource of the given types to which a value refers."""
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
    # YAML reads true, false and off as booleans, but attribute values are strings.
    return str(value).lower() if isinstance(value, bool) else str(value)
