"""Topology of a cluster: the balancer's listeners, and the nodes behind each listener.

Each service has one listener and one target group with all nodes. For a service with `sticky:
cookie`, an Application Load Balancer is between the Network Load Balancer and the nodes.

An auxiliary port has one listener and one target group, which contains only one node, because the
node that answers a client tells the client to open its second connection to this port. Virtual
DataPort 7.0 has an auxiliary port on each node. The Scheduler of any version also has an auxiliary
port on each node if the configuration sets `scheduler_auxiliary_port`.

All results are sorted by key, so the order of keys in the configuration file does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from denodo_ha.environment.derived import cookie_balancer, readiness
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import PORTS, READY_PORT, Ports
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings, Service

JDBC = "jdbc"
"""Name of the service for clients of Virtual DataPort. Nodes with Denodo 7.0 direct these clients
to their auxiliary ports."""

HAPROXY_HEALTH_PATH = "/health"
"""Path of HAProxy's own health check, which returns 200 while at least one service has a usable
node. The path `/health/SERVICE` returns the health of a single service."""


@dataclass(frozen=True)
class HealthCheck:
    """Health check of a target group: times in seconds, `healthy` and `unhealthy` in checks."""

    protocol: str
    port: int
    path: str | None
    interval: int
    timeout: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True)
class Listener:
    """A port of the balancer, and the target group behind the port.

    Attributes:
        key: the service's name, or the node's name for an auxiliary port.
        port: the port that clients connect to.
        target_port: the port on the nodes.
        nodes: names of the nodes in the target group.
        health: the target group's health check.
        service: the service; None for an auxiliary port.
        directing_service: for an auxiliary port, the service whose clients the node directs to this
            port; empty for a service.
        alb_health: the health check of the Application Load Balancer between this port and the
            nodes; None without an Application Load Balancer.
    """

    key: str
    port: int
    target_port: int
    nodes: tuple[str, ...]
    health: HealthCheck
    service: Service | None
    alb_health: HealthCheck | None = None
    directing_service: str = ""


def version_ports(environment: Environment) -> Ports:
    """Return the ports of the environment's Denodo version."""
    return PORTS[environment.denodo.family]


def hands_out_balancer_name(environment: Environment) -> bool:
    """Return whether nodes give clients the load balancer's name for further connections.

    By default, only 7.0 nodes give clients the load balancer's name. From 8.0 on, clients need no
    second connection. JMX clients also connect to the name that a node gives, and a load balancer
    does not serve JMX.
    """
    chosen = environment.denodo.rmi_host
    return chosen == "balancer" or (chosen is None and version_ports(environment).auxiliary)


def listeners(environment: Environment, cluster: Cluster) -> tuple[Listener, ...]:
    """Return the listeners of a cluster.

    The listeners of services, sorted by name, come first. The listeners of auxiliary ports follow,
    sorted by node: first of Virtual DataPort, then of the Scheduler.
    """
    return (
        *_service_listeners(environment, cluster),
        *_auxiliary_listeners(environment, cluster),
        *scheduler_auxiliary_listeners(environment, cluster),
    )


def scheduler_service(environment: Environment) -> str | None:
    """Return the name of the service that is the Scheduler; None without such a service."""
    return next(
        (
            name
            for name, service in sorted(environment.services.items())
            if readiness.service_probe(environment, name, service).kind == "scheduler"
        ),
        None,
    )


def serves_scheduler_clients(cluster: Cluster) -> bool:
    """Return whether clients reach the Scheduler only over auxiliary ports of the load balancer."""
    return any(node.scheduler_auxiliary_port for node in cluster.nodes.values())


def scheduler_auxiliary_listeners(
    environment: Environment, cluster: Cluster
) -> tuple[Listener, ...]:
    """Return the listeners of the Scheduler's auxiliary ports, sorted by node.

    The health check connects to the Scheduler's own port, which the process of the auxiliary port
    also opens. So a node that was not rolled yet, and does not have its auxiliary port, is healthy,
    and the deployment that adds auxiliary ports triggers no site failover.
    """
    name = scheduler_service(environment)
    if name is None:
        return ()
    check = _auxiliary_check(cluster, environment.services[name].target_port)
    return tuple(
        Listener(node_name, port, port, (node_name,), check, None, directing_service=name)
        for node_name, node in sorted(cluster.nodes.items())
        if (port := node.scheduler_auxiliary_port) is not None
    )


