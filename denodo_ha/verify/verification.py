"""Verification of a site: DNS names, each port on each address, distribution of connections."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from denodo_ha.cli.errors import UsageError
from denodo_ha.environment.derived import readiness
from denodo_ha.environment.derived.topology import (
    scheduler_service,
    serves_scheduler_clients,
    version_ports,
)
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import Service
from denodo_ha.verify.connection_spread import ConnectionSeries
from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import Fault, StepLog
from denodo_ha.verify.manager_probe import Manager, managers_of
from denodo_ha.verify.postgres_probe import probe_odbc
from denodo_ha.verify.rmi_probe import SecondConnection, probe_auxiliary, probe_rmi
from denodo_ha.verify.site import Site, resolve_site
from denodo_ha.verify.tcp_probe import probe_connect, probe_flight, probe_tcp
from denodo_ha.verify.web_probe import Sticky, WebRequest, probe_web

Protocol = Literal["rmi", "odbc", "web", "scheduler", "flight", "tcp", "auxiliary"]

_FLIGHT_PORT = 9994
"""Denodo's default port for Arrow Flight (`denodo_ha.environment.facts.denodo_ports`)."""
_PROTOCOL_BY_NAME: Mapping[str, Protocol] = {"scheduler": "scheduler", "flight": "flight"}
"""Protocols of services by name, for services whose port does not determine the protocol."""


@dataclass(frozen=True)
class VerifiedPort:
    """One port to verify.

    Attributes:
        name: the service's name; `auxiliary NODE` for an auxiliary port.
        protocol: the protocol of the port.
        port: the port number.
        tls: True if the connection begins with a TLS handshake.
        sticky: the way in which the load balancer keeps a web client on one node.
        sticky_source: True if all connections from one address should reach the same node.
        entry: for an auxiliary port of the Scheduler, the service that directs clients to the
            auxiliary port.
    """

    name: str
    protocol: Protocol
    port: int
    tls: bool = False
    sticky: Sticky = "no"
    sticky_source: bool = False
    entry: str = ""


def require_services(environment: Environment, services: Iterable[str]) -> None:
    """Check services that options name.

    Raises:
        UsageError: The environment has no such service.
    """
    for service in services:
        if service not in environment.services:
            known = ", ".join(sorted(environment.services))
            message = f"{environment.name} has no service {service!r}; write one of {known}"
            raise UsageError(message)


def protocol_of(environment: Environment, name: str, service: Service) -> Protocol:
    """Return the protocol with which a service is verified, derived from its readiness probe."""
    probe = readiness.service_probe(environment, name, service).kind
    if probe == "vdp":
        # From Denodo 8.0 on, JDBC clients use one connection, with a protocol that is not
        # published, so the probe only connects.
        return "rmi" if version_ports(environment).auxiliary else "tcp"
    if probe == "tcp":
        is_flight = service.target_port == _FLIGHT_PORT
        return "flight" if is_flight else _PROTOCOL_BY_NAME.get(name, "tcp")
    return probe


def ports_to_verify(
    environment: Environment, clusters: Iterable[str], *, node: str = "", tls: Collection[str] = ()
) -> tuple[VerifiedPort, ...]:
    """Return the services' ports and the auxiliary ports to verify.

    Args:
        environment: the configuration.
        clusters: the clusters to which the name may resolve. Auxiliary ports that not all of these
            clusters have are omitted.
        node: a node to verify without a load balancer; empty for a load balancer.
        tls: further services that use TLS, besides those that the configuration names.
    """
    clusters = tuple(clusters)
    behind_haproxy = any(environment.clusters[name].balancer.kind == "haproxy" for name in clusters)
    services = [
        _service_port(
            environment,
            name,
            service,
            direct=bool(node),
            behind_haproxy=behind_haproxy,
            tls=name in tls,
        )
        for name, service in sorted(environment.services.items())
    ]
    entry = scheduler_service(environment)
    return (
        *services,
        *_auxiliary_ports(environment, clusters, node),
        *(_auxiliary_ports(environment, clusters, node, entry, tls=entry in tls) if entry else ()),
    )


