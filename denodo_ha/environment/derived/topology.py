"""What a cluster's balancer serves: listeners, and which nodes stand behind each.

Rule 1 of the topology: every service is one listener and one group with all nodes, with an
Application Load Balancer in between where it keeps clients by cookie; for
Denodo 7.0 every node's auxiliary port is one listener and one group with that node alone,
because a 7.0 client goes on to the port that the node which answered it has named.
Everything is sorted by key, so the order of a file never matters.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from denodo_ha.environment.derived import cookie_balancer, readiness
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import PORTS, READY_PORT, Ports
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings, Service


@dataclass(frozen=True)
class HealthCheck:
    """How a group checks its nodes; times in seconds."""

    protocol: str
    port: int
    path: str | None
    interval: int
    timeout: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True)
class Listener:
    """One port of the balancer and the group behind it.

    Attributes:
        key: the service's name, or the node's for an auxiliary port.
        port: what clients connect to.
        target_port: the port on the nodes.
        nodes: names of the nodes in the group.
        health: how the group checks them.
        service: the service, None for an auxiliary port.
        alb: how the Application Load Balancer is checked that stands between this port and the
            group, None where there is none.
    """

    key: str
    port: int
    target_port: int
    nodes: tuple[str, ...]
    health: HealthCheck
    service: Service | None
    alb: HealthCheck | None = None


def ports_of(environment: Environment) -> Ports:
    """The ports of the environment's Denodo version."""
    return PORTS[environment.denodo.version]


def listeners(environment: Environment, cluster: Cluster) -> tuple[Listener, ...]:
    """Every listener of a cluster: services by name, then auxiliary ports by node."""
    return (*_services(environment, cluster), *_auxiliaries(environment, cluster))


def single_node_groups(environment: Environment, cluster: Cluster) -> tuple[Listener, ...]:
    """The listeners whose group holds one node: with it they are lost.

    Behind HAProxy there is none, as every group holds the HAProxies.
    """
    if cluster.balancer.kind == "haproxy":
        return ()
    return tuple(one for one in listeners(environment, cluster) if len(one.nodes) == 1)


def _services(environment: Environment, cluster: Cluster) -> Iterator[Listener]:
    nodes = tuple(sorted(cluster.nodes))
    for name, service in sorted(environment.services.items()):
        health = health_check(environment, cluster, name)
        alb = _alb_check(service, health) if cookie_balancer.by_alb(cluster, service) else None
        yield Listener(name, service.port, service.target_port, nodes, health, service, alb)


def _auxiliaries(environment: Environment, cluster: Cluster) -> Iterator[Listener]:
    if not ports_of(environment).auxiliary:
        return
    for name, node in sorted(cluster.nodes.items()):
        port = node.auxiliary_port
        if port is not None:
            yield Listener(name, port, port, (name,), _auxiliary_check(cluster, port), None)


def health_check(environment: Environment, cluster: Cluster, name: str) -> HealthCheck:
    """A service's check: its own settings, else the balancer's, else the node's own word."""
    service = environment.services[name]
    own, general = service.health, cluster.balancer.health
    if readiness.is_asked(environment, cluster) and not readiness.is_overruled(own, general):
        return _timed("http", READY_PORT, readiness.path(name), own, general)
    port = own.port or general.port or service.target_port
    # An Application Load Balancer has no check that only connects.
    unsaid = cookie_balancer.to_nodes(port) if cookie_balancer.by_alb(cluster, service) else "tcp"
    protocol = own.protocol or general.protocol or unsaid
    path = (own.path or general.path or "/") if protocol != "tcp" else None
    return _timed(protocol, port, path, own, general)


def _alb_check(service: Service, nodes: HealthCheck) -> HealthCheck:
    """How the balancer learns that the one behind it still finds a node: by asking through it.

    What the nodes are asked for is asked for here too, if it is asked on the service's own port.
    """
    path = nodes.path if nodes.port == service.target_port else None
    protocol = cookie_balancer.from_clients(service)
    return replace(nodes, protocol=protocol, port=service.port, path=path or "/")


def _auxiliary_check(cluster: Cluster, port: int) -> HealthCheck:
    """A node's auxiliary port is checked by connecting: it speaks RMI and nothing else."""
    return _timed("tcp", port, None, cluster.balancer.health, HealthSettings())


def _timed(
    protocol: str, port: int, path: str | None, own: HealthSettings, general: HealthSettings
) -> HealthCheck:
    return HealthCheck(
        protocol=protocol,
        port=port,
        path=path,
        interval=own.interval or general.interval or limits.HEALTH_INTERVAL_DEFAULT_S,
        timeout=own.timeout or general.timeout or limits.HEALTH_TIMEOUT_DEFAULT_S,
        healthy=own.healthy or general.healthy or limits.HEALTH_THRESHOLD_DEFAULT,
        unhealthy=own.unhealthy or general.unhealthy or limits.HEALTH_THRESHOLD_DEFAULT,
    )
