"""Security groups of a cluster, with the rules of `environment.derived.firewall`."""

from collections.abc import Iterable

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from denodo_ha.environment.derived.firewall import Peer, RuleSet, SecurityGroup, creates_nodes
from denodo_ha.environment.model.cluster import Cluster
from stacks.library_values import ipv4_peer, tcp_ports, udp_ports

_DESCRIPTIONS: dict[SecurityGroup, str] = {
    "alb": "Denodo balancer of services with cookies",
    "balancer": "Denodo balancer",
    "haproxy": "HAProxy in front of Denodo",
    "nodes": "Denodo nodes",
}


def group_names(cluster: Cluster, *, alb: bool) -> list[SecurityGroup]:
    """Return the security groups that a cluster needs.

    Args:
        cluster: the cluster.
        alb: True if the cluster has an Application Load Balancer.
    """
    kind = cluster.balancer.kind
    groups: list[SecurityGroup] = [] if kind == "none" else ["balancer"]
    if kind == "haproxy":
        groups.append("haproxy")
    if creates_nodes(cluster):
        groups.append("nodes")
    if alb:
        groups.append("alb")
    return groups


class SecurityGroups(Construct):
    """Security groups of the load balancers, of HAProxy instances and of nodes.

    Each rule is a separate resource: with inline rules, each new service would change the security
    groups themselves.

    A Network Load Balancer created without a security group can never get one (AWS, Update the
    security groups for your Network Load Balancer), so every Network Load Balancer has a security
    group from the start. Nodes may connect to any address, since Denodo's data sources can be
    anywhere, unless `network.egress` lists the destinations.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        vpc: ec2.IVpc,
        groups: Iterable[SecurityGroup],
        sides: Iterable[RuleSet],
    ) -> None:
        super().__init__(scope, id_)
        sides = [*sides]
        restricts_nodes = any((side.group, side.direction) == ("nodes", "egress") for side in sides)
        self._groups = {
            group: ec2.SecurityGroup(
                self,
                group.capitalize(),
                vpc=vpc,
                description=_DESCRIPTIONS[group],
                allow_all_outbound=group == "nodes" and not restricts_nodes,
                disable_inline_rules=True,
            )
            for group in groups
        }
        for side in sides:
            group = self[side.group]
            add = group.add_ingress_rule if side.direction == "ingress" else group.add_egress_rule
            for rule in side.rules:
                ports = tcp_ports if rule.protocol == "tcp" else udp_ports
                add(self._peer(rule.peer), ports(rule.first, rule.last))

    def __getitem__(self, group: SecurityGroup) -> ec2.SecurityGroup:
        return self._groups[group]

    def _peer(self, peer: Peer) -> ec2.IPeer:
        match peer.kind:
            case "cidr":
                return ipv4_peer(peer.name)
            case "prefix-list":
                return ec2.Peer.prefix_list(peer.name)
            case "security-group":
                return ec2.Peer.security_group_id(peer.name)
            case "group":
                return next(group for name, group in self._groups.items() if name == peer.name)
