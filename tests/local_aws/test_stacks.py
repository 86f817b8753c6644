"""CloudFormation stacks: references to outputs of other stacks, creation signals, rollback."""

from collections.abc import Iterator

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, DeployError
from tests.local_aws.templates import ROLE, ref, resource
from tests.support.waiting import until


def parameter(value: object) -> dict[str, object]:
    return resource("SSM::Parameter", Name="/it", Type="String", Value=value)


class TestOutputsOfOtherStacks:
    """`Fn::GetStackOutput`, which the CDK's weak references use."""

    def spec(self, **more: str) -> dict[str, dict[str, str]]:
        return {"Fn::GetStackOutput": {"StackName": "there", "OutputName": "Said", **more}}

    def value(self, cloud: Cloud) -> str:
        return str(cloud.client("ssm").get_parameter(Name="/it")["Parameter"]["Value"])

    def say(self, cloud: Cloud, what: str) -> None:
        cloud.deploy({"Topic": resource("SNS::Topic")}, {"Said": {"Value": what}}, stack="there")

    def test_come_from_their_own_region(self, cloud: Cloud) -> None:
        self.say(cloud, "here")
        self.say(cloud.of(region="eu-central-1"), "there")
        cloud.deploy({"It": parameter(self.spec(Region="eu-central-1"))})
        assert self.value(cloud) == "there"

    def test_come_from_here_without_a_region(self, cloud: Cloud) -> None:
        self.say(cloud, "here")
        cloud.deploy({"It": parameter(self.spec())})
        assert self.value(cloud) == "here"

    def test_come_from_the_account_of_their_role(self, cloud: Cloud) -> None:
        other = cloud.of(account="999900001111")
        self.say(other, "theirs")
        role = other.deploy({"Reader": {**ROLE}}, stack="reader").ids["Reader"]
        arn = f"arn:aws:iam::999900001111:role/{role}"
        cloud.deploy({"It": parameter(self.spec(RoleArn=arn))})
        assert self.value(cloud) == "theirs"

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({"Region": "eu-central-1"}, "stack there does not exist in eu-central-1"),
            ({"OutputName": "Other"}, "has no output Other"),
            ({"RoleArn": "arn:aws:iam::999900002222:role/nobody"}, "does not exist or cannot"),
        ],
    )
    def test_that_do_not_exist_fail(self, cloud: Cloud, more: dict[str, str], reason: str) -> None:
        self.say(cloud, "here")
        with pytest.raises(DeployError, match=reason):
            cloud.deploy({"It": parameter(self.spec(**more))})


@pytest.fixture
def manual(cloud: Cloud) -> Iterator[Cloud]:
    """An account in which nodes do not signal automatically."""
    cloud.give({"kind": "image", "id": templates.IMAGE})
    cloud.call("signals", {"mode": "manual"}, "PUT")
    yield cloud
    cloud.call("signals", {"mode": "automatic"}, "PUT")


def gated(timeout: str = "PT12H") -> dict[str, object]:
    """Return a network with a node that must signal."""
    policy = {"ResourceSignal": {"Count": 1, "Timeout": timeout}}
    return {**templates.network(), "It": {**templates.node(), "CreationPolicy": policy}}


def running(cloud: Cloud) -> list[str]:
    """Return the running instances."""
    result = cloud.client("ec2").describe_instances()["Reservations"]
    instances = [item for of in result for item in of["Instances"]]
    return [item["InstanceId"] for item in instances if item["State"]["Name"] == "running"]


def signal(cloud: Cloud, status: str) -> None:
    client = cloud.client("cloudformation")
    until(lambda: bool(running(cloud)))
    (instance,) = running(cloud)

    def is_sent() -> bool:
        """Send the signal; return False while the stack does not accept the signal yet."""
        try:
            client.signal_resource(
                StackName="one", LogicalResourceId="It", UniqueId=instance, Status=status
            )
        except client.exceptions.ClientError:
            return False
        return True

    until(is_sent)


class TestCreationSignals:
    """An instance with a CreationPolicy is complete once it has signalled success."""

    def test_are_sent_by_themselves(self, cloud: Cloud) -> None:
        cloud.give({"kind": "image", "id": templates.IMAGE})
        assert cloud.deploy(gated()).status == "CREATE_COMPLETE"

    def test_success_lets_the_stack_go_on(self, manual: Cloud) -> None:
        stack = manual.begin(gated())
        signal(manual, "SUCCESS")
        stack.wait()
        assert stack.status == "CREATE_COMPLETE"

    def test_failure_rolls_back_and_leaves_no_instance(self, manual: Cloud) -> None:
        stack = manual.begin(gated())
        signal(manual, "FAILURE")
        with pytest.raises(DeployError, match="FAILURE signal"):
            stack.wait()
        assert running(manual) == []

    def test_silence_rolls_back(self, manual: Cloud) -> None:
        with pytest.raises(DeployError, match="Failed to receive 1 resource signal"):
            manual.deploy(gated("PT10S"))
        assert running(manual) == []


def test_a_failed_update_goes_back(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    stack = cloud.deploy(templates.serving())
    before = stack.ids
    broken = {
        **templates.serving(),
        "Group": templates.group(ref("Node1"), HealthyThresholdCount=3),
        "Wrong": templates.node(ImageId="ami-0123456789abcdef0"),
    }
    with pytest.raises(DeployError, match="UPDATE_ROLLBACK_COMPLETE"):
        cloud.deploy(broken)
    assert stack.ids == before
    client = cloud.client("elbv2")
    (group,) = client.describe_target_groups(TargetGroupArns=[before["Group"]])["TargetGroups"]
    assert group["HealthyThresholdCount"] == 2
    health = client.describe_target_health(TargetGroupArn=before["Group"])
    states = [item["TargetHealth"]["State"] for item in health["TargetHealthDescriptions"]]
    assert "draining" not in states
    assert len(states) == 2


def test_an_update_changes_only_the_tags_that_cloudformation_owns(cloud: Cloud) -> None:
    cloud.give({"kind": "image", "id": templates.IMAGE})
    tag = {"Key": "denodo:drained", "Value": "by hand"}

    def resources(**tags: str) -> dict[str, object]:
        own = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {
            **templates.network(),
            "It": templates.node(Tags=own),
            "Group": templates.group(Tags=own),
            "Zone": resource("Route53::HostedZone", Name="example.com", HostedZoneTags=own),
        }

    ids = cloud.deploy(resources(kept="1", removed="1")).ids
    ec2, elb, dns = cloud.client("ec2"), cloud.client("elbv2"), cloud.client("route53")
    zone = {"ResourceType": "hostedzone", "ResourceId": ids["Zone"]}
    ec2.create_tags(Resources=[ids["It"]], Tags=[tag])
    elb.add_tags(ResourceArns=[ids["Group"]], Tags=[tag])
    dns.change_tags_for_resource(**zone, AddTags=[tag])
    assert cloud.deploy(resources(kept="2")).ids == ids

    (described,) = ec2.describe_instances(InstanceIds=[ids["It"]])["Reservations"]
    (group,) = elb.describe_tags(ResourceArns=[ids["Group"]])["TagDescriptions"]
    for stored in (
        described["Instances"][0]["Tags"],
        group["Tags"],
        dns.list_tags_for_resource(**zone)["ResourceTagSet"]["Tags"],
    ):
        own = {item["Key"]: item["Value"] for item in stored if not item["Key"].startswith("aws:")}
        assert own == {"kept": "2", "denodo:drained": "by hand"}
