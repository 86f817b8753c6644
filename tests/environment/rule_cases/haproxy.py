"""Cases of the rules about clusters whose balancer is HAProxy."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.haproxy import (
    haproxy_blind,
    haproxy_nodes,
    haproxy_only,
    haproxy_ports,
    haproxy_sessions,
    haproxy_sticky,
    haproxy_tls,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import ACCOUNT, UUID, Data, changed, minimal, twins

BALANCER = "clusters/main/balancer"
HAPROXY = f"{BALANCER}/haproxy"
TLS = f"{HAPROXY}/tls"
WEB, JDBC = "services/web", "services/jdbc"
PLACE = "clusters.main.balancer.haproxy"
ARN = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{UUID}"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:denodo/tls-AbCdEf"


def haproxy(version: str = "8.0") -> Data:
    """One cluster behind HAProxy."""
    return changed(minimal(version), {f"{BALANCER}/kind": "haproxy"})


def mixed() -> Data:
    """A cluster behind HAProxy, and one behind a Network Load Balancer."""
    return changed(twins(), {f"{BALANCER}/kind": "haproxy"})


Bad = partial(Wrong, base=haproxy, deploying=False)
Good = partial(Right, base=haproxy, deploying=False)
V7 = partial(haproxy, "7.0")

WRONG = (
    Wrong(
        haproxy_only,
        {HAPROXY: {"maxconn": 100}},
        PLACE,
        ("is not for kind nlb", "remove it, or write kind: haproxy"),
    ),
    Bad(
        haproxy_only,
        {f"{BALANCER}/health": {"interval": 10}},
        "clusters.main.balancer.health",
        ("is not for kind haproxy", "write haproxy: {checks: …}"),
    ),
    Bad(
        haproxy_nodes,
        {f"{HAPROXY}/hosts": {"node3": "10.0.0.3"}},
        f"{PLACE}.hosts.node3",
        ("is no node of the cluster (node3)", "write one of node1, node2"),
    ),
    Bad(
        haproxy_ports,
        {f"{HAPROXY}/health_port": 9999},
        f"{PLACE}.health_port",
        ("is the port of service jdbc too (9999)", "choose a free one"),
    ),
    Bad(
        haproxy_ports,
        {f"{HAPROXY}/metrics_port": 29997},
        f"{PLACE}.metrics_port",
        ("is the port of node node2 too (29997)",),
        base=V7,
    ),
    Bad(
        haproxy_ports,
        {HAPROXY: {"metrics_port": 9192}},
        f"{PLACE}.metrics_port",
        ("is the port of health_port too (9192)",),
    ),
    Bad(
        haproxy_tls,
        {TLS: {"mode": "passthrough", "services": ["jdbc", "wbe"]}},
        f"{PLACE}.tls.services.1",
        ("is no service (wbe)", "write one of jdbc"),
    ),
    Bad(
        haproxy_tls,
        {TLS: {"mode": "reencrypt"}, WEB: 9090},
        f"{PLACE}.tls",
        ("is for no service", "no service has port 9443"),
    ),
    Bad(
        haproxy_tls,
        {TLS: {"mode": "terminate"}, WEB: 9443},
        f"{PLACE}.tls.mode",
        ("can't be terminate for web (terminate)", "write reencrypt, or node_port: 9090"),
    ),
    Bad(
        haproxy_tls,
        {WEB: {"port": 9443, "tls": ARN}},
        "services.web.tls",
        ("can't be on main's HAProxy", "write clusters.main.balancer.haproxy.tls"),
    ),
    Bad(
        haproxy_sticky,
        {WEB: {"port": 9443, "sticky": "cookie"}},
        "services.web.sticky",
        ("can't be cookie here (cookie)", "write sticky: true"),
    ),
    Bad(
        haproxy_sessions,
        {f"{HAPROXY}/timeouts": {"tcp": 86_400}},
        f"{PLACE}.timeouts.old_worker",
        ("is not longer than tcp (86400 s) (86400)", "write 86401 or more"),
    ),
    Bad(
        haproxy_blind,
        {JDBC: {"port": 9999, "health": {"protocol": "tcp"}}},
        "services.jdbc.health.protocol",
        ("sees no node that hangs (tcp)", "remove it"),
        severity=Severity.WARNING,
    ),
)
RIGHT = (
    Good(haproxy_only, {HAPROXY: {"maxconn": 100}}),
    Good(haproxy_only, {}),
    Good(haproxy_nodes, {f"{HAPROXY}/hosts": {"node2": "10.0.0.3"}}),
    Good(haproxy_ports, {HAPROXY: {"health_port": 9998, "metrics_port": 9997}}),
    Good(haproxy_tls, {TLS: {"mode": "reencrypt"}, WEB: 9443}),
    Good(haproxy_tls, {TLS: {"mode": "passthrough", "services": ["jdbc"]}}),
    Good(haproxy_tls, {TLS: {"mode": "terminate"}, WEB: {"port": 9443, "node_port": 9090}}),
    # The other cluster's balancer is AWS's own.
    Good(
        haproxy_tls,
        {WEB: {"port": 9443, "tls": {"spare": ARN.replace("eu-west-1", "us-east-1")}}},
        base=mixed,
    ),
    Good(haproxy_sticky, {WEB: {"port": 9090, "sticky": "cookie"}}),
    Good(haproxy_sticky, {"services/portal": {"port": 8080, "sticky": "cookie"}}),
    Good(haproxy_sessions, {f"{HAPROXY}/timeouts": {"tcp": 86_399}}),
    Good(haproxy_blind, {JDBC: {"port": 9999}}),
    Good(
        haproxy_blind,
        {
            JDBC: {"port": 9999, "health": {"protocol": "tcp"}},
            f"{HAPROXY}/checks": {"ready": True},
        },
    ),
)