def auxiliary_nodes(
    environment: Environment, clusters: Iterable[str], *, scheduler: bool = False
) -> dict[int, tuple[str, ...]]:
    """Return the nodes of each auxiliary port, as `cluster/node`.

    Args:
        environment: the configuration.
        clusters: the clusters of the nodes.
        scheduler: return the auxiliary ports of the Scheduler, and not of Virtual DataPort.
    """
    nodes: dict[int, tuple[str, ...]] = {}
    for cluster in clusters:
        for name, node in sorted(environment.clusters[cluster].nodes.items()):
            port = node.scheduler_auxiliary_port if scheduler else node.auxiliary_port
            if port is not None:
                nodes[port] = (*nodes.get(port, ()), f"{cluster}/{name}")
    return nodes


def _service_port(
    environment: Environment,
    name: str,
    service: Service,
    *,
    direct: bool,
    behind_haproxy: bool,
    tls: bool,
) -> VerifiedPort:
    protocol = protocol_of(environment, name, service)
    is_web = protocol == "web"
    by_cookie = service.sticky == "cookie" or (behind_haproxy and is_web and bool(service.sticky))
    sticky: Sticky = "no"
    if not direct and is_web and service.sticky:
        sticky = "cookie" if by_cookie else "source"
    # A listener that terminates TLS connects to the nodes with TLS only if their port uses TLS.
    listener_tls = service.tls is not None and not direct
    return VerifiedPort(
        name,
        protocol,
        service.target_port if direct else service.port,
        tls=tls or listener_tls or (is_web and service.target_port in NODE_TLS_PORTS),
        sticky=sticky,
        sticky_source=bool(service.sticky) and not by_cookie and not direct,
    )


def _auxiliary_ports(
    environment: Environment,
    clusters: tuple[str, ...],
    node: str,
    entry: str = "",
    *,
    tls: bool = False,
) -> Iterator[VerifiedPort]:
    """Yield auxiliary ports: of the Scheduler's service `entry`; if empty, of Virtual DataPort."""
    if not entry and not version_ports(environment).auxiliary:
        return
    suffix = f" ({entry})" if entry else ""
    ports = auxiliary_nodes(environment, clusters, scheduler=bool(entry))
    for port, nodes in sorted(ports.items()):
        names = dict.fromkeys(path.partition("/")[2] for path in nodes)
        if len(nodes) == len(clusters) and (not node or node in names):
            name = f"auxiliary {' or '.join(names)}{suffix}"
            yield VerifiedPort(name, "auxiliary", port, tls=tls, entry=entry)


@dataclass(frozen=True)
class Settings:
    """Options of a verification.

    Attributes:
        client_name: the host name that clients use: checked against certificates and sent in the
            HTTP Host header.
        timeout: seconds that a step may take.
        ca_bundle: a file of certificate authorities; None for the operating system's authorities.
        services: the services to verify; empty for all.
        tls: further services that use TLS, besides those that the configuration names.
        web_path: the path to request from web services.
        node_mark: name of the header or cookie that contains the node's name.
        connections: the number of connections to each service to test their distribution over the
            nodes; 0: no test.
    """

    client_name: str
    timeout: float = 5.0
    ca_bundle: str | None = None
    services: tuple[str, ...] = ()
    tls: tuple[str, ...] = ()
    web_path: str = "/"
    node_mark: str = ""
    connections: int = 0


