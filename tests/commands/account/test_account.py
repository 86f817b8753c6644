"""The simulated cloud behaves like AWS in cases in which moto does not."""

import pytest
from botocore.exceptions import EndpointConnectionError

from denodo_ha.aws.clients import Aws
from tests.commands.account.cloud import Cloud
from tests.commands.account.targets import UNHEALTHY

REGION = "eu-west-1"


def states(cloud: Cloud, group: str, **asked: object) -> dict[str, str]:
    """Return the states of a group's targets by node, as the code under test reads the states."""
    client = Aws().client("elbv2", REGION)
    arn = cloud.groups("active")[group]
    descriptions = client.describe_target_health(TargetGroupArn=arn, **asked)[
        "TargetHealthDescriptions"
    ]
    names = {id_: name for name, id_ in cloud.nodes("active").items()}
    return {names[one["Target"]["Id"]]: one["TargetHealth"]["State"] for one in descriptions}


class TestTargets:
    """Targets change their states over time."""

    def test_leave_after_the_delay(self, cloud: Cloud) -> None:
        cloud.take_out("active", "node1")
        assert states(cloud, "jdbc") == {"node1": "draining", "node2": "healthy"}
        assert states(cloud, "node1") == {"node1": "draining"}
        assert cloud.registered("active", "jdbc") == {"node2"}
        cloud.clock.sleep(299)
        assert states(cloud, "jdbc") == {"node1": "draining", "node2": "healthy"}
        cloud.clock.sleep(1)
        assert states(cloud, "jdbc") == {"node2": "healthy"}
        asked = {"Targets": [{"Id": cloud.nodes("active")["node1"]}]}
        assert states(cloud, "jdbc", **asked) == {"node1": "unused"}

    def test_come_after_their_checks(self, cloud: Cloud) -> None:
        cloud.take_out("active", "node1", "jdbc")
        cloud.become("active", "node1", UNHEALTHY, "jdbc")
        cloud.put_in("active", "node1", "jdbc")
        assert states(cloud, "jdbc")["node1"] == "initial"
        cloud.clock.sleep(10)
        assert states(cloud, "jdbc")["node1"] == "unhealthy"
        assert states(cloud, "odbc")["node1"] == "healthy"

    def test_are_seen_late(self, cloud: Cloud) -> None:
        cloud.targets.lag = 3
        cloud.take_out("active", "node1", "jdbc")
        assert states(cloud, "jdbc")["node1"] == "healthy"
        cloud.clock.sleep(3)
        assert states(cloud, "jdbc")["node1"] == "draining"
        cloud.clock.sleep(300)
        cloud.put_in("active", "node1", "jdbc")
        assert "node1" not in states(cloud, "jdbc")

    def test_of_instances_that_do_not_run(self, cloud: Cloud) -> None:
        cloud.stop("active", "node1")
        cloud.terminate("active", "node2")
        assert states(cloud, "jdbc") == {"node1": "unused", "node2": "draining"}


class TestFaults:
    """Calls fail with the faults that a test adds."""

    def test_ctrl_c_before_and_after_the_effect(self, cloud: Cloud) -> None:
        client, arn = Aws().client("elbv2", REGION), cloud.groups("active")["jdbc"]
        targets = [{"Id": cloud.nodes("active")["node1"]}]
        cloud.faults.interrupt("DeregisterTargets")
        with pytest.raises(KeyboardInterrupt):
            client.deregister_targets(TargetGroupArn=arn, Targets=targets)
        assert cloud.registered("active", "jdbc") == {"node1", "node2"}
        cloud.faults.heal()
        cloud.faults.interrupt(changing=True, after=True)
        client.describe_target_health(TargetGroupArn=arn)
        with pytest.raises(KeyboardInterrupt):
            client.deregister_targets(TargetGroupArn=arn, Targets=targets)
        assert cloud.registered("active", "jdbc") == {"node2"}

    def test_a_lost_region(self, cloud: Cloud) -> None:
        cloud.faults.lose(REGION)
        with pytest.raises(EndpointConnectionError):
            states(cloud, "jdbc")
        Aws().client("elbv2", "eu-central-1").describe_load_balancers()

    def test_changes_are_told_from_looks(self, cloud: Cloud) -> None:
        states(cloud, "jdbc")
        arn = cloud.groups("active")["jdbc"]
        Aws().client("elbv2", REGION).add_tags(
            ResourceArns=[arn], Tags=[{"Key": "a", "Value": "b"}]
        )
        assert [call.operation for call in cloud.calls.made] == ["DescribeTargetHealth", "AddTags"]
        (change,) = cloud.calls.changes
        assert (change.service, change.region) == ("elbv2", REGION)
        assert change.parameters["ResourceArns"] == [arn]


def test_records_answer_with_the_balancers(cloud: Cloud) -> None:
    client = cloud.client("route53", "us-east-1")
    zone = cloud.environment.failover and cloud.environment.failover.zone.id
    shown = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    answers = {
        one["Failover"]: one["ResourceRecords"][0]["Value"] for one in shown if "Failover" in one
    }
    assert answers == {
        "PRIMARY": cloud.stack("active").outputs["BalancerDnsName"],
        "SECONDARY": cloud.stack("passive").outputs["BalancerDnsName"],
    }
