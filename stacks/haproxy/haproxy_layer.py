"""A cluster behind HAProxy: the balancer in front, the HAProxies, and what they are told."""

from dataclasses import dataclass

from aws_cdk import Stack

from denodo_ha.environment import names
from denodo_ha.environment.derived.topology import haproxy_front_listeners
from denodo_ha.environment.model.environment import Environment
from stacks.haproxy.desired_state import HaproxyState
from stacks.haproxy.haproxy_balancer import HaproxyBalancer
from stacks.haproxy.instances import HaproxyInstances
from stacks.haproxy.served_nodes import serves
from stacks.haproxy.ssm_document import ROTATION, HaproxyDocument
from stacks.network.network import Network
from stacks.network.security_groups import SecurityGroups
from stacks.nodes.program_asset import ProgramAsset


@dataclass(frozen=True)
class HaproxyLayer:
    """What was made.

    Attributes:
        balancer: the balancer in front.
        document: name of the operators' document.
        rotation: name of the document that drains and enables, and does no more.
        fleet: name of the HAProxies' Auto Scaling group.
    """

    balancer: HaproxyBalancer
    document: str
    rotation: str
    fleet: str


def make_haproxy_layer(
    stack: Stack,
    *,
    environment: Environment,
    name: str,
    network: Network,
    groups: SecurityGroups,
    program: str,
) -> HaproxyLayer:
    """Put HAProxies behind a balancer.

    Args:
        stack: the cluster's stack.
        environment: the configuration.
        name: the cluster's name.
        network: where it is.
        groups: its security groups.
        program: the archive with the program of the HAProxy hosts.
    """
    cluster = environment.clusters[name]
    machine = cluster.balancer.proxy.instance
    assert machine is not None  # denodo_ha.environment.rules.haproxy_on_aws has refused it
    parameter = names.haproxy_parameter(environment.name, name)
    balancer = HaproxyBalancer(
        stack,
        "Balancer",
        balancer=cluster.balancer,
        listeners=haproxy_front_listeners(environment, cluster),
        vpc=network.vpc,
        subnets=network.balancer_subnets,
        security_group=groups["balancer"],
    )
    proxies = HaproxyInstances(
        stack,
        "Haproxy",
        machine=machine,
        label=f"{stack.stack_name}-haproxy",
        vpc=network.vpc,
        subnets=network.node_subnets.values(),
        region=cluster.region,
        security_group=groups["haproxy"],
        groups=balancer.every_group,
        parameter=parameter,
        serves=serves(environment, name),
    )
    balancer.wait_for(proxies.fleet)
    HaproxyState(
        stack,
        "HaproxyState",
        environment=environment,
        cluster=name,
        proxies=proxies,
        program=ProgramAsset(stack, "HaproxyProgram", archive=program),
    )
    document = HaproxyDocument(
        stack, "HaproxyOperations", parameter=parameter, region=cluster.region
    )
    rotation = HaproxyDocument(
        stack, "HaproxyRotation", parameter=parameter, region=cluster.region, actions=ROTATION
    )
    return HaproxyLayer(
        balancer, document.name, rotation.name, proxies.fleet.auto_scaling_group_name
    )
