"""The two security groups of a cluster, with the rules that `config.firewall` works out."""

from collections.abc import Iterable

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from config.firewall import Peer, Side


class SecurityGroups(Construct):
    """The balancer's group and the nodes'. Every rule is a resource of its own.

    With rules inside the groups, every new service would be a change of the groups.

    Attributes:
        balancer: group of the balancer. It must be there from the beginning: a Network Load
            Balancer created without one can never get any (AWS, Update the security groups for
            your Network Load Balancer).
        nodes: group of the nodes. They may connect to anywhere, as Denodo's data sources are.
    """

    def __init__(self, scope: Construct, id_: str, *, vpc: ec2.IVpc, sides: Iterable[Side]) -> None:
        super().__init__(scope, id_)
        self.balancer = ec2.SecurityGroup(
            self,
            "Balancer",
            vpc=vpc,
            description="Denodo balancer",
            allow_all_outbound=False,
            disable_inline_rules=True,
        )
        self.nodes = ec2.SecurityGroup(
            self, "Nodes", vpc=vpc, description="Denodo nodes", disable_inline_rules=True
        )
        for side in sides:
            group = self._group(side.group)
            add = group.add_ingress_rule if side.direction == "ingress" else group.add_egress_rule
            for rule in side.rules:
                add(self._peer(rule.peer), ec2.Port.tcp_range(rule.first, rule.last))

    def _group(self, name: str) -> ec2.SecurityGroup:
        return self.balancer if name == "balancer" else self.nodes

    def _peer(self, peer: Peer) -> ec2.IPeer:
        match peer.kind:
            case "cidr":
                return ec2.Peer.ipv4(peer.name)
            case "prefix-list":
                return ec2.Peer.prefix_list(peer.name)
            case "group":
                return self._group(peer.name)
