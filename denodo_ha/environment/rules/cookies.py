"""Rules about `sticky: cookie`, which needs an Application Load Balancer or HAProxy."""

from collections.abc import Iterator
from ipaddress import IPv4Network

from denodo_ha.environment.derived import cookie_balancer, readiness
from denodo_ha.environment.derived.subnets import ZONE_LETTERS, fits_created_vpc, zone_blocks
from denodo_ha.environment.derived.topology import health_check, version_ports
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import Service


def cookie_protocol(environment: Environment) -> Iterator[Problem]:
    """`sticky: cookie` is allowed only for services that speak HTTP."""
    for name, service in _alb_services(environment):
        port = service.target_port
        kind = readiness.service_probe(environment, name, service).kind
        server = version_ports(environment).occupied.get(port)
        # A port that no Denodo server uses may belong to a web service of the user.
        if kind == "web" or (kind == "tcp" and server is None):
            continue
        yield Problem(
            ("services", name, "sticky"),
            "is only for web services",
            f"nodes do not use HTTP on port {port} ({server or name}), and a cookie is part of "
            "HTTP",
            "write sticky: true, which keeps a client on a node by the client's address",
            value="cookie",
        )


def cookie_certificate(environment: Environment) -> Iterator[Problem]:
    """A service with cookies must have a certificate if the nodes use TLS on the service's port."""
    for name, service in _alb_services(environment):
        if service.target_port in NODE_TLS_PORTS and service.tls is None:
            yield Problem(
                ("services", name, "sticky"),
                "needs a certificate for this service",
                f"nodes use TLS on port {service.target_port}, and a balancer can read cookies "
                "only if it terminates TLS; without a certificate, clients would get plain HTTP",
                "add tls: with the ARN of an ACM certificate, or write sticky: true, so that the "
                "nodes terminate TLS",
                value="cookie",
            )


def cookie_health_checks(environment: Environment) -> Iterator[Problem]:
    """Health checks of an Application Load Balancer must use HTTP or HTTPS."""
    for cluster_name, cluster in _alb_clusters(environment):
        for name, service in cookie_balancer.alb_services(environment, cluster).items():
            if health_check(environment, cluster, name).protocol != "tcp":
                continue
            own: Path = ("services", name, "health", "protocol")
            general: Path = ("clusters", cluster_name, "balancer", "health", "protocol")
            is_own = service.health.protocol is not None
            yield Problem(
                own if is_own else general,
                f"cannot be tcp for the service {name}, which has sticky: cookie",
                "health checks of an Application Load Balancer use HTTP or HTTPS (AWS, Health "
                "checks for Application Load Balancer target groups)",
                "write protocol: http, and a path that returns a success status, or remove protocol"
                if is_own
                else f"add health: {{protocol: http, path: /…}} to {name}, or remove protocol from "
                "the balancer's health",
                value="tcp",
            )


def cookie_client_address(environment: Environment) -> Iterator[Problem]:
    """With cookies, `client_ip` must be true: an NLB always passes client addresses to an ALB."""
    for name, service in _alb_services(environment):
        if not service.client_ip:
            yield Problem(
                ("services", name, "client_ip"),
                "cannot be off with sticky: cookie",
                "a Network Load Balancer always preserves the client address for an Application "
                "Load Balancer as target (AWS, Use an Application Load Balancer as a target of a "
                "Network Load Balancer); nodes get the client's address in the header "
                "X-Forwarded-For",
                "remove client_ip: false",
                value="false",
            )


def cookie_idle_timeout(environment: Environment) -> Iterator[Problem]:
    """An idle timeout must not exceed the maximum of an Application Load Balancer."""
    for name, service in _alb_services(environment):
        longest = limits.ALB_IDLE_TIMEOUT_S.high
        if service.idle_timeout is not None and service.idle_timeout > longest:
            yield Problem(
                ("services", name, "idle_timeout"),
                "is too long with sticky: cookie",
                f"an Application Load Balancer has an idle timeout of at most {longest} s "
                f"({limits.ALB_IDLE_TIMEOUT_S.source})",
                f"write {longest} or less",
                value=str(service.idle_timeout),
            )


