"""Routes of a cluster's HAProxy: one for each service and each auxiliary port.

    haproxy_routes(environment, "active")

This module determines HAProxy's behaviour; `denodo_ha.environment.haproxy.config_file` writes the
configuration file from the routes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from denodo_ha.environment.derived import node_names, readiness
from denodo_ha.environment.derived.topology import JDBC, Listener, listeners
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.haproxy import CHECK_SECONDS, HaproxyTls
from denodo_ha.environment.model.service import HealthSettings, Service

AUXILIARY = "auxiliary."
"""Prefix of the backends for auxiliary ports; no service's name contains a dot."""

SCHEDULER_SUFFIX = "_scheduler"
"""Suffix of the backends for auxiliary ports of the Scheduler; no node's name contains `_`."""

Protocol = Literal["rmi", "postgresql", "http", "https", "tcp"]
"""Protocol of a service. `tcp` stands for any other protocol."""

_JRMP_VERSION = "7.0"
"""Last version of Virtual DataPort that answers JRMP, Java RMI's protocol, on the JDBC port. Later
versions have their own protocol, in which the client sends first (Denodo, Virtual DataPort
Installation Guide, "Default Ports"; asyncrmi, the public project from which Denodo's
`denodo-asyncrmi.jar` comes)."""

_PROTOCOLS: dict[readiness.ProbeKind, Protocol] = {
    "vdp": "rmi",
    "scheduler": "rmi",
    "odbc": "postgresql",
    "web": "http",
    "tcp": "tcp",
}

_READY_TIMEOUT_S = 4
"""Timeout of the readiness check: longer than the 3 s within which the node program answers
(`hosts.denodo.readiness.readiness_endpoint`)."""


@dataclass(frozen=True)
class Server:
    """Node behind a route: its name and endpoint.

    Attributes:
        followed: whether HAProxy resolves the host name continuously, because a replaced node has a
            new address. False for a host from the configuration, whose name may be only in the
            hosts file and not in DNS.
    """

    name: str
    host: str
    port: int
    followed: bool


@dataclass(frozen=True)
class Check:
    """Health check of a route's nodes; times in seconds.

    Attributes:
        speaks: the protocol in which a node must answer. With `tcp`, the check only connects.
        tls: whether the check uses TLS.
        port: the port on the nodes; None for the route's port.
        path: the path of an http or https check.
        ready: the path of the additional check of the node's readiness; None without this check.
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
    """A port of HAProxy and the nodes behind it.

    Attributes:
        name: the service's name, or `auxiliary.NODE` (`auxiliary.NODE_scheduler` for the
            Scheduler). The frontend and the backend have this name too.
        mode: `http` if HAProxy reads requests, `tcp` if it only forwards bytes.
        balance: the balancing algorithm; empty for a single node.
        check: the health check; None for an auxiliary port. The only node of an auxiliary port
            always stays in service, because no other node could answer.
        tls: whether clients use TLS with HAProxy.
        node_tls: whether HAProxy uses TLS with the nodes.
        cookie: whether a cookie keeps web clients on their node.
        forwards: whether HAProxy adds a header with the client's address.
        idle: seconds until an idle connection is closed; None for the default.
        ends_unhealthy: whether the connections of a node that fails its check are ended.
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
    ends_unhealthy: bool = True


def haproxy_routes(environment: Environment, cluster_name: str) -> tuple[Route, ...]:
    """Return the routes of a cluster: services by name, then auxiliary ports by node."""
    cluster = environment.clusters[cluster_name]
    served = listeners(environment, cluster)
    return tuple(_routes(environment, cluster_name, cluster, served))


def speaks_https(cluster: Cluster, name: str, service: Service) -> bool:
    """Return whether clients connect to a service over HTTPS."""
    tls = cluster.balancer.proxy.tls
    if tls and tls.services:
        return name in tls.services
    return bool({service.port, service.target_port} & NODE_TLS_PORTS)


def tls_settings(cluster: Cluster, name: str, service: Service) -> HaproxyTls | None:
    """Return the TLS settings of a service; None if the service has no TLS."""
    if not speaks_https(cluster, name, service):
        return None
    return cluster.balancer.proxy.tls or HaproxyTls(mode="passthrough")


def reads_http(environment: Environment, cluster: Cluster, name: str) -> bool:
    """Return whether HAProxy reads the HTTP requests of a service, which cookies require."""
    service = environment.services[name]
    tls = tls_settings(cluster, name, service)
    if tls:
        return tls.mode != "passthrough"
    return _node_protocol(environment, name) == "http" or service.sticky == "cookie"


