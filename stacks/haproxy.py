"""A cluster behind HAProxy: the balancer in front, the HAProxies, and what they are told."""

from dataclasses import dataclass

from aws_cdk import Stack

from config import node_names
from config.haproxy_front import front
from config.model import Environment
from stacks.network import Network
from stacks.program import Program
from stacks.proxied import ProxiedBalancer
from stacks.proxies import Proxies
from stacks.proxy_operations import ROTATION, ProxyDocument
from stacks.proxy_serves import serves
from stacks.proxy_state import ProxyState
from stacks.security import SecurityGroups


@dataclass(frozen=True)
class Haproxy:
    """What was made.

    Attributes:
        balancer: the balancer in front.
        document: name of the operators' document.
        rotation: name of the document that drains and enables, and does no more.
        fleet: name of the HAProxies' Auto Scaling group.
    """

    balancer: ProxiedBalancer
    document: str
    rotation: str
    fleet: str


def behind_haproxy(
    stack: Stack,
    *,
    environment: Environment,
    name: str,
    network: Network,
    groups: SecurityGroups,
    program: str,
) -> Haproxy:
    """Put HAProxies behind a balancer.

    Args:
        stack: the cluster's stack.
        environment: the configuration.
        name: the cluster's name.
        network: where it is.
        groups: its security groups.
        program: the folder with the program of HAProxy's hosts.
    """
    cluster = environment.clusters[name]
    machine = cluster.balancer.proxy.instance
    assert machine is not None  # config.check_haproxy_aws has refused it
    parameter = node_names.haproxy_parameter(environment.name, name)
    balancer = ProxiedBalancer(
        stack,
        "Balancer",
        balancer=cluster.balancer,
        listeners=front(environment, cluster),
        vpc=network.vpc,
        subnets=network.balancer_subnets,
        security_group=groups["balancer"],
    )
    proxies = Proxies(
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
    ProxyState(
        stack,
        "HaproxyState",
        environment=environment,
        cluster=name,
        proxies=proxies,
        program=Program(stack, "HaproxyProgram", folder=program),
    )
    document = ProxyDocument(stack, "HaproxyOperations", parameter=parameter, region=cluster.region)
    rotation = ProxyDocument(
        stack, "HaproxyRotation", parameter=parameter, region=cluster.region, actions=ROTATION
    )
    return Haproxy(balancer, document.name, rotation.name, proxies.fleet.auto_scaling_group_name)
