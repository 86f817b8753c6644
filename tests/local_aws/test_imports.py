"""Calls that create load balancers and instances, and import change sets of what they create."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.templates import attribute
from tests.support.hand_made_site import HandMadeCluster, Recipe, make_site
from tests.support.waiting import until

ELB = "AWS::ElasticLoadBalancingV2::"
ONE_REGION = Recipe(
    with_security_group=True,
    regions=("eu-west-1",),
    shared_ports={"jdbc": 9999},
    auxiliary_ports={"node1": 19997},
)


@pytest.fixture
def made(cloud: Cloud) -> HandMadeCluster:
    """A load balancer with a security group, made by API calls, without a stack."""
    return make_site(cloud, ONE_REGION).clusters["eu-west-1"]


def retained(declared: dict[str, Any]) -> dict[str, Any]:
    return {**declared, "DeletionPolicy": "Retain"}


def template_of(made: HandMadeCluster) -> dict[str, Any]:
    """Return a template of the hand-made load balancer, its listener and its security group."""
    (balancer,) = made.cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    subnets = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
    vpc = balancer["VpcId"]
    resources = {
        "Sg": templates.resource("EC2::SecurityGroup", GroupDescription="denodo-nlb", VpcId=vpc),
        "Rule": templates.resource(
            "EC2::SecurityGroupIngress",
            GroupId=attribute("Sg", "GroupId"),
            IpProtocol="tcp",
            FromPort=9999,
            ToPort=9999,
            CidrIp="10.0.0.0/8",
        ),
        "Nlb": templates.balancer(Subnets=subnets, SecurityGroups=[attribute("Sg", "GroupId")]),
        "Group": templates.group(VpcId=vpc, Targets=[]),
        "Listener": templates.listener(),
    }
    return {key: retained(item) for key, item in resources.items()}


def identifiers_of(made: HandMadeCluster) -> dict[str, tuple[str, dict[str, str]]]:
    """Return type and identifier of each resource of the template."""
    rules = made.cloud.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [made.security_group]}]
    )["SecurityGroupRules"]
    (rule,) = [item["SecurityGroupRuleId"] for item in rules if item["FromPort"] == 9999]
    return {
        "Sg": ("AWS::EC2::SecurityGroup", {"Id": made.security_group}),
        "Rule": ("AWS::EC2::SecurityGroupIngress", {"Id": rule}),
        "Nlb": (f"{ELB}LoadBalancer", {"LoadBalancerArn": made.balancer}),
        "Group": (f"{ELB}TargetGroup", {"TargetGroupArn": made.groups["jdbc"]}),
        "Listener": (f"{ELB}Listener", {"ListenerArn": made.listeners["jdbc"]}),
    }


def change_set(
    cloud: Cloud,
    resources: dict[str, Any],
    identifiers: dict[str, tuple[str, dict[str, str]]],
    stack: str = "one",
) -> dict[str, Any]:
    """Create an import change set, and return its description once it is complete or failed."""
    client = cloud.client("cloudformation")
    made = client.create_change_set(
        StackName=stack,
        ChangeSetName="import",
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": resources}),
        ResourcesToImport=[
            {"ResourceType": kind, "LogicalResourceId": id_, "ResourceIdentifier": identifier}
            for id_, (kind, identifier) in identifiers.items()
        ],
    )

    def described() -> dict[str, Any]:
        return dict(client.describe_change_set(ChangeSetName=made["Id"]))

    until(lambda: described()["Status"] in ("CREATE_COMPLETE", "FAILED"))
    return described()


def test_an_import_takes_what_runs_as_it_is(made: HandMadeCluster) -> None:
    cloud = made.cloud
    before = cloud.client("elbv2").describe_target_groups(TargetGroupArns=[made.groups["jdbc"]])
    described = change_set(cloud, template_of(made), identifiers_of(made))
    actions = {item["ResourceChange"]["Action"] for item in described["Changes"]}
    assert actions == {"Import"}
    cloud.client("cloudformation").execute_change_set(ChangeSetName="import", StackName="one")
    stack = Stack(cloud, "one")
    stack.wait()
    assert stack.status == "IMPORT_COMPLETE"
    expected = {key: next(iter(of.values())) for key, (_, of) in identifiers_of(made).items()}
    assert stack.ids == expected
    # The template has an interval of 5 s, the target group 30 s. As on AWS, an import does not
    # change the resource, and does not report the difference.
    after = cloud.client("elbv2").describe_target_groups(TargetGroupArns=[made.groups["jdbc"]])
    assert after["TargetGroups"] == before["TargetGroups"]
    assert after["TargetGroups"][0]["HealthCheckIntervalSeconds"] == 30

    deployed = cloud.deploy({**template_of(made), "Topic": templates.resource("SNS::Topic")})
    assert deployed.status == "UPDATE_COMPLETE"
    assert {key: deployed.ids[key] for key in expected} == expected


@pytest.mark.parametrize("kind", ["Sg", "Rule", "Nlb", "Group", "Listener"])
def test_what_does_not_exist_cannot_be_imported(made: HandMadeCluster, kind: str) -> None:
    identifiers = identifiers_of(made)
    type_, identifier = identifiers[kind]
    identifiers[kind] = (type_, dict.fromkeys(identifier, "nothing"))
    described = change_set(made.cloud, template_of(made), identifiers)
    assert described["Status"] == "FAILED"
    assert "NotFound" in described["StatusReason"]


def test_what_another_stack_has_cannot_be_imported(made: HandMadeCluster) -> None:
    cloud = made.cloud
    change_set(cloud, template_of(made), identifiers_of(made))
    cloud.client("cloudformation").execute_change_set(ChangeSetName="import", StackName="one")
    Stack(cloud, "one").wait()
    described = change_set(cloud, template_of(made), identifiers_of(made), "two")
    assert described["Status"] == "FAILED"
    assert "already exists in stack" in described["StatusReason"]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"DeletionPolicy": None}, "must have DeletionPolicy attribute"),
        ({"Properties": {"Nonsense": 1}}, r"extraneous key \[Nonsense\] is not permitted"),
    ],
)
def test_wrong_templates_are_refused(
    made: HandMadeCluster, wrong: dict[str, Any], reason: str
) -> None:
    resources = template_of(made)
    resources["Nlb"] = {
        key: value for key, value in {**resources["Nlb"], **wrong}.items() if value is not None
    }
    with pytest.raises(ClientError, match=reason):
        change_set(made.cloud, resources, identifiers_of(made))


def test_wrong_identifiers_are_refused(made: HandMadeCluster) -> None:
    identifiers = identifiers_of(made)
    identifiers["Sg"] = ("AWS::EC2::SecurityGroup", {"GroupId": made.security_group})
    with pytest.raises(ClientError, match=r"Expected \[Id\]"):
        change_set(made.cloud, template_of(made), identifiers)


def test_an_unknown_type_is_refused_in_words(cloud: Cloud) -> None:
    resources = {"Vpc": retained(templates.network()["Vpc"])}
    described = change_set(cloud, resources, {"Vpc": ("AWS::EC2::VPC", {"VpcId": "vpc-1"})})
    assert "does not import resources of type AWS::EC2::VPC" in described["StatusReason"]


class TestCalls:
    """The local AWS checks calls of the console and of scripts as it checks templates."""

    def test_a_name_is_used_once(self, made: HandMadeCluster) -> None:
        client = made.cloud.client("elbv2")
        (balancer,) = client.describe_load_balancers()["LoadBalancers"]
        subnets = [zone["SubnetId"] for zone in balancer["AvailabilityZones"]]
        with pytest.raises(ClientError, match="DuplicateLoadBalancerName"):
            client.create_load_balancer(Name="denodo-nlb", Type="network", Subnets=subnets)
        with pytest.raises(ClientError, match="DuplicateTargetGroupName"):
            client.create_target_group(
                Name="denodo-jdbc", Protocol="TCP", Port=1, VpcId=balancer["VpcId"]
            )

    def test_a_load_balancer_without_security_group_gets_none(self, cloud: Cloud) -> None:
        recipe = Recipe(regions=("eu-west-1",), shared_ports={"jdbc": 9999})
        cluster = make_site(cloud, recipe).clusters["eu-west-1"]
        with pytest.raises(ClientError, match="without security groups cannot get any"):
            cloud.client("elbv2").set_security_groups(
                LoadBalancerArn=cluster.balancer, SecurityGroups=[cluster.node_security_group]
            )

    def test_security_groups_are_replaced(self, made: HandMadeCluster) -> None:
        client = made.cloud.client("elbv2")
        client.set_security_groups(
            LoadBalancerArn=made.balancer, SecurityGroups=[made.node_security_group]
        )
        (balancer,) = client.describe_load_balancers()["LoadBalancers"]
        assert balancer["SecurityGroups"] == [made.node_security_group]

    def test_an_instance_needs_an_image(self, made: HandMadeCluster) -> None:
        ec2 = made.cloud.client("ec2")
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        with pytest.raises(ClientError, match=r"InvalidAMIID\.NotFound"):
            ec2.run_instances(
                ImageId="ami-0bbbbbbbbbbbbbbbb", SubnetId=subnet, MinCount=1, MaxCount=1
            )

    def test_a_port_has_one_listener(self, made: HandMadeCluster) -> None:
        with pytest.raises(ClientError, match="DuplicateListener"):
            made.cloud.client("elbv2").create_listener(
                LoadBalancerArn=made.balancer,
                Protocol="TCP",
                Port=9999,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": made.groups["jdbc"]}],
            )
