"""Metrics change alarm states, alarms change health checks, and checks change the DNS answer."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.templates import attribute, ref, resource
from tests.support.local_aws_server import PACE
from tests.support.waiting import until

_NAME = "site.example.com"
_MINUTE_S = 60 / PACE


def alarm(namespace: str, metric: str, dimensions: dict[str, Any], **properties: Any) -> Any:
    plain = {
        "Namespace": namespace,
        "MetricName": metric,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        "Statistic": "Maximum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    }
    return resource("CloudWatch::Alarm", **{**plain, **properties})


def watching(name: str, unknown: str = "LastKnownStatus") -> dict[str, Any]:
    named = {"Name": ref(name), "Region": "eu-west-1"}
    config = {
        "Type": "CLOUDWATCH_METRIC",
        "AlarmIdentifier": named,
        "InsufficientDataHealthStatus": unknown,
    }
    return resource("Route53::HealthCheck", HealthCheckConfig=config)


def both(*names: str) -> dict[str, Any]:
    config = {
        "Type": "CALCULATED",
        "ChildHealthChecks": [ref(name) for name in names],
        "HealthThreshold": len(names),
    }
    return resource("Route53::HealthCheck", HealthCheckConfig=config)


def record(role: str, answer: str, **properties: Any) -> dict[str, Any]:
    plain = {
        "HostedZoneId": ref("Zone"),
        "Name": f"{_NAME}.",
        "Type": "CNAME",
        "TTL": "10",
        "ResourceRecords": [answer],
        "Failover": role,
        "SetIdentifier": role.lower(),
    }
    return resource("Route53::RecordSet", **{**plain, **properties})


SWITCH = alarm("Denodo/Failover", "SecondaryActive", {"Environment": "one"})
THROWN = alarm(
    "Denodo/Failover",
    "SecondaryActive",
    {"Environment": "one"},
    TreatMissingData="ignore",
)
WELL = alarm(
    "AWS/NetworkELB",
    "HealthyHostCount",
    {
        "TargetGroup": attribute("Group", "TargetGroupFullName"),
        "LoadBalancer": attribute("Nlb", "LoadBalancerFullName"),
    },
    ComparisonOperator="LessThanThreshold",
)


@pytest.fixture
def site(cloud: Cloud) -> Stack:
    """Failover records: the primary has checks of nodes and switch, the secondary has no checks."""
    cloud.give({"kind": "image", "id": templates.IMAGE})
    stack = cloud.deploy(
        {
            **templates.serving(),
            "Zone": resource("Route53::HostedZone", Name="example.com"),
            "SwitchAlarm": SWITCH,
            "WellAlarm": WELL,
            "Thrown": THROWN,
            "Switch": watching("SwitchAlarm"),
            "Well": watching("WellAlarm", "Unhealthy"),
            "Both": both("Switch", "Well"),
            "Primary": record("PRIMARY", "one.example.com", HealthCheckId=ref("Both")),
            "Secondary": record("SECONDARY", "two.example.com"),
        }
    )
    until(lambda: status(cloud, stack.ids["Well"]).startswith("Success"))
    return stack


def status(cloud: Cloud, check: str) -> str:
    description = cloud.client("route53").get_health_check_status(HealthCheckId=check)
    (seen,) = description["HealthCheckObservations"]
    return str(seen["StatusReport"]["Status"])


def answer(cloud: Cloud, stack: Stack, kind: str = "CNAME") -> list[str]:
    description = cloud.client("route53").test_dns_answer(
        HostedZoneId=stack.ids["Zone"], RecordName=_NAME, RecordType=kind
    )
    return list(description["RecordData"])


def put(cloud: Cloud, value: float, environment: str = "one") -> None:
    datapoint = {
        "MetricName": "SecondaryActive",
        "Dimensions": [{"Name": "Environment", "Value": environment}],
        "Value": value,
        "Timestamp": datetime.now(UTC),
    }
    cloud.client("cloudwatch").put_metric_data(Namespace="Denodo/Failover", MetricData=[datapoint])


def test_a_minute_that_nobody_has_seen_counts(cloud: Cloud, site: Stack) -> None:
    """The state of an alarm that ignores missing data depends on its last datapoint alone."""
    put(cloud, 1)
    until(lambda: state(cloud, site.ids["Thrown"]) == "ALARM")
    # No request reads the alarm during the minute of the next datapoint, or in the following
    # minutes.
    time.sleep(_MINUTE_S)
    put(cloud, 0)
    time.sleep(4 * _MINUTE_S)
    assert state(cloud, site.ids["Thrown"]) == "OK"


def test_one_datapoint_moves_the_site_and_holds(cloud: Cloud, site: Stack) -> None:
    assert answer(cloud, site) == ["one.example.com"]
    put(cloud, 1)
    until(lambda: answer(cloud, site) == ["two.example.com"])
    # After a minute without data, the alarm's data is insufficient; the health check keeps its
    # last status.
    until(lambda: state(cloud, site.ids["SwitchAlarm"]) == "INSUFFICIENT_DATA")
    assert status(cloud, site.ids["Switch"]).startswith("Failure: Threshold Crossed")
    assert answer(cloud, site, "A") == ["two.example.com"]
    put(cloud, 0)
    until(lambda: answer(cloud, site) == ["one.example.com"])


def state(cloud: Cloud, name: str) -> str:
    (description,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(description["StateValue"])


def test_another_dimension_is_another_metric(cloud: Cloud, site: Stack) -> None:
    put(cloud, 1, environment="two")
    put(cloud, 0)
    until(lambda: state(cloud, site.ids["SwitchAlarm"]) == "OK")


def test_nodes_that_are_gone_move_the_site(cloud: Cloud, site: Stack) -> None:
    nodes = [site.ids["Node1"], site.ids["Node2"]]
    cloud.client("ec2").stop_instances(InstanceIds=nodes[:1])
    assert status(cloud, site.ids["Well"]).startswith("Success")
    cloud.client("ec2").stop_instances(InstanceIds=nodes[1:])
    assert state(cloud, site.ids["WellAlarm"]) == "ALARM"
    assert status(cloud, site.ids["Well"]).startswith("Failure")
    assert answer(cloud, site) == ["two.example.com"]
    reason = cloud.client("route53").get_health_check_last_failure_reason(
        HealthCheckId=site.ids["Well"]
    )
    assert len(reason["HealthCheckObservations"]) == 1


def test_a_calculated_check_shows_no_status(cloud: Cloud, site: Stack) -> None:
    """According to the API reference, GetHealthCheckStatus fails for calculated health checks."""
    with pytest.raises(ClientError, match="InvalidInput"):
        status(cloud, site.ids["Both"])


def test_with_both_unhealthy_the_primary_is_answered(cloud: Cloud) -> None:
    resources = {
        "Never": alarm("Nobody", "Puts", {}),
        "Down": watching("Never", "Unhealthy"),
        "Zone": resource("Route53::HostedZone", Name="example.com"),
        "Primary": record("PRIMARY", "one.example.com", HealthCheckId=ref("Down")),
        "Secondary": record("SECONDARY", "two.example.com"),
    }
    stack = cloud.deploy(resources, stack="two")
    assert answer(cloud, stack) == ["two.example.com"]
    resources["Secondary"] = record("SECONDARY", "two.example.com", HealthCheckId=ref("Down"))
    cloud.deploy(resources, stack="two")
    assert answer(cloud, stack) == ["one.example.com"]


def test_a_disabled_check_is_healthy_and_an_inverted_one_the_opposite(cloud: Cloud) -> None:
    down = watching("Never", "Unhealthy")["Properties"]["HealthCheckConfig"]
    disabled, inverted = [{**down, flag: True} for flag in ("Disabled", "Inverted")]
    stack = cloud.deploy(
        {
            "Never": alarm("Nobody", "Puts", {}),
            "Disabled": resource("Route53::HealthCheck", HealthCheckConfig=disabled),
            "Inverted": resource("Route53::HealthCheck", HealthCheckConfig=inverted),
            "Both": resource("Route53::HealthCheck", HealthCheckConfig={**disabled, **inverted}),
        }
    )
    for name in ("Disabled", "Inverted"):
        assert status(cloud, stack.ids[name]).startswith("Success")
    # "Set Inverted to stop routing to a disabled check" (AWS, HealthCheckConfig, Disabled).
    assert status(cloud, stack.ids["Both"]).startswith("Failure")


def test_an_alias_is_as_healthy_as_each_group(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    target = {
        "DNSName": attribute("Nlb", "DNSName"),
        "HostedZoneId": attribute("Nlb", "CanonicalHostedZoneID"),
        "EvaluateTargetHealth": True,
    }
    alias = record("PRIMARY", "", Type="A", AliasTarget=target)
    del alias["Properties"]["TTL"], alias["Properties"]["ResourceRecords"]
    stack = cloud.deploy(
        {
            **templates.serving(),
            "Zone": resource("Route53::HostedZone", Name="example.com"),
            "Primary": alias,
            "Secondary": record("SECONDARY", "192.0.2.2", Type="A"),
        },
        stack="alias",
    )
    until(lambda: [item.startswith("127.") for item in answer(cloud, stack, "A")] == [True, True])
    cloud.client("ec2").stop_instances(InstanceIds=[stack.ids["Node1"], stack.ids["Node2"]])
    assert answer(cloud, stack, "A") == ["192.0.2.2"]


def test_an_endpoint_check_sees_the_targets_of_its_port(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    host = attribute("Nlb", "DNSName")
    config = {"Type": "TCP", "FullyQualifiedDomainName": host, "Port": 9999}
    stack = cloud.deploy(
        {**templates.serving(), "It": resource("Route53::HealthCheck", HealthCheckConfig=config)}
    )
    until(lambda: status(cloud, stack.ids["It"]).startswith("Success"))
    cloud.client("ec2").stop_instances(InstanceIds=[stack.ids["Node1"], stack.ids["Node2"]])
    assert status(cloud, stack.ids["It"]).startswith("Failure")


def test_a_private_zone_is_not_answered(cloud: Cloud, site: Stack) -> None:
    private = resource(
        "Route53::HostedZone",
        Name="inside.example.com",
        VPCs=[{"VPCId": site.ids["Vpc"], "VPCRegion": "eu-west-1"}],
    )
    stack = cloud.deploy({"Zone": private}, stack="private")
    with pytest.raises(ClientError, match="public hosted zones only"):
        answer(cloud, stack)
