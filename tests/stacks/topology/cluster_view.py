"""A cluster's template together with its configuration, and functions that read templates."""

import json
from collections.abc import Iterable
from typing import Any

from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from tests.support.assembly import Assembly

LB = "AWS::ElasticLoadBalancingV2::LoadBalancer"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
INSTANCE = "AWS::EC2::Instance"
PROFILE = "AWS::IAM::InstanceProfile"
INGRESS = "AWS::EC2::SecurityGroupIngress"
EGRESS = "AWS::EC2::SecurityGroupEgress"
ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
CHECK = "AWS::Route53::HealthCheck"
RECORD = "AWS::Route53::RecordSet"
PARAMETER = "AWS::SSM::Parameter"
ZONE = "AWS::Route53::HostedZone"

Resources = dict[str, dict[str, Any]]

UNKNOWN = "known-at-deploy.example.com"
"""Placeholder in a desired state for a value that is known only at the deploy."""


class ClusterView:
    """One cluster's template together with its configuration."""

    def __init__(
        self, environment: Environment, name: str, cluster: Cluster, assembly: Assembly
    ) -> None:
        self.environment, self.name, self.cluster = environment, name, cluster
        self.stack = f"{environment.name}-{name}"
        self.template = assembly.templates[self.stack]
        self.assembly = assembly
        self.groups = self.of(GROUP)
        kinds = {one["Type"]: id_ for id_, one in self.of(LB).items()}
        self.nlb, self.alb = kinds.get("network", ""), kinds.get("application", "")
        self.cookies = {
            name: service
            for name, service in environment.services.items()
            if service.sticky == "cookie" and cluster.balancer.kind == "nlb"
        }
        self.nodes = {tags_of(node)["denodo:node"]: id_ for id_, node in self.of(INSTANCE).items()}
        self.adopted = {
            name: node.instance_id for name, node in cluster.nodes.items() if node.instance_id
        }

    @property
    def scheduler_ports(self) -> dict[str, int]:
        """Return the auxiliary ports of the Scheduler by node."""
        nodes = self.cluster.nodes.items()
        return {
            name: node.scheduler_auxiliary_port
            for name, node in nodes
            if node.scheduler_auxiliary_port
        }

    @property
    def scheduler_clients(self) -> set[str]:
        """Return the clients that the Scheduler directs to port 7998 of the nodes."""
        balancer = self.cluster.balancer
        service = self.environment.services.get("scheduler")
        reach_nodes = balancer.kind == "none" or balancer.scheme == "internal"
        if service is None or service.target_port != 8000 or self.scheduler_ports:
            return set()
        return set(balancer.clients) if reach_nodes else set()

    def of(self, kind: str) -> Resources:
        """Return the properties of the cluster's resources of a type, by logical id."""
        return self.assembly.resources(self.stack, kind)

    def machine(self, name: str) -> dict[str, Any]:
        """Return the configured machine: the cluster's settings with the node's overrides."""
        parts = (self.cluster.instance, self.cluster.nodes[name].instance)
        return {
            key: value
            for part in parts
            if part is not None
            for key, value in part.model_dump(exclude_none=True).items()
        }

    def listeners_of(self, balancer: str) -> list[dict[str, Any]]:
        """Return the listeners of a load balancer."""
        listeners = self.of(LISTENER).values()
        return [one for one in listeners if one["LoadBalancerArn"] == {"Ref": balancer}]

    def rules_of(self, direction: str, group: str) -> list[dict[str, Any]]:
        """Return the rules of a security group in one direction."""
        kind = INGRESS if direction == "in" else EGRESS
        return [one for one in self.of(kind).values() if one["GroupId"]["Fn::GetAtt"][0] == group]

    def groups_of(self, kind: str, key: str) -> set[str]:
        """Return the security groups of the resources of a type."""
        return security_groups(self.of(kind).values(), key)

    def peers(self, direction: str, group: str) -> set[str]:
        """Return the peers of a security group's rules."""
        return {peer_of(rule) for rule in self.rules_of(direction, group)}

    def ports(self, direction: str, group: str, peer: str) -> set[int]:
        """Return the ports that a security group's rules open to a peer."""
        return ports_to(self.rules_of(direction, group), peer)

    def balancer_id(self) -> str:
        """Return the logical id of the Network Load Balancer."""
        return self.nlb or "no balancer"

    def state_of(self, parameter: str) -> dict[str, Any]:
        """Return the desired state in a parameter, with `UNKNOWN` for values of CloudFormation."""
        value = self.of(PARAMETER)[parameter]["Value"]
        if isinstance(value, dict):
            parts = value["Fn::Join"][1]
            value = "".join(part if isinstance(part, str) else UNKNOWN for part in parts)
        state: dict[str, Any] = json.loads(value)
        return state


def output_of(prefix: str, node: str) -> str:
    """Return the name of an output for a node: the prefix and the node's name."""
    return prefix + "".join(letter for letter in node if letter.isalnum())


def mentioned(value: Any) -> set[str]:
    """Return the logical ids that a resource refers to or depends on."""
    if isinstance(value, list):
        return {id_ for item in value for id_ in mentioned(item)}
    if not isinstance(value, dict):
        return set()
    ids = {id_ for item in value.values() for id_ in mentioned(item)}
    if "Ref" in value:
        ids.add(value["Ref"])
    if "Fn::GetAtt" in value:
        ids.add(value["Fn::GetAtt"][0])
    depends = value.get("DependsOn", [])
    return ids | {depends} if isinstance(depends, str) else ids | set(depends)


def forwarded(listener: dict[str, Any]) -> str:
    """Return the logical id of the target group to which a listener forwards."""
    (action,) = listener["DefaultActions"]
    return str(action["TargetGroupArn"]["Ref"])


def reached(groups: Iterable[dict[str, Any]]) -> set[int]:
    """Return the ports of target groups and of their health checks."""
    return {port for group in groups for port in (group["Port"], int(group["HealthCheckPort"]))}


def attributes_of(pairs: Iterable[dict[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair["Value"] for pair in pairs}


def tags_of(properties: dict[str, Any]) -> dict[str, str]:
    return attributes_of(properties["Tags"])


def security_groups(resources: Iterable[dict[str, Any]], key: str) -> set[str]:
    return {group["Fn::GetAtt"][0] for resource in resources for group in resource[key]}


def peer_of(rule: dict[str, Any]) -> str:
    """Return the peer of a rule: a CIDR, a prefix list or a security group's logical id."""
    for key in ("CidrIp", "SourcePrefixListId", "DestinationPrefixListId"):
        if key in rule:
            return str(rule[key])
    group = rule.get("SourceSecurityGroupId") or rule["DestinationSecurityGroupId"]
    return str(group if isinstance(group, str) else group["Fn::GetAtt"][0])


def ports_to(rules: Iterable[dict[str, Any]], peer: str) -> set[int]:
    """Return the ports that rules open to a peer."""
    return {
        port
        for rule in rules
        if peer_of(rule) == peer
        for port in range(rule["FromPort"], rule["ToPort"] + 1)
    }
