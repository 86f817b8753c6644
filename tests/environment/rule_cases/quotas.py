"""Cases of the rules about AWS's quotas: at the limit, and one over."""

from functools import partial
from typing import Any

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.quotas import (
    alarms_left_out,
    elastic_ip_quota,
    listener_quota,
    policy_quota,
    resource_quota,
    rule_quota,
    target_quota,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    CHECKERS,
    GONE,
    changed,
    cluster,
    given_network,
    minimal,
    networks,
    twins,
)

V7 = partial(minimal, "7.0")
CLIENTS = "clusters/main/balancer/clients"
POLICIES = "clusters/main/instance/role_policies"
MANAGERS = "solution_manager"
FACING = {
    f"clusters/{name}/{key}": value
    for name in ("main", "spare")
    for key, value in (
        ("balancer/scheme", "internet-facing"),
        ("network/health_checkers", CHECKERS),
    )
} | {"failover/health": "endpoint"}


def _services(count: int) -> dict[str, Any]:
    """Return changes that configure this number of services, jdbc included."""
    extra = {f"s{number}": 20000 + number for number in range(count - 1)}
    return {"services": {"jdbc": 9999, **extra}}


def _cookies(count: int) -> dict[str, Any]:
    """Return changes that configure jdbc, and this number of services with cookies."""
    extra = {f"s{number}": {"port": 20000 + number, "sticky": "cookie"} for number in range(count)}
    return {"services": {"jdbc": 9999, **extra}}


def _nodes(count: int, *, auxiliary: bool = False) -> dict[str, Any]:
    """Return changes that configure this number of nodes in two zones."""
    nodes: dict[str, dict[str, Any]] = {
        f"n{number}": {"zone": f"eu-west-1{'ab'[number % 2]}"} for number in range(count)
    }
    if auxiliary:
        for number, node in enumerate(nodes.values()):
            node["auxiliary_port"] = 30001 + number
    return {"clusters/main/nodes": nodes}


def _policies(count: int) -> list[str]:
    return [f"arn:aws:iam::{ACCOUNT}:policy/p{number}" for number in range(count)]


def _zones(*counts: int) -> dict[str, Any]:
    """Return changes to clusters in one region; each number is that of a created VPC's zones."""
    clusters = {}
    for number, count in enumerate(counts):
        zones = [f"eu-west-1{letter}" for letter in "abcdef"[:count]]
        settings = cluster(block=f"10.{number}.0.0/16")
        clusters[f"c{number}"] = changed(settings, {"network/zones": zones})
    return {"clusters": clusters}


def _bare(scheme: str) -> dict[str, Any]:
    """Return changes that leave cluster `c0` one node and no load balancer."""
    return {
        "clusters/c0/nodes/node2": GONE,
        "clusters/c0/balancer": {"kind": "none", "scheme": scheme, "clients": ["10.0.0.0/8"]},
    }


# Resources of an 8.0 cluster in an existing VPC: 8 security group rules, a listener and a target
# group for each of the two services, six resources for each node, and 13 others.
TWO_SERVICES = {"clusters/main/network": given_network(), **_services(2)}

