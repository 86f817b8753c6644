"""Network Load Balancer whose targets are the nodes of a cluster."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from aws_cdk import Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_elasticloadbalancingv2_targets as targets
from constructs import Construct

from denodo_ha.environment.derived import cookie_balancer
from denodo_ha.environment.derived.topology import Listener
from denodo_ha.environment.facts.denodo_ports import FLIGHT_PORT, NODE_TLS_PORTS
from denodo_ha.environment.model import cluster
from denodo_ha.environment.model.service import Service
from denodo_ha.environment.names import ALB_TAG
from stacks.balancer.cookie_balancer import CookieBalancer
from stacks.balancer.network_load_balancer import (
    create_network_load_balancer,
    keep_unhealthy_connections,
    port_scope_id,
    tag_target_group,
    target_health_check,
    watched_group,
)
from stacks.library_values import seconds

if TYPE_CHECKING:
    from stacks.alarms.cluster_alarms import WatchedGroup

_OFF = 0
"""Value with which the L2 construct sets the minimum number of healthy targets to `off`."""


class NodeBalancer(Construct):
    """Network Load Balancer with a listener and a target group for each port.

    Attributes:
        nlb: the load balancer.
        full_name: the load balancer's name in CloudWatch metrics.
        groups: target groups that contain nodes, by service; without auxiliary ports.
        watched_groups: all target groups that contain nodes, with their metrics.
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
        """Create the load balancer, and an Application Load Balancer if a service needs cookies.

        Args:
            scope: parent.
            id_: id.
            name: name of the cluster.
            balancer: settings.
            listeners: listeners, with their health checks and nodes.
            vpc: VPC of the load balancer.
            subnets: subnet in each zone.
            security_group: security group of the load balancer.
            instance_ids: instance ids of the nodes by name.
            alb_group: security group of the Application Load Balancer; None without this balancer.
            alb_idle_timeout: seconds until the Application Load Balancer closes an idle
                connection; None without this balancer.
        """
        super().__init__(scope, id_)
        self._name = name
        self._balancer, self._vpc, self._instance_ids = balancer, vpc, instance_ids
        self.nlb = create_network_load_balancer(
            self, balancer, vpc=vpc, subnets=subnets, security_group=security_group
        )
        self.groups: dict[str, elbv2.NetworkTargetGroup] = {}
        self.watched_groups: list[WatchedGroup] = []
        self.full_name = self.nlb.load_balancer_full_name
        listeners = [*listeners]
        cookies = None
        if alb_group is not None and alb_idle_timeout is not None:
            cookies = CookieBalancer(
                self,
                "Cookies",
                cluster=name,
                listeners=[listener for listener in listeners if listener.alb_health],
                idle_timeout=alb_idle_timeout,
                deregistration_delay=balancer.deregistration_delay,
                deletion_protection=balancer.deletion_protection,
                vpc=vpc,
                subnets=subnets,
                security_group=alb_group,
                instance_ids=instance_ids,
            )
            # The Application Load Balancer uses any free addresses, so the Network Load Balancer
            # must get its fixed addresses first.
            cookies.alb.node.add_dependency(self.nlb)
            self.watched_groups += cookies.watched_groups
        services = {listener.key: listener.service for listener in listeners if listener.service}
        for listener in listeners:
            if listener.alb_health is not None and cookies is not None:
                self._add_cookie_service(listener, cookies.listeners[listener.key])
            elif listener.service is None:
                self._add_auxiliary_port(listener, services.get(listener.directing_service))
            else:
                self.groups[listener.key] = self._add_service(listener)

    def _add_service(self, listener: Listener) -> elbv2.NetworkTargetGroup:
        """Add the port of a service, which all nodes serve. Return the service's target group."""
        service = listener.service
        assert service is not None
        scope = Construct(self, port_scope_id(listener))
        encrypted = service.tls is not None and listener.target_port in NODE_TLS_PORTS
        group = self._create_target_group(
            scope,
            listener,
            service,
            protocol=elbv2.Protocol.TLS if encrypted else elbv2.Protocol.TCP,
            preserve_client_ip=service.client_ip,
        )
        if service.sticky is True:
            group.set_attribute("stickiness.enabled", "true")
            group.set_attribute("stickiness.type", "source_ip")
        self._create_listener(
            scope,
            listener,
            group,
            idle_timeout=service.idle_timeout,
            certificate=service.certificate(self._name),
        )
        tag_target_group(group, listener)
        return group

    def _add_cookie_service(
        self, listener: Listener, alb_listener: elbv2.ApplicationListener
    ) -> None:
        """Add a port that forwards to the same port of the Application Load Balancer.

        The target group accepts no attributes and always preserves the client's address (AWS, Use
        an Application Load Balancer as a target of a Network Load Balancer).
        """
        service, check = listener.service, listener.alb_health
        assert service is not None
        assert check is not None
        scope = Construct(self, port_scope_id(listener))
        group = elbv2.NetworkTargetGroup(
            scope,
            "AlbGroup",
            vpc=self._vpc,
            port=listener.port,
            protocol=elbv2.Protocol.TCP,
            target_type=elbv2.TargetType.ALB,
            targets=[targets.AlbListenerTarget(alb_listener)],
            health_check=target_health_check(check, http_codes=cookie_balancer.ALB_HEALTHY_CODES),
        )
        # Commands find nodes by the service tag, so this target group, which contains no nodes, has
        # another tag.
        Tags.of(group).add(ALB_TAG, listener.key)
        self._create_listener(scope, listener, group, idle_timeout=service.idle_timeout)

    def _add_auxiliary_port(self, listener: Listener, service: Service | None) -> None:
        """Add the auxiliary (RMI) port of a single node.

        The sessions of the clients of `service` are on this port, so the service's idle timeout
        and its `unhealthy_termination` apply to the auxiliary port.

        The client's address is not preserved. Otherwise a node that connects to itself through the
        load balancer, as a 7.0 node does with its own RMI host, would get no answer (AWS,
        Troubleshoot your Network Load Balancer, "Connections time out for requests from a target to
        its load balancer"). A zone remains in DNS if this target group has no healthy target, since
        the other target groups still serve clients (AWS, Target group health).
        """
        scope = Construct(self, port_scope_id(listener))
        group = self._create_target_group(
            scope,
            listener,
            service,
            protocol=elbv2.Protocol.TCP,
            preserve_client_ip=False,
            health=elbv2.TargetGroupHealth(dns_minimum_healthy_target_count=_OFF),
        )
        self._create_listener(
            scope, listener, group, idle_timeout=service.idle_timeout if service else None
        )
        tag_target_group(group, listener)

    def _create_target_group(
        self,
        scope: Construct,
        listener: Listener,
        service: Service | None,
        *,
        protocol: elbv2.Protocol,
        preserve_client_ip: bool,
        health: elbv2.TargetGroupHealth | None = None,
    ) -> elbv2.NetworkTargetGroup:
        group = elbv2.NetworkTargetGroup(
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
            deregistration_delay=seconds(self._balancer.deregistration_delay),
            target_group_health=health,
            health_check=target_health_check(listener.health),
        )
        keep_unhealthy_connections(group, self._balancer, service)
        self.watched_groups.append(
            watched_group(listener, nlb=self.full_name, group=group.target_group_full_name)
        )
        return group

    def _create_listener(
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
            # gRPC clients require that TLS negotiates HTTP/2 (gRPC, PROTOCOL-HTTP2).
            alpn_policy=(
                elbv2.AlpnPolicy.HTTP2_ONLY
                if certificate and (listener.key == "flight" or listener.target_port == FLIGHT_PORT)
                else None
            ),
            default_target_groups=[group],
            tcp_idle_timeout=seconds(idle_timeout) if idle_timeout else None,
        )
