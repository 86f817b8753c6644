"""What a cluster's HAProxy serves: a route for every service and every auxiliary port.

    plan(environment, "active")

Everything that decides is here; `config.haproxy_text` only writes it down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from config import node_names, readiness
from config.cluster import Cluster
from config.haproxy import CHECK_SECONDS, HaproxyTls
from config.model import Environment
from config.ports import NODE_TLS_PORTS, Protocol, protocol
from config.service import HealthSettings, Service
from config.topology import Listener, listeners

AUXILIARY = "auxiliary."
"""Begins the name of a backend for one node's auxiliary port; no service's name has a dot."""

_READY_TIMEOUT_S = 4
"""The node program answers within 3 s, see `node.ready`."""


@dataclass(frozen=True)
class Server:
    """A node behind a route: its name, and where it is.

    Attributes:
        followed: whether DNS is asked again and again, as a node that AWS replaces gets another
            address. A name that was given may stand in the hosts file and not in DNS.
    """

    name: str
    host: str
    port: int
    followed: bool


@dataclass(frozen=True)
class Check:
    """How a route checks its nodes; times in seconds.

    Attributes:
        speaks: the protocol that a node has to answer; tcp only connects.
        tls: whether it is spoken over TLS.
        port: the port on the nodes, None for the route's own.
        path: what http and https ask for.
        ready: the service that the node program is asked for as well.
    """

    speaks: Protocol
    tls: bool
    port: int | None
    path: str
    ready: str | None
    interval: int
    timeout: int
    fall: int
    rise: int


@dataclass(frozen=True)
class Route:
    """A port of HAProxy, and the nodes behind it.

    Attributes:
        name: the service's, or `auxiliary.NODE`; of its frontend and backend.
        mode: what HAProxy reads of the stream.
        balance: how a node is chosen; empty for a single one.
        check: None where a node is never taken out, because nobody else could answer.
        tls: whether clients speak TLS with HAProxy.
        node_tls: whether HAProxy speaks TLS with the nodes.
        cookie: whether web clients stay on their node.
        forwards: whether nodes are told the client's address, in a header.
        idle: seconds until a silent connection is closed, None for the default.
    """

    name: str
    port: int
    mode: Literal["tcp", "http"]
    servers: tuple[Server, ...]
    balance: str = ""
    check: Check | None = None
    tls: bool = False
    node_tls: bool = False
    cookie: bool = False
    forwards: bool = False
    idle: int | None = None


def plan(environment: Environment, name: str, *, deployed: bool = False) -> tuple[Route, ...]:
    """The routes of a cluster: services by name, then auxiliary ports by node.

    Args:
        environment: the configuration.
        name: the cluster's name.
        deployed: whether our stacks make the nodes, which then have the program.
    """
    cluster = environment.clusters[name]
    found = listeners(environment, cluster)
    return tuple(_routes(environment, name, cluster, found, deployed=deployed))


def asks_ready(
    environment: Environment, cluster: Cluster, service: Service, *, deployed: bool
) -> bool:
    """Whether a service's check also asks the program on the node."""
    given = cluster.balancer.proxy.checks.ready
    if given is not None:
        return given
    told = readiness.is_overruled(service.health, HealthSettings())
    return deployed and readiness.is_asked(environment, cluster) and not told


def speaks_https(cluster: Cluster, name: str, service: Service) -> bool:
    """Whether clients reach a service by HTTPS."""
    tls = cluster.balancer.proxy.tls
    if tls and tls.services:
        return name in tls.services
    return bool({service.port, service.target_port} & NODE_TLS_PORTS)


def tls_of(cluster: Cluster, name: str, service: Service) -> HaproxyTls | None:
    """How TLS is done for a service; None where there is none."""
    if not speaks_https(cluster, name, service):
        return None
    return cluster.balancer.proxy.tls or HaproxyTls(mode="passthrough")


def is_web(cluster: Cluster, name: str, service: Service) -> bool:
    """Whether HAProxy reads a service's requests, as it must for cookies."""
    tls = tls_of(cluster, name, service)
    if tls:
        return tls.mode != "passthrough"
    return protocol(name, service.target_port) == "http" or service.sticky == "cookie"


def server(environment: Environment, cluster_name: str, node: str, port: int) -> Server:
    """Where a node is: as given, else its name in the cluster's private zone."""
    cluster = environment.clusters[cluster_name]
    given = cluster.balancer.proxy.hosts.get(node) or cluster.nodes[node].address
    host = given or node_names.host(environment, cluster_name, node)
    return Server(node, host, port, followed=given is None)


def _routes(
    environment: Environment,
    name: str,
    cluster: Cluster,
    found: tuple[Listener, ...],
    *,
    deployed: bool,
) -> Iterator[Route]:
    for one in found:
        servers = tuple(server(environment, name, node, one.target_port) for node in one.nodes)
        if one.service is None:
            yield Route(f"{AUXILIARY}{one.key}", one.port, "tcp", servers)
        else:
            ready = asks_ready(environment, cluster, one.service, deployed=deployed)
            yield _of_service(cluster, one.key, one.service, servers, ready=ready)


def _of_service(
    cluster: Cluster, name: str, service: Service, servers: tuple[Server, ...], *, ready: bool
) -> Route:
    tls, web = tls_of(cluster, name, service), is_web(cluster, name, service)
    check = _check(cluster, name, service, ready=ready)
    blind = check.speaks == "tcp" and not check.ready
    balance = "roundrobin" if blind else cluster.balancer.proxy.algorithm
    return Route(
        name=name,
        port=service.port,
        mode="http" if web else "tcp",
        servers=servers,
        balance="source" if service.sticky and not web else balance,
        check=check,
        tls=tls is not None and tls.mode != "passthrough",
        node_tls=tls is not None and tls.mode == "reencrypt",
        cookie=web and bool(service.sticky),
        forwards=web and service.client_ip,
        idle=service.idle_timeout,
    )


def _check(cluster: Cluster, name: str, service: Service, *, ready: bool) -> Check:
    """A service's check: its own settings, else the cluster's, else by what it speaks."""
    own, general, tls = (
        service.health,
        cluster.balancer.proxy.checks,
        tls_of(cluster, name, service),
    )
    speaks = own.protocol or protocol(name, service.target_port)
    if tls and own.protocol is None:
        speaks = "http" if tls.mode == "terminate" else "https"
    elif speaks == "tcp" and own.protocol is None and is_web(cluster, name, service):
        speaks = "http"
    return Check(
        speaks=speaks,
        tls=speaks == "https" or (speaks == "rmi" and general.tls),
        port=own.port,
        path=own.path or "/",
        ready=name if ready else None,
        interval=own.interval or general.interval,
        timeout=own.timeout
        or general.timeout
        or (_READY_TIMEOUT_S if ready else CHECK_SECONDS.low),
        fall=own.unhealthy or general.fall,
        rise=own.healthy or general.rise,
    )
