"""The Network Load Balancer of a cluster, with a listener and a group for every port."""

from collections.abc import Iterable, Mapping

from aws_cdk import Duration, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_elasticloadbalancingv2_targets as targets
from constructs import Construct

from denodo_ha.environment.derived import cookie_balancer
from denodo_ha.environment.derived.topology import Listener
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model import cluster
from denodo_ha.environment.names import ALB_TAG, NODE_TAG, SERVICE_TAG
from stacks.balancer.cookie_balancer import CookieBalancer
from stacks.balancer.network_load_balancer import health_check

_OFF = 0
"""The L2's way to say `off` for a number of healthy targets."""


class NodeBalancer(Construct):
    """A Network Load Balancer in front of a cluster's nodes.

    Attributes:
        nlb: the balancer.
        groups: target group of every service whose nodes it sends to itself, by name.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        balancer: cluster.Balancer,
        listeners: Iterable[Listener],
        vpc: ec2.IVpc,
        subnets: Mapping[str, ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
        instance_ids: Mapping[str, str],
        alb_group: ec2.ISecurityGroup | None = None,
        alb_idle_timeout: int | None = None,
    ) -> None:
        """Make it, and the Application Load Balancer behind it if some service needs one.

        Args:
            scope: parent.
            id_: id.
            name: the cluster's name.
            balancer: its settings.
            listeners: what it serves.
            vpc: the VPC.
            subnets: subnet of each zone.
            security_group: its group.
            instance_ids: the nodes' instances by name.
            alb_group: the other's security group.
            alb_idle_timeout: seconds until that one gives up a silent connection.
        """
        super().__init__(scope, id_)
        self._name = name
        self._balancer, self._vpc, self._instance_ids = balancer, vpc, instance_ids
        self.nlb = network_load_balancer(self, balancer, vpc, subnets, security_group)
        self.groups: dict[str, elbv2.NetworkTargetGroup] = {}
        listeners = [*listeners]
        behind = None
        if alb_group is not None and alb_idle_timeout is not None:
            behind = CookieBalancer(
                self,
                "Cookies",
                cluster=name,
                listeners=[one for one in listeners if one.alb_health],
                idle_timeout=alb_idle_timeout,
                deregistration_delay=balancer.deregistration_delay,
                deletion_protection=balancer.deletion_protection,
                vpc=vpc,
                subnets=subnets,
                security_group=alb_group,
                instance_ids=instance_ids,
            )
            # Its addresses are any that are free: the fixed ones are taken first.
            behind.alb.node.add_dependency(self.nlb)
        for listener in listeners:
            if listener.alb_health is not None and behind is not None:
                self._pass_on(listener, behind.listeners[listener.key])
            elif listener.service is None:
                self._auxiliary(listener)
            else:
                self.groups[listener.key] = self._service(listener)

    def _service(self, listener: Listener) -> elbv2.NetworkTargetGroup:
        """A port that all nodes serve."""
        service = listener.service
        assert service is not None
        scope = Construct(self, f"service-{listener.key}")
        encrypted = service.tls is not None and listener.target_port in NODE_TLS_PORTS
        group = self._group(
            scope,
            listener,
            protocol=elbv2.Protocol.TLS if encrypted else elbv2.Protocol.TCP,
            preserve_client_ip=service.client_ip,
        )
        if service.sticky is True:
            group.set_attribute("stickiness.enabled", "true")
            group.set_attribute("stickiness.type", "source_ip")
        self._listen(
            scope,
            listener,
            group,
            idle_timeout=service.idle_timeout,
            certificate=service.certificate(self._name),
        )
        Tags.of(group).add(SERVICE_TAG, listener.key)
        return group

    def _pass_on(self, listener: Listener, to: elbv2.ApplicationListener) -> None:
        """A port behind which another balancer listens on the same one, and ends TLS.

        Its group has no settings: they are AWS's, and the client's address is kept (AWS, Use an
        Application Load Balancer as a target of a Network Load Balancer).
        """
        service, check = listener.service, listener.alb_health
        assert service is not None
        assert check is not None
        scope = Construct(self, f"service-{listener.key}")
        group = elbv2.NetworkTargetGroup(
            scope,
            "AlbGroup",
            vpc=self._vpc,
            port=listener.port,
            protocol=elbv2.Protocol.TCP,
            target_type=elbv2.TargetType.ALB,
            targets=[targets.AlbListenerTarget(to)],
            health_check=health_check(check, answers=cookie_balancer.ALB_HEALTHY_CODES),
        )
        # Not the service's tag: the nodes are in another group.
        Tags.of(group).add(ALB_TAG, listener.key)
        self._listen(scope, listener, group, idle_timeout=service.idle_timeout)

    def _auxiliary(self, listener: Listener) -> None:
        """The RMI port of one 7.0 node, whose loss is the loss of that node and no more.

        The client's address is not kept: with it, a node that calls itself through the balancer,
        as 7.0 does with its own RMI host, gets no answer (AWS, Troubleshoot your Network Load
        Balancer, "Connections time out for requests from a target to its load balancer"). And
        no healthy target is no reason to take a zone out of DNS: the others serve (AWS, Target
        group health).
        """
        scope = Construct(self, f"auxiliary-{listener.key}")
        group = self._group(
            scope,
            listener,
            protocol=elbv2.Protocol.TCP,
            preserve_client_ip=False,
            health=elbv2.TargetGroupHealth(dns_minimum_healthy_target_count=_OFF),
        )
        self._listen(scope, listener, group)
        Tags.of(group).add(NODE_TAG, listener.key)

    def _group(
        self,
        scope: Construct,
        listener: Listener,
        *,
        protocol: elbv2.Protocol,
        preserve_client_ip: bool,
        health: elbv2.TargetGroupHealth | None = None,
    ) -> elbv2.NetworkTargetGroup:
        return elbv2.NetworkTargetGroup(
            scope,
            "Group",
            vpc=self._vpc,
            port=listener.target_port,
            protocol=protocol,
            target_type=elbv2.TargetType.INSTANCE,
            targets=[
                targets.InstanceIdTarget(self._instance_ids[node], listener.target_port)
                for node in listener.nodes
            ],
            preserve_client_ip=preserve_client_ip,
            deregistration_delay=Duration.seconds(self._balancer.deregistration_delay),
            target_group_health=health,
            health_check=health_check(listener.health),
        )

    def _listen(
        self,
        scope: Construct,
        listener: Listener,
        group: elbv2.NetworkTargetGroup,
        *,
        idle_timeout: int | None = None,
        certificate: str | None = None,
    ) -> None:
        elbv2.NetworkListener(
            scope,
            "Listener",
            load_balancer=self.nlb,
            port=listener.port,
            protocol=elbv2.Protocol.TLS if certificate else elbv2.Protocol.TCP,
            certificates=(
                [elbv2.ListenerCertificate.from_arn(certificate)] if certificate else None
            ),
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS if certificate else None,
            default_target_groups=[group],
            tcp_idle_timeout=Duration.seconds(idle_timeout) if idle_timeout else None,
        )


def network_load_balancer(
    scope: Construct,
    balancer: cluster.Balancer,
    vpc: ec2.IVpc,
    subnets: Mapping[str, ec2.ISubnet],
    security_group: ec2.ISecurityGroup,
) -> elbv2.NetworkLoadBalancer:
    """The balancer itself, which is the same whatever is behind it."""
    nlb = elbv2.NetworkLoadBalancer(
        scope,
        "Nlb",
        vpc=vpc,
        vpc_subnets=ec2.SubnetSelection(subnets=[*subnets.values()]),
        internet_facing=balancer.scheme == "internet-facing",
        cross_zone_enabled=balancer.cross_zone,
        deletion_protection=balancer.deletion_protection,
        security_groups=[security_group],
    )
    if balancer.addresses:
        _fix_addresses(nlb, balancer.addresses, subnets)
    return nlb


def _fix_addresses(
    nlb: elbv2.NetworkLoadBalancer,
    addresses: Mapping[str, str],
    subnets: Mapping[str, ec2.ISubnet],
) -> None:
    """Give the balancer a fixed address in each zone.

    L1: with mappings the L2 looks the subnets up in its VPC, and does not know those of an
    existing one, nor ours.
    """
    resource = nlb.node.default_child
    assert isinstance(resource, elbv2.CfnLoadBalancer)  # so the library makes it
    resource.subnets = None
    resource.subnet_mappings = [
        elbv2.CfnLoadBalancer.SubnetMappingProperty(
            subnet_id=subnet.subnet_id, **_address(addresses[zone])
        )
        for zone, subnet in subnets.items()
    ]


def _address(address: str) -> dict[str, str]:
    key = "allocation_id" if address.startswith("eipalloc-") else "private_i_pv4_address"
    return {key: address}
