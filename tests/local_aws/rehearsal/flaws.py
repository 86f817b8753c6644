"""Flaws planted in the templates of an example: each flaw makes one failure worse.

Without the flaw, the failure is harmless: the site serves again automatically, on the intended
cluster. The effects of the flaws are worked out by hand in this module, to check the drill.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from denodo_ha.drill.outcome import Failure

Properties = dict[str, Any]
Templates = dict[str, dict[str, Any]]
"""The templates of an environment's stacks, by stack name."""

EXAMPLE = "active-passive"
"""Two nodes in two zones in each of two regions, with auxiliary ports and failover records."""
_ACTIVE, _PASSIVE, _FAILOVER = "denodo70-active", "denodo70-passive", "denodo70-failover"
_LB = "ElasticLoadBalancingV2"


@dataclass(frozen=True)
class Effect:
    """Effect of a failure, as clients see it.

    Attributes:
        side: the cluster to which the failover name leads.
        unreachable: ports that no connection reaches.
        partial: ports that only some connections reach.
    """

    side: str
    unreachable: tuple[int, ...] = ()
    partial: tuple[int, ...] = ()


@dataclass(frozen=True)
class Flaw:
    """A planted flaw.

    Attributes:
        name: its name.
        sentence: what is wrong.
        plant: changes the templates.
        failure: the failure that shows the flaw.
        effect: what clients see after the failure, until a repair.
        without: what clients see after the failure if the templates do not have the flaw.
        slower: whether the flaw only delays the recovery, so that `effect` equals `without`.
    """

    name: str
    sentence: str
    plant: Callable[[Templates], None]
    failure: Failure
    effect: Effect
    without: Effect
    slower: bool = False


def _of_type(templates: Templates, stack: str, kind: str) -> Iterator[Properties]:
    for resource in templates[stack]["Resources"].values():
        if resource["Type"] == f"AWS::{kind}":
            yield resource["Properties"]


def _tagged(templates: Templates, key: str, value: str) -> Properties:
    """Return the target group of the active cluster with the given tag."""
    tag = {"Key": key, "Value": value}
    (group,) = (
        item for item in _of_type(templates, _ACTIVE, f"{_LB}::TargetGroup") if tag in item["Tags"]
    )
    return group


def _service(templates: Templates, name: str) -> Properties:
    return _tagged(templates, "denodo:service", name)


def _groups(templates: Templates) -> Iterator[Properties]:
    return _of_type(templates, _ACTIVE, f"{_LB}::TargetGroup")


def _balancer(templates: Templates) -> Properties:
    (result,) = _of_type(templates, _ACTIVE, f"{_LB}::LoadBalancer")
    return result


def _record(templates: Templates, role: str) -> Properties:
    (result,) = (
        item
        for item in _of_type(templates, _FAILOVER, "Route53::RecordSet")
        if item.get("Failover") == role
    )
    return result


def _check(templates: Templates, stack: str, name: str) -> Properties:
    """Return the configuration of the health check with the given name."""
    tag = {"Key": "Name", "Value": name}
    (check,) = (
        item
        for item in _of_type(templates, stack, "Route53::HealthCheck")
        if tag in item["HealthCheckTags"]
    )
    config: Properties = check["HealthCheckConfig"]
    return config


def _alarm(templates: Templates, metric: str) -> Properties:
    """Return the alarm of the active cluster that a health check follows."""
    followed = {
        item["HealthCheckConfig"]["AlarmIdentifier"]["Name"]["Ref"]
        for item in _of_type(templates, _ACTIVE, "Route53::HealthCheck")
    }
    (alarm,) = (
        resource
        for id_, resource in templates[_ACTIVE]["Resources"].items()
        if id_ in followed and resource["Properties"]["MetricName"] == metric
    )
    properties: Properties = alarm["Properties"]
    return properties


def _output(stack: str, region: str, name: str) -> dict[str, Any]:
    return {"Fn::GetStackOutput": {"StackName": stack, "Region": region, "OutputName": name}}


def _as_in_the_article(templates: Templates) -> None:
    """Use alias records that evaluate the load balancers' health, as Denodo's article does."""
    for role, stack, region in (
        ("PRIMARY", _ACTIVE, "eu-west-1"),
        ("SECONDARY", _PASSIVE, "eu-central-1"),
    ):
        record = _record(templates, role)
        for key in ("HealthCheckId", "ResourceRecords", "TTL"):
            del record[key]
        record["Type"] = "A"
        record["AliasTarget"] = {
            "DNSName": _output(stack, region, "BalancerDnsName"),
            "HostedZoneId": _output(stack, region, "BalancerHostedZoneId"),
            "EvaluateTargetHealth": True,
        }


def _leave_a_target_out(templates: Templates) -> None:
    del _service(templates, "odbc")["Targets"][1]


def _check_without_looking(templates: Templates) -> None:
    group = _service(templates, "odbc")
    group["HealthCheckProtocol"] = "TCP"
    del group["HealthCheckPath"]


