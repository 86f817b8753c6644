"""Failover plan: how Route 53 checks each cluster, and the location of the failover stack.

`health: auto` selects the check method from the clusters' topology. An alias record with
EvaluateTargetHealth treats a load balancer as healthy only while every target group of the load
balancer has a healthy target (AWS, Route 53 API, AliasTarget). If a target group contains only one
node, losing that node would trigger a site failover.
"""

from typing import Literal

from denodo_ha.environment.derived.topology import JDBC, single_node_listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover

CheckMethod = Literal["target-health", "endpoint", "alarm", "none"]
"""Method by which Route 53 determines a cluster's health. With `none`, no health check can reach
the cluster, and only operators can trigger a failover."""

TTL_DEFAULT_S = 10
"""Project default of `failover.ttl`: short enough that DNS caches are not the longest delay of a
failover."""

ENDPOINT_INTERVAL_DEFAULT_S = limits.ENDPOINT_INTERVALS_S[0]
ENDPOINT_THRESHOLD_DEFAULT = 3
"""Failed endpoint checks until a cluster is unhealthy: Route 53's own default (AWS, Route 53 API,
HealthCheckConfig)."""

ALARM_THRESHOLD_DEFAULT = 1
"""Project default: minutes until the alarm on healthy nodes makes a cluster unhealthy. The alarm
uses the maximum of the metric over all zones, so a single minute without a healthy node is a
reliable signal."""

SILENCE_DEFAULT_MIN = 3
"""Project default: minutes without metrics after which a cluster is unhealthy. Metrics that
CloudWatch delivers a minute late must not trigger a failover. AWS does not document how soon the
metrics of a lost region count as missing (decision 51)."""

SWITCH_NAMESPACE = "Denodo/Failover"
SWITCH_METRIC = "SecondaryActive"
SWITCH_DIMENSION = "Environment"
"""Namespace, name and dimension of the metric of the operators' switch: a value of 1 fails over to
the secondary, 0 fails back. `SWITCH_NAMESPACE` is the default of `failover.switch_namespace`."""

READY_METRIC = "StandbyReady"
CHECKED_METRIC = "StandbyChecked"
AGE_METRICS = {
    4: "StandbyExportAge",
    5: "StandbyDatabaseAge",
    10: "StandbyPracticeAge",
}
"""Metrics of `denodo-ha failover check --record`, in the namespace and with the dimension of the
switch. `READY_METRIC` is 1 if the standby is ready, else 0. `CHECKED_METRIC` is 1 for each run of
the command. `AGE_METRICS` are ages in seconds, by the number of the line in the output of the
command."""

ANYWHERE = "0.0.0.0/0"
APEX = "@"


def silence_minutes(failover: Failover) -> int:
    """Return the minutes without balancer metrics after which a cluster counts as unhealthy."""
    return failover.minutes_without_data or SILENCE_DEFAULT_MIN


def alarm_minutes(failover: Failover) -> int:
    """Return the minutes without a healthy node after which a cluster is unhealthy."""
    return failover.threshold or ALARM_THRESHOLD_DEFAULT


def cluster_pair(environment: Environment) -> tuple[tuple[str, Cluster], ...]:
    """Return the primary and the secondary with their names, if the configuration defines them."""
    failover = environment.failover
    if failover is None:
        return ()
    names = (failover.primary, failover.secondary)
    return tuple(
        (name, environment.clusters[name]) for name in names if name in environment.clusters
    )


def check_method(environment: Environment, failover: Failover, cluster: Cluster) -> CheckMethod:
    """Return the method by which Route 53 determines the health of the primary or secondary."""
    if cluster.balancer.kind == "none" and cluster.balancer.scheme == "internal":
        return "none"
    if failover.health != "auto":
        return failover.health
    if cluster.balancer.kind == "none":
        return "endpoint"
    # The Scheduler's auxiliary ports are not considered: adding these ports must not change the
    # type of deployed records. With these ports, `denodo_ha.environment.rules.scheduler` does not
    # allow `auto`.
    if not any(
        listener.service is not None or listener.directing_service == JDBC
        for _, member in cluster_pair(environment)
        for listener in single_node_listeners(environment, member)
    ):
        return "target-health"
    return "alarm" if cluster.balancer.scheme == "internal" else "endpoint"


def check_methods(environment: Environment) -> dict[str, CheckMethod]:
    """Return the check methods of the primary and the secondary; empty without failover."""
    failover = environment.failover
    if failover is None:
        return {}
    return {
        name: check_method(environment, failover, cluster)
        for name, cluster in cluster_pair(environment)
    }


def has_health_check(failover: Failover, name: str) -> bool:
    """Return whether the primary or the secondary has an automatic health check.

    The primary always has the health check of the operators' switch. With `control: operator`, the
    primary has no other health check.
    """
    if name == failover.primary:
        return failover.control == "automatic"
    return failover.secondary_health


def health_checks(environment: Environment) -> dict[str, CheckMethod]:
    """Return the check method of each cluster that has an automatic health check."""
    failover = environment.failover
    if failover is None:
        return {}
    return {
        name: method
        for name, method in check_methods(environment).items()
        if method != "none" and has_health_check(failover, name)
    }


def stack_account(environment: Environment, failover: Failover) -> str:
    """Return the account of the failover stack. Default: the primary's account."""
    return failover.account or environment.clusters[failover.primary].account


def stack_region(environment: Environment, failover: Failover) -> str:
    """Return the region of the failover stack.

    Default: the secondary's region, so that the stack is available if the primary's region fails.
    """
    return failover.region or environment.clusters[failover.secondary].region


def switch_namespace(failover: Failover) -> str:
    """Return the namespace of the switch's metric."""
    return failover.switch_namespace or SWITCH_NAMESPACE


def dns_name(failover: Failover) -> str:
    """Return the full name of the failover records, without a final dot."""
    zone = failover.zone.name
    return zone if failover.record == APEX else f"{failover.record}.{zone}"
