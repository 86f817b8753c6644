"""What a cluster's HAProxy serves: a route for every service and every auxiliary port.

    plan(environment, "active")

Everything that decides is here; `denodo_ha.environment.haproxy.config_file` only writes it down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from denodo_ha.environment.derived import node_names, readiness
from denodo_ha.environment.derived.topology import Listener, listeners
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.haproxy import CHECK_SECONDS, HaproxyTls
from denodo_ha.environment.model.service import HealthSettings, Service

AUXILIARY = "auxiliary."
"""Begins the name of a backend for one node's auxiliary port; no service's name has a dot."""

Protocol = Literal["rmi", "postgresql", "http", "https", "tcp"]
"""What a service speaks; tcp is anything else."""

_PROTOCOLS: dict[readiness.Kind, Protocol] = {
    "vdp": "rmi",
    "scheduler": "rmi",
    "odbc": "postgresql",
    "web": "http",
    "tcp": "tcp",
}

_READY_TIMEOUT_S = 4
"""The node program answers within 3 s, see `hosts.denodo.readiness_endpoint`."""


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
        ready: what the node program is asked for as well.
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


def plan(environment: Environment, name: str) -> tuple[Route, ...]:
    """The routes of a cluster: services by name, then auxiliary ports by node."""
    cluster = environment.clusters[name]
    found = listeners(environment, cluster)
    return tuple(_routes(environment, name, cluster, found))


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


def protocol(environment: Environment, name: str) -> Protocol:
    """What a service speaks on the nodes."""
    probe = readiness.probe(environment, name, environment.services[name])
    return "https" if probe.tls else _PROTOCOLS[probe.kind]


def is_web(environment: Environment, cluster: Cluster, name: str) -> bool:
    """Whether HAProxy reads a service's requests, as it must for cookies."""
    service = environment.services[name]
    tls = tls_of(cluster, name, service)
    if tls:
        return tls.mode != "passthrough"
    return protocol(environment, name) == "http" or service.sticky == "cookie"


def server(environment: Environment, cluster_name: str, node: str, port: int) -> Server:
    """Where a node is: as given, else its name in the cluster's private zone."""
    cluster = environment.clusters[cluster_name]
    given = cluster.balancer.proxy.hosts.get(node) or cluster.nodes[node].address
    host = given or node_names.host(environment, cluster_name, node)
    return Server(node, host, port, followed=given is None)


def _routes(
    environment: Environment, name: str, cluster: Cluster, found: tuple[Listener, ...]
) -> Iterator[Route]:
    for one in found:
        servers = tuple(server(environment, name, node, one.target_port) for node in one.nodes)
        if one.service is None:
            yield Route(f"{AUXILIARY}{one.key}", one.port, "tcp", servers)
        else:
            yield _of_service(environment, cluster, one.key, servers)


def _of_service(
    environment: Environment, cluster: Cluster, name: str, servers: tuple[Server, ...]
) -> Route:
    service = environment.services[name]
    tls, web = tls_of(cluster, name, service), is_web(environment, cluster, name)
    check = _check(environment, cluster, name)
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


def asks_ready(environment: Environment, cluster: Cluster, service: Service) -> bool:
    """Whether the program on the nodes is asked for a service as well."""
    told = cluster.balancer.proxy.checks.ready
    if told is not None:
        return told
    overruled = readiness.is_overruled(service.health, HealthSettings())
    return readiness.is_asked(environment, cluster) and not overruled


def _check(environment: Environment, cluster: Cluster, name: str) -> Check:
    """A service's check: its own settings, else the cluster's, else by what it speaks."""
    service = environment.services[name]
    own, general, tls = (
        service.health,
        cluster.balancer.proxy.checks,
        tls_of(cluster, name, service),
    )
    speaks = own.protocol or protocol(environment, name)
    if tls and own.protocol is None:
        speaks = "http" if tls.mode == "terminate" else "https"
    elif speaks == "tcp" and own.protocol is None and is_web(environment, cluster, name):
        speaks = "http"
    ready = asks_ready(environment, cluster, service)
    usual = _READY_TIMEOUT_S if ready else CHECK_SECONDS.low
    return Check(
        speaks=speaks,
        tls=speaks == "https" or (speaks == "rmi" and general.tls),
        port=own.port,
        path=own.path or "/",
        ready=readiness.path(name) if ready else None,
        interval=own.interval or general.interval,
        timeout=own.timeout or general.timeout or usual,
        fall=own.unhealthy or general.fall,
        rise=own.healthy or general.rise,
    )
