"""Failover plan: how Route 53 checks each cluster, and where the failover stack is.

`health: auto` chooses the check method by the clusters' topology. An alias with
EvaluateTargetHealth counts a balancer as healthy only while each of its target groups has a
healthy target (AWS, Route 53 API, AliasTarget), so losing one node would trigger a site failover
wherever a target group holds a single node.
"""

from typing import Literal

from denodo_ha.environment.derived.topology import single_node_listeners
from denodo_ha.environment.facts import limits
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover

CheckMethod = Literal["target-health", "endpoint", "alarm", "none"]
"""The way in which Route 53 learns a cluster's health. With `none` no check can reach the cluster,
and only operators trigger a failover."""

TTL_DEFAULT_S = 10
"""Ours: short enough that DNS is not the longest part of a failover."""

ENDPOINT_INTERVAL_DEFAULT_S = limits.ENDPOINT_INTERVALS_S[0]
ENDPOINT_THRESHOLD_DEFAULT = 3
"""Route 53's own default (AWS, Route 53 API, HealthCheckConfig)."""

ALARM_THRESHOLD_DEFAULT = 1
"""Ours: the metric is a maximum, so one minute without any healthy node is not noise."""

SILENCE_DEFAULT_MIN = 3
"""Ours: a single minute that CloudWatch delivers late must not trigger a failover. How long it
takes until a lost region counts as without data is not documented (decision 51)."""

SWITCH_NAMESPACE = "Denodo/Failover"
SWITCH_METRIC = "SecondaryActive"
SWITCH_DIMENSION = "Environment"
"""The metric of the operators' switch: 1 fails over to the secondary, 0 fails back. The namespace
is the one of an environment that names no other."""

ANYWHERE = "0.0.0.0/0"
APEX = "@"


def silence_minutes(failover: Failover) -> int:
    """Return the minutes without data that make a cluster unhealthy."""
    return failover.minutes_without_data or SILENCE_DEFAULT_MIN


def alarm_minutes(failover: Failover) -> int:
    """Return the minutes without a healthy node that make a cluster unhealthy."""
    return failover.threshold or ALARM_THRESHOLD_DEFAULT


def cluster_pair(environment: Environment) -> tuple[tuple[str, Cluster], ...]:
    """Return the primary and the secondary with their names, as far as these clusters exist."""
    failover = environment.failover
    if failover is None:
        return ()
    names = (failover.primary, failover.secondary)
    return tuple(
        (name, environment.clusters[name]) for name in names if name in environment.clusters
    )


def check_method(environment: Environment, failover: Failover, cluster: Cluster) -> CheckMethod:
    """Return the way in which Route 53 learns the health of a cluster of the pair."""
    if cluster.balancer.kind == "none" and cluster.balancer.scheme == "internal":
        return "none"
    if failover.health != "auto":
        return failover.health
    if cluster.balancer.kind == "none":
        return "endpoint"
    if not any(
        single_node_listeners(environment, member) for _, member in cluster_pair(environment)
    ):
        return "target-health"
    return "alarm" if cluster.balancer.scheme == "internal" else "endpoint"


def check_methods(environment: Environment) -> dict[str, CheckMethod]:
    """Return the check method of each cluster of the pair; empty without failover."""
    failover = environment.failover
    if failover is None:
        return {}
    return {
        name: check_method(environment, failover, cluster)
        for name, cluster in cluster_pair(environment)
    }


def has_health_check(failover: Failover, name: str) -> bool:
    """Return whether a cluster of the pair has an automatic health check.

    The primary also has the operators' switch. With `control: operator` it has the switch only.
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

    Default: the secondary's region, so that the stack survives the loss of the primary's.
    """
    return failover.region or environment.clusters[failover.secondary].region


def switch_namespace(failover: Failover) -> str:
    """Return the namespace of the switch's metric."""
    return failover.switch_namespace or SWITCH_NAMESPACE


def dns_name(failover: Failover) -> str:
    """Return the full name of the failover records, without a final dot."""
    zone = failover.zone.name
    return zone if failover.record == APEX else f"{failover.record}.{zone}"
