"""Rules about clusters with HAProxy."""

from collections.abc import Iterator

from denodo_ha.environment.derived.topology import listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.facts.denodo_ports import NODE_TLS_PORTS
from denodo_ha.environment.haproxy.routes import (
    checks_readiness,
    may_speak_http,
    reads_http,
    speaks_https,
    tls_settings,
)
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.service import HealthSettings


def balancer_kind_options(environment: Environment) -> Iterator[Problem]:
    """`balancer.haproxy` requires kind haproxy; `balancer.health` is not allowed with this kind."""
    for name, cluster in environment.clusters.items():
        balancer = cluster.balancer
        path: Path = ("clusters", name, "balancer")
        if balancer.kind != "haproxy" and balancer.haproxy is not None:
            yield Problem(
                (*path, "haproxy"),
                f"is not allowed for a balancer of kind {balancer.kind}",
                "only HAProxy uses these settings, so these settings would be ignored",
                "remove haproxy, or write kind: haproxy",
                at_key=True,
            )
        if balancer.kind == "haproxy" and balancer.health != HealthSettings():
            yield Problem(
                (*path, "health"),
                "is not allowed for a balancer of kind haproxy",
                "HAProxy has its own health checks, which use the protocols of the services",
                "set haproxy.checks, or health in a service, instead",
                at_key=True,
            )


def haproxy_hosts(environment: Environment) -> Iterator[Problem]:
    """Each key of `haproxy.hosts` must be the name of a node of the cluster."""
    for name, cluster in _haproxy_clusters(environment):
        for node in cluster.balancer.proxy.hosts:
            if node not in cluster.nodes:
                yield Problem(
                    ("clusters", name, "balancer", "haproxy", "hosts", node),
                    "is not a node of the cluster",
                    "each key of hosts must be the name of a node",
                    f"write one of {', '.join(sorted(cluster.nodes))}",
                    value=node,
                    at_key=True,
                )


def haproxy_ports(environment: Environment) -> Iterator[Problem]:
    """HAProxy's own ports must differ from the ports of services and nodes."""
    for name, cluster in _haproxy_clusters(environment):
        settings = cluster.balancer.proxy
        owners = {
            listener.port: f"{'service' if listener.service else 'node'} {listener.key}"
            for listener in listeners(environment, cluster)
        }
        for key, port in (
            ("health_port", settings.health_port),
            ("metrics_port", settings.metrics_port),
        ):
            if port in owners:
                yield Problem(
                    ("clusters", name, "balancer", "haproxy", key),
                    f"is the port of {owners[port]} too",
                    "HAProxy cannot use one port for two purposes",
                    "choose a free port",
                    value=str(port),
                )
            owners.setdefault(port, key)


def haproxy_tls(environment: Environment) -> Iterator[Problem]:
    """TLS settings must apply to a service, and must match the TLS of the nodes' ports."""
    for name, cluster in _haproxy_clusters(environment):
        tls = cluster.balancer.proxy.tls
        path: Path = ("clusters", name, "balancer", "haproxy", "tls")
        for index, service_name in enumerate((tls and tls.services) or ()):
            if service_name not in environment.services:
                yield Problem(
                    (*path, "services", index),
                    "is not the name of a service",
                    "each entry must be the name of a service",
                    f"write one of {', '.join(sorted(environment.services))}",
                    value=service_name,
                )
                continue
            if tls and tls.mode != "passthrough" and not may_speak_http(environment, service_name):
                yield Problem(
                    (*path, "services", index),
                    "is not a web service",
                    "HAProxy reads the requests of all services in this list as HTTP, and this "
                    "service has another protocol",
                    "remove the service from this list, and let Denodo terminate TLS on the node",
                    value=service_name,
                )
        if tls and not any(
            speaks_https(cluster, key, service) for key, service in environment.services.items()
        ):
            yield Problem(
                path,
                "applies to no service",
                "no service has port 9443 on the balancer or on the nodes",
                "add a service with port 9443, list other services in tls.services, or remove tls",
            )
        for key, service in environment.services.items():
            settings = tls_settings(cluster, key, service)
            if settings and settings.mode == "terminate" and service.target_port in NODE_TLS_PORTS:
                yield Problem(
                    (*path, "mode"),
                    f"cannot be terminate for {key}",
                    f"the nodes use TLS on port {service.target_port}, and HAProxy would send "
                    "plain HTTP",
                    f"write reencrypt, or node_port: 9090 in service {key}",
                    value=settings.mode,
                )
            if service.certificate(name) is not None:
                yield Problem(
                    ("services", key, "tls"),
                    f"cannot be used by HAProxy in the cluster {name}",
                    "only load balancers of AWS can use an ACM certificate, because its key "
                    "cannot be exported",
                    f"for {name}, write clusters.{name}.balancer.haproxy.tls; in this service, "
                    "let tls name only the other clusters, or remove tls",
                )


def haproxy_cookies(environment: Environment) -> Iterator[Problem]:
    """`sticky: cookie` is allowed only for web services whose requests HAProxy can read."""
    for name, cluster in _haproxy_clusters(environment):
        for key, service in environment.services.items():
            if service.sticky == "cookie" and not reads_http(environment, cluster, key):
                yield Problem(
                    ("services", key, "sticky"),
                    f"cannot be cookie in the cluster {name}",
                    f"the HAProxy of {name} passes the TLS of {key} through, so HAProxy cannot "
                    "read or set cookies",
                    "write sticky: true for stickiness by source address, or let HAProxy "
                    "terminate TLS",
                    value="cookie",
                )


