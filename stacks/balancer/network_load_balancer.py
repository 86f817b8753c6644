"""Network Load Balancer, and ids, tags and health checks of its ports, with and without HAProxy."""

from collections.abc import Mapping

from aws_cdk import Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct

from denodo_ha.environment.derived.topology import JDBC, HealthCheck, Listener
from denodo_ha.environment.model import cluster
from denodo_ha.environment.model.service import Service
from denodo_ha.environment.names import AUXILIARY_TAG, NODE_TAG, SERVICE_TAG
from stacks.alarms.cluster_alarms import NLB_METRICS, WatchedGroup
from stacks.library_values import seconds


def create_network_load_balancer(
    scope: Construct,
    balancer: cluster.Balancer,
    *,
    vpc: ec2.IVpc,
    subnets: Mapping[str, ec2.ISubnet],
    security_group: ec2.ISecurityGroup,
) -> elbv2.NetworkLoadBalancer:
    """Create a Network Load Balancer without listeners.

    Args:
        scope: parent.
        balancer: settings.
        vpc: VPC of the load balancer.
        subnets: subnet in each zone.
        security_group: security group of the load balancer.
    """
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
    if balancer.zonal_shift:
        nlb.set_attribute("zonal_shift.config.enabled", "true")
    if balancer.addresses:
        _set_addresses(nlb, balancer.addresses, subnets)
    return nlb


def keep_unhealthy_connections(
    group: elbv2.NetworkTargetGroup, balancer: cluster.Balancer, service: Service | None
) -> None:
    """Keep the connections of unhealthy targets, if the configuration requires it.

    By default, AWS ends the connections of unhealthy targets. Zonal shift with cross-zone load
    balancing is possible only if no target group ends such connections (AWS, Enable zonal shift for
    your Network Load Balancer).

    Args:
        group: the target group.
        balancer: settings of the balancer.
        service: the service whose sessions use the target group; None if there is none.
    """
    keeps = service is not None and service.unhealthy_termination is False
    if balancer.zonal_shift or keeps:
        group.set_attribute("target_health_state.unhealthy.connection_termination.enabled", "false")


def watched_group(listener: Listener, *, nlb: str, group: str) -> WatchedGroup:
    """Return a target group with its metrics, by the names of load balancer and target group."""
    return WatchedGroup(
        id=port_scope_id(listener),
        namespace=NLB_METRICS,
        dimensions={"LoadBalancer": nlb, "TargetGroup": group},
        is_auxiliary=listener.service is None,
    )


def _set_addresses(
    nlb: elbv2.NetworkLoadBalancer,
    addresses: Mapping[str, str],
    subnets: Mapping[str, ec2.ISubnet],
) -> None:
    """Set a fixed address of the load balancer in each zone.

    The function sets properties of the L1 construct: the L2 construct would look up the subnets in
    its VPC object, which does not contain the subnets of this stack.
    """
    resource = nlb.node.default_child
    assert isinstance(resource, elbv2.CfnLoadBalancer)  # created by the L2 construct
    resource.subnets = None
    resource.subnet_mappings = [
        elbv2.CfnLoadBalancer.SubnetMappingProperty(
            subnet_id=subnet.subnet_id, **_address_property(addresses[zone])
        )
        for zone, subnet in subnets.items()
    ]


def _address_property(address: str) -> dict[str, str]:
    is_elastic_ip = address.startswith("eipalloc-")
    return {"allocation_id" if is_elastic_ip else "private_i_pv4_address": address}


def port_scope_id(listener: Listener) -> str:
    """Return the id of the construct with a port's listener and target group."""
    if listener.service is not None:
        return f"service-{listener.key}"
    kind = "auxiliary" if listener.directing_service == JDBC else "scheduler-auxiliary"
    return f"{kind}-{listener.key}"


def tag_target_group(group: elbv2.NetworkTargetGroup, listener: Listener) -> None:
    """Tag a port's target group, so that commands and drill know the port's service or node."""
    if listener.service is not None:
        Tags.of(group).add(SERVICE_TAG, listener.key)
        return
    Tags.of(group).add(NODE_TAG, listener.key)
    if listener.directing_service != JDBC:
        Tags.of(group).add(AUXILIARY_TAG, listener.directing_service)


def target_health_check(check: HealthCheck, *, http_codes: str | None = None) -> elbv2.HealthCheck:
    """Return the health check of a target group.

    Args:
        check: settings.
        http_codes: status codes of a healthy target; None for AWS's default.
    """
    return elbv2.HealthCheck(
        protocol=elbv2.Protocol[check.protocol.upper()],
        port=str(check.port),
        path=check.path,
        interval=seconds(check.interval),
        timeout=seconds(check.timeout),
        healthy_threshold_count=check.healthy,
        unhealthy_threshold_count=check.unhealthy,
        healthy_http_codes=http_codes,
    )
