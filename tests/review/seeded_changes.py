"""Configurations, and changes of them: changes with one risk each, and harmless changes.

Keys of the configuration that this module leaves out are in `cluster_keys.py` and
`environment_keys.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.support.configurations import (
    ACCOUNT,
    GONE,
    POLICY,
    UUID,
    Data,
    changed,
    minimal,
    twins,
)

CERTIFICATE: Final = f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/{UUID}"
SECRET: Final = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:denodo/x-AbCdEf"
KEY: Final = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{UUID}"

SINGLE: Final = changed(
    minimal(),
    {
        "permissions_boundary": POLICY,
        "alarms/email": ["a@example.com"],
        "denodo/servers": ["vdp", "scheduler", "scheduler-admin"],
        "denodo/heap_gib": 4,
        "denodo/tls/secret": SECRET,
        "services/odbc": 9996,
        "services/web": {"port": 443, "node_port": 9443, "tls": CERTIFICATE},
        "clusters/main/instance/type": "m5.2xlarge",
        "clusters/main/nodes/node3": {"zone": "eu-west-1b"},
        "clusters/main/catalog": {"version": "16", "type": "db.m6g.large"},
        "clusters/main/catalog/components": ["scheduler"],
    },
)
PAIR: Final = changed(twins(), {"failover/health": "alarm"})


def haproxy() -> Data:
    """Return a configuration of a cluster behind HAProxy instances."""
    data = changed(minimal(), {"clusters/main/balancer/kind": "haproxy"})
    instance = {"type": "c7i.xlarge", "image": "ami-0123456789abcdef0", "count": 3}
    return changed(data, {"clusters/main/balancer/haproxy/instance": instance})


BASES: Final[Mapping[str, Data]] = {
    "single": SINGLE,
    "logged": changed(
        SINGLE,
        {
            "services/odbc": {"port": 9996, "idle_timeout": 1200},
            "logs": {},
            "clusters/main/network/flow_logs": True,
            "clusters/main/catalog/log_exports": True,
            "clusters/main/exports/login": SECRET,
        },
    ),
    "pair": PAIR,
    "watched": changed(PAIR, {"alarms/route53": True}),
    "haproxy": haproxy(),
}


@dataclass(frozen=True)
class Seed:
    """A change with one risk.

    Attributes:
        base: the configuration that is changed, a key of `BASES`.
        changes: the changes, by path in the configuration.
        named: the findings that the verdict must name, each with its cluster or resource.
        text: part of the page that names the change and its values.
    """

    base: str
    changes: Mapping[str, Any]
    named: tuple[str, ...]
    text: str


CLUSTER: Final = "clusters/main"
SEEDS: Final[Mapping[str, Seed]] = {
    "image without pins": Seed(
        "single",
        {f"{CLUSTER}/instance/image": "ami-0aaaaaaaaaaaaaaaa"},
        ("nodes-stop-together (main)", "node-replaced (main: node1, main: node2, main: node3)"),
        "ImageId ami-0123456789abcdef0 -> ami-0aaaaaaaaaaaaaaaa",
    ),
    "port of a service": Seed(
        "single",
        {"services/jdbc": {"port": 9989, "node_port": 9999}},
        ("listener-port-changed (main: jdbc)",),
        "clients must connect to port 9989 instead of 9999",
    ),
    "port on the nodes": Seed(
        "single",
        {"services/jdbc": {"port": 9999, "node_port": 9989}},
        ("target-group-replaced (main: jdbc)",),
        "connections through the target group end (Port 9999 -> 9989)",
    ),
    "zone removed": Seed(
        "single",
        {f"{CLUSTER}/nodes/node1/zone": "eu-west-1b", f"{CLUSTER}/allow_single_zone": True},
        ("zone-removed (main: eu-west-1a)", "failure-worse (main)"),
        "2 -> 1 zones",
    ),
    "node removed": Seed(
        "single",
        {f"{CLUSTER}/nodes/node3": GONE},
        ("node-removed (main: node3)",),
        "3 -> 2 nodes",
    ),
    "service removed": Seed(
        "single",
        {"services/odbc": GONE},
        ("service-removed (main: odbc)",),
        "clients cannot connect to it any more",
    ),
    "smaller instance type": Seed(
        "single",
        {f"{CLUSTER}/instance/type": "m5.xlarge"},
        ("instance-smaller (main: node1, main: node2, main: node3)",),
        "GiB of memory 32 -> 16, virtual CPUs 8 -> 4",
    ),
    "instance type of unknown size": Seed(
        "single",
        {f"{CLUSTER}/instance/type": "t3.2xlarge"},
        ("instance-type-unknown (main: node1",),
        "m5.2xlarge -> t3.2xlarge",
    ),
    "heap": Seed(
        "single", {"denodo/heap_gib": 2}, ("heap-smaller (main: node1",), "4096 -> 2048 MiB"
    ),
    "version": Seed(
        "single", {"denodo/version": "9.0"}, ("version-changed (main: node1",), "Denodo 8.0 -> 9.0"
    ),
    "TLS of Denodo's servers off": Seed(
        "single",
        {"denodo/tls": GONE, "services/web": GONE},
        ("tls-off (main: node1, main: node2, main: node3)",),
        "servers on the node have no TLS any more",
    ),
    "TLS of a service off": Seed(
        "single",
        {"services/web": {"port": 443, "node_port": 9443}},
        ("tls-off (main: web)",),
        "port 443 has no TLS any more: listener protocol TLS -> TCP",
    ),
    "scheme": Seed(
        "single",
        {f"{CLUSTER}/balancer/scheme": "internet-facing"},
        ("balancer-replaced (main: balancer)", "balancer-public (main: network load balancer)"),
        "Scheme internal -> internet-facing",
    ),
    "clients from anywhere": Seed(
        "single",
        {f"{CLUSTER}/balancer/clients": ["0.0.0.0/0"]},
        ("access-from-anywhere (main: Denodo balancer)",),
        "allows connections from 0.0.0.0/0: tcp 443, tcp 9996, tcp 9999",
    ),
    "more clients": Seed(
        "single",
        {f"{CLUSTER}/balancer/clients": ["10.0.0.0/8", "192.168.0.0/16"]},
        ("access-widened (main: Denodo balancer)",),
        "allows connections from 192.168.0.0/16: tcp",
    ),
    "boundary removed": Seed(
        "single",
        {"permissions_boundary": GONE},
        ("permissions-boundary-removed (main: role of node1",),
        f"permissions boundary {POLICY} -> none",
    ),
    "logs need permissions": Seed(
        "single",
        {"logs": {}},
        ("iam-widened (main: nodes' role",),
        "logs:PutLogEvents",
    ),
    "deletion protection of the balancer off": Seed(
        "single",
        {f"{CLUSTER}/balancer/deletion_protection": False},
        ("deletion-protection-off (main: load balancer)",),
        "deletion protection of the load balancer is turned off",
    ),
    "deletion protection of the database off": Seed(
        "single",
        {f"{CLUSTER}/catalog/deletion_protection": False},
        ("deletion-protection-off (main: database)",),
        "deletion protection of the database is turned off",
    ),
    "final snapshot off": Seed(
        "single",
        {f"{CLUSTER}/catalog/final_snapshot": False},
        ("final-snapshot-off (main: database)",),
        "DeletionPolicy Snapshot -> Delete",
    ),
    "Multi-AZ off": Seed(
        "single",
        {f"{CLUSTER}/catalog/multi_az": False},
        ("multi-az-off (main: database)",),
        "no standby in another zone",
    ),
    "fewer backups": Seed(
        "single",
        {f"{CLUSTER}/catalog/retention_days": 1},
        ("backups-fewer (main: database)",),
        "kept 7 -> 1 days",
    ),
    "database class": Seed(
        "single",
        {f"{CLUSTER}/catalog/type": "db.m6g.medium"},
        ("database-smaller (main: database)", "database-interrupted (main: database)"),
        "db.m6g.large -> db.m6g.medium",
    ),
    "older database": Seed(
        "single",
        {f"{CLUSTER}/catalog/version": "15"},
        ("deploy-fails (main: database)",),
        "RDS does not downgrade",
    ),
    "key of the database": Seed(
        "single",
        {f"{CLUSTER}/catalog/kms_key": KEY},
        ("database-replaced (main: database)",),
        "the database's data would be lost",
    ),
    "health check to plain TCP": Seed(
        "single",
        {"services/jdbc": {"port": 9999, "health": {"protocol": "tcp"}}},
        ("health-check-weaker (main: jdbc)",),
        "the health check only opens a connection: HTTP -> TCP",
    ),
    "threshold of a health check": Seed(
        "single",
        {"services/jdbc": {"port": 9999, "health": {"unhealthy": 10}}},
        ("health-check-weaker (main: jdbc)", "failure-worse (main)"),
        "failed checks until a node is out of service: 2 -> 10",
    ),
    "connections of unhealthy nodes": Seed(
        "single",
        {"services/jdbc": {"port": 9999, "unhealthy_termination": False}},
        ("health-check-weaker (main: jdbc)",),
        "are no longer ended",
    ),
    "shorter idle time; watchdog, logs and exports off": Seed(
        "logged",
        {
            "services/odbc": {"port": 9996, "idle_timeout": 60},
            "denodo/watchdog": False,
            "logs": GONE,
            f"{CLUSTER}/network/flow_logs": False,
            f"{CLUSTER}/catalog/log_exports": False,
            f"{CLUSTER}/exports": GONE,
        },
        (
            "idle-timeout-shorter (main: odbc)",
            "watchdog-off (main: node1, main: node2, main: node3)",
            "backups-fewer (main: node1, main: node2, main: node3)",
            "logs-off (main: node1, main: node2, main: node3, main: VPC and 1 more)",
        ),
        "end after 1200 -> 60 s",
    ),
    "alarms on the health checks off": Seed(
        "watched",
        {"alarms/route53": False},
        ("alarm-removed (test-route53)",),
        "this alarm no longer notifies",
    ),
    "HAProxy's image": Seed(
        "haproxy",
        {f"{CLUSTER}/balancer/haproxy/instance/image": "ami-0aaaaaaaaaaaaaaaa"},
        ("haproxy-replaced (main: HAProxy)",),
        "ImageId ami-0123456789abcdef0 -> ami-0aaaaaaaaaaaaaaaa",
    ),
    "alarms off": Seed("single", {"alarms": "none"}, ("alarm-removed (main)",), "node out"),
    "recipient removed": Seed(
        "single",
        {"alarms/email": ["b@example.com"]},
        ("notification-removed (main)",),
        "a@example.com is no longer notified",
    ),
    "threshold of the failover 1 -> 10": Seed(
        "pair",
        {"failover/threshold": 10},
        ("failure-worse (main)",),
        "new connections: 268 s -> 808 s",
    ),
    "health of the failover to target-health": Seed(
        "pair",
        {"failover/health": "target-health"},
        ("failover-check-weaker (failover record: denodo.example.com PRIMARY",),
        "target health instead of a health check",
    ),
    "secondary not checked": Seed(
        "pair",
        {"failover/secondary_health": False},
        (
            "failover-check-weaker (failover record: denodo.example.com SECONDARY)",
            "event-order-worse (denodo.example.com)",
        ),
        "Route 53 no longer checks this cluster",
    ),
    "operators alone fail over": Seed(
        "pair", {"failover/control": "operator"}, ("failure-worse (main",), "only after a repair"
    ),
    "another failover name": Seed(
        "pair",
        {"failover/record": "other"},
        ("failover-name-changed (denodo.example.com)",),
        "the present names are other.example.com",
    ),
    "cluster removed": Seed(
        "pair",
        {"clusters/spare": GONE, "failover": GONE},
        ("cluster-removed (spare)", "failover-name-changed (denodo.example.com)"),
        "the cluster is removed, with its nodes: node1, node2",
    ),
    "HAProxy's maxconn": Seed(
        "haproxy",
        {f"{CLUSTER}/balancer/haproxy/maxconn": 5000},
        ("haproxy-maxconn-lower (main: HAProxy)",),
        "maxconn 20000 -> 5000",
    ),
    "HAProxy's type": Seed(
        "haproxy",
        {f"{CLUSTER}/balancer/haproxy/instance/type": "c7i.large"},
        ("haproxy-smaller (main: HAProxy)",),
        "c7i.xlarge -> c7i.large: GiB of memory 8 -> 4",
    ),
    "HAProxy's count": Seed(
        "haproxy",
        {f"{CLUSTER}/balancer/haproxy/instance/count": 2},
        ("haproxy-fewer (main: HAProxy)",),
        "3 -> 2 HAProxy instances",
    ),
}

HARMLESS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "another node": ("single", {f"{CLUSTER}/nodes/node4": {"zone": "eu-west-1a"}}),
    "more heap": ("single", {"denodo/heap_gib": 6}),
    "another recipient": ("single", {"alarms/email": ["a@example.com", "b@example.com"]}),
    "fewer clients": ("single", {f"{CLUSTER}/balancer/clients": ["10.1.0.0/16"]}),
    "longer idle time": ("single", {"services/odbc": {"port": 9996, "idle_timeout": 1200}}),
    "more backups": ("single", {f"{CLUSTER}/catalog/retention_days": 14}),
    "more storage": ("single", {f"{CLUSTER}/catalog/storage_gib": 50}),
    "dashboard": ("single", {"dashboard": True}),
    "alarm on the check of the standby": ("pair", {"failover/check_every": 24}),
    "more passed checks": ("pair", {"services/jdbc": {"port": 9999, "health": {"healthy": 3}}}),
    "more connections": ("haproxy", {f"{CLUSTER}/balancer/haproxy/maxconn": 40_000}),
    "more HAProxy instances": ("haproxy", {f"{CLUSTER}/balancer/haproxy/instance/count": 4}),
}
