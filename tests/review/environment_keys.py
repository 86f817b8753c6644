"""Table of configuration keys outside clusters and what `review` finds in changes of them.

Each key has a change for the worse and the finding of this change, or a reason why no finding is
needed.

A key is a path in `config/schema.json`, with `*` for a name that users choose.
"""

from collections.abc import Mapping
from typing import Any, Final

from tests.review.configuration_key_rows import (
    FAILURE_WORSE,
    NAMED_ELSEWHERE,
    OWN,
    VALUE,
    WRONG_VALUE,
    Edited,
    Harmless,
    Like,
    Row,
    Seeded,
    Worse,
    arn,
    set_property,
)
from tests.support.configurations import GONE, Data

_RECORD: Final = "AWS::Route53::RecordSet"


def _move_failover_record(properties: dict[str, Any]) -> None:
    if "Failover" in properties:
        properties["HostedZoneId"] = "Z9999999999"


def _swap_failover_roles(properties: dict[str, Any]) -> None:
    roles = {"PRIMARY": "SECONDARY", "SECONDARY": "PRIMARY"}
    if "Failover" in properties:
        properties["Failover"] = roles[properties["Failover"]]


def _move_switch(properties: dict[str, Any]) -> None:
    if properties.get("MetricName") == "SecondaryActive":
        properties["Namespace"] = "Other"


def _health(path: str, value: Data, text: str) -> Worse:
    return Worse({f"services/{path}/health": value}, "health-check-weaker", text, path)


_OTHER_PATH: Final = _health(
    "odbc", {"protocol": "http", "port": 9090, "path": "/"}, "/ready/odbc -> /"
)

