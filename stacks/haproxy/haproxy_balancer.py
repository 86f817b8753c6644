"""Network Load Balancer in front of HAProxy."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct, IDependable

from denodo_ha.environment.derived.topology import Listener
from denodo_ha.environment.model import cluster
from stacks.balancer.network_load_balancer import (
    create_network_load_balancer,
    port_scope_id,
    tag_target_group,
    target_health_check,
    watched_group,
)
from stacks.library_values import seconds

if TYPE_CHECKING:
    from stacks.alarms.cluster_alarms import WatchedGroup


class HaproxyBalancer(Construct):
    """Network Load Balancer whose targets are the instances of HAProxy's Auto Scaling group.

    The load balancer and its listeners have the same logical ids as without HAProxy, but the target
    groups have different ids. Therefore a cluster to which HAProxy is added keeps its DNS name, and
    its listeners switch to HAProxy once the instances are ready.

    HAProxy reads the client's address from the PROXY protocol header. Packets do not keep the
    client's address, because connections of clients behind one NAT device could then collide.

    Attributes:
        nlb: the load balancer.
        full_name: the load balancer's name in CloudWatch metrics.
        groups: target groups by service.
        all_groups: target groups of services and of auxiliary ports.
        watched_groups: target groups of services and of auxiliary ports, with their metrics.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        balancer: cluster.Balancer,
        listeners: Iterable[Listener],
        vpc: ec2.IVpc,
        subnets: Mapping[str, ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, id_)
        self._vpc, self._delay = vpc, seconds(balancer.deregistration_delay)
        self.nlb = create_network_load_balancer(
            self, balancer, vpc=vpc, subnets=subnets, security_group=security_group
        )
        self.groups: dict[str, elbv2.NetworkTargetGroup] = {}
        self.all_groups: list[elbv2.NetworkTargetGroup] = []
        self.watched_groups: list[WatchedGroup] = []
        self.full_name = self.nlb.load_balancer_full_name
        self._listeners: list[elbv2.NetworkListener] = []
        for listener in listeners:
            group = self._add_port(listener)
            self.all_groups.append(group)
            self.watched_groups.append(
                watched_group(listener, nlb=self.full_name, group=group.target_group_full_name)
            )
            if listener.service is not None:
                self.groups[listener.key] = group

    def depend_on(self, instances: IDependable) -> None:
        """Make CloudFormation create or change the listeners only after the instances are ready."""
        for listener in self._listeners:
            listener.node.add_dependency(instances)

    def _add_port(self, listener: Listener) -> elbv2.NetworkTargetGroup:
        """Add the port of a service, or a node's auxiliary port. Return the port's target group."""
        scope = Construct(self, port_scope_id(listener))
        group = elbv2.NetworkTargetGroup(
            scope,
            "Proxies",
            vpc=self._vpc,
            port=listener.target_port,
            protocol=elbv2.Protocol.TCP,
            target_type=elbv2.TargetType.INSTANCE,
            proxy_protocol_v2=True,
            preserve_client_ip=False,
            deregistration_delay=self._delay,
            health_check=target_health_check(listener.health),
        )
        tag_target_group(group, listener)
        self._listeners.append(
            elbv2.NetworkListener(
                scope,
                "Listener",
                load_balancer=self.nlb,
                port=listener.port,
                protocol=elbv2.Protocol.TCP,
                default_target_groups=[group],
            )
        )
        return group
