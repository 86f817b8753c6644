"""The Network Load Balancer in front of HAProxy."""

from collections.abc import Iterable, Mapping

from aws_cdk import Duration, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct, IDependable

from denodo_ha.environment.derived.topology import Listener
from denodo_ha.environment.model import cluster
from denodo_ha.environment.names import NODE_TAG, SERVICE_TAG
from stacks.balancer.network_load_balancer import health_check
from stacks.balancer.node_balancer import network_load_balancer


class HaproxyBalancer(Construct):
    """A Network Load Balancer whose groups are filled by the Auto Scaling group of the HAProxies.

    The balancer and its listeners have the ids that they have without HAProxy, and the groups have
    others: a cluster that gets HAProxy keeps its name, and its listeners go over to HAProxy when
    that is up.

    The client's address travels in the PROXY protocol's header. It is not kept in the packets
    too: with it, connections of clients behind one NAT device could collide.

    Attributes:
        nlb: the balancer.
        groups: target group of every service, by name.
        every_group: these, and those of the auxiliary ports.
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
        self._vpc, self._delay = vpc, Duration.seconds(balancer.deregistration_delay)
        self.nlb = network_load_balancer(self, balancer, vpc, subnets, security_group)
        self.groups: dict[str, elbv2.NetworkTargetGroup] = {}
        self.every_group: list[elbv2.NetworkTargetGroup] = []
        self._listeners: list[elbv2.NetworkListener] = []
        for listener in listeners:
            group = self._serve(listener)
            self.every_group.append(group)
            if listener.service is not None:
                self.groups[listener.key] = group

    def wait_for(self, proxies: IDependable) -> None:
        """Let the listeners send connections once there is somebody to take them."""
        for listener in self._listeners:
            listener.node.add_dependency(proxies)

    def _serve(self, listener: Listener) -> elbv2.NetworkTargetGroup:
        """A port that HAProxy serves, a service's or a node's auxiliary one."""
        kind, tag = (
            ("auxiliary", NODE_TAG) if listener.service is None else ("service", SERVICE_TAG)
        )
        scope = Construct(self, f"{kind}-{listener.key}")
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
            health_check=health_check(listener.health),
        )
        Tags.of(group).add(tag, listener.key)
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