WRONG = (
    Wrong(
        listener_quota,
        _services(51),
        "clusters.main",
        (
            "needs 51 listeners of a Network Load Balancer, and AWS allows 50",
            "51 services and 0 auxiliary ports (AWS, Quotas for your Network Load Balancers)",
            "split the cluster in two",
        ),
    ),
    Wrong(
        listener_quota,
        {**_services(39), **_nodes(12, auxiliary=True)},
        "clusters.main",
        ("needs 51 listeners", "39 services and 12 auxiliary ports"),
        base=V7,
    ),
    Wrong(
        target_quota,
        {**_services(3), **_nodes(167)},
        "clusters.main",
        (
            "needs 501 targets of a Network Load Balancer",
            "AWS allows 500",
            "each node counts once in every target group",
        ),
        others=1,
    ),
    Wrong(
        target_quota,
        # Auxiliary target groups have one target each.
        {**_services(15), **_nodes(32, auxiliary=True)},
        "clusters.main",
        ("needs 512 targets",),
        base=V7,
    ),
    Wrong(
        target_quota,
        _cookies(5),
        "clusters.main",
        (
            "needs 502 targets of a Network Load Balancer",
            "and each of 5 services with cookies counts as 100 targets",
        ),
    ),
    Wrong(
        rule_quota,
        {CLIENTS: networks(61)},
        "clusters.main.balancer.clients",
        (
            "needs 61 rules of a security group in each direction, and AWS allows 60",
            "the balancer's security group, inbound, even with one port range for each CIDR",
            "combine networks, for example two neighbouring /24 into a /23",
        ),
    ),
    Wrong(
        rule_quota,
        # Auxiliary ports need one more rule, because nodes connect to the load balancer.
        {CLIENTS: networks(60)},
        "clusters.main.balancer.clients",
        ("needs 61 rules",),
        base=V7,
    ),
    Wrong(
        rule_quota,
        {MANAGERS: {"cidrs": networks(60)}},
        "solution_manager.cidrs",
        ("needs 61 rules", "the nodes' security group, inbound"),
    ),
    Wrong(
        rule_quota,
        {
            CLIENTS: networks(61),
            "clusters/main/balancer/kind": "none",
            "clusters/main/nodes/node2": GONE,
        },
        "clusters.main.balancer.clients",
        ("needs 61 rules", "the nodes' security group, inbound"),
    ),
    Wrong(
        rule_quota,
        # 36 networks and the prefix list of Route 53's health checkers, which counts as 25.
        {**FACING, CLIENTS: networks(36)},
        "clusters.main.balancer.clients",
        ("needs 61 rules",),
        base=twins,
    ),
    # At the quota, one port range for each peer replaces the rules for single ports. This is a
    # warning, since the range opens ports that no service uses.
    *(
        Wrong(
            rule_quota,
            changes,
            "clusters.main",
            (
                (
                    f"the {group} security group, inbound: has one port range instead of single "
                    "ports for each source or destination"
                ),
            ),
            base=base,
            severity=Severity.WARNING,
        )
        for group, changes, base in (
            ("balancer's", {CLIENTS: networks(60), **_services(2)}, minimal),
            ("balancer's", {CLIENTS: networks(59)}, V7),
            ("nodes'", {MANAGERS: {"cidrs": networks(59)}}, minimal),
        )
    ),
    Wrong(
        rule_quota,
        # During an update, the old and the new rules exist together: 42 for single ports and 21 for
        # ranges.
        {**_services(2), CLIENTS: networks(21)},
        "clusters.main",
        (
            (
                "the balancer's security group, inbound: has one port range instead of single "
                "ports for each"
            ),
            "42 rules for single ports, with room for later changes, exceed 60 rules",
            ", and all ports from 9999 to 20000 are open",
            "combine client networks",
        ),
        severity=Severity.WARNING,
    ),
    Wrong(
        rule_quota,
        {MANAGERS: {"cidrs": networks(9)}},
        "clusters.main",
        (
            (
                "the nodes' security group, inbound: has one port range instead of single "
                "ports for each source or destination"
            ),
        ),
        severity=Severity.WARNING,
    ),
    Wrong(
        rule_quota,
        # All ports of the range are used by services, so the problem is only a note.
        {"services": {"jdbc": 9999, "odbc": 10000}, CLIENTS: networks(21)},
        "clusters.main",
        ("rules of a security group in each direction (AWS, Amazon VPC quotas); combine",),
        severity=Severity.NOTE,
    ),
    Wrong(
        rule_quota,
        # Each service has a second port, for its health check.
        {
            "services": {
                name: {"port": 20001 + n, "health": {"port": 30001 + n}}
                for n, name in enumerate(["jdbc", *(f"s{n}" for n in range(29))])
            }
        },
        "clusters.main",
        (
            "the balancer's security group, outbound: has one port range",
            "60 rules for single ports",
        ),
        severity=Severity.NOTE,
    ),
    Wrong(
        resource_quota,
        {**TWO_SERVICES, **_nodes(80)},
        "clusters.main",
        ("needs 505 resources in a template, and AWS allows 500", "split the cluster in two"),
    ),
    Wrong(
        alarms_left_out,
        {**TWO_SERVICES, **_nodes(79)},
        "clusters.main",
        ("gets no alarms", "up to 596 resources", "alarms: none"),
        severity=Severity.WARNING,
    ),
    Wrong(
        elastic_ip_quota,
        _zones(3, 3),
        "clusters.c1",
        (
            f"increases the number of Elastic IPs of account {ACCOUNT} in eu-west-1 to 6",
            "the quota is 5 Elastic IP addresses in a region",
            "request a quota increase from AWS before the deploy",
        ),
        severity=Severity.WARNING,
    ),
    Wrong(
        elastic_ip_quota,
        # An internet-facing node has its own Elastic IP.
        _zones(1, 5) | _bare("internet-facing"),
        "clusters.c1",
        (f"increases the number of Elastic IPs of account {ACCOUNT} in eu-west-1 to 6",),
        severity=Severity.WARNING,
    ),
    Wrong(
        policy_quota,
        {POLICIES: _policies(11)},
        "clusters.main.instance.role_policies",
        ("needs 11 managed policies attached to a role, and AWS allows 10", "combine policies"),
    ),
    Wrong(
        policy_quota,
        {"clusters/main/nodes/node1/instance": {"role_policies": _policies(11)}},
        "clusters.main.nodes.node1.instance.role_policies",
        ("needs 11 managed policies",),
    ),
    Wrong(
        rule_quota,
        {
            "clusters/main/balancer/kind": "haproxy",
            "clusters/main/balancer/haproxy": {"metrics_clients": networks(60)},
        },
        "clusters.main.balancer.haproxy.metrics_clients",
        ("HAProxy's security group, inbound", "combine networks"),
        deploying=False,
    ),
    Wrong(
        rule_quota,
        # Outbound rules of nodes get no port ranges, which would open more than is configured.
        {"clusters/main/network/egress": [{"to": "0.0.0.0/0", "ports": [*range(400, 461)]}]},
        "clusters.main.network.egress",
        ("needs 61 rules", "the nodes' security group, outbound", "ports into ranges"),
    ),
)
RIGHT = (
    Right(listener_quota, _services(50)),
    Right(listener_quota, {**_services(38), **_nodes(12, auxiliary=True)}, base=V7),
    Right(target_quota, {**_services(10), **_nodes(50)}),
    Right(target_quota, _cookies(4)),
    Right(target_quota, {**_services(9), **_nodes(50)}),
    Right(target_quota, {**_services(19), **_nodes(25, auxiliary=True)}, base=V7),
    # 60 rules: 35 networks, and the health checkers' prefix list, which counts as 25; one port.
    Right(rule_quota, {**FACING, CLIENTS: networks(35)}, base=twins),
    # No note, because 40 rules for single ports and 20 for ranges fit at the same time.
    Right(rule_quota, {CLIENTS: networks(20), **_services(2)}),
    Right(
        rule_quota,
        {"clusters/main/network/egress": [{"to": "0.0.0.0/0", "ports": [*range(400, 459), "1-9"]}]},
    ),
    Right(resource_quota, {**TWO_SERVICES, **_nodes(79)}),
    Right(alarms_left_out, {**TWO_SERVICES, **_nodes(60)}),
    Right(alarms_left_out, {**TWO_SERVICES, **_nodes(79), "alarms": "none"}),
    Right(elastic_ip_quota, _zones(3, 2)),
    Right(elastic_ip_quota, _zones(5)),
    Right(elastic_ip_quota, _zones(5) | _bare("internal")),
    # An existing VPC gets no NAT gateway.
    Right(elastic_ip_quota, {**_zones(5, 1), "clusters/c1/network": given_network()}),
    # An internet-facing node reaches the internet without NAT.
    Right(elastic_ip_quota, _zones(5) | _bare("internet-facing")),
    Right(
        elastic_ip_quota,
        {**_zones(3, 3), "clusters/c0/network/nat": "none", "clusters/c1/network/nat": "regional"},
    ),
    Right(elastic_ip_quota, _zones(5) | {"clusters/c0/balancer/scheme": "internet-facing"}),
    Right(policy_quota, {POLICIES: _policies(10)}),
)
