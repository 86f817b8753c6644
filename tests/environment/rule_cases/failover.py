"""Cases of the rules about failover: records and health checks that work between two clusters."""

from functools import partial

from denodo_ha.environment.loading.problem import Severity
from denodo_ha.environment.rules.failover import (
    endpoint_check_can_fail,
    failover_accounts,
    failover_check,
    failover_clusters,
    failover_partition,
    failover_record,
    failover_record_is_a_host,
    failover_record_types,
    health_check_reaches_cluster,
    internal_single_node,
    target_health_of_single_nodes,
    unused_failover_settings,
)
from tests.environment.rule_cases.case import Right, Wrong
from tests.support.configurations import (
    ACCOUNT,
    CHECKERS,
    GONE,
    OTHER_ACCOUNT,
    UUID,
    Data,
    changed,
    cluster,
    twins,
)

V7 = partial(twins, "7.0")
HEALTH = "failover/health"
MAIN, SPARE = "clusters/main/balancer", "clusters/spare/balancer"
ALARM = {HEALTH: "alarm"}
FACING = {f"{MAIN}/scheme": "internet-facing", f"{SPARE}/scheme": "internet-facing"}
CHECKED = {
    "clusters/main/network/health_checkers": CHECKERS,
    "clusters/spare/network/health_checkers": CHECKERS,
}
ENDPOINT = {**FACING, **CHECKED, HEALTH: "endpoint"}
WORLD = {f"{MAIN}/clients": ["0.0.0.0/0"], f"{SPARE}/clients": ["0.0.0.0/0"]}
APART = {"clusters/spare/account": OTHER_ACCOUNT}
BY_CLUSTER = {
    name: f"arn:aws:acm:{region}:{ACCOUNT}:certificate/{UUID}"
    for name, region in (("main", "eu-west-1"), ("spare", "us-east-1"))
}
ODBC_ONLY = {"services": {"odbc": 9996}}


def singles(scheme: str = "internal", control: str = "operator") -> Data:
    """Return a configuration of two clusters, each a single node without a load balancer."""
    balancer = {"kind": "none", "scheme": scheme, "clients": ["10.0.0.0/8"]}
    bare = {
        f"clusters/{name}/{key}": value
        for name in ("main", "spare")
        for key, value in (("balancer", balancer), ("nodes/node2", GONE))
    }
    return changed(twins(), {**bare, "failover/control": control})


def public_singles() -> Data:
    """Return the configuration of `singles` with public addresses, checked from the internet."""
    return changed(singles("internet-facing", "automatic"), CHECKED)


