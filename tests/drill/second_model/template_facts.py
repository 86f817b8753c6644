"""The facts of a failover that the second model needs, read from templates without the drill.

This reader supports the few expressions and resources of this project's stacks, and no others.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Template = Mapping[str, Any]
ResourceKey = tuple[str, str]
"""A resource: its stack and its logical id."""

_ELB: Final = "AWS::ElasticLoadBalancingV2::"
_BALANCER: Final = f"{_ELB}LoadBalancer"
_GROUP: Final = f"{_ELB}TargetGroup"


@dataclass(frozen=True)
class TargetGroup:
    """A target group: its nodes, and whether a `dns_failover` threshold is set."""

    nodes: tuple[ResourceKey, ...]
    has_threshold: bool


@dataclass(frozen=True)
class Listener:
    """A listener: its target groups, and whether it terminates TLS."""

    groups: tuple[ResourceKey, ...]
    ends_tls: bool


@dataclass(frozen=True)
class Balancer:
    """A load balancer: its region, its listeners by port, and whether it is internal."""

    region: str
    listeners: Mapping[int, Listener]
    is_internal: bool

    @property
    def groups(self) -> tuple[ResourceKey, ...]:
        """The target groups of all listeners."""
        keys = (key for listener in self.listeners.values() for key in listener.groups)
        return tuple(dict.fromkeys(keys))


@dataclass(frozen=True)
class Alarm:
    """An alarm on the healthy hosts of a target group, another balancer metric, or the switch."""

    region: str
    balancer: ResourceKey | None
    group: ResourceKey | None
    properties: Mapping[str, Any]

    @property
    def is_switch(self) -> bool:
        """Return whether operators, and not AWS, put the alarm's datapoints."""
        return not str(self.properties["Namespace"]).startswith("AWS/")


@dataclass(frozen=True)
class HealthCheck:
    """A health check: its settings, its child checks, its alarm, or the endpoint it connects to."""

    settings: Mapping[str, Any]
    children: tuple[ResourceKey, ...]
    alarm: ResourceKey | None
    endpoint: ResourceKey | None


@dataclass(frozen=True)
class Record:
    """A failover record: target, health check, and whether it evaluates the target's health."""

    target: ResourceKey
    check: ResourceKey | None
    evaluates: bool


@dataclass(frozen=True)
class Facts:
    """All facts about one failover name that the templates contain."""

    zones: Mapping[ResourceKey, str]
    regions_of_nodes: Mapping[ResourceKey, str]
    groups: Mapping[ResourceKey, TargetGroup]
    balancers: Mapping[ResourceKey, Balancer]
    alarms: Mapping[ResourceKey, Alarm]
    checks: Mapping[ResourceKey, HealthCheck]
    records: Mapping[str, Record]


