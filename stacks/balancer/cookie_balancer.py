"""Application Load Balancer behind a Network Load Balancer, for services with cookies."""

from collections.abc import Iterable, Mapping

from aws_cdk import Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_elasticloadbalancingv2_targets as targets
from constructs import Construct

from denodo_ha.environment.derived import cookie_balancer
from denodo_ha.environment.derived.topology import Listener
from denodo_ha.environment.facts.limits import COOKIE_DURATION_S
from denodo_ha.environment.names import SERVICE_TAG
from stacks.alarms.cluster_alarms import ALB_METRICS, WatchedGroup
from stacks.balancer.network_load_balancer import port_scope_id, target_health_check
from stacks.library_values import seconds


class CookieBalancer(Construct):
    """Internal load balancer that terminates TLS and sets cookies.

    Each service has a listener and a target group. The load balancer is in the same zones and
    subnets as the Network Load Balancer in front, so that each zone has both load balancers.

    Attributes:
        alb: the load balancer.
        listeners: listeners by service.
        watched_groups: target groups of the services, with their metrics.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        cluster: str,
        listeners: Iterable[Listener],
        idle_timeout: int,
        deregistration_delay: int,
        deletion_protection: bool,
        vpc: ec2.IVpc,
        subnets: Mapping[str, ec2.ISubnet],
        security_group: ec2.ISecurityGroup,
        instance_ids: Mapping[str, str],
    ) -> None:
        """Create the load balancer, its listeners and its target groups.

        Args:
            scope: parent.
            id_: id.
            cluster: name of the cluster.
            listeners: the services, with their health checks and nodes.
            idle_timeout: seconds until an idle connection is closed.
            deregistration_delay: seconds for which requests to a deregistered node may continue.
            deletion_protection: whether AWS refuses to delete the load balancer.
            vpc: VPC of the load balancer.
            subnets: subnet in each zone.
            security_group: security group of the load balancer.
            instance_ids: instance ids of the nodes by name.
        """
        super().__init__(scope, id_)
        self._cluster, self._vpc, self._instance_ids = cluster, vpc, instance_ids
        self._delay = seconds(deregistration_delay)
        self.alb = elbv2.ApplicationLoadBalancer(
            self,
            "Alb",
            vpc=vpc,
            vpc_subnets=ec2.SubnetSelection(subnets=[*subnets.values()]),
            internet_facing=False,
            deletion_protection=deletion_protection,
            drop_invalid_header_fields=True,
            idle_timeout=seconds(idle_timeout),
            security_group=security_group,
        )
        self.watched_groups: list[WatchedGroup] = []
        self.listeners = {listener.key: self._add_service(listener) for listener in listeners}

    def _add_service(self, listener: Listener) -> elbv2.ApplicationListener:
        service = listener.service
        assert service is not None  # auxiliary ports have no cookies
        scope = Construct(self, f"service-{listener.key}")
        encrypted = cookie_balancer.node_protocol(listener.target_port) == "https"
        group = elbv2.ApplicationTargetGroup(
            scope,
            "Group",
            vpc=self._vpc,
            port=listener.target_port,
            protocol=(
                elbv2.ApplicationProtocol.HTTPS if encrypted else elbv2.ApplicationProtocol.HTTP
            ),
            target_type=elbv2.TargetType.INSTANCE,
            targets=[
                targets.InstanceIdTarget(self._instance_ids[node], listener.target_port)
                for node in listener.nodes
            ],
            stickiness_cookie_duration=seconds(COOKIE_DURATION_S),
            deregistration_delay=self._delay,
            health_check=target_health_check(
                listener.health, http_codes=cookie_balancer.NODE_HEALTHY_CODES
            ),
        )
        self.watched_groups.append(
            WatchedGroup(
                id=port_scope_id(listener),
                namespace=ALB_METRICS,
                dimensions={
                    "LoadBalancer": self.alb.load_balancer_full_name,
                    "TargetGroup": group.target_group_full_name,
                },
            )
        )
        # Commands find the target groups with nodes by this tag.
        Tags.of(group).add(SERVICE_TAG, listener.key)
        certificate = service.certificate(self._cluster)
        return elbv2.ApplicationListener(
            scope,
            "Listener",
            load_balancer=self.alb,
            port=listener.port,
            protocol=(
                elbv2.ApplicationProtocol.HTTPS if certificate else elbv2.ApplicationProtocol.HTTP
            ),
            certificates=(
                [elbv2.ListenerCertificate.from_arn(certificate)] if certificate else None
            ),
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS if certificate else None,
            default_target_groups=[group],
            # The construct SecurityGroups creates all rules.
            open=False,
        )
