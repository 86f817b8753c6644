"""Cases of the rules about cookies on a Network Load Balancer."""

from functools import partial
from typing import Any

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.cookies import (
    alb_cross_zone,
    alb_subnets,
    alb_zones,
    cookie_balancer_needed,
    cookie_certificate,
    cookie_client_address,
    cookie_health_checks,
    cookie_idle_timeout,
    cookie_name_shared,
    cookie_protocol,
)
from tests.environment.rule_cases.balancer import A, arn, bare, given, mixed
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import Data, changed, minimal, subnet

WEB = "services/web"
BALANCER = "clusters/main/balancer"
BY_COOKIE: Data = {"port": 9090, "sticky": "cookie"}
PLAIN = {WEB: BY_COOKIE}


def web(**settings: Any) -> dict[str, Any]:
    """Return a change that configures a service with cookies."""
    return {WEB: {**BY_COOKIE, **settings}}


def one_zone() -> Data:
    """Return a configuration with one zone, which contains both nodes."""
    return changed(
        minimal(),
        {
            "clusters/main/network/zones": [A],
            "clusters/main/nodes/node2/zone": A,
            "clusters/main/allow_single_zone": True,
        },
    )


def given_zone() -> Data:
    """Return the configuration of `one_zone` in an existing VPC."""
    zones = {A: {"nodes": subnet(1), "balancer": subnet(2)}}
    return changed(
        given(),
        {
            "clusters/main/network/zones": zones,
            "clusters/main/nodes/node2/zone": A,
            "clusters/main/allow_single_zone": True,
        },
    )


