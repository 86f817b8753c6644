"""Cases of the rules about clusters behind HAProxy."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.haproxy import (
    balancer_kind_options,
    haproxy_certificates,
    haproxy_cookies,
    haproxy_cross_zone,
    haproxy_hosts,
    haproxy_instances,
    haproxy_node_addresses,
    haproxy_old_workers,
    haproxy_ports,
    haproxy_tcp_checks,
    haproxy_tls,
    haproxy_zones,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    GONE,
    IMAGE,
    UUID,
    Data,
    changed,
    given_network,
    minimal,
    twins,
)

BALANCER = "clusters/main/balancer"
HAPROXY = f"{BALANCER}/haproxy"
TLS = f"{HAPROXY}/tls"
WEB, JDBC = "services/web", "services/jdbc"
PLACE = "clusters.main.balancer.haproxy"
ARN = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{UUID}"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:denodo/tls-AbCdEf"


def haproxy(version: str = "8.0") -> Data:
    """Return a configuration of one cluster behind HAProxy."""
    return changed(minimal(version), {f"{BALANCER}/kind": "haproxy"})


def mixed() -> Data:
    """Return a configuration: a cluster behind HAProxy, another behind a Network Load Balancer."""
    return changed(twins(), {f"{BALANCER}/kind": "haproxy"})


HaproxyWrong = partial(Wrong, base=haproxy, deploying=False)
HaproxyRight = partial(Right, base=haproxy, deploying=False)
V7 = partial(haproxy, "7.0")
NODE = "clusters/main/nodes/node1"


def deployed(version: str = "8.0") -> Data:
    """Return a configuration of one cluster behind HAProxy instances that the stack creates."""
    instance = {"type": "c6i.large", "image": IMAGE}
    return changed(haproxy(version), {f"{HAPROXY}/instance": instance})


def adopted() -> Data:
    """Return the configuration of `deployed`, with an existing instance as a node."""
    network = {**given_network(), "cidr": "10.0.0.0/16"}
    node = {"zone": "eu-west-1a", "instance_id": "i-0123456789abcdef0"}
    return changed(deployed(), {"clusters/main/network": network, NODE: node})


ELSEWHERE = SECRET.replace("eu-west-1", "us-east-1")
NINE = {"port": 9443, "node_port": 9090}
DeployedWrong = partial(Wrong, base=deployed)
DeployedRight = partial(Right, base=deployed)

WRONG = (
    Wrong(
        balancer_kind_options,
        {HAPROXY: {"maxconn": 100}},
        PLACE,
        ("is not allowed for a balancer of kind nlb", "remove haproxy, or write kind: haproxy"),
    ),
    HaproxyWrong(
        balancer_kind_options,
        {f"{BALANCER}/health": {"interval": 10}},
        "clusters.main.balancer.health",
        ("is not allowed for a balancer of kind haproxy", "set haproxy.checks"),
    ),
    HaproxyWrong(
        haproxy_hosts,
        {f"{HAPROXY}/hosts": {"node3": "10.0.0.3"}},
        f"{PLACE}.hosts.node3",
        ("is not a node of the cluster (node3)", "write one of node1, node2"),
    ),
    HaproxyWrong(
        haproxy_ports,
        {f"{HAPROXY}/health_port": 9999},
        f"{PLACE}.health_port",
        ("is the port of service jdbc too (9999)", "choose a free port"),
    ),
    HaproxyWrong(
        haproxy_ports,
        {f"{HAPROXY}/metrics_port": 29997},
        f"{PLACE}.metrics_port",
        ("is the port of node node2 too (29997)",),
        base=V7,
    ),
    HaproxyWrong(
        haproxy_ports,
        {HAPROXY: {"metrics_port": 9192}},
        f"{PLACE}.metrics_port",
        ("is the port of health_port too (9192)",),
    ),
    HaproxyWrong(
        haproxy_tls,
        {TLS: {"mode": "passthrough", "services": ["jdbc", "wbe"]}},
        f"{PLACE}.tls.services.1",
        ("is not the name of a service (wbe)", "write one of jdbc"),
    ),
    HaproxyWrong(
        haproxy_tls,
        {TLS: {"mode": "reencrypt", "services": ["web", "jdbc"]}, WEB: 9443},
        f"{PLACE}.tls.services.1",
        ("is not a web service (jdbc)", "as HTTP"),
    ),
    HaproxyWrong(
        haproxy_tls,
        {TLS: {"mode": "reencrypt"}, WEB: 9090},
        f"{PLACE}.tls",
        ("applies to no service", "no service has port 9443"),
    ),
    HaproxyWrong(
        haproxy_tls,
        {TLS: {"mode": "terminate"}, WEB: 9443},
        f"{PLACE}.tls.mode",
        ("cannot be terminate for web (terminate)", "write reencrypt, or node_port: 9090"),
    ),
    HaproxyWrong(
        haproxy_tls,
        {WEB: {"port": 9443, "tls": ARN}},
        "services.web.tls",
        (
            "cannot be used by HAProxy in the cluster main",
            "write clusters.main.balancer.haproxy.tls",
        ),
    ),
    HaproxyWrong(
        haproxy_cookies,
        {WEB: {"port": 9443, "sticky": "cookie"}},
        "services.web.sticky",
        ("cannot be cookie in the cluster main (cookie)", "write sticky: true"),
    ),
    HaproxyWrong(
        haproxy_old_workers,
        {f"{HAPROXY}/timeouts": {"tcp": 86_400}},
        f"{PLACE}.timeouts.old_worker",
        ("is not longer than timeouts.tcp (86400 s) (86400)", "write 86401 or more"),
    ),
    HaproxyWrong(
        haproxy_tcp_checks,
        {JDBC: {"port": 9999, "health": {"protocol": "tcp"}}},
        "services.jdbc.health.protocol",
        ("does not detect a hung node (tcp)", "remove protocol"),
        severity=Severity.WARNING,
    ),
    DeployedWrong(
        haproxy_instances,
        {f"{HAPROXY}/instance": GONE},
        f"{PLACE}.instance",
        ("is missing", "add instance: {type: c7i.large, image: ami-…}"),
    ),
    DeployedWrong(
        haproxy_instances,
        {f"{HAPROXY}/instance/type": "m1.large"},
        f"{PLACE}.instance.type",
        ("cannot be the target of a Network Load Balancer (m1.large)",),
    ),
    DeployedWrong(
        haproxy_certificates,
        {TLS: {"mode": "reencrypt", "certificate": SECRET}, WEB: 9443},
        f"{PLACE}.tls.authority",
        ("is missing", "add the ARN of a secret"),
    ),
    DeployedWrong(
        haproxy_certificates,
        {TLS: {"mode": "terminate", "certificate": ELSEWHERE}, WEB: NINE},
        f"{PLACE}.tls.certificate",
        ("is not a secret of account 111122223333 in eu-west-1", "may be a replica"),
    ),
    DeployedWrong(
        haproxy_node_addresses,
        {},
        "clusters.main.nodes.node1.address",
        (
            "is missing",
            "add the private address of the instance, or its host name in balancer.haproxy.hosts",
        ),
        base=adopted,
    ),
    DeployedWrong(
        haproxy_cross_zone,
        {f"{BALANCER}/cross_zone": False},
        "clusters.main.balancer.cross_zone",
        ("cannot be off with HAProxy (false)", "remove cross_zone: false"),
    ),
    DeployedWrong(
        haproxy_zones,
        {
            "clusters/main/network/zones": ["eu-west-1a"],
            "clusters/main/nodes/node2/zone": "eu-west-1a",
            "clusters/main/allow_single_zone": True,
        },
        "clusters.main.network.zones",
        ("contains only one zone, so all HAProxy instances are in one zone",),
        severity=Severity.WARNING,
    ),
)
RIGHT = (
    HaproxyRight(balancer_kind_options, {HAPROXY: {"maxconn": 100}}),
    HaproxyRight(balancer_kind_options, {}),
    HaproxyRight(haproxy_hosts, {f"{HAPROXY}/hosts": {"node2": "10.0.0.3"}}),
    HaproxyRight(haproxy_ports, {HAPROXY: {"health_port": 9998, "metrics_port": 9997}}),
    HaproxyRight(haproxy_tls, {TLS: {"mode": "reencrypt"}, WEB: 9443}),
    HaproxyRight(haproxy_tls, {TLS: {"mode": "passthrough", "services": ["jdbc"]}}),
    HaproxyRight(haproxy_tls, {TLS: {"mode": "terminate"}, WEB: {"port": 9443, "node_port": 9090}}),
    # The certificate is for cluster `spare`, which has a Network Load Balancer.
    HaproxyRight(
        haproxy_tls,
        {WEB: {"port": 9443, "tls": {"spare": ARN.replace("eu-west-1", "us-east-1")}}},
        base=mixed,
    ),
    HaproxyRight(haproxy_cookies, {WEB: {"port": 9090, "sticky": "cookie"}}),
    HaproxyRight(haproxy_cookies, {"services/portal": {"port": 8080, "sticky": "cookie"}}),
    HaproxyRight(haproxy_old_workers, {f"{HAPROXY}/timeouts": {"tcp": 86_399}}),
    HaproxyRight(haproxy_tcp_checks, {JDBC: {"port": 9999}}),
    HaproxyRight(
        haproxy_tcp_checks,
        {
            JDBC: {"port": 9999, "health": {"protocol": "tcp"}},
            f"{HAPROXY}/checks": {"ready": True},
        },
    ),
    DeployedRight(haproxy_instances, {}),
    DeployedRight(haproxy_instances, {f"{HAPROXY}/instance/count": 10}),
    DeployedRight(
        haproxy_certificates, {TLS: {"mode": "terminate", "certificate": SECRET}, WEB: NINE}
    ),
    DeployedRight(haproxy_certificates, {TLS: {"mode": "passthrough"}, WEB: 9443}),
    DeployedRight(haproxy_node_addresses, {f"{NODE}/address": "10.0.0.9"}, base=adopted),
    DeployedRight(
        haproxy_node_addresses, {f"{HAPROXY}/hosts": {"node1": "old.example.com"}}, base=adopted
    ),
    DeployedRight(haproxy_cross_zone, {}),
    DeployedRight(haproxy_zones, {}),
    HaproxyRight(haproxy_tcp_checks, {"denodo/program": False}),
)
