"""HAProxy in front of a cluster's nodes: load balancer, instances, desired state, documents."""

from dataclasses import dataclass

from aws_cdk import Stack

from denodo_ha.environment import names
from denodo_ha.environment.derived.topology import haproxy_front_listeners
from denodo_ha.environment.haproxy.routes import haproxy_routes
from denodo_ha.environment.model.environment import Environment
from stacks.file_asset import FileAsset, LocalFile
from stacks.haproxy.desired_state import HaproxyState
from stacks.haproxy.haproxy_balancer import HaproxyBalancer
from stacks.haproxy.instances import HaproxyInstances
from stacks.haproxy.ssm_document import ROTATION_ACTIONS, HaproxyDocument
from stacks.log_group import LogGroup
from stacks.network.network import Network
from stacks.network.security_groups import SecurityGroups


@dataclass(frozen=True)
class HaproxyLayer:
    """HAProxy layer of a cluster.

    Attributes:
        balancer: the load balancer in front of HAProxy.
        document: name of the operators' SSM document.
        rotation_document: name of the SSM document that only drains and enables nodes.
        fleet: name of the Auto Scaling group of the instances.
    """

    balancer: HaproxyBalancer
    document: str
    rotation_document: str
    fleet: str


def create_haproxy_layer(
    stack: Stack,
    *,
    environment: Environment,
    name: str,
    network: Network,
    security_groups: SecurityGroups,
    program: LocalFile,
    log_group: LogGroup | None,
) -> HaproxyLayer:
    """Create HAProxy instances behind a load balancer.

    Args:
        stack: stack of the cluster.
        environment: the configuration.
        name: name of the cluster.
        network: network of the cluster.
        security_groups: security groups of the cluster.
        program: the archive with the program for HAProxy instances.
        log_group: log group of the cluster, None without logs.
    """
    cluster = environment.clusters[name]
    machine = cluster.balancer.proxy.instance
    assert machine is not None  # denodo_ha.environment.rules.haproxy requires an instance
    parameter = names.haproxy_parameter(environment.name, name)
    balancer = HaproxyBalancer(
        stack,
        "Balancer",
        balancer=cluster.balancer,
        listeners=haproxy_front_listeners(environment, cluster),
        vpc=network.vpc,
        subnets=network.balancer_subnets,
        security_group=security_groups["balancer"],
    )
    instances = HaproxyInstances(
        stack,
        "Haproxy",
        machine=machine,
        label=f"{stack.stack_name}-haproxy",
        vpc=network.vpc,
        subnets=network.node_subnets.values(),
        region=cluster.region,
        security_group=security_groups["haproxy"],
        target_groups=balancer.all_groups,
        parameter=parameter,
        routes=_route_metadata(environment, name),
        aws_access=network.aws_access,
    )
    balancer.depend_on(instances.fleet)
    HaproxyState(
        stack,
        "HaproxyState",
        environment=environment,
        cluster=name,
        instances=instances,
        program=FileAsset(stack, "HaproxyProgram", file=program),
        log_group=log_group,
    )
    document = HaproxyDocument(
        stack, "HaproxyOperations", parameter=parameter, region=cluster.region
    )
    rotation_document = HaproxyDocument(
        stack,
        "HaproxyRotation",
        parameter=parameter,
        region=cluster.region,
        actions=ROTATION_ACTIONS,
    )
    return HaproxyLayer(
        balancer, document.name, rotation_document.name, instances.fleet.auto_scaling_group_name
    )


def _route_metadata(environment: Environment, name: str) -> dict[str, object]:
    """Return metadata for the drill, because target groups do not contain the nodes behind HAProxy.

    For each port of HAProxy, `Serves` contains the nodes, the port on the nodes, the path of the
    readiness check, and the times of HAProxy's check of the nodes. `HealthPort` is the port of
    HAProxy's own health check.
    """
    routes: dict[str, object] = {}
    for route in haproxy_routes(environment, name):
        metadata: dict[str, object] = {
            "Nodes": [server.name for server in route.servers],
            "Port": route.servers[0].port,
        }
        if route.check and route.check.ready:
            metadata["Path"] = route.check.ready
        if route.check:
            metadata["Check"] = {
                "Interval": route.check.interval,
                "Timeout": route.check.timeout,
                "Unhealthy": route.check.fall,
                "Healthy": route.check.rise,
            }
        routes[str(route.port)] = metadata
    health_port = environment.clusters[name].balancer.proxy.health_port
    return {names.SERVES_METADATA: routes, names.HEALTH_PORT_METADATA: health_port}
