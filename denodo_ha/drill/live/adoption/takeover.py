"""Takeover of a cluster's load balancer by its stack: an import of CloudFormation.

CloudFormation does not compare the template with the resources that it imports, and does not change
these resources (AWS CloudFormation User Guide, "Import AWS resources into a CloudFormation stack
manually"). So this module compares them. A property that can only be set when the resource is
created must be equal, else the takeover is refused. All other differences become commands that make
the deployed resource equal to the template before the import.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.live.adoption.found_cluster import (
    FoundCluster,
    FoundPort,
    FoundSite,
    LiveResource,
)
from denodo_ha.drill.live.adoption.resource_changes import (
    Change,
    MissingTags,
    balancer_changes,
    listener_changes,
    missing_tags,
    tag_changes,
    target_group_changes,
)
from denodo_ha.drill.live.adoption.site_details import SiteDetails
from denodo_ha.drill.reading.resource_reader import LISTENER, LOAD_BALANCER, TARGET_GROUP
from denodo_ha.drill.reading.values import as_list, as_mapping
from denodo_ha.environment.facts.update_effects import TARGET_GROUP_REPLACEMENTS

SECURITY_GROUP: Final = "AWS::EC2::SecurityGroup"
_RULES: Final = {
    "AWS::EC2::SecurityGroupIngress": False,
    "AWS::EC2::SecurityGroupEgress": True,
}
"""The resource types of security group rules, each with True for outgoing traffic."""
_PEERS: Final = (
    ("CidrIp", "CidrIpv4"),
    ("SourcePrefixListId", "PrefixListId"),
    ("DestinationPrefixListId", "PrefixListId"),
)
"""The keys that contain a rule's peer: in a template, and in the answer of
DescribeSecurityGroupRules."""
_NAMES: Final = frozenset({"Name"})
"""Properties that are not compared: an update keeps the existing name if the template gives
none."""

Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Takeover:
    """Requirements of an import of a cluster's load balancer.

    Attributes:
        cluster: name of the cluster in the configuration.
        stack: name of its stack.
        region: its region.
        identifiers: the identifier of each resource by logical id: the resource mapping file.
        refusals: why the load balancer cannot be taken over.
        changes: what must change in AWS first, in place.
        remarks: sentences on resources that the import does not change.
        is_done: whether the stack owns the load balancer already.
    """

    cluster: str
    stack: str
    region: str
    identifiers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    remarks: tuple[str, ...] = ()
    is_done: bool = False


def takeovers(
    environment: str, site: FoundSite, stacks: Iterable[SynthesisedStack]
) -> tuple[Takeover, ...]:
    """Return the takeover of every cluster.

    Args:
        environment: name of the environment.
        site: the deployed site.
        stacks: the synthesised stacks of the configuration.

    Raises:
        UsageError: The configuration has no cluster with the nodes of a found cluster.
    """
    by_name = {stack.name: stack for stack in stacks}
    result = []
    for cluster in site.clusters:
        stack = _stack_of(environment, cluster, by_name)
        result.append(_Comparison(cluster, stack, site.details).takeover(environment))
    return tuple(result)


def _stack_of(
    environment: str, cluster: FoundCluster, stacks: Mapping[str, SynthesisedStack]
) -> SynthesisedStack:
    """Return the stack whose target groups have the instances of a cluster."""
    for stack in stacks.values():
        targets = {
            str(target.get("Id"))
            for _, resource in _of_type(stack, TARGET_GROUP)
            for target in as_list(resource.get("Targets"))
        }
        if targets & cluster.nodes.keys():
            return stack
    message = (
        f"the configuration {environment} has no cluster with the instances "
        f"{', '.join(sorted(cluster.nodes))} of the load balancer {cluster.balancer.id}, so the "
        "configuration is that of another site: choose another NAME"
    )
    raise UsageError(message)


def _of_type(stack: SynthesisedStack, *types: str) -> Iterator[tuple[str, Resource]]:
    """Yield logical id and properties of the resources of some types."""
    for logical_id, resource in stack.resources.items():
        if resource["Type"] in types:
            yield logical_id, as_mapping(resource.get("Properties"))


def _referenced(value: object) -> str:
    """Return the logical id to which a value refers by `Ref` or `Fn::GetAtt`; empty if to none."""
    reference = as_mapping(value)
    if "Ref" in reference:
        return str(reference["Ref"])
    attribute = reference.get("Fn::GetAtt")
    return str(attribute[0]) if isinstance(attribute, list) and attribute else ""


class _Comparison:
    """Comparison of a cluster's template with the cluster's deployed load balancer."""

    def __init__(
        self, cluster: FoundCluster, stack: SynthesisedStack, details: SiteDetails
    ) -> None:
        self._cluster, self._stack, self._details = cluster, stack, details
        self._identifiers: dict[str, dict[str, str]] = {}
        self._refusals: list[str] = []
        self._changes: list[Change] = []
        self._missing_tags: list[MissingTags] = []
        self._remarks: list[str] = []

    def takeover(self, environment: str) -> Takeover:
        """Return the takeover of the load balancer, as the comparison permits or refuses it."""
        name = self._stack.name.removeprefix(f"{environment}-")
        balancer = self._cluster.balancer
        if balancer.is_own:
            return Takeover(name, self._stack.name, balancer.region, is_done=True)
        self._compare()
        return Takeover(
            name,
            self._stack.name,
            balancer.region,
            {} if self._refusals else self._identifiers,
            tuple(self._refusals),
            () if self._refusals else (*self._changes, *tag_changes(self._missing_tags)),
            tuple(self._remarks),
        )

    def _compare(self) -> None:
        owner = self._details.stacks.get(self._cluster.balancer.id)
        if owner:
            self._refusals.append(
                f"the load balancer belongs to the stack {owner}, and a resource can be in only "
                "one stack: first remove the load balancer from that stack's template, with "
                "DeletionPolicy: Retain"
            )
        declared = list(_of_type(self._stack, LOAD_BALANCER))
        if len(declared) != 1:
            self._refusals.append(
                f"{self._stack.name} has {len(declared)} load balancers, and only one can be taken "
                "over: remove `sticky: cookie`, which adds a load balancer, or take the way "
                '"build beside"'
            )
            return
        ((logical_id, properties),) = declared
        balancer = self._cluster.balancer
        self._identifiers[logical_id] = {"LoadBalancerArn": balancer.id}
        self._compare_scheme(properties)
        self._compare_addresses(properties)
        self._compare_security_group(properties)
        self._changes += balancer_changes(balancer, properties, self._cluster.subnets)
        self._compare_tags(balancer.region, balancer.id, balancer.tags, properties)
        self._compare_ports()

    def _compare_scheme(self, declared: Resource) -> None:
        scheme = self._cluster.balancer.properties.get("Scheme")
        if scheme != declared.get("Scheme"):
            self._refusals.append(
                f"the load balancer is {scheme} and the configuration has the scheme "
                f"{declared.get('Scheme')}, which AWS cannot change: write scheme: {scheme}, or "
                'take the way "build beside"'
            )

    def _compare_addresses(self, declared: Resource) -> None:
        """Refuse the takeover if a fixed address differs: AWS cannot change a zone's address."""
        keys = ("AllocationId", "PrivateIPv4Address")
        present = self._cluster.balancer.properties
        fixed = {
            item["SubnetId"]: item.get(keys[0]) or item.get(keys[1])
            for item in as_list(present.get("SubnetMappings"))
        }
        for item in as_list(declared.get("SubnetMappings")):
            subnet, address = item.get("SubnetId"), item.get(keys[0]) or item.get(keys[1])
            if fixed.get(subnet) != address:
                self._refusals.append(
                    f"in {subnet} the load balancer has {fixed.get(subnet) or 'an address of AWS'} "
                    f"and the configuration has {address}; the address of a zone cannot be "
                    "changed: write the load balancer's address, or take the way "
                    '"build beside"'
                )

    def _compare_security_group(self, declared: Resource) -> None:
        groups = [str(item) for item in as_list(self._cluster.balancer.properties.get(_GROUPS))]
        logical_id = next(map(_referenced, as_list(declared.get(_GROUPS))), "")
        balancer = self._cluster.balancer
        if not groups:
            self._refusals.append(
                "the load balancer was created without a security group, and AWS cannot add a "
                "security group later (AWS, Update the security groups for your Network Load "
                "Balancer); the stack's load balancer needs a security group, which admits only "
                'clients: take the way "build beside"'
            )
            return
        if len(groups) > 1:
            self._refusals.append(
                f"the load balancer has the security groups {', '.join(groups)}, and the stack's "
                "load balancer has one: leave only the security group that admits the clients, and "
                "run adopt again; for the first security group: "
                f"aws elbv2 set-security-groups --region {balancer.region} --load-balancer-arn "
                f"{balancer.id} --security-groups {groups[0]}"
            )
            return
        (group,) = groups
        self._identifiers[logical_id] = {"Id": group}
        properties = as_mapping(as_mapping(self._stack.resources.get(logical_id)).get("Properties"))
        listed = as_mapping(self._details.security_groups.get(group))
        description = listed.get("Description")
        if description != properties.get("GroupDescription"):
            self._remarks.append(
                f"{group}: the description of this security group remains {str(description)!r}, "
                "because AWS cannot change a description; the template has another description, "
                "and `cdk drift` will show the difference"
            )
        users = [
            node.name for node in self._cluster.nodes.values() if group in node.security_groups
        ]
        if users:
            self._refusals.append(
                f"{', '.join(users)} and the load balancer have the same security group {group}, "
                "whose rules the stack would own after the takeover: give the load balancer a "
                "separate security group (aws elbv2 set-security-groups --region "
                f"{balancer.region} --load-balancer-arn {balancer.id} --security-groups sg-…)"
            )
        tags = {str(tag["Key"]): str(tag["Value"]) for tag in as_list(listed.get("Tags"))}
        self._compare_tags(balancer.region, group, tags, properties)
        self._compare_rules(logical_id, group)

    def _compare_rules(self, logical_id: str, group: str) -> None:
        """Add the security group rules that exist to the import; the deploy creates the others."""
        rules = [rule for rule in self._details.rules if rule.get("GroupId") == group]
        used = set()
        for rule_id, declared in _of_type(self._stack, *_RULES):
            if _referenced(declared.get("GroupId")) != logical_id:
                continue
            kind = self._stack.resources[rule_id]["Type"]
            for rule in rules:
                if _is_same_rule(declared, rule, is_egress=_RULES[kind]):
                    self._identifiers[rule_id] = {"Id": str(rule["SecurityGroupRuleId"])}
                    used.add(rule["SecurityGroupRuleId"])
                    break
        others = sorted(
            str(rule["SecurityGroupRuleId"])
            for rule in rules
            if rule["SecurityGroupRuleId"] not in used
        )
        if others:
            self._remarks.append(
                f"{group}: the rules {', '.join(others)} are in no stack and remain; after the "
                "deploy, revoke the rules that nothing needs"
            )

    def _compare_ports(self) -> None:
        ports = {port.port: port for port in self._cluster.ports}
        groups = dict(_of_type(self._stack, TARGET_GROUP))
        declared_ports = set()
        for logical_id, declared in _of_type(self._stack, LISTENER):
            number = int(declared.get("Port", 0))
            declared_ports.add(number)
            port = ports.get(number)
            action = as_mapping(next(iter(as_list(declared.get("DefaultActions"))), None))
            group_id = _referenced(action.get("TargetGroupArn"))
            if port is None or group_id not in groups:
                self._remarks.append(
                    f"port {number}: the load balancer has no listener on this port; the deploy "
                    "creates the listener"
                )
                continue
            self._compare_port(port, (logical_id, declared), (group_id, groups[group_id]))
        for number in sorted(ports.keys() - declared_ports):
            self._remarks.append(
                f"port {number}: the configuration does not have this port; the listener remains "
                "as it is, in no stack"
            )
        self._remarks += self._cluster.left_out

    def _compare_port(
        self, port: FoundPort, listener: tuple[str, Resource], group: tuple[str, Resource]
    ) -> None:
        assert port.group is not None  # ports without a target group are in `FoundCluster.left_out`
        self._identifiers[listener[0]] = {"ListenerArn": port.listener.id}
        self._identifiers[group[0]] = {"TargetGroupArn": port.group.id}
        for name in sorted(TARGET_GROUP_REPLACEMENTS - _NAMES):
            if name in group[1] and str(group[1][name]) != str(port.group.properties.get(name)):
                self._refusals.append(
                    f"port {port.port}: the target group {_name(port.group)} has {name} "
                    f"{port.group.properties.get(name)}, and the stack's target group has "
                    f"{group[1][name]}; AWS cannot change {name}, so a deploy would replace the "
                    "target group"
                )
        self._changes += target_group_changes(port, group[1])
        self._changes += listener_changes(port, listener[1])
        region = port.listener.region
        self._compare_tags(region, port.group.id, port.group.tags, group[1])
        tags = self._details.listener_tags.get(port.listener.id, {})
        self._compare_tags(region, port.listener.id, tags, listener[1])

    def _compare_tags(
        self, region: str, id_: str, present: Mapping[str, str], declared: Resource
    ) -> None:
        self._missing_tags.append(missing_tags(region, id_, present, declared))


_GROUPS: Final = "SecurityGroups"


def _is_same_rule(declared: Resource, rule: Mapping[str, Any], *, is_egress: bool) -> bool:
    """Return whether a rule of a template and an existing rule are equal."""
    if bool(rule.get("IsEgress")) is not is_egress:
        return False
    if str(declared.get("IpProtocol")) != str(rule.get("IpProtocol")):
        return False
    if any(
        int(declared.get(name, -1)) != int(rule.get(name, -1)) for name in ("FromPort", "ToPort")
    ):
        return False
    return any(name in declared and declared[name] == rule.get(listed) for name, listed in _PEERS)


def _name(group: LiveResource) -> str:
    return str(group.properties.get("Name", group.id))
