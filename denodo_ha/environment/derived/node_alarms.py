"""Alarms on the metrics that nodes publish: metric, threshold, duration and texts.

The program of a node publishes the metrics (`hosts.denodo.metrics`; a test compares the names).
Missing data does not set off these alarms: a node that does not run has other alarms, and a node
that runs and publishes nothing sets off `silent_node`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from denodo_ha.environment import names
from denodo_ha.environment.derived import alarms
from denodo_ha.environment.derived.alarms import AlarmText
from denodo_ha.environment.model.environment import Environment

PERIOD_MINUTES: Final = 5
"""Project value: interval at which nodes publish metrics. A shorter interval would cost more, since
each call of PutMetricData has a price."""

UNREADY_SERVICES: Final = "UnreadyServices"
READINESS_LOSSES: Final = "ReadinessLosses"
SERVERS_RESTARTED: Final = "ServersRestarted"
MEMORY_USED: Final = "MemoryUsedPercent"
DISK_USED: Final = "DiskUsedPercent"
EXPORT_AGE: Final = "MetadataExportAgeDays"
CERTIFICATE_DAYS: Final = "CertificateDaysLeft"
LICENSE_MANAGER_DOWN: Final = "LicenseManagerUnreachable"
DRAINED_HOURS: Final = "DrainedHours"
HAPROXY_CERTIFICATE_DAYS: Final = "HaproxyCertificateDaysLeft"
HAPROXY_PERIOD_MINUTES: Final = 60
"""Interval at which HAProxy instances publish `HAPROXY_CERTIFICATE_DAYS`. All instances of a
cluster publish the same metric, since they have the same certificate."""

CLUSTER_DIMENSION: Final = "Cluster"
NODE_DIMENSION: Final = "Node"
"""Dimensions of the nodes' metrics: the names of cluster and node, which do not change when a
node's instance is replaced."""

MEMORY_PERCENT: Final = 95
"""Project value: share of used memory that sets off an alarm. Virtual DataPort's heap is half of
the memory, so this share is far more than usual."""
DISK_PERCENT: Final = 85
"""Project value: share of used disk space that sets off an alarm. Queries that swap to disk need
the free space."""
LOSSES: Final = 4
"""Project value: how often within an hour a node must cease to be ready to set off an alarm. A roll
makes a node unready only once."""
MISSED_EXPORTS: Final = 3
"""Project value: number of consecutive missing exports that sets off an alarm. A single export can
fail, for example while Denodo restarts."""
EXPORT_TIMER_MINUTES: Final = 90
"""Project value: minutes by which an export may be late. A node that was stopped exports at most 75
minutes after its start."""
STILL_DRAINED_HOURS: Final = 8
"""Project value: hours after which a drained node sets off an alarm. Planned work on a node is
shorter, and the next shift of operators must learn of a forgotten node."""
SILENCE_MARGIN_MINUTES: Final = 10
"""Project value: minutes without metrics that are allowed in addition to the minutes of a restart,
because `rollout` and `replace` stop the instance."""
_DAY_S: Final = 86_400


@dataclass(frozen=True)
class NodeAlarm:
    """An alarm on one metric of each node.

    Attributes:
        id: id of the alarm's construct.
        metric: name of the metric.
        threshold: the lowest value that sets off the alarm; with `is_minimum`, lower values set off
            the alarm.
        minutes: minutes for which all values must breach the threshold.
        text: the texts.
        is_minimum: whether values below the threshold set off the alarm.
    """

    id: str
    metric: str
    threshold: float
    minutes: int
    text: AlarmText
    is_minimum: bool = False


def publishing_nodes(environment: Environment, name: str) -> list[str]:
    """Return the nodes of a cluster that publish metrics; empty without `alarms.nodes`."""
    notifications = environment.alarms
    if not (notifications.enabled and notifications.nodes and environment.denodo.program):
        return []
    nodes = environment.clusters[name].nodes
    return sorted(node for node, settings in nodes.items() if settings.instance_id is None)


def haproxy_metrics(environment: Environment, name: str) -> str:
    """Return the namespace in which HAProxy instances publish metrics; empty if they publish none.

    HAProxy instances publish metrics if nodes of the cluster publish metrics and HAProxy has its
    own certificate.
    """
    tls = environment.clusters[name].balancer.proxy.tls
    is_haproxy = environment.clusters[name].balancer.kind == "haproxy"
    has_certificate = tls is not None and tls.mode != "passthrough" and tls.certificate
    if not (is_haproxy and has_certificate and publishing_nodes(environment, name)):
        return ""
    return names.node_metrics_namespace(environment.name)


def haproxy_certificate(environment: Environment, name: str) -> AlarmText:
    """Return the texts of the alarm on a certificate of HAProxy that expires soon."""
    cluster = names.cluster_stack(environment.name, name)
    what = (
        f"the certificate of the HAProxy instances of {cluster} expires in less than "
        f"{alarms.CERTIFICATE_DAYS} days."
    )
    means = "After that, clients that verify certificates cannot connect."
    return AlarmText("HAProxy certificate", "notice", what, means)