class Verification:
    """One verification.

    Attributes:
        site: the site to verify.
        settings: the options of the command.
        cluster: the cluster to which the name resolves; empty until it is known.
    """

    def __init__(self, site: Site, settings: Settings) -> None:
        self.site, self.settings = site, settings
        self.cluster = ""
        self._addresses: tuple[str, ...] = ()

    def resolve(self, log: StepLog) -> bool:
        """Resolve the site's host to addresses and a cluster; return False without an address."""
        try:
            answer, self.cluster = resolve_site(log, self.site)
        except Fault:
            return False
        self._addresses = answer.addresses
        return bool(self._addresses)

    @property
    def clusters(self) -> tuple[str, ...]:
        """The clusters to which the site's host may resolve."""
        return (self.cluster,) if self.cluster else self.site.clusters

    def ports(self) -> tuple[VerifiedPort, ...]:
        """Return the ports of the selected services."""
        selected = self.settings.services
        ports = ports_to_verify(
            self.site.environment, self.clusters, node=self.site.node, tls=self.settings.tls
        )
        # Auxiliary ports are verified together with the RMI service that names them to clients.
        entries = {port.name for port in ports if port.name in selected}
        if any(port.protocol == "rmi" and port.name in selected for port in ports):
            entries.add("")
        return tuple(
            port
            for port in ports
            if not selected
            or port.name in selected
            or (port.protocol == "auxiliary" and port.entry in entries)
        )

    def managers(self) -> tuple[Manager, ...]:
        """Return the managers to verify; none if services are selected."""
        return (
            ()
            if self.settings.services
            else tuple(managers_of(self.site.environment, self.clusters))
        )

    def verify(self, log: StepLog, port: VerifiedPort) -> None:
        """Verify one port of the site, and record all faults in the port's step log."""
        trust = Trust(self.settings.ca_bundle, ("h2",) if port.protocol == "flight" else ())
        reachable = []
        for address in self._addresses:
            endpoint = Endpoint(
                address,
                port.port,
                self.settings.client_name,
                self.settings.timeout,
                trust,
                port.tls,
            )
            try:
                probe_connect(log, endpoint)
            except Fault:
                continue
            reachable.append(endpoint)
        if not reachable:
            return
        try:
            self._probe(log, reachable[0], port)
        except Fault:
            return
        if self.settings.connections and port.protocol != "auxiliary":
            self._probe_series(log, tuple(reachable), port)

    def _probe(self, log: StepLog, endpoint: Endpoint, port: VerifiedPort) -> None:
        match port.protocol:
            case "rmi" | "scheduler":
                probe_rmi(log, endpoint, self._second_connection(endpoint, port))
            case "auxiliary":
                probe_auxiliary(log, endpoint)
            case "odbc":
                probe_odbc(log, endpoint)
            case "web":
                probe_web(log, endpoint, self._web_request(port))
            case "flight":
                probe_flight(log, endpoint)
            case "tcp":
                probe_tcp(log, endpoint)

    def _probe_series(
        self, log: StepLog, endpoints: tuple[Endpoint, ...], port: VerifiedPort
    ) -> None:
        nodes: tuple[str, ...] = ()
        if self.site.node:
            nodes = (self.site.node,)
        elif len(self.clusters) == 1:
            nodes = tuple(sorted(self.site.environment.clusters[self.clusters[0]].nodes))
        series = ConnectionSeries(
            log, endpoints, self.settings.connections, nodes, port.sticky_source
        )
        match port.protocol:
            case "rmi" | "scheduler":
                series.probe_rmi(self._second_connection(endpoints[0], port))
            case "web":
                series.probe_web(self._web_request(port))
            case "odbc":
                series.probe(probe_odbc)
            case "flight":
                series.probe(probe_flight)
            case _:
                series.probe(probe_tcp)

    def _second_connection(self, endpoint: Endpoint, port: VerifiedPort) -> SecondConnection:
        scheduler = port.protocol == "scheduler"
        environment = self.site.environment
        serves_all = all(
            serves_scheduler_clients(environment.clusters[cluster]) for cluster in self.clusters
        )
        return SecondConnection(
            nodes=auxiliary_nodes(environment, self.clusters, scheduler=scheduler),
            host_finding=self.site.rmi_host_finding,
            address=endpoint.address if self.site.node else "",
            required=serves_all if scheduler else port.protocol == "rmi",
        )

    def _web_request(self, port: VerifiedPort) -> WebRequest:
        nodes = {
            node
            for cluster in self.clusters
            for node in self.site.environment.clusters[cluster].nodes
        }
        return WebRequest(
            self.settings.web_path, port.sticky, sorted(nodes), self.settings.node_mark
        )
