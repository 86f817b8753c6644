"""With recorded metrics, an alarm changes when whole periods have changed, as CloudWatch's do."""

from collections.abc import Iterator

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.templates import attribute, resource
from tests.local_aws.test_failover import WELL, state, status, watching
from tests.support.local_aws_server import PACE
from tests.support.waiting import until

_TCP = {
    "Type": "TCP",
    "FullyQualifiedDomainName": attribute("Nlb", "DNSName"),
    "Port": 9999,
    "RequestInterval": 30,
    "FailureThreshold": 3,
}


SLOW = 5.0
"""Pace at which a minute of the local AWS takes 12 s: longer than all calls of a test."""


@pytest.fixture
def site(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """Two nodes behind a load balancer, with an alarm and health checks, and recorded metrics."""
    cloud.give({"kind": "image", "id": templates.IMAGE})
    stack = cloud.deploy(
        {
            **templates.serving(),
            "Alarm": WELL,
            "Other": {**WELL, "Properties": {**WELL["Properties"], "EvaluationPeriods": 2}},
            "Check": watching("Alarm", "Unhealthy"),
            "Endpoint": resource("Route53::HealthCheck", HealthCheckConfig=_TCP),
        }
    )
    until(lambda: state(cloud, stack.ids["Alarm"]) == "OK")
    cloud.call("pace", {"pace": request.param}, "PUT")
    until(lambda: healthy(cloud) == 2)
    cloud.call("living", {"metrics": True}, "PUT")
    try:
        until(lambda: status(cloud, stack.ids["Endpoint"]).startswith("Success"))
        yield stack
    finally:
        cloud.call("pace", {"pace": PACE}, "PUT")
        cloud.call("living", {"metrics": False}, "PUT")
        cloud.call("cuts", {}, "PUT")


def healthy(cloud: Cloud) -> int:
    client = cloud.client("elbv2")
    (group,) = client.describe_target_groups()["TargetGroups"]
    targets = client.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    states = [item["TargetHealth"]["State"] for item in targets["TargetHealthDescriptions"]]
    return states.count("healthy")


@pytest.mark.parametrize("site", [SLOW], indirect=True)
def test_an_alarm_changes_after_a_whole_period(cloud: Cloud, site: Stack) -> None:
    cloud.client("ec2").stop_instances(InstanceIds=[site.ids["Node1"], site.ids["Node2"]])
    assert state(cloud, site.ids["Alarm"]) == "OK"
    assert status(cloud, site.ids["Check"]).startswith("Success")
    cloud.call("pace", {"pace": PACE}, "PUT")
    until(lambda: state(cloud, site.ids["Alarm"]) == "ALARM")
    assert status(cloud, site.ids["Check"]).startswith("Failure")
    # A change of the pace does not change the age of measurements, so past minutes stay past.
    cloud.call("pace", {"pace": SLOW}, "PUT")
    assert state(cloud, site.ids["Alarm"]) == "ALARM"


@pytest.mark.parametrize("site", [SLOW], indirect=True)
def test_an_endpoint_check_changes_after_its_threshold(cloud: Cloud, site: Stack) -> None:
    # 90 s of the local AWS are 18 s of this machine.
    cloud.client("ec2").stop_instances(InstanceIds=[site.ids["Node1"], site.ids["Node2"]])
    assert status(cloud, site.ids["Endpoint"]).startswith("Success")
    cloud.call("pace", {"pace": PACE}, "PUT")
    until(lambda: status(cloud, site.ids["Endpoint"]).startswith("Failure"))


@pytest.mark.parametrize("site", [PACE], indirect=True)
def test_a_metric_and_a_check_that_are_cut_off(cloud: Cloud, site: Stack) -> None:
    cloud.call("cuts", {"alarms": [site.ids["Alarm"]], "checks": [site.ids["Endpoint"]]}, "PUT")
    assert status(cloud, site.ids["Endpoint"]).startswith("Failure: The health check is cut off")
    until(lambda: state(cloud, site.ids["Alarm"]) == "INSUFFICIENT_DATA")
    until(lambda: state(cloud, site.ids["Other"]) == "INSUFFICIENT_DATA")
    cloud.call("cuts", {}, "PUT")
    until(lambda: state(cloud, site.ids["Alarm"]) == "OK")


@pytest.mark.parametrize("site", [PACE], indirect=True)
def test_a_cut_region_reports_nothing(cloud: Cloud, site: Stack) -> None:
    cloud.call("cuts", {"regions": ["eu-west-1"]}, "PUT")
    until(lambda: state(cloud, site.ids["Alarm"]) == "INSUFFICIENT_DATA")
    assert status(cloud, site.ids["Check"]).startswith("Failure")
    cloud.call("cuts", {}, "PUT")
    until(lambda: state(cloud, site.ids["Alarm"]) == "OK")