WRONG = (
    Wrong(
        cookie_protocol,
        {"services/jdbc": {"port": 9999, "sticky": "cookie"}},
        "services.jdbc.sticky",
        (
            "is only for web services (cookie)",
            "nodes do not use HTTP on port 9999 (Virtual DataPort)",
            "write sticky: true",
        ),
    ),
    Wrong(
        cookie_protocol,
        # ODBC is recognised by the service's name, even on another port.
        {"services/odbc": {"port": 15432, "sticky": "cookie"}},
        "services.odbc.sticky",
        ("is only for web services (cookie)", "nodes do not use HTTP on port 15432 (odbc)"),
    ),
    Wrong(
        cookie_protocol,
        {
            "services/batch": {"port": 80, "node_port": 8000, "sticky": "cookie"},
            "denodo/program": False,
        },
        "services.batch.sticky",
        ("nodes do not use HTTP on port 8000 (Scheduler)",),
    ),
    Wrong(
        cookie_protocol,
        {"services/flight": {"port": 9994, "sticky": "cookie"}},
        "services.flight.sticky",
        ("nodes do not use HTTP on port 9994 (Virtual DataPort Arrow Flight SQL)",),
        base=partial(minimal, "9.0"),
    ),
    Wrong(
        cookie_certificate,
        web(port=443, node_port=9443),
        "services.web.sticky",
        ("needs a certificate for this service (cookie)", "nodes use TLS on port 9443", "add tls:"),
    ),
    Wrong(
        cookie_health_checks,
        web(health={"protocol": "tcp"}),
        "services.web.health.protocol",
        (
            "cannot be tcp for the service web, which has sticky: cookie (tcp)",
            "use HTTP or HTTPS",
            "write protocol: http",
        ),
    ),
    Wrong(
        cookie_health_checks,
        {**PLAIN, f"{BALANCER}/health": {"protocol": "tcp"}},
        "clusters.main.balancer.health.protocol",
        ("cannot be tcp for the service web", "add health: {protocol: http, path: /…} to web"),
    ),
    Wrong(
        cookie_client_address,
        web(client_ip=False),
        "services.web.client_ip",
        ("cannot be off with sticky: cookie (false)", "X-Forwarded-For", "remove client_ip: false"),
    ),
    Wrong(
        cookie_idle_timeout,
        web(idle_timeout=4001),
        "services.web.idle_timeout",
        (
            "is too long with sticky: cookie (4001)",
            "an idle timeout of at most 4000 s",
            "write 4000 or less",
        ),
    ),
    Wrong(
        alb_zones,
        PLAIN,
        "clusters.main.network.zones",
        (
            "contains only one zone, and the service web has sticky: cookie",
            "needs 2 zones",
            "add a second zone, with or without nodes",
        ),
        base=one_zone,
    ),
    Wrong(
        alb_zones,
        PLAIN,
        "clusters.main.network.zones",
        ("contains only one zone, and the service web has sticky: cookie",),
        base=given_zone,
    ),
    Wrong(
        alb_subnets,
        {**PLAIN, "clusters/main/network/cidr": "10.0.0.0/24"},
        "clusters.main.network.cidr",
        (
            "is too small for the service web, which has sticky: cookie (10.0.0.0/24)",
            "would be a /28",
            "of /23",
        ),
    ),
    Wrong(
        alb_cross_zone,
        {**PLAIN, f"{BALANCER}/cross_zone": False},
        "clusters.main.balancer.cross_zone",
        (
            "cannot be off, because the service web has sticky: cookie (false)",
            "or write sticky: true",
        ),
    ),
    Wrong(
        cookie_name_shared,
        {**PLAIN, "services/app": {"port": 8081, "sticky": "cookie"}},
        "services.web.sticky",
        ("would share its cookie with the service app (cookie)", "AWSALB", "different host names"),
        severity=Severity.WARNING,
    ),
    Wrong(
        cookie_balancer_needed,
        PLAIN,
        "services.web.sticky",
        (
            "cannot be cookie without a balancer (cookie)",
            "clients of main connect directly to the only node of this cluster",
        ),
        base=bare,
    ),
    Wrong(
        cookie_balancer_needed,
        PLAIN,
        "services.web.sticky",
        ("cannot be cookie without a balancer (cookie)", "or give spare a balancer"),
        base=mixed,
    ),
)
RIGHT = (
    Right(cookie_protocol, PLAIN),
    # A port that Denodo does not use may have cookies: the protocol of its server is not known.
    Right(cookie_protocol, {"services/app": {"port": 8081, "sticky": "cookie"}}),
    Right(cookie_protocol, {"services/jdbc": {"port": 9999, "sticky": True}}),
    Right(cookie_certificate, web(port=443, node_port=9443, tls=arn())),
    Right(cookie_certificate, web(port=443, node_port=9090, tls=arn())),
    Right(cookie_certificate, web(port=9443, node_port=9090)),
    Right(cookie_health_checks, web(health={"protocol": "http", "path": "/up"})),
    Right(cookie_health_checks, web(health={"port": 9090})),
    Right(cookie_health_checks, {**PLAIN, "denodo/program": False}),
    Right(
        cookie_health_checks,
        {**web(health={"protocol": "https"}), f"{BALANCER}/health": {"protocol": "tcp"}},
    ),
    Right(cookie_client_address, web(client_ip=True)),
    Right(cookie_client_address, {WEB: {"port": 9090, "client_ip": False}}),
    Right(cookie_idle_timeout, web(idle_timeout=4000)),
    # With cookies, the Network Load Balancer's listener uses TCP; only TLS listeners have a fixed
    # idle timeout.
    Right(cookie_idle_timeout, web(idle_timeout=900, tls=arn())),
    Right(cookie_idle_timeout, {WEB: {"port": 9090, "idle_timeout": 6000}}),
    Right(alb_zones, PLAIN),
    Right(alb_zones, {WEB: 9090}, base=one_zone),
    Right(alb_subnets, {**PLAIN, "clusters/main/network/cidr": "10.0.0.0/23"}),
    Right(alb_subnets, {WEB: 9090, "clusters/main/network/cidr": "10.0.0.0/24"}),
    Right(alb_subnets, PLAIN, base=given),
    Right(alb_cross_zone, {WEB: 9090, f"{BALANCER}/cross_zone": False}),
    Right(alb_cross_zone, PLAIN),
    Right(cookie_name_shared, {**PLAIN, "services/app": {"port": 8081, "sticky": True}}),
    Right(cookie_balancer_needed, PLAIN),
    Right(cookie_balancer_needed, {WEB: {"port": 9090, "sticky": True}}, base=bare),
    Right(alb_subnets, PLAIN | {"clusters/main/network/cidr": "10.0.0.0/24"}, base=given),
)