def single_node_listeners(environment: Environment, cluster: Cluster) -> tuple[Listener, ...]:
    """Return the listeners whose target group contains only one node.

    A cluster with HAProxy has no such listener: every target group contains all HAProxy instances.
    """
    if cluster.balancer.kind == "haproxy":
        return ()
    return tuple(
        listener for listener in listeners(environment, cluster) if len(listener.nodes) == 1
    )


def haproxy_front_listeners(environment: Environment, cluster: Cluster) -> tuple[Listener, ...]:
    """Return the listeners of the Network Load Balancer in front of a cluster's HAProxy instances.

    Every target group contains all HAProxy instances, which listen on the ports that clients use.
    Health checks request HAProxy's own health. The target group of a service is healthy while a
    usable node serves the service. The target group of an auxiliary port is healthy while any
    service has a usable node, because losing the one node of the port must not trigger a site
    failover.
    """
    return tuple(
        Listener(
            key=listener.key,
            port=listener.port,
            target_port=listener.port,
            nodes=(),
            health=_haproxy_check(
                cluster,
                f"{HAPROXY_HEALTH_PATH}/{listener.key}"
                if listener.service
                else HAPROXY_HEALTH_PATH,
            ),
            service=listener.service,
            directing_service=listener.directing_service,
        )
        for listener in listeners(environment, cluster)
    )


def max_haproxy_instances(cluster: Cluster) -> int:
    """Return the maximum number of HAProxy instances; a replacement adds an instance for a time."""
    instance = cluster.balancer.proxy.instance
    return instance.count + 1 if instance else 0


def health_check(environment: Environment, cluster: Cluster, name: str) -> HealthCheck:
    """Return the health check of a service.

    Settings of the service take precedence over settings of the balancer. Without settings, the
    health check requests the nodes' readiness.
    """
    service = environment.services[name]
    own, general = service.health, cluster.balancer.health
    reported = readiness.nodes_report_readiness(environment, cluster)
    if reported and not readiness.overrides_check_target(own, general):
        return _timed("http", READY_PORT, readiness.ready_path(name), own, general)
    port = own.port or general.port or service.target_port
    # An Application Load Balancer does not support TCP health checks.
    uses_alb = cookie_balancer.uses_alb(cluster, service)
    default = cookie_balancer.node_protocol(port) if uses_alb else "tcp"
    protocol = own.protocol or general.protocol or default
    path = (own.path or general.path or "/") if protocol != "tcp" else None
    return _timed(protocol, port, path, own, general)


def _service_listeners(environment: Environment, cluster: Cluster) -> Iterator[Listener]:
    nodes = tuple(sorted(cluster.nodes))
    for name, service in sorted(environment.services.items()):
        health = health_check(environment, cluster, name)
        uses_alb = cookie_balancer.uses_alb(cluster, service)
        alb_health = _alb_check(service, health) if uses_alb else None
        yield Listener(name, service.port, service.target_port, nodes, health, service, alb_health)


def _auxiliary_listeners(environment: Environment, cluster: Cluster) -> Iterator[Listener]:
    if not version_ports(environment).auxiliary:
        return
    for name, node in sorted(cluster.nodes.items()):
        port = node.auxiliary_port
        if port is not None:
            check = _auxiliary_check(cluster, port)
            yield Listener(name, port, port, (name,), check, None, directing_service=JDBC)


def _alb_check(service: Service, nodes: HealthCheck) -> HealthCheck:
    """Return the Network Load Balancer's health check of the Application Load Balancer.

    The Application Load Balancer forwards the check to a node.

    The path is the path of the nodes' health check if the nodes' check has a path and uses the
    service's own port. Otherwise, the path is `/`.
    """
    path = nodes.path if nodes.port == service.target_port else None
    protocol = cookie_balancer.client_protocol(service)
    return replace(nodes, protocol=protocol, port=service.port, path=path or "/")


def _auxiliary_check(cluster: Cluster, port: int) -> HealthCheck:
    """Return the health check of an auxiliary port: a TCP connection, because clients use RMI."""
    return _timed("tcp", port, None, cluster.balancer.health, HealthSettings())


def _haproxy_check(cluster: Cluster, path: str) -> HealthCheck:
    port = cluster.balancer.proxy.health_port
    return _timed("http", port, path, HealthSettings(), HealthSettings())


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