def haproxy_old_workers(environment: Environment) -> Iterator[Problem]:
    """HAProxy must not close sessions of old workers before their idle timeout has passed."""
    for name, cluster in _haproxy_clusters(environment):
        timeouts = cluster.balancer.proxy.timeouts
        if timeouts.old_worker <= timeouts.tcp:
            yield Problem(
                ("clusters", name, "balancer", "haproxy", "timeouts", "old_worker"),
                f"is not longer than timeouts.tcp ({timeouts.tcp} s)",
                "after a reload, HAProxy would close older sessions before their idle timeout has "
                "passed",
                f"write {timeouts.tcp + 1} or more, or a shorter tcp",
                value=str(timeouts.old_worker),
            )


def haproxy_tcp_checks(environment: Environment) -> Iterator[Problem]:
    """Health checks should detect a hung node, which still accepts TCP connections."""
    for _, cluster in _haproxy_clusters(environment):
        for key, service in environment.services.items():
            reported = checks_readiness(environment, cluster, service)
            if service.health.protocol == "tcp" and not reported:
                yield Problem(
                    ("services", key, "health", "protocol"),
                    "does not detect a hung node",
                    "a hung node, and a node that closes each connection at once, still accept "
                    "connections; connections to this node fail until the node recovers",
                    "remove protocol, so that the check uses the service's own protocol",
                    value="tcp",
                    severity=Severity.WARNING,
                    rule="haproxy-blind-check",
                )


def haproxy_instances(environment: Environment) -> Iterator[Problem]:
    """The configuration must describe the instances that run HAProxy."""
    for name, cluster in _haproxy_clusters(environment):
        path: Path = ("clusters", name, "balancer", "haproxy", "instance")
        instance = cluster.balancer.proxy.instance
        if instance is None:
            yield Problem(
                path,
                "is missing",
                "HAProxy runs on its own instances, whose image must contain HAProxy",
                "add instance: {type: c7i.large, image: ami-…} (docs/how-to/haproxy-aws.md "
                "describes the image)",
            )
        elif instance.type.split(".", 1)[0] in limits.NO_NLB_TARGETS:
            yield Problem(
                (*path, "type"),
                "cannot be the target of a Network Load Balancer",
                "instances of old types cannot be registered by instance id (AWS, Elastic Load "
                "Balancing API, RegisterTargets)",
                "write a type like c7i.large",
                value=instance.type,
            )


def haproxy_certificates(environment: Environment) -> Iterator[Problem]:
    """Secrets with HAProxy's certificates must be in the cluster's account and region."""
    for name, cluster in _haproxy_clusters(environment):
        tls = cluster.balancer.proxy.tls
        if tls is None:
            continue
        path: Path = ("clusters", name, "balancer", "haproxy", "tls")
        needed = {"terminate": ["certificate"], "reencrypt": ["certificate", "authority"]}
        for key in needed.get(tls.mode, []):
            arn = getattr(tls, key)
            if arn is None:
                yield Problem(
                    (*path, key),
                    "is missing",
                    f"HAProxy on AWS reads this {key} only from Secrets Manager",
                    "add the ARN of a secret",
                )
            elif arn.split(":")[3:5] != [cluster.region, cluster.account]:
                yield Problem(
                    (*path, key),
                    f"is not a secret of account {cluster.account} in {cluster.region}, where the "
                    f"cluster {name} is",
                    "HAProxy can read only secrets of its own account and region",
                    f"write the ARN of {name}'s own secret, which may be a replica",
                    value=arn,
                )


def haproxy_node_addresses(environment: Environment) -> Iterator[Problem]:
    """With HAProxy, an existing instance must have an address or an entry in `haproxy.hosts`."""
    for name, cluster in _haproxy_clusters(environment):
        for node_name, node in cluster.nodes.items():
            known = node.address or node_name in cluster.balancer.proxy.hosts
            if node.instance_id is not None and not known:
                yield Problem(
                    ("clusters", name, "nodes", node_name, "address"),
                    "is missing",
                    "HAProxy connects to the node, and CloudFormation does not know the address "
                    "of an existing instance",
                    "add the private address of the instance, or its host name in "
                    "balancer.haproxy.hosts",
                )


def haproxy_cross_zone(environment: Environment) -> Iterator[Problem]:
    """Cross-zone load balancing must be on: a zone can temporarily have no HAProxy instance."""
    for name, cluster in _haproxy_clusters(environment):
        if not cluster.balancer.cross_zone:
            yield Problem(
                ("clusters", name, "balancer", "cross_zone"),
                "cannot be off with HAProxy",
                "while a zone has no HAProxy instance, the balancer's DNS name would not include "
                "this zone (AWS, Cross-zone load balancing for target groups)",
                "remove cross_zone: false",
                value="false",
            )


def haproxy_zones(environment: Environment) -> Iterator[Problem]:
    """HAProxy instances should be in at least two zones."""
    for name, cluster in _haproxy_clusters(environment):
        if len(cluster.network.zones) == 1:
            yield Problem(
                ("clusters", name, "network", "zones"),
                "contains only one zone, so all HAProxy instances are in one zone",
                "if that zone fails, the cluster is down",
                "add a zone",
                severity=Severity.WARNING,
                rule="haproxy-one-zone",
            )


def _haproxy_clusters(environment: Environment) -> Iterator[tuple[str, Cluster]]:
    for name, cluster in environment.clusters.items():
        if cluster.balancer.kind == "haproxy":
            yield name, cluster


RULES = (
    balancer_kind_options,
    haproxy_hosts,
    haproxy_ports,
    haproxy_tls,
    haproxy_cookies,
    haproxy_old_workers,
    haproxy_tcp_checks,
)

DEPLOY_RULES = (
    haproxy_instances,
    haproxy_certificates,
    haproxy_node_addresses,
    haproxy_cross_zone,
    haproxy_zones,
)
"""Rules that apply only when stacks deploy HAProxy."""