ENVIRONMENT_KEYS: Final[Mapping[str, Row]] = {
    "name": Harmless("another name is another environment: the old stacks are cluster-removed"),
    "denodo.version": Seeded("version"),
    "denodo.program": Edited(
        "AWS::SSM::Parameter", set_property("Value", ""), "node-program-removed"
    ),
    "denodo.home": Harmless(WRONG_VALUE),
    "denodo.java_home": Harmless(WRONG_VALUE),
    "denodo.user": Harmless(WRONG_VALUE),
    "denodo.servers": Worse(
        {"denodo/servers": ["vdp", "data-catalog", "scheduler"]},
        "server-removed",
        "no longer starts scheduler-admin",
    ),
    "denodo.heap_gib": Seeded("heap"),
    "denodo.jvm.vdp": Worse(
        {"denodo/jvm/vdp": "-Xmx4g"}, "heap-smaller", "Virtual DataPort 8192 -> 4096 MiB"
    ),
    "denodo.jvm.web": Worse(
        {"denodo/jvm/web": "-Xmx1g"}, "heap-smaller", "web container 2048 -> 1024 MiB"
    ),
    "denodo.jvm.scheduler": Worse(
        {"denodo/jvm/scheduler": "-Xmx1024m"}, "heap-smaller", "Scheduler 2048 -> 1024 MiB"
    ),
    "denodo.tls.secret": Seeded("TLS of Denodo's servers off"),
    "denodo.tls.version": Harmless(VALUE),
    "denodo.security_token": Worse(
        {"denodo/security_token": GONE}, "security-token-removed", "-> none"
    ),
    "denodo.metadata.source": Like("clusters.*.exports.restore"),
    "denodo.metadata.uri": Harmless(VALUE),
    "denodo.metadata.login": Harmless(WRONG_VALUE),
    "denodo.readiness": Worse(
        {"denodo/readiness": "ping"}, "readiness-weaker", "readiness strict -> ping"
    ),
    "denodo.busy_limit": Worse(
        {"denodo/busy_limit": 3600}, "readiness-weaker", "stays in service for 30 -> 3600 s"
    ),
    "denodo.rmi_host": Edited("", lambda state: state.update(rmi_host="x"), "rmi-host-changed"),
    "denodo.web_jmx": Worse({"denodo/web_jmx": True}, "access-widened", "tcp 9097"),
    "denodo.signal": Worse(
        {"denodo/signal": "configured"}, "readiness-weaker", "signal ready -> configured"
    ),
    "denodo.start_limit": Worse(
        {"denodo/start_limit": 600}, "start-limit-shorter", "ready within 1080 -> 480 s"
    ),
    "denodo.watchdog": Seeded("shorter idle time; watchdog, logs and exports off"),
    "denodo.stop_limit": Worse(
        {"denodo/stop_limit": 60}, "stop-limit-shorter", "continue for 900 -> 60 s"
    ),
    "solution_manager.cidrs": Worse(
        {"solution_manager/cidrs": ["10.9.0.0/16"]},
        "access-widened",
        "allows connections from 10.9.0.0/16",
    ),
    "solution_manager.host": Worse(
        {"solution_manager/host": GONE}, "solution-manager-removed", "sm.example.com -> none"
    ),
    "solution_manager.port": Harmless(WRONG_VALUE),
    "license_manager.host": Worse(
        {"license_manager": GONE}, "license-manager-removed", "sm.example.com -> none"
    ),
    "license_manager.port": Harmless(WRONG_VALUE),
    "license_manager.tls": Worse(
        {f"{OWN}/license_manager/tls": False}, "tls-off", "License Manager have no TLS", "node1"
    ),
    "services.*.port": Seeded("port of a service"),
    "services.*.node_port": Seeded("port on the nodes"),
    "services.*.sticky": Worse(
        {"services/jdbc/sticky": False}, "stickiness-off", "go to different nodes", "jdbc"
    ),
    "services.*.client_ip": Worse(
        {"services/odbc/client_ip": False}, "client-address-hidden", "addresses of clients", "odbc"
    ),
    "services.*.tls": Seeded("TLS of a service off"),
    "services.*.health.protocol": Seeded("health check to plain TCP"),
    "services.*.health.port": _OTHER_PATH,
    "services.*.health.path": _OTHER_PATH,
    "services.*.health.interval": _health("jdbc", {"interval": 30}, "between checks: 5 -> 30"),
    "services.*.health.timeout": Harmless("shorter is stricter; longer is in failure-worse"),
    "services.*.health.healthy": Harmless("a node is back in service later or earlier"),
    "services.*.health.unhealthy": Seeded("threshold of a health check"),
    "services.*.idle_timeout": Seeded("shorter idle time; watchdog, logs and exports off"),
    "services.*.unhealthy_termination": Seeded("connections of unhealthy nodes"),
    "failover.primary": Edited(_RECORD, _swap_failover_roles, FAILURE_WORSE),
    "failover.secondary": Like("failover.primary"),
    "failover.zone.id": Edited(_RECORD, _move_failover_record, "failover-name-changed"),
    "failover.zone.name": Like("failover.record"),
    "failover.record": Seeded("another failover name"),
    "failover.health": Seeded("health of the failover to target-health"),
    "failover.control": Seeded("operators alone fail over"),
    "failover.secondary_health": Seeded("secondary not checked"),
    "failover.ttl": Like("failover.threshold"),
    "failover.interval": Like("failover.threshold"),
    "failover.threshold": Seeded("threshold of the failover 1 -> 10"),
    "failover.minutes_without_data": Worse(
        {"failover/minutes_without_data": 10}, FAILURE_WORSE, "region lost"
    ),
    "failover.account": Harmless(NAMED_ELSEWHERE),
    "failover.region": Harmless(NAMED_ELSEWHERE),
    "failover.check_every": Worse(
        {"failover/check_every": 24}, "alarm-later", "notifies after 43200 -> 86400 s"
    ),
    "failover.switch_namespace": Edited("AWS::CloudWatch::Alarm", _move_switch, "switch-changed"),
    "alarms.enabled": Seeded("alarms off"),
    "alarms.route53": Seeded("alarms on the health checks off"),
    "alarms.nodes": Worse({"alarms/nodes": False}, "alarm-removed", "node disk"),
    "alarms.topics.urgent": Worse(
        {"alarms/topics/urgent": {"eu-west-1": arn("sns", "mine")}},
        "notification-removed",
        "a@example.com is no longer notified by the topic Denodo urgent",
    ),
    "alarms.topics.notice": Like("alarms.topics.urgent"),
    "alarms.email": Seeded("recipient removed"),
    "dashboard": Harmless("it shows, and neither notifies nor acts"),
    "logs": Seeded("shorter idle time; watchdog, logs and exports off"),
    "logs.retention_days": Worse(
        {"logs/retention_days": 1}, "logs-shorter", "are kept 90 -> 1 days", "logs"
    ),
    "logs.kms_key": Worse(
        {"logs/kms_key": GONE}, "encryption-key-removed", "AWS's key encrypts the data instead of"
    ),
    "logs.statements": Worse({"logs/statements": False}, "logs-off", "users' statements"),
    "tags": Harmless("for cost reports"),
    "accept": Harmless("the page names what it silences"),
    "permissions_boundary": Seeded("boundary removed"),
}