def may_speak_http(environment: Environment, name: str) -> bool:
    """Return whether a service may be a web service: its protocol is HTTP or not known."""
    probe = readiness.service_probe(environment, name, environment.services[name])
    return probe.kind in ("web", "tcp")


def checks_readiness(environment: Environment, cluster: Cluster, service: Service) -> bool:
    """Return whether HAProxy's check of a service also requests the nodes' readiness."""
    given = cluster.balancer.proxy.checks.ready
    if given is not None:
        return given
    overridden = readiness.overrides_check_target(service.health, HealthSettings())
    return readiness.nodes_report_readiness(environment, cluster) and not overridden


def _routes(
    environment: Environment, cluster_name: str, cluster: Cluster, served: tuple[Listener, ...]
) -> Iterator[Route]:
    for listener in served:
        servers = tuple(
            _server(environment, cluster_name, node, listener.target_port)
            for node in listener.nodes
        )
        if listener.service is None:
            scheduler = "" if listener.directing_service == JDBC else SCHEDULER_SUFFIX
            name = f"{AUXILIARY}{listener.key}{scheduler}"
            # The auxiliary port carries the sessions of the directing service's clients, so the
            # auxiliary port has the idle timeout of this service.
            service = environment.services.get(listener.directing_service)
            idle = service.idle_timeout if service else None
            yield Route(name, listener.port, "tcp", servers, idle=idle)
        else:
            yield _service_route(environment, cluster, listener.key, servers)


def _server(environment: Environment, cluster_name: str, node: str, port: int) -> Server:
    """Return a node's server: at the configured host or address, else at the node's DNS name."""
    cluster = environment.clusters[cluster_name]
    given = cluster.balancer.proxy.hosts.get(node) or cluster.nodes[node].address
    host = given or node_names.host_name(environment, cluster_name, node)
    return Server(node, host, port, followed=given is None)


def _service_route(
    environment: Environment, cluster: Cluster, name: str, servers: tuple[Server, ...]
) -> Route:
    service = environment.services[name]
    tls, web = tls_settings(cluster, name, service), reads_http(environment, cluster, name)
    check = _check(environment, cluster, name)
    # A check that only connects does not detect a hung node. With leastconn, this node would get
    # all new connections.
    only_connects = check.speaks == "tcp" and not check.ready
    balance = "roundrobin" if only_connects else cluster.balancer.proxy.algorithm
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
        ends_unhealthy=service.unhealthy_termination is not False,
    )


def _check(environment: Environment, cluster: Cluster, name: str) -> Check:
    """Return a service's check: set by the service, else by the cluster, else by the protocol."""
    service = environment.services[name]
    own, general = service.health, cluster.balancer.proxy.checks
    ready = checks_readiness(environment, cluster, service)
    protocol = own.protocol or _check_protocol(environment, cluster, name)
    kind = readiness.service_probe(environment, name, service).kind
    may_have_tls = own.protocol is None and kind in ("vdp", "scheduler")
    default_timeout = _READY_TIMEOUT_S if ready else CHECK_SECONDS.low
    return Check(
        speaks=protocol,
        tls=protocol == "https"
        or (may_have_tls and general.tls)
        # With `denodo.tls`, the Scheduler uses TLS too. The check of Virtual DataPort connects
        # without TLS even then.
        or (kind == "scheduler" and own.protocol is None and environment.denodo.tls is not None),
        port=own.port,
        path=own.path or "/",
        ready=readiness.ready_path(name) if ready else None,
        interval=own.interval or general.interval,
        timeout=own.timeout or general.timeout or default_timeout,
        fall=own.unhealthy or general.fall,
        rise=own.healthy or general.rise,
    )


def _check_protocol(environment: Environment, cluster: Cluster, name: str) -> Protocol:
    """Return the protocol of a service's check if the service's settings do not set one."""
    tls = tls_settings(cluster, name, environment.services[name])
    if tls and may_speak_http(environment, name):
        return "http" if tls.mode == "terminate" else "https"
    protocol = _node_protocol(environment, name)
    if protocol == "tcp" and reads_http(environment, cluster, name):
        return "http"
    return protocol


def _node_protocol(environment: Environment, name: str) -> Protocol:
    probe = readiness.service_probe(environment, name, environment.services[name])
    if probe.kind == "vdp" and environment.denodo.version != _JRMP_VERSION:
        return "tcp"
    return "https" if probe.tls else _PROTOCOLS[probe.kind]