def node_alarms(environment: Environment, name: str) -> Iterator[NodeAlarm]:
    """Yield the alarms on the metrics of a cluster's nodes; the alarm on readiness is the first."""
    cluster, settings = names.cluster_stack(environment.name, name), environment.clusters[name]
    minutes = _whole_periods(alarms.restart_minutes(environment))
    what = f"a node of {cluster} has had a service that is not ready for {minutes} min."
    means = "New connections go to the other nodes, which have more load."
    text = alarms.node_missing("node not ready", what, means, len(settings.nodes))
    yield NodeAlarm("NodeNotReady", UNREADY_SERVICES, 1, minutes, text)
    yield NodeAlarm(
        "NodeFlapping",
        READINESS_LOSSES,
        LOSSES,
        PERIOD_MINUTES,
        AlarmText(
            "node flapping",
            "urgent",
            f"a service on a node of {cluster} has become unready {LOSSES} times within an hour.",
            "Each time, the connections of its clients can end.",
        ),
    )
    yield NodeAlarm(
        "ServerRestarted",
        SERVERS_RESTARTED,
        1,
        PERIOD_MINUTES,
        AlarmText(
            "server restarted",
            "notice",
            f"a server of Denodo on a node of {cluster} has died, and was started again.",
            "Its clients lost their connections, and it can die again.",
        ),
    )
    yield NodeAlarm(
        "NodeStillDrained",
        DRAINED_HOURS,
        STILL_DRAINED_HOURS,
        PERIOD_MINUTES,
        AlarmText(
            "node still drained",
            "notice",
            f"a node of {cluster} has been drained for {STILL_DRAINED_HOURS} hours.",
            "Clients use the other nodes, which have more load and no reserve.",
        ),
    )
    yield NodeAlarm(
        "NodeMemory",
        MEMORY_USED,
        MEMORY_PERCENT,
        6 * PERIOD_MINUTES,
        AlarmText(
            "node memory",
            "notice",
            f"a node of {cluster} has used {MEMORY_PERCENT}% of its memory for half an hour.",
            "The kernel can end a server of Denodo, with all its connections.",
        ),
    )
    yield NodeAlarm(
        "NodeDisk",
        DISK_USED,
        DISK_PERCENT,
        3 * PERIOD_MINUTES,
        AlarmText(
            "node disk",
            "notice",
            f"a disk of a node of {cluster} has been {DISK_PERCENT}% full for 15 min.",
            "On a full disk, queries that swap to disk fail, and Denodo can stop.",
        ),
    )
    if settings.exports is not None and "vdp" in environment.denodo.servers:
        yield NodeAlarm(
            "ExportOverdue",
            EXPORT_AGE,
            MISSED_EXPORTS * settings.exports.every / _DAY_S,
            EXPORT_TIMER_MINUTES,
            AlarmText(
                "export overdue",
                "notice",
                f"a node of {cluster} has missed {MISSED_EXPORTS} exports of its metadata.",
                "A node that is replaced now would get metadata that is too old.",
            ),
        )
    yield NodeAlarm(
        "NodeCertificate",
        CERTIFICATE_DAYS,
        alarms.CERTIFICATE_DAYS,
        3 * PERIOD_MINUTES,
        AlarmText(
            "node certificate",
            "notice",
            f"a certificate of a node of {cluster} expires in less than "
            f"{alarms.CERTIFICATE_DAYS} days.",
            "After that, clients that verify certificates cannot connect.",
        ),
        is_minimum=True,
    )
    if environment.license_manager is not None:
        yield NodeAlarm(
            "LicenseManager",
            LICENSE_MANAGER_DOWN,
            1,
            3 * PERIOD_MINUTES,
            AlarmText(
                "license manager",
                "notice",
                f"a node of {cluster} has had no answer from the License Manager for 15 min.",
                "Servers that run continue for some days; a server that stops cannot start.",
            ),
        )


def silence_minutes(environment: Environment) -> int:
    """Return the minutes without metrics after which the alarm `node silent` is set off."""
    return _whole_periods(alarms.restart_minutes(environment) + SILENCE_MARGIN_MINUTES)


def silent_node(environment: Environment, name: str) -> AlarmText:
    """Return the texts of the alarm on a node that publishes no metrics."""
    cluster = names.cluster_stack(environment.name, name)
    what = (
        f"a node of {cluster} has published no metrics for {silence_minutes(environment)} min: it "
        "does not run, or cannot reach CloudWatch."
    )
    means = "Its other alarms cannot go off. Clients notice nothing if it serves."
    return AlarmText("node silent", "notice", what, means)


def _whole_periods(minutes: int) -> int:
    return -(-minutes // PERIOD_MINUTES) * PERIOD_MINUTES
