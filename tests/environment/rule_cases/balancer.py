"""Cases of the rules about load balancers, listeners and target groups."""

from functools import partial

from denodo_ha.environment.rules.balancer import (
    balancer_addresses,
    balancer_addresses_in_subnets,
    balancer_addresses_unique,
    cross_zone_needed,
    health_check_settings,
    listener_certificates,
    node_tls_behind_tls,
    odbc_behind_tls,
    options_needing_balancer,
    rmi_behind_tls,
    single_node_without_balancer,
    tls_listener_options,
    zonal_shift_possible,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    GONE,
    OTHER_ACCOUNT,
    UUID,
    Data,
    changed,
    cluster,
    given_network,
    minimal,
    twins,
)

V7 = partial(minimal, "7.0")
WEB = "services/web"
BALANCER = "clusters/main/balancer"
HEALTH = f"{BALANCER}/health"
ELASTIC = "eipalloc-0123456789abcdef0"
LONELY = {"clusters/main/nodes/node2": GONE}
PUBLIC = {f"{BALANCER}/scheme": "internet-facing"}
A, B = "eu-west-1a", "eu-west-1b"
NODE_TLS = "denodo/tls"
NODE_SECRET: Data = {
    "secret": {"main": f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:tls-AbCdEf"}
}
INTERNAL: Data = {"kind": "nlb", "clients": ["10.0.0.0/8"]}


def arn(region: str = "eu-west-1", account: str = ACCOUNT) -> str:
    """Return the ARN of a certificate."""
    return f"arn:aws:acm:{region}:{account}:certificate/{UUID}"


HTTPS_TO_THE_NODE: Data = {"port": 443, "node_port": 9443, "tls": arn()}


def bare() -> Data:
    """Return a configuration of a single node without a load balancer."""
    return changed(minimal(), {**LONELY, BALANCER: {"kind": "none", "clients": ["10.0.0.0/8"]}})


def mixed() -> Data:
    """Return a configuration: a cluster with a load balancer, and one of a single node without."""
    return changed(
        twins(),
        {
            "failover": GONE,
            "clusters/spare/nodes/node2": GONE,
            "clusters/spare/balancer": {"kind": "none", "clients": ["10.0.0.0/8"]},
        },
    )


def given() -> Data:
    """Return a configuration of two nodes in an existing VPC."""
    return changed(minimal(), {"clusters/main/network": given_network()})


def neighbours() -> Data:
    """Return a configuration of two internet-facing clusters in one region, each with a VPC."""
    facing = changed(cluster(), {"balancer/scheme": "internet-facing"})
    return changed(minimal(), {"clusters/main": facing, "clusters/spare": facing})


WRONG = (
    Wrong(
        zonal_shift_possible,
        {f"{BALANCER}/zonal_shift": True, WEB: {"port": 9090, "sticky": "cookie"}},
        "clusters.main.balancer.zonal_shift",
        (
            "cannot be combined with the service web, which has sticky: cookie (true)",
            "sticky: true for web",
        ),
    ),
    Wrong(
        zonal_shift_possible,
        {f"{BALANCER}/zonal_shift": True},
        "clusters.main.balancer.zonal_shift",
        ("is not possible for a balancer of kind none (true)",),
        base=bare,
    ),
    Wrong(
        odbc_behind_tls,
        {"services/odbc": {"port": 9996, "tls": arn()}},
        "services.odbc.tls",
        ("PostgreSQL", "SSLRequest", "denodo.tls"),
    ),
    Wrong(
        odbc_behind_tls,
        # The service counts as ODBC: it has another name, but uses ODBC's port of the nodes.
        {"services/bi": {"port": 443, "node_port": 9996, "tls": arn()}},
        "services.bi.tls",
        ("SSLRequest",),
    ),
    Wrong(
        rmi_behind_tls,
        {"services/jdbc": {"port": 9999, "tls": arn()}},
        "services.jdbc.tls",
        ("does not encrypt", "auxiliary ports in clear text", "set up TLS in Denodo"),
        base=V7,
    ),
    *(
        Wrong(
            rmi_behind_tls,
            {
                "denodo/program": False,
                "services/other": {"port": 443, "node_port": port, "tls": arn()},
            },
            "services.other.tls",
            ("does not encrypt", "which bypasses the balancer", "denodo.tls"),
        )
        # Port of the Scheduler, and JMX port of Virtual DataPort
        for port in (8000, 9995)
    ),
    *(
        Wrong(
            node_tls_behind_tls,
            {"denodo/version": "9.1", NODE_TLS: NODE_SECRET, f"services/{name}": service},
            f"services.{name}.tls",
            ("cannot be combined with denodo.tls", f"expects TLS on port {service['node_port']}"),
        )
        for name, service in {
            "jdbc": {"port": 9999, "node_port": 9999, "tls": arn()},
            "bi": {"port": 443, "node_port": 9994, "tls": arn()},
        }.items()
    ),
    Wrong(
        tls_listener_options,
        {WEB: {"port": 9443, "tls": arn(), "sticky": True}},
        "services.web.sticky",
        (
            "cannot be combined with tls (true)",
            "no source-address stickiness",
            "remove sticky or tls",
        ),
    ),
    Wrong(
        tls_listener_options,
        {WEB: {"port": 9443, "tls": arn(), "idle_timeout": 350}},
        "services.web.idle_timeout",
        ("cannot be combined with tls (350)", "fixed at 350 s"),
    ),
    Wrong(
        listener_certificates,
        {WEB: {"port": 9443, "tls": {"main": arn(), "mian": arn()}}},
        "services.web.tls.mian",
        ("is not the name of a cluster (mian)", "write one of main"),
    ),
    Wrong(
        listener_certificates,
        {WEB: {"port": 9443, "tls": {"main": arn()}}},
        "services.web.tls",
        ("names no certificate for spare", f"add spare: arn:aws:acm:us-east-1:{ACCOUNT}:…"),
        base=twins,
    ),
    Wrong(
        listener_certificates,
        {WEB: {"port": 9443, "tls": arn("us-east-1")}},
        "services.web.tls",
        (
            (
                f"is not a certificate of account {ACCOUNT} in eu-west-1, where the cluster "
                f"main is ({arn('us-east-1')})"
            ),
            "write a map",
        ),
    ),
    Wrong(
        listener_certificates,
        {WEB: {"port": 9443, "tls": {"main": arn(account=OTHER_ACCOUNT)}}},
        "services.web.tls",
        (f"is not a certificate of account {ACCOUNT} in eu-west-1", OTHER_ACCOUNT),
    ),
    Wrong(
        cross_zone_needed,
        {f"{BALANCER}/cross_zone": False},
        "clusters.main.balancer.cross_zone",
        ("cannot be off for this cluster (false)", "2 target groups contain a single node"),
        base=V7,
    ),
    Wrong(
        cross_zone_needed,
        {f"{BALANCER}/cross_zone": False, **LONELY},
        "clusters.main.balancer.cross_zone",
        ("cannot be off for this cluster (false)", "1 target groups contain a single node"),
    ),
    Wrong(
        health_check_settings,
        {WEB: {"port": 9090, "health": {"interval": 10, "timeout": 10}}},
        "services.web.health.timeout",
        ("is not less than the interval of 10 s (10)", "write 9 or less", "ModifyTargetGroup"),
    ),
    Wrong(
        health_check_settings,
        {WEB: {"port": 9090, "health": {"timeout": 5}}},
        "services.web.health.timeout",
        ("is not less than the interval of 5 s (5)",),
    ),
    Wrong(
        health_check_settings,
        {HEALTH: {"timeout": 5}},
        "clusters.main.balancer.health.timeout",
        ("is not less than the interval of 5 s (5)",),
    ),
    Wrong(
        health_check_settings,
        # The service sets its own interval; auxiliary target groups use the load balancer's.
        {HEALTH: {"timeout": 20}, "services/jdbc": {"port": 9999, "health": {"interval": 30}}},
        "clusters.main.balancer.health.timeout",
        ("is not less than the interval of 5 s (20)",),
        base=V7,
    ),
    Wrong(
        health_check_settings,
        {WEB: {"port": 9090, "health": {"path": "/ready"}}},
        "services.web.health.path",
        ("is not allowed for a tcp check (/ready)", "add protocol: http"),
    ),
    Wrong(
        single_node_without_balancer,
        {f"{BALANCER}/kind": "none"},
        "clusters.main.balancer.kind",
        ("is only for one node, and main has 2 nodes (none)", "write kind: nlb, or keep one node"),
    ),
    Wrong(
        options_needing_balancer,
        {WEB: {"port": 80, "node_port": 9090}},
        "services.web.node_port",
        (
            "cannot differ from port without a balancer (9090)",
            "write node_port: 80, or give main a balancer",
        ),
        base=bare,
    ),
    Wrong(
        options_needing_balancer,
        {WEB: {"port": 9443, "tls": arn()}},
        "services.web.tls",
        ("is not possible without a balancer", "clients of main connect directly to the node"),
        base=bare,
    ),
    Wrong(
        options_needing_balancer,
        # A cluster without a load balancer needs no certificate: no listener could use the
        # certificate.
        {WEB: {"port": 9443, "tls": {"main": arn()}}},
        "services.web.tls",
        ("is not possible without a balancer", "clients of spare connect directly to the node"),
        base=mixed,
    ),
    Wrong(
        balancer_addresses,
        {f"{BALANCER}/addresses": {A: "10.0.0.4", B: "10.0.32.4", "eu-west-1c": "10.0.64.4"}},
        "clusters.main.balancer.addresses.eu-west-1c",
        ("is not one of the cluster's zones (eu-west-1c)", f"write one of {A}, {B}"),
    ),
    Wrong(
        balancer_addresses,
        {f"{BALANCER}/addresses": {A: "10.0.0.4"}},
        "clusters.main.balancer.addresses",
        (f"has no address for {B}", "in every zone or in none"),
    ),
    Wrong(
        balancer_addresses,
        {f"{BALANCER}/addresses": {A: "10.0.0.4", B: ELASTIC}},
        f"clusters.main.balancer.addresses.{B}",
        (f"does not fit an internal balancer ({ELASTIC})", "write a free address"),
    ),
    Wrong(
        balancer_addresses,
        {**PUBLIC, f"{BALANCER}/addresses": {A: ELASTIC, B: "10.0.32.4"}},
        f"clusters.main.balancer.addresses.{B}",
        ("does not fit an internet-facing balancer (10.0.32.4)", "write eipalloc-…"),
        base=given,
    ),
    Wrong(
        balancer_addresses_unique,
        {f"{BALANCER}/addresses": {A: "10.0.0.4", B: "10.0.0.4"}},
        f"clusters.main.balancer.addresses.{B}",
        (
            f"is already the address of the balancer in {A} of main (10.0.0.4)",
            "write another address",
        ),
        base=given,
    ),
    Wrong(
        balancer_addresses_unique,
        # The same Elastic IP for two clusters of a region.
        {
            "clusters/main/balancer/addresses": {A: ELASTIC, B: "eipalloc-01234567"},
            "clusters/spare/balancer/addresses": {A: "eipalloc-12345678", B: ELASTIC},
        },
        f"clusters.spare.balancer.addresses.{B}",
        (f"is already the address of the balancer in {A} of main ({ELASTIC})",),
        base=neighbours,
    ),
    Wrong(
        balancer_addresses_in_subnets,
        {f"{BALANCER}/addresses": {A: "10.0.0.3", B: "10.0.32.4"}},
        f"clusters.main.balancer.addresses.{A}",
        (
            "is not a free address of eu-west-1a's subnet 10.0.0.0/20 (10.0.0.3)",
            "10.0.0.4 to 10.0.",
        ),
    ),
    Wrong(
        balancer_addresses_in_subnets,
        {f"{BALANCER}/addresses": {A: "10.0.0.4", B: "10.0.47.255"}},
        f"clusters.main.balancer.addresses.{B}",
        ("is not a free address of eu-west-1b's subnet 10.0.32.0/20 (10.0.47.255)",),
    ),
    Wrong(
        health_check_settings,
        # The service's interval is too short for the load balancer's timeout.
        {HEALTH: {"timeout": 10, "interval": 20}, WEB: {"port": 9090, "health": {"interval": 10}}},
        "services.web.health.timeout",
        ("is not less than the interval of 10 s (10)",),
    ),
)
RIGHT = (
    Right(zonal_shift_possible, {f"{BALANCER}/zonal_shift": True}),
    Right(odbc_behind_tls, {WEB: {"port": 9443, "tls": arn()}, "services/odbc": 9996}),
    Right(rmi_behind_tls, {"services/jdbc": {"port": 9999, "tls": arn()}}),
    Right(rmi_behind_tls, {WEB: {"port": 9443, "tls": arn()}}, base=V7),
    Right(
        node_tls_behind_tls, {"services/jdbc": 9999, NODE_TLS: NODE_SECRET, WEB: HTTPS_TO_THE_NODE}
    ),
    Right(node_tls_behind_tls, {"services/jdbc": {"port": 9999, "tls": arn()}}),
    Right(tls_listener_options, {WEB: {"port": 9443, "tls": arn()}}),
    Right(tls_listener_options, {WEB: {"port": 9443, "sticky": True, "idle_timeout": 6000}}),
    Right(listener_certificates, {WEB: {"port": 9443, "tls": arn()}}),
    Right(
        listener_certificates,
        {WEB: {"port": 9443, "tls": {"main": arn(), "spare": arn("us-east-1")}}},
        base=twins,
    ),
    Right(cross_zone_needed, {f"{BALANCER}/cross_zone": False}),
    Right(cross_zone_needed, {f"{BALANCER}/cross_zone": True}, base=V7),
    Right(health_check_settings, {WEB: {"port": 9090, "health": {"interval": 10, "timeout": 9}}}),
    Right(health_check_settings, {HEALTH: {"timeout": 4}}, base=V7),
    Right(health_check_settings, {HEALTH: {"interval": 300, "timeout": 120}}, base=V7),
    Right(
        health_check_settings,
        # The service's timeout is compared with the interval that it gets from the load balancer.
        {HEALTH: {"interval": 10, "timeout": 9}, WEB: {"port": 9090, "health": {"timeout": 2}}},
    ),
    Right(
        health_check_settings,
        {HEALTH: {"protocol": "http"}, WEB: {"port": 9090, "health": {"path": "/ready"}}},
    ),
    Right(single_node_without_balancer, {}, base=bare),
    Right(single_node_without_balancer, LONELY),
    Right(options_needing_balancer, {WEB: {"port": 9090, "node_port": 9090}}, base=bare),
    Right(options_needing_balancer, {WEB: {"port": 80, "node_port": 9090}}),
    Right(balancer_addresses, {f"{BALANCER}/addresses": {A: "10.0.0.4", B: "10.0.32.4"}}),
    Right(
        balancer_addresses, {f"{BALANCER}/addresses": {A: "192.168.1.1", B: "10.0.0.1"}}, base=given
    ),
    Right(
        balancer_addresses,
        {**PUBLIC, f"{BALANCER}/addresses": {A: ELASTIC, B: "eipalloc-01234567"}},
        base=given,
    ),
    # The clusters' VPCs differ, so the same private address in both is not one address.
    Right(
        balancer_addresses_unique,
        {
            "clusters/main/balancer": {**INTERNAL, "addresses": {A: "10.0.0.4", B: "10.0.32.4"}},
            "clusters/spare/balancer": {**INTERNAL, "addresses": {A: "10.0.0.4", B: "10.0.32.4"}},
        },
        base=neighbours,
    ),
    Right(
        balancer_addresses_in_subnets,
        {f"{BALANCER}/addresses": {A: "10.0.0.4", B: "10.0.47.254"}},
    ),
    Right(
        balancer_addresses_in_subnets,
        {f"{BALANCER}/addresses": {A: "10.0.0.1", B: "172.16.0.1"}},
        base=given,
    ),
    Right(
        balancer_addresses_in_subnets,
        # In an existing VPC, the CIDR blocks of the load balancer's subnets are unknown.
        {
            "clusters/main/network/cidr": "10.0.0.0/16",
            f"{BALANCER}/addresses": {A: "10.0.0.1", B: "172.16.0.1"},
        },
        base=given,
    ),
)
