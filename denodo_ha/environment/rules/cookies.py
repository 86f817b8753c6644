"""Rules about cookies on a Network Load Balancer, which an Application Load Balancer sets."""

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

_NO_HTTP = "write sticky: true, which keeps clients by their address"


def cookies_are_for_http(environment: Environment) -> Iterator[Problem]:
    """What speaks no HTTP carries no cookie."""
    for name, service in _services(environment):
        port = service.target_port
        kind = readiness.service_probe(environment, name, service).kind
        server = version_ports(environment).occupied.get(port)
        # A port of no server of Denodo's is what its owner says that it is.
        if kind == "web" or (kind == "tcp" and server is None):
            continue
        yield Problem(
            ("services", name, "sticky"),
            "is for web services",
            f"nodes speak no HTTP on {port} ({server or name}), and a cookie is part of HTTP",
            _NO_HTTP,
            value="cookie",
        )


def cookies_inside_tls(environment: Environment) -> Iterator[Problem]:
    """TLS ends where the cookie is set, so a certificate must be there."""
    for name, service in _services(environment):
        if service.target_port in NODE_TLS_PORTS and service.tls is None:
            yield Problem(
                ("services", name, "sticky"),
                "needs a certificate here",
                f"nodes speak TLS on {service.target_port}, a balancer reads cookies only where it "
                "ends TLS itself, and clients would get plain HTTP instead",
                "add tls: with the ARN of an ACM certificate, or write sticky: true, with which "
                "TLS goes on to the nodes",
                value="cookie",
            )


def cookies_and_checks(environment: Environment) -> Iterator[Problem]:
    """Targets of an Application Load Balancer are checked by HTTP."""
    for cluster_name, cluster in _clusters(environment):
        for name, service in cookie_balancer.alb_services(environment, cluster).items():
            if health_check(environment, cluster, name).protocol != "tcp":
                continue
            own: Path = ("services", name, "health", "protocol")
            general: Path = ("clusters", cluster_name, "balancer", "health", "protocol")
            said = service.health.protocol is not None
            yield Problem(
                own if said else general,
                f"can't be tcp for {name}, which has cookies",
                "an Application Load Balancer checks by HTTP or HTTPS (AWS, Health checks for "
                "Application Load Balancer target groups)",
                "write http with a path that answers, or remove it"
                if said
                else f"add health: {{protocol: http, path: /…}} to {name}, or remove it here",
                value="tcp",
            )


def cookies_and_client_ip(environment: Environment) -> Iterator[Problem]:
    """The Network Load Balancer keeps addresses towards the other; nodes see that one's."""
    for name, service in _services(environment):
        if not service.client_ip:
            yield Problem(
                ("services", name, "client_ip"),
                "can't be off with cookies",
                "towards an Application Load Balancer clients keep their address (AWS, Use an "
                "Application Load Balancer as a target of a Network Load Balancer); nodes see the "
                "balancer's, and the client's in the header X-Forwarded-For",
                "remove it",
                value="false",
            )


def cookies_and_idle_timeout(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer waits less long."""
    for name, service in _services(environment):
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


def cookies_and_zones(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer is in two zones or more."""
    for name, cluster in _clusters(environment):
        if len(cluster.network.zones) < limits.ALB_ZONES:
            yield Problem(
                ("clusters", name, "network", "zones"),
                f"is one zone, and {_named(environment, cluster)} has cookies",
                f"an Application Load Balancer needs {limits.ALB_ZONES} zones "
                f"({limits.ALB_SUBNET_PREFIX.source})",
                "add a zone; it needs no nodes",
            )


def cookies_and_subnets(environment: Environment) -> Iterator[Problem]:
    """An Application Load Balancer needs room to grow."""
    least = limits.ALB_SUBNET_PREFIX.high
    for name, cluster in _clusters(environment):
        network = cluster.network
        if network.vpc or not network.cidr or not fits_created_vpc(network.cidr):
            continue
        block, _ = zone_blocks(IPv4Network(network.cidr), ZONE_LETTERS[0])
        if block.prefixlen > least:
            yield Problem(
                ("clusters", name, "network", "cidr"),
                f"is too small for {_named(environment, cluster)}, which has cookies",
                f"a zone's subnets would be of /{block.prefixlen}, and an Application Load "
                f"Balancer needs /{least} ({limits.ALB_SUBNET_PREFIX.source})",
                f"write a network of /{IPv4Network(network.cidr).prefixlen - 1} or larger",
                value=network.cidr,
            )


def cookies_and_cross_zone(environment: Environment) -> Iterator[Problem]:
    """Sessions stay on their node in whatever zone their client arrives."""
    for name, cluster in _clusters(environment):
        if not cluster.balancer.cross_zone:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                f"can't be off, as {_named(environment, cluster)} has cookies",
                "an Application Load Balancer keeps clients on their node only with cross-zone on "
                "(AWS, Edit target group attributes for your Application Load Balancer)",
                "remove cross_zone: false, or write sticky: true",
                value="false",
            )


def cookies_of_one_host(environment: Environment) -> Iterator[Problem]:
    """A browser has one such cookie for a host, whatever the port."""
    for _, cluster in _clusters(environment):
        first, *others = cookie_balancer.alb_services(environment, cluster)
        for name in others:
            yield Problem(
                ("services", name, "sticky"),
                f"shares its cookie with {first}",
                "an Application Load Balancer calls it AWSALB for every service (AWS, Sticky "
                "sessions for your Application Load Balancer), and a browser sends it to all ports "
                "of a host, so who uses both in turn is not kept on a node",
                "have people reach the two by different host names, or keep cookies for one",
                value="cookie",
                severity=Severity.WARNING,
                rule="one-cookie-a-host",
            )


def cookies_without_a_balancer(environment: Environment) -> Iterator[Problem]:
    """Nobody sets a cookie where there is nothing in between."""
    bare = sorted(name for name, of in environment.clusters.items() if of.balancer.kind == "none")
    for name, service in environment.services.items():
        if bare and service.sticky == "cookie":
            yield Problem(
                ("services", name, "sticky"),
                "can't be cookie without a balancer",
                f"clients of {bare[0]} connect to the node itself, and it is the only one",
                f"remove it, or give {bare[0]} a balancer",
                value="cookie",
            )


def _clusters(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    """The clusters with an Application Load Balancer."""
    for name, cluster in environment.clusters.items():
        if cookie_balancer.alb_services(environment, cluster):
            yield name, cluster


def _services(environment: Environment) -> Iterator[tuple[str, Service]]:
    """The services that are behind one in some cluster."""
    for name, service in environment.services.items():
        if any(
            cookie_balancer.uses_alb(cluster, service) for cluster in environment.clusters.values()
        ):
            yield name, service


def _named(environment: Environment, cluster: Cluster) -> str:
    return next(iter(cookie_balancer.alb_services(environment, cluster)))


RULES = (
    cookies_are_for_http,
    cookies_inside_tls,
    cookies_and_checks,
    cookies_and_client_ip,
    cookies_and_idle_timeout,
    cookies_and_zones,
    cookies_and_subnets,
    cookies_and_cross_zone,
    cookies_of_one_host,
    cookies_without_a_balancer,
)