def alb_zones(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer must be in at least two zones."""
    for name, cluster in _alb_clusters(environment):
        if len(cluster.network.zones) < limits.ALB_ZONES:
            yield Problem(
                ("clusters", name, "network", "zones"),
                "contains only one zone, and the service "
                f"{_first_alb_service(environment, cluster)} has sticky: cookie",
                f"an Application Load Balancer needs {limits.ALB_ZONES} zones "
                f"({limits.ALB_SUBNET_PREFIX.source})",
                "add a second zone, with or without nodes",
            )


def alb_subnets(environment: Environment) -> Iterator[Problem]:
    """The subnets of an Application Load Balancer must be large enough for its addresses."""
    longest = limits.ALB_SUBNET_PREFIX.high
    for name, cluster in _alb_clusters(environment):
        network = cluster.network
        if network.vpc or not network.cidr or not fits_created_vpc(network.cidr):
            continue
        block, _ = zone_blocks(IPv4Network(network.cidr), ZONE_LETTERS[0])
        if block.prefixlen > longest:
            yield Problem(
                ("clusters", name, "network", "cidr"),
                f"is too small for the service {_first_alb_service(environment, cluster)}, which "
                "has sticky: cookie",
                f"each subnet would be a /{block.prefixlen}, and an Application Load Balancer "
                f"needs at least a /{longest} ({limits.ALB_SUBNET_PREFIX.source})",
                f"write a network of /{IPv4Network(network.cidr).prefixlen - 1} or larger",
                value=network.cidr,
            )


def alb_cross_zone(environment: Environment) -> Iterator[Problem]:
    """Cross-zone load balancing must be on, so that a session stays on its node in any zone."""
    for name, cluster in _alb_clusters(environment):
        if not cluster.balancer.cross_zone:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                f"cannot be off, because the service {_first_alb_service(environment, cluster)} "
                "has sticky: cookie",
                "an Application Load Balancer keeps a client on its node only with cross-zone "
                "load balancing (AWS, Edit target group attributes for your Application Load "
                "Balancer)",
                "remove cross_zone: false, or write sticky: true",
                value="false",
            )


def cookie_name_shared(environment: Environment) -> Iterator[Problem]:
    """Only one service of a cluster should have cookies: all ports of a host share the cookie."""
    for _, cluster in _alb_clusters(environment):
        first, *others = cookie_balancer.alb_services(environment, cluster)
        for name in others:
            yield Problem(
                ("services", name, "sticky"),
                f"would share its cookie with the service {first}",
                "the cookie of an Application Load Balancer has the name AWSALB for every "
                "service (AWS, Sticky sessions for your Application Load Balancer), and a "
                "browser sends a cookie to all ports of a host, so a user of both services does "
                "not stay on a node",
                "let users connect to the two services by different host names, or write sticky: "
                "cookie for only one of the services",
                value="cookie",
                severity=Severity.WARNING,
                rule="one-cookie-a-host",
            )


def cookie_balancer_needed(environment: Environment) -> Iterator[Problem]:
    """`sticky: cookie` requires a balancer that sets the cookie."""
    bare = sorted(
        name for name, cluster in environment.clusters.items() if cluster.balancer.kind == "none"
    )
    for name, service in environment.services.items():
        if bare and service.sticky == "cookie":
            yield Problem(
                ("services", name, "sticky"),
                "cannot be cookie without a balancer",
                f"clients of {bare[0]} connect directly to the only node of this cluster",
                f"remove sticky, or give {bare[0]} a balancer",
                value="cookie",
            )


def _alb_clusters(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    """Yield the clusters with an Application Load Balancer."""
    for name, cluster in environment.clusters.items():
        if cookie_balancer.alb_services(environment, cluster):
            yield name, cluster


def _alb_services(environment: Environment) -> Iterator[tuple[str, Service]]:
    """Yield the services that are behind an Application Load Balancer in some cluster."""
    for name, service in environment.services.items():
        if any(
            cookie_balancer.uses_alb(cluster, service) for cluster in environment.clusters.values()
        ):
            yield name, service


def _first_alb_service(environment: Environment, cluster: Cluster) -> str:
    return next(iter(cookie_balancer.alb_services(environment, cluster)))


RULES = (
    cookie_protocol,
    cookie_certificate,
    cookie_health_checks,
    cookie_client_address,
    cookie_idle_timeout,
    alb_zones,
    alb_subnets,
    alb_cross_zone,
    cookie_name_shared,
    cookie_balancer_needed,
)
