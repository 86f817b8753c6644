"""Rules about clusters whose balancer is HAProxy."""

from collections.abc import Iterator

from denodo_ha.environment.derived.topology import listeners
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.haproxy.routes import (
    checks_readiness,
    reads_http,
    speaks_https,
    tls_settings,
)
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings


def haproxy_only(environment: Environment) -> Iterator[Problem]:
    """Settings of HAProxy are for HAProxy, and a Network Load Balancer's checks for that."""
    for name, cluster in environment.clusters.items():
        balancer = cluster.balancer
        path: Path = ("clusters", name, "balancer")
        if balancer.kind != "haproxy" and balancer.haproxy is not None:
            yield Problem(
                (*path, "haproxy"),
                f"is not for kind {balancer.kind}",
                "only HAProxy reads it, so what it says would not happen",
                "remove it, or write kind: haproxy",
                at_key=True,
            )
        if balancer.kind == "haproxy" and balancer.health != HealthSettings():
            yield Problem(
                (*path, "health"),
                "is not for kind haproxy",
                "HAProxy checks the nodes by their own protocols, in its own intervals",
                "write haproxy: {checks: …} with what should be different, or health in a service",
                at_key=True,
            )


def haproxy_nodes(environment: Environment) -> Iterator[Problem]:
    """Hosts are given for nodes that exist."""
    for name, cluster in haproxies(environment):
        for node in cluster.balancer.proxy.hosts:
            if node not in cluster.nodes:
                yield Problem(
                    ("clusters", name, "balancer", "haproxy", "hosts", node),
                    "is no node of the cluster",
                    "HAProxy has a server for each node",
                    f"write one of {', '.join(sorted(cluster.nodes))}",
                    value=node,
                    at_key=True,
                )


def haproxy_ports(environment: Environment) -> Iterator[Problem]:
    """HAProxy's own ports are free on the balancer."""
    for name, cluster in haproxies(environment):
        settings = cluster.balancer.proxy
        taken = {
            one.port: f"service {one.key}" if one.service else f"node {one.key}"
            for one in listeners(environment, cluster)
        }
        for key, port in (
            ("health_port", settings.health_port),
            ("metrics_port", settings.metrics_port),
        ):
            if port in taken:
                yield Problem(
                    ("clusters", name, "balancer", "haproxy", key),
                    f"is the port of {taken[port]} too",
                    "HAProxy listens on both",
                    "choose a free one",
                    value=str(port),
                )
            taken.setdefault(port, key)


def haproxy_tls(environment: Environment) -> Iterator[Problem]:
    """Who ends TLS, and towards whom."""
    for name, cluster in haproxies(environment):
        tls = cluster.balancer.proxy.tls
        path: Path = ("clusters", name, "balancer", "haproxy", "tls")
        for index, service in enumerate((tls and tls.services) or ()):
            if service not in environment.services:
                yield Problem(
                    (*path, "services", index),
                    "is no service",
                    "TLS is for services that exist",
                    f"write one of {', '.join(sorted(environment.services))}",
                    value=service,
                )
        if tls and not any(
            speaks_https(cluster, key, one) for key, one in environment.services.items()
        ):
            yield Problem(
                path,
                "is for no service",
                "no service has port 9443, on the balancer or on the nodes",
                "add such a service, name some in services, or remove it",
            )
        for key, one in environment.services.items():
            how = tls_settings(cluster, key, one)
            if how and how.mode == "terminate" and one.target_port in NODE_TLS_PORTS:
                yield Problem(
                    (*path, "mode"),
                    f"can't be terminate for {key}",
                    f"the nodes speak TLS on {one.target_port}, and HAProxy would send them plain "
                    "HTTP",
                    f"write reencrypt, or node_port: 9090 in service {key}",
                    value=how.mode,
                )
            if one.certificate(name) is not None:
                yield Problem(
                    ("services", key, "tls"),
                    f"can't be on {name}'s HAProxy",
                    "an ACM certificate is for AWS's own balancers, its key can't be read",
                    f"write clusters.{name}.balancer.haproxy.tls, and here a map of the other "
                    "clusters or nothing",
                )


def haproxy_sticky(environment: Environment) -> Iterator[Problem]:
    """Cookies are for web services that HAProxy can read."""
    for name, cluster in haproxies(environment):
        for key, service in environment.services.items():
            if service.sticky == "cookie" and not reads_http(environment, cluster, key):
                yield Problem(
                    ("services", key, "sticky"),
                    "can't be cookie here",
                    f"{name}'s HAProxy passes {key}'s TLS through and reads no request",
                    "write sticky: true for stickiness by source address, or let HAProxy end TLS",
                    value="cookie",
                )


def haproxy_sessions(environment: Environment) -> Iterator[Problem]:
    """Sessions that go on after a reload are not cut while they may be silent."""
    for name, cluster in haproxies(environment):
        times = cluster.balancer.proxy.timeouts
        if times.old_worker <= times.tcp:
            yield Problem(
                ("clusters", name, "balancer", "haproxy", "timeouts", "old_worker"),
                f"is not longer than tcp ({times.tcp} s)",
                "a session from before a reload would be cut, which a silent one outlives",
                f"write {times.tcp + 1} or more, or a shorter tcp",
                value=str(times.old_worker),
            )


def haproxy_blind(environment: Environment) -> Iterator[Problem]:
    """A check that only connects does not see a node that hangs."""
    for _, cluster in haproxies(environment):
        for key, service in environment.services.items():
            if service.health.protocol == "tcp" and not checks_readiness(
                environment, cluster, service
            ):
                yield Problem(
                    ("services", key, "health", "protocol"),
                    "sees no node that hangs",
                    "a hung node still accepts connections, and so does one that closes them at "
                    "once; its share of them is lost for as long as it does",
                    "remove it, so that the service has to answer its own protocol",
                    value="tcp",
                    severity=Severity.WARNING,
                    rule="haproxy-blind-check",
                )


def haproxies(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    """The clusters behind HAProxy."""
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind == "haproxy":
            yield name, cluster


RULES = (
    haproxy_only,
    haproxy_nodes,
    haproxy_ports,
    haproxy_tls,
    haproxy_sticky,
    haproxy_sessions,
    haproxy_blind,
)