def _check_seldom(templates: Templates) -> None:
    for group in _groups(templates):
        group.update(HealthCheckIntervalSeconds=30, UnhealthyThresholdCount=10)


def _wait_ten_minutes(templates: Templates) -> None:
    _alarm(templates, "HealthyHostCount")["EvaluationPeriods"] = 10


def _watch_another_service(templates: Templates) -> None:
    web = _service(templates, "web")
    (id_,) = (
        id_
        for id_, resource in templates[_ACTIVE]["Resources"].items()
        if resource["Properties"] is web
    )
    dimensions = _alarm(templates, "HealthyHostCount")["Dimensions"]
    (dimension,) = (item for item in dimensions if item["Name"] == "TargetGroup")
    dimension["Value"] = {"Fn::GetAtt": [id_, "TargetGroupFullName"]}


def _take_silence_for_health(templates: Templates) -> None:
    config = _check(templates, _ACTIVE, "denodo70-active-alive")
    config["InsufficientDataHealthStatus"] = "Healthy"


def _need_one_check_only(templates: Templates) -> None:
    _check(templates, _FAILOVER, "denodo70-primary")["HealthThreshold"] = 1


def _lead_to_the_same_cluster(templates: Templates) -> None:
    primary, secondary = (_record(templates, role) for role in ("PRIMARY", "SECONDARY"))
    secondary["ResourceRecords"] = primary["ResourceRecords"]


def _share_the_health_check(templates: Templates) -> None:
    primary, secondary = (_record(templates, role) for role in ("PRIMARY", "SECONDARY"))
    secondary["HealthCheckId"] = primary["HealthCheckId"]


def _leave_a_zone_out(templates: Templates) -> None:
    del _balancer(templates)["Subnets"][0]


def _fail_open_too_early(templates: Templates) -> None:
    _service(templates, "jdbc")["TargetGroupAttributes"].append(
        {
            "Key": "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "Value": "2",
        }
    )


ALL_PORTS = (9090, 9996, 9999)
_STAYS, _MOVES = Effect("active"), Effect("passive")
_NODE_LOST = Failure("node-lost", "active", "node1")
_NODES_LOST = Failure("nodes-lost", "active", "node1 + node2")
_REGION_LOST = Failure("region-lost", "active", "eu-west-1")

FLAWS = (
    Flaw(
        "articles-recipe",
        "An alias evaluates a load balancer with a target group for each node's auxiliary port.",
        _as_in_the_article,
        _NODE_LOST,
        _MOVES,
        _STAYS,
    ),
    Flaw(
        "target-left-out",
        "The target group of a service does not have every node.",
        _leave_a_target_out,
        _NODE_LOST,
        Effect("active", unreachable=(9996,)),
        _STAYS,
    ),
    Flaw(
        "blind-check",
        "A health check connects to the node program, which answers whatever Denodo does.",
        _check_without_looking,
        Failure("service-down", "active", "odbc on node1"),
        Effect("active", partial=(9996,)),
        _STAYS,
    ),
    Flaw(
        "seldom-checks",
        "Health checks are seldom, and many must fail.",
        _check_seldom,
        _NODE_LOST,
        _STAYS,
        _STAYS,
        slower=True,
    ),
    Flaw(
        "alarm-of-ten-minutes",
        "The alarm of the failover waits for ten minutes without a healthy node.",
        _wait_ten_minutes,
        _NODES_LOST,
        _MOVES,
        _MOVES,
        slower=True,
    ),
    Flaw(
        "another-service-watched",
        "The alarm of the failover watches the target group of another service.",
        _watch_another_service,
        Failure("service-down", "active", "jdbc on all nodes"),
        Effect("active", unreachable=(9999,)),
        _MOVES,
    ),
    Flaw(
        "silence-is-health",
        "A load balancer that reports nothing counts as healthy.",
        _take_silence_for_health,
        _REGION_LOST,
        Effect("active", unreachable=ALL_PORTS),
        _MOVES,
    ),
    Flaw(
        "one-check-is-enough",
        "The primary is healthy while any of its health checks is.",
        _need_one_check_only,
        _NODES_LOST,
        Effect("active", unreachable=ALL_PORTS),
        _MOVES,
    ),
    Flaw(
        "secondary-is-the-primary",
        "The secondary record has the load balancer of the primary.",
        _lead_to_the_same_cluster,
        _REGION_LOST,
        Effect("active", unreachable=ALL_PORTS),
        _MOVES,
    ),
    Flaw(
        "shared-health-check",
        "Both records have the health check of the primary.",
        _share_the_health_check,
        _NODES_LOST,
        Effect("active", unreachable=ALL_PORTS),
        _MOVES,
    ),
    Flaw(
        "balancer-in-one-zone",
        "The load balancer has no subnet in the zone of a node.",
        _leave_a_zone_out,
        Failure("node-lost", "active", "node2"),
        _MOVES,
        _STAYS,
    ),
    Flaw(
        "fails-open-too-early",
        "With one unhealthy target of two, connections go to both.",
        _fail_open_too_early,
        _NODE_LOST,
        Effect("active", partial=(9999,)),
        _STAYS,
    ),
)
