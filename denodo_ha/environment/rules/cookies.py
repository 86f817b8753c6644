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
    """Only services that speak HTTP can have cookies."""
    for name, service in _alb_services(environment):
        port = service.target_port
        kind = readiness.service_probe(environment, name, service).kind
        server = version_ports(environment).occupied.get(port)
        # A port without a Denodo server may well speak HTTP.
        if kind == "web" or (kind == "tcp" and server is None):
            continue
        yield Problem(
            ("services", name, "sticky"),
            "is for web services",
            f"nodes speak no HTTP on {port} ({server or name}), and a cookie is part of HTTP",
            "write sticky: true, which keeps clients by their address",
            value="cookie",
        )


def cookie_certificate(environment: Environment) -> Iterator[Problem]:
    """TLS ends at the balancer that sets the cookie, so it needs a certificate."""
    for name, service in _alb_services(environment):
        if service.target_port in NODE_TLS_PORTS and service.tls is None:
            yield Problem(
                ("services", name, "sticky"),
                "needs a certificate here",
                f"nodes speak TLS on {service.target_port}, a balancer reads cookies only where it "
                "ends TLS itself, and clients would get plain HTTP instead",
                "add tls: with the ARN of an ACM certificate, or write sticky: true, with which "
                "TLS continues to the nodes",
                value="cookie",
            )


def cookie_health_checks(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer checks its targets by HTTP."""
    for cluster_name, cluster in _alb_clusters(environment):
        for name, service in cookie_balancer.alb_services(environment, cluster).items():
            if health_check(environment, cluster, name).protocol != "tcp":
                continue
            own: Path = ("services", name, "health", "protocol")
            general: Path = ("clusters", cluster_name, "balancer", "health", "protocol")
            is_own = service.health.protocol is not None
            yield Problem(
                own if is_own else general,
                f"cannot be tcp for {name}, which has cookies",
                "an Application Load Balancer checks by HTTP or HTTPS (AWS, Health checks for "
                "Application Load Balancer target groups)",
                "write http with a path that answers, or remove it"
                if is_own
                else f"add health: {{protocol: http, path: /…}} to {name}, or remove it here",
                value="tcp",
            )


def cookie_client_address(environment: Environment) -> Iterator[Problem]:
    """Client addresses are kept towards the Application Load Balancer; nodes see its address."""
    for name, service in _alb_services(environment):
        if not service.client_ip:
            yield Problem(
                ("services", name, "client_ip"),
                "cannot be off with cookies",
                "towards an Application Load Balancer clients keep their address (AWS, Use an "
                "Application Load Balancer as a target of a Network Load Balancer); nodes see the "
                "balancer's, and the client's in the header X-Forwarded-For",
                "remove it",
                value="false",
            )


def cookie_idle_timeout(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer has a shorter longest idle timeout."""
    for name, service in _alb_services(environment):
        longest = limits.ALB_IDLE_TIMEOUT_S.high
        if service.idle_timeout is not None and service.idle_timeout > longest:
            yield Problem(
                ("services", name, "idle_timeout"),
                "is too long with cookies",
                f"an Application Load Balancer waits {longest} s at most "
                f"({limits.ALB_IDLE_TIMEOUT_S.source})",
                f"write {longest} or less",
                value=str(service.idle_timeout),
            )


def alb_zones(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer is in two zones or more."""
    for name, cluster in _alb_clusters(environment):
        if len(cluster.network.zones) < limits.ALB_ZONES:
            yield Problem(
                ("clusters", name, "network", "zones"),
                f"is one zone, and {_first_alb_service(environment, cluster)} has cookies",
                f"an Application Load Balancer needs {limits.ALB_ZONES} zones "
                f"({limits.ALB_SUBNET_PREFIX.source})",
                "add a zone; it needs no nodes",
            )


def alb_subnets(environment: Environment) -> Iterator[Problem]:
    """The subnets of an Application Load Balancer have room for more of its addresses."""
    longest = limits.ALB_SUBNET_PREFIX.high
    for name, cluster in _alb_clusters(environment):
        network = cluster.network
        if network.vpc or not network.cidr or not fits_created_vpc(network.cidr):
            continue
        block, _ = zone_blocks(IPv4Network(network.cidr), ZONE_LETTERS[0])
        if block.prefixlen > longest:
            yield Problem(
                ("clusters", name, "network", "cidr"),
                f"is too small for {_first_alb_service(environment, cluster)}, which has cookies",
                f"a zone's subnets would be of /{block.prefixlen}, and an Application Load "
                f"Balancer needs /{longest} ({limits.ALB_SUBNET_PREFIX.source})",
                f"write a network of /{IPv4Network(network.cidr).prefixlen - 1} or larger",
                value=network.cidr,
            )


def alb_cross_zone(environment: Environment) -> Iterator[Problem]:
    """Sessions stay on their node, whichever zone their client reaches."""
    for name, cluster in _alb_clusters(environment):
        if not cluster.balancer.cross_zone:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                f"cannot be off, as {_first_alb_service(environment, cluster)} has cookies",
                "an Application Load Balancer keeps clients on their node only with cross-zone on "
                "(AWS, Edit target group attributes for your Application Load Balancer)",
                "remove cross_zone: false, or write sticky: true",
                value="false",
            )


def cookie_name_shared(environment: Environment) -> Iterator[Problem]:
    """One service of a cluster should have cookies: a browser keeps one cookie for all ports."""
    for _, cluster in _alb_clusters(environment):
        first, *others = cookie_balancer.alb_services(environment, cluster)
        for name in others:
            yield Problem(
                ("services", name, "sticky"),
                f"shares its cookie with {first}",
                "an Application Load Balancer calls it AWSALB for every service (AWS, Sticky "
                "sessions for your Application Load Balancer), and a browser sends it to all ports "
                "of a host, so a user of both in turn is not kept on a node",
                "have users reach the two by different host names, or keep cookies for one",
                value="cookie",
                severity=Severity.WARNING,
                rule="one-cookie-a-host",
            )


def cookie_balancer_needed(environment: Environment) -> Iterator[Problem]:
    """Cookies need a balancer that sets them."""
    bare = sorted(
        name for name, cluster in environment.clusters.items() if cluster.balancer.kind == "none"
    )
    for name, service in environment.services.items():
        if bare and service.sticky == "cookie":
            yield Problem(
                ("services", name, "sticky"),
                "cannot be cookie without a balancer",
                f"clients of {bare[0]} connect to the node itself, and it is the only one",
                f"remove it, or give {bare[0]} a balancer",
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