class FactsReader:
    """Reader of the facts in templates.

    Args:
        templates: the templates by their stacks' names.
        regions: the region of each stack.
    """

    def __init__(self, templates: Mapping[str, Template], regions: Mapping[str, str]) -> None:
        self._templates, self._regions = templates, regions

    def facts(self) -> Facts:
        """Read the facts about the failover name from the templates."""
        nodes = list(self._of_type("AWS::EC2::Instance"))
        return Facts(
            zones={key: self._zone(key) for key in nodes},
            regions_of_nodes={key: self._regions[key[0]] for key in nodes},
            groups={key: self._group(key) for key in self._of_type(_GROUP)},
            balancers={key: self._balancer(key) for key in self._of_type(_BALANCER)},
            alarms={key: self._alarm(key) for key in self._of_type("AWS::CloudWatch::Alarm")},
            checks={key: self._check(key) for key in self._of_type("AWS::Route53::HealthCheck")},
            records=dict(self._records()),
        )

    def _of_type(self, kind: str) -> Iterator[ResourceKey]:
        for stack, template in self._templates.items():
            for id_, resource in template["Resources"].items():
                if resource["Type"] == kind:
                    yield stack, id_

    def _properties(self, key: ResourceKey) -> Mapping[str, Any]:
        stack, id_ = key
        properties: Mapping[str, Any] = self._templates[stack]["Resources"][id_]["Properties"]
        return properties

    def _named(self, stack: str, expression: Any, *kinds: str) -> ResourceKey | None:
        """Return the first resource of these types that an expression refers to, or None."""
        for key in self._all_named(stack, expression):
            if self._templates[key[0]]["Resources"][key[1]]["Type"] in kinds:
                return key
        return None

    def _all_named(self, stack: str, expression: Any) -> Iterator[ResourceKey]:
        """Yield the resources that an expression refers to, also through other stacks' outputs."""
        if isinstance(expression, list):
            for item in expression:
                yield from self._all_named(stack, item)
        if not isinstance(expression, dict):
            return
        for function, argument in expression.items():
            if function == "Fn::GetStackOutput":
                other = argument["StackName"]
                output = self._templates[other]["Outputs"][argument["OutputName"]]
                yield from self._all_named(other, output["Value"])
                continue
            id_ = argument[0] if function == "Fn::GetAtt" else argument
            if function in ("Ref", "Fn::GetAtt") and id_ in self._templates[stack]["Resources"]:
                yield stack, id_
            else:
                yield from self._all_named(stack, argument)

    def _zone(self, key: ResourceKey) -> str:
        properties = self._properties(key)
        subnet = self._named(key[0], properties.get("SubnetId"), "AWS::EC2::Subnet")
        owner = properties if "AvailabilityZone" in properties or subnet is None else None
        return str((owner or self._properties(subnet or key))["AvailabilityZone"])

    def _group(self, key: ResourceKey) -> TargetGroup:
        properties = self._properties(key)
        targets = [
            self._named(key[0], target["Id"], "AWS::EC2::Instance")
            for target in properties["Targets"]
        ]
        name = "target_group_health.dns_failover.minimum_healthy_targets.count"
        attributes = {
            item["Key"]: item["Value"] for item in properties.get("TargetGroupAttributes", [])
        }
        return TargetGroup(
            tuple(target for target in targets if target is not None),
            attributes.get(name, "1") != "off",
        )

    def _balancer(self, key: ResourceKey) -> Balancer:
        listeners: dict[int, Listener] = {}
        for of_listener in self._of_type(f"{_ELB}Listener"):
            properties = self._properties(of_listener)
            if self._named(of_listener[0], properties["LoadBalancerArn"], _BALANCER) == key:
                groups = [
                    self._named(of_listener[0], action["TargetGroupArn"], _GROUP)
                    for action in properties["DefaultActions"]
                ]
                listeners[int(properties["Port"])] = Listener(
                    tuple(group for group in groups if group is not None),
                    properties["Protocol"] == "TLS",
                )
        is_internal = self._properties(key)["Scheme"] == "internal"
        return Balancer(self._regions[key[0]], listeners, is_internal)

    def _alarm(self, key: ResourceKey) -> Alarm:
        properties = self._properties(key)
        values = {item["Name"]: item["Value"] for item in properties.get("Dimensions", [])}
        return Alarm(
            self._regions[key[0]],
            self._named(key[0], values.get("LoadBalancer"), _BALANCER),
            self._named(key[0], values.get("TargetGroup"), _GROUP),
            properties,
        )

    def _check(self, key: ResourceKey) -> HealthCheck:
        settings = self._properties(key)["HealthCheckConfig"]
        children = [
            self._named(key[0], child, "AWS::Route53::HealthCheck")
            for child in settings.get("ChildHealthChecks", [])
        ]
        alarm = settings.get("AlarmIdentifier", {}).get("Name")
        address = settings.get("FullyQualifiedDomainName") or settings.get("IPAddress")
        return HealthCheck(
            settings,
            tuple(child for child in children if child is not None),
            self._named(key[0], alarm, "AWS::CloudWatch::Alarm"),
            self._target(key[0], address),
        )

    def _target(self, stack: str, value: Any) -> ResourceKey | None:
        """Return the load balancer or node that a name or address belongs to, or None."""
        found = self._named(stack, value, _BALANCER, "AWS::EC2::Instance", "AWS::EC2::EIP")
        if found is None or found not in self._of_type("AWS::EC2::EIP"):
            return found
        for key in self._of_type("AWS::EC2::EIPAssociation"):
            properties = self._properties(key)
            if self._named(key[0], properties.get("AllocationId"), "AWS::EC2::EIP") == found:
                return self._named(key[0], properties["InstanceId"], "AWS::EC2::Instance")
        return self._named(found[0], self._properties(found)["InstanceId"], "AWS::EC2::Instance")

    def _records(self) -> Iterator[tuple[str, Record]]:
        """Yield the failover records by their role."""
        for key in self._of_type("AWS::Route53::RecordSet"):
            properties = self._properties(key)
            if "Failover" not in properties:
                continue
            alias = properties.get("AliasTarget", {})
            value = alias.get("DNSName") or properties["ResourceRecords"]
            target = self._target(key[0], value)
            assert target is not None
            yield (
                properties["Failover"],
                Record(
                    target,
                    self._named(
                        key[0], properties.get("HealthCheckId"), "AWS::Route53::HealthCheck"
                    ),
                    bool(alias.get("EvaluateTargetHealth")),
                ),
            )