WRONG = (
    Wrong(
        failover_check,
        {"failover/check_every": 24, "alarms": "none"},
        "failover.check_every",
        ("would be ignored (24)", "remove alarms: none"),
        base=twins,
    ),
    Wrong(
        failover_record_is_a_host,
        {"failover/record": "*"},
        "failover.record",
        ("is a wildcard (*)", "write a name like denodo"),
        base=twins,
    ),
    Wrong(
        failover_partition,
        {"clusters/spare": cluster("cn-north-1", block="10.1.0.0/16")},
        "failover",
        ("spans partitions of AWS: eu-west-1 in aws, cn-north-1 in aws-cn",),
        base=twins,
    ),
    Wrong(
        endpoint_check_can_fail,
        {
            **ENDPOINT,
            "services/jdbc": {"port": 9999, "tls": BY_CLUSTER},
        },
        "failover.health",
        (
            "cannot detect with method endpoint that main fails (endpoint)",
            "a TLS listener accepts",
            "remove tls",
        ),
        base=twins,
        others=1,
    ),
    Wrong(
        endpoint_check_can_fail,
        {
            **ENDPOINT,
            f"{MAIN}/kind": "haproxy",
            f"{SPARE}/kind": "haproxy",
        },
        "failover.health",
        ("cannot detect with method endpoint that spare fails", "HAProxy accepts", "target-health"),
        base=twins,
        others=1,
        deploying=False,
    ),
    Wrong(
        failover_clusters,
        {"failover/secondary": "spair"},
        "failover.secondary",
        ("is not a cluster of this file (spair)", "write one of main, spare"),
        base=twins,
    ),
    Wrong(
        failover_clusters,
        {"failover": {**twins()["failover"], "primary": "main", "secondary": "dr"}},
        "failover.secondary",
        ("is not a cluster of this file (dr)", "add a cluster dr, or remove failover"),
    ),
    Wrong(
        failover_clusters,
        {"failover/primary": "other"},
        "failover.primary",
        ("is not a cluster of this file (other)",),
        base=twins,
    ),
    Wrong(
        failover_clusters,
        {"failover/secondary": "main"},
        "failover.secondary",
        ("is the same cluster as primary (main)", "write another cluster, one of main, spare"),
        base=twins,
    ),
    Wrong(
        failover_record,
        {"failover/record": "denodo.example.com"},
        "failover.record",
        ("ends in the zone's name", "denodo.example.com.example.com", 'write "denodo"'),
        base=twins,
    ),
    Wrong(
        failover_record,
        {"failover/record": "example.com"},
        "failover.record",
        ("ends in the zone's name (example.com)", 'write "@"'),
        base=twins,
    ),
    Wrong(
        failover_record,
        {"failover/record": "denodo.Example.COM"},
        "failover.record",
        ("ends in the zone's name (denodo.Example.COM)", 'write "denodo"'),
        base=twins,
    ),
    Wrong(
        failover_record,
        {"failover/record": "@", **ALARM},
        "failover.record",
        ("is the zone's apex, and health is alarm (@)", "CNAME", "or health: target-health"),
        base=twins,
    ),
    Wrong(
        failover_record,
        # The zone's name in the record is one error, and a record at the apex is the other.
        {"failover/record": "example.com", **ALARM},
        "failover.record",
        ("is the zone's apex, and health is alarm (example.com)",),
        base=twins,
        others=1,
    ),
    Wrong(
        failover_record,
        {"failover/record": "@"},
        "failover.record",
        ("is the zone's apex, and health is alarm (@)",),
        base=V7,
    ),
    Wrong(
        failover_record,
        {"failover/record": "@", **ENDPOINT},
        "failover.record",
        ("is the zone's apex, and health is endpoint (@)",),
        base=twins,
    ),
    Wrong(
        health_check_reaches_cluster,
        {HEALTH: "endpoint", **FACING, **CHECKED, f"{SPARE}/scheme": "internal"},
        "failover.health",
        (
            "cannot be endpoint for spare, whose balancer is internal",
            "cannot reach private addresses",
        ),
        base=twins,
    ),
    Wrong(
        health_check_reaches_cluster,
        {**ENDPOINT, "clusters/main/network/health_checkers": GONE},
        "clusters.main.network.health_checkers",
        (
            "is missing",
            "aws ec2 describe-managed-prefix-lists --region eu-west-1",
            "com.amazonaws.eu-west-1.route53-healthchecks",
        ),
        base=twins,
    ),
    Wrong(
        health_check_reaches_cluster,
        {**ODBC_ONLY, **ALARM},
        "services",
        ("has no service jdbc", "health: alarm monitors the service jdbc", "add jdbc: 9999"),
        base=twins,
    ),
    Wrong(
        health_check_reaches_cluster,
        ALARM,
        "failover.health",
        ("cannot be alarm for main, which has no balancer", "write health: auto"),
        base=public_singles,
        others=1,
    ),
    Wrong(
        internal_single_node,
        {"failover/control": GONE},
        "failover.control",
        ("cannot be automatic: main is a single internal node", "write control: operator"),
        base=singles,
        others=1,
    ),
    Wrong(
        internal_single_node,
        ALARM,
        "failover.health",
        ("cannot be alarm for main, a single internal node", "write health: auto"),
        base=singles,
        others=1,
    ),
    Wrong(
        failover_record_types,
        {f"clusters/{name}": cluster(region) for name, region in (("main", "eu-west-1"),)},
        "failover",
        (
            "combines spare, which has no balancer, with a cluster that has a balancer",
            "configure a balancer for both clusters, or for neither of the two",
        ),
        base=public_singles,
    ),
    Wrong(
        failover_record_types,
        {HEALTH: "target-health"},
        "failover.health",
        ("cannot be target-health: main has no balancer", "write health: auto"),
        base=public_singles,
    ),
    Wrong(
        failover_accounts,
        {**ALARM, **APART},
        "failover.health",
        (
            f"cannot be alarm for spare, which is in account {OTHER_ACCOUNT} while the failover",
            "only an alarm of its own account",
        ),
        base=twins,
    ),
    Wrong(
        failover_accounts,
        {"failover/account": OTHER_ACCOUNT, **APART},
        "failover.health",
        (f"cannot be alarm for main, which is in account {ACCOUNT}",),
        base=V7,
    ),
    Wrong(
        failover_accounts,
        {**ENDPOINT, **APART, "failover/control": "operator"},
        "failover.control",
        (f"cannot be operator with spare in account {OTHER_ACCOUNT}",),
        base=twins,
    ),
    *(
        Wrong(
            unused_failover_settings,
            {f"failover/{key}": value},
            f"failover.{key}",
            (f"has no effect for these two clusters ({shown})",),
            base=twins,
        )
        for key, value, shown in (
            ("ttl", 60, "60"),
            ("interval", 10, "10"),
            ("threshold", 3, "3"),
            ("secondary_health", False, "false"),
            ("control", "operator", "operator"),
        )
    ),
    Wrong(
        unused_failover_settings,
        {**ALARM, "failover/interval": 30},
        "failover.interval",
        ("has no effect for these two clusters (30)", "the period of alarms is always 60 s"),
        base=twins,
    ),
    Wrong(
        unused_failover_settings,
        # Only the secondary could have an endpoint check, and its health check is switched off.
        {
            f"{SPARE}/scheme": "internet-facing",
            "failover/secondary_health": False,
            "failover/interval": 30,
        },
        "failover.interval",
        ("has no effect for these two clusters (30)",),
        base=V7,
    ),
    Wrong(
        target_health_of_single_nodes,
        {HEALTH: "target-health"},
        "failover.health",
        (
            "makes the loss of one node of main trigger a site failover",
            "2 target groups",
            "write health: auto",
        ),
        base=V7,
        severity=Severity.WARNING,
    ),
    Wrong(
        failover_clusters,
        # The secondary does not exist, so the check method is unknown and `ttl` may have an effect.
        {"failover/secondary": "gone", "failover/ttl": 60},
        "failover.secondary",
        ("is not a cluster of this file (gone)", "write one of main, spare"),
        base=twins,
    ),
)
RIGHT = (
    Right(failover_check, {"failover/check_every": 24}, base=twins),
    Right(failover_check, {"alarms": "none"}, base=twins),
    Right(failover_record_is_a_host, {"failover/record": "denodo.a"}, base=twins),
    Right(failover_partition, {}, base=twins),
    Right(endpoint_check_can_fail, ENDPOINT, base=twins),
    Right(failover_clusters, {}, base=twins),
    Right(failover_clusters, {"failover/primary": "spare", "failover/secondary": "main"}, twins),
    Right(failover_clusters, {"failover": GONE}, base=twins),
    Right(failover_record, {"failover/record": "@"}, base=twins),
    Right(failover_record, {"failover/record": "denodo.example"}, base=twins),
    Right(failover_record, {"failover/record": "notexample.com"}, base=twins),
    # Address records, unlike CNAME records, are possible at the zone's apex.
    Right(failover_record, {"failover/record": "@"}, base=public_singles),
    Right(health_check_reaches_cluster, ENDPOINT, base=twins),
    Right(health_check_reaches_cluster, {**FACING, **WORLD, HEALTH: "endpoint"}, base=twins),
    Right(health_check_reaches_cluster, {**ODBC_ONLY, HEALTH: "target-health"}, base=twins),
    Right(
        health_check_reaches_cluster,
        # The secondary has no health check, so health checkers need not reach it.
        {**ENDPOINT, f"{SPARE}/scheme": "internal", "failover/secondary_health": False},
        base=twins,
    ),
    Right(internal_single_node, {}, base=singles),
    Right(internal_single_node, {}, base=public_singles),
    Right(failover_record_types, {}, base=public_singles),
    Right(failover_record_types, {}, base=twins),
    Right(failover_accounts, ALARM, base=twins),
    Right(failover_accounts, {HEALTH: "target-health", **APART}, base=V7),
    Right(failover_accounts, {**ENDPOINT, **APART}, base=twins),
    Right(failover_accounts, {**ALARM, **APART, "failover/secondary_health": False}, twins),
    Right(
        unused_failover_settings,
        {**ALARM, "failover/ttl": 0, "failover/threshold": 10, "failover/secondary_health": False},
        base=twins,
    ),
    Right(
        unused_failover_settings,
        {**ENDPOINT, "failover/interval": 30, "failover/control": "operator"},
        base=twins,
    ),
    Right(target_health_of_single_nodes, {HEALTH: "target-health"}, base=twins),
    Right(target_health_of_single_nodes, {HEALTH: "auto"}, base=V7),
    # In a cluster of one node, losing the node means losing the cluster, with any method.
    Right(
        target_health_of_single_nodes,
        {
            HEALTH: "target-health",
            "clusters/main/nodes/node2": GONE,
            "clusters/spare/nodes/node2": GONE,
        },
        base=twins,
    ),
    Right(health_check_reaches_cluster, {**FACING, HEALTH: "target-health"}, base=twins),
)
