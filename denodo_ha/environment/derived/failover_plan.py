"""The failover as it comes out of the configuration: who is checked how, and where.

`auto` chooses by what the clusters have. An alias with EvaluateTargetHealth counts a balancer
as healthy only while every one of its groups has a healthy target (AWS, Route 53 API,
AliasTarget), so one lost node would move the site wherever a group holds one node only.
"""

from typing import Literal

from denodo_ha.environment.derived.topology import single_node_groups
from denodo_ha.environment.facts import limits
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.model.failover import Failover

Method = Literal["target-health", "endpoint", "alarm", "none"]
"""How a cluster's health is known; none: nobody outside can see it, and operators decide."""

TTL_DEFAULT_S = 10
"""Ours: short enough that DNS is not the longest term of a failover."""

ENDPOINT_INTERVAL_DEFAULT_S = limits.ENDPOINT_INTERVALS_S[0]
ENDPOINT_THRESHOLD_DEFAULT = 3
"""Route 53's own default (AWS, Route 53 API, HealthCheckConfig)."""

ALARM_THRESHOLD_DEFAULT = 1
"""Ours: one minute without any healthy node is no noise, as the metric is a maximum."""

SWITCH_NAMESPACE = "Denodo/Failover"
SWITCH_METRIC = "SecondaryActive"
SWITCH_DIMENSION = "Environment"
"""The metric that is the operators' switch: 1 moves the site to the secondary, 0 back."""

ANYWHERE = "0.0.0.0/0"
APEX = "@"


def pair(environment: Environment) -> tuple[tuple[str, Cluster], ...]:
    """The primary and the secondary with their names, as far as they exist."""
    failover = environment.failover
    if failover is None:
        return ()
    names = (failover.primary, failover.secondary)
    return tuple(
        (name, environment.clusters[name]) for name in names if name in environment.clusters
    )


def method(environment: Environment, failover: Failover, cluster: Cluster) -> Method:
    """How Route 53 learns that a cluster of the pair is healthy."""
    if cluster.balancer.kind == "none" and cluster.balancer.scheme == "internal":
        return "none"
    if failover.health != "auto":
        return failover.health
    if cluster.balancer.kind == "none":
        return "endpoint"
    if not any(single_node_groups(environment, member) for _, member in pair(environment)):
        return "target-health"
    return "alarm" if cluster.balancer.scheme == "internal" else "endpoint"


def methods(environment: Environment) -> dict[str, Method]:
    """How each cluster of the pair is checked; empty without failover."""
    failover = environment.failover
    if failover is None:
        return {}
    return {name: method(environment, failover, member) for name, member in pair(environment)}


def checked(failover: Failover, name: str) -> bool:
    """Whether a cluster of the pair has a health check of its own.

    The primary also has the operators' switch; with them in control it has no other.
    """
    if name == failover.primary:
        return failover.control == "automatic"
    return failover.secondary_health


def checks(environment: Environment) -> dict[str, Method]:
    """The clusters that have a health check of their own, and how each is checked."""
    failover = environment.failover
    if failover is None:
        return {}
    return {
        name: how
        for name, how in methods(environment).items()
        if how != "none" and checked(failover, name)
    }


def account(environment: Environment, failover: Failover) -> str:
    """Account of the failover stack: the primary's unless given."""
    return failover.account or environment.clusters[failover.primary].account


def region(environment: Environment, failover: Failover) -> str:
    """Region of the failover stack: the secondary's unless given, to outlive the primary's."""
    return failover.region or environment.clusters[failover.secondary].region


def endpoint(failover: Failover) -> str:
    """The failover name in full, without a final dot."""
    zone = failover.zone.name
    return zone if failover.record == APEX else f"{failover.record}.{zone}"
