"""Deployed templates in forms that CloudFormation accepts but this project does not write."""

import copy
import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.cluster import Cluster, cluster_of_stack
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.node_pins import deployed_pins
from denodo_ha.deployed.stack import Stack, resource_tag
from denodo_ha.plan import database_changes, node_changes

LOCATION = StackLocation("active", "prod-active", "1" * 12, "eu-west-1")
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
IF = {"Fn::If": ["Large", "a", "b"]}
ARN = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/jdbc/1"

TEMPLATE: dict[str, Any] = {
    "Metadata": {"Denodo": {"Nodes": {"NodeIdnode1": "node1"}}},
    "Resources": {
        "Node": {
            "Type": "AWS::EC2::Instance",
            "Properties": {
                "ImageId": "ami-12345678",
                "InstanceType": "m5.large",
                "SubnetId": {"Ref": "Subnet"},
                "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50}}],
                "Tags": [{"Key": "denodo:node", "Value": "node1"}],
            },
        },
        "Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "Vpc"}}},
        "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
        "State": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Value": {"Fn::Join": ["", ["{}"]]}, "Tags": {"denodo:node": "node1"}},
        },
        "Database": {
            "Type": "AWS::RDS::DBInstance",
            "Properties": {"DBParameterGroupName": {"Ref": "Parameters"}},
        },
        "Parameters": {"Type": "AWS::RDS::DBParameterGroup", "Properties": {"Parameters": {}}},
        "Balancer": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer"},
        "Listener": {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {
                "Port": 9999,
                "LoadBalancerArn": {"Ref": "Balancer"},
                "DefaultActions": [
                    {"ForwardConfig": {"TargetGroups": [{"TargetGroupArn": {"Ref": "Group"}}]}}
                ],
            },
        },
        "Group": {
            "Type": GROUP,
            "Properties": {
                "Port": 9999,
                "HealthCheckPort": "28080",
                "HealthCheckIntervalSeconds": 10,
                "Tags": [{"Key": "denodo:service", "Value": "jdbc"}],
                "Targets": [{"Id": {"Ref": "Node"}, "Port": 9999}],
                "TargetGroupAttributes": [
                    {"Key": "deregistration_delay.timeout_seconds", "Value": "300"}
                ],
            },
        },
    },
    "Outputs": {
        "NodeIdnode1": {"Value": {"Ref": "Node"}},
        "BalancerDnsName": {"Value": {"Fn::GetAtt": ["Balancer", "DNSName"]}},
    },
}
ODD: tuple[Any, ...] = (
    *(IF, {"Ref": "Param"}, {"Ref": "Nothing"}, {"Ref": []}, {"Fn::GetAtt": "Balancer.DNSName"}),
    *({"Fn::Transform": {"Name": "x"}}, {"Fn::Join": "x"}, {"Fn::Join": [1]}, {}, [], [IF], [[]]),
    *(None, True, 7, 1.5, "text", "9" * 5000, ""),
)


def stack(template: dict[str, Any]) -> Stack:
    return Stack(
        name="prod-active",
        arn="arn:aws:cloudformation:eu-west-1:111111111111:stack/prod-active/1",
        region="eu-west-1",
        account="1" * 12,
        status="CREATE_COMPLETE",
        outputs={},
        parameters={"Param": "80"},
        tags={},
        template=template,
        physical_ids={"Node": "i-1", "Group": ARN, "Listener": "arn:l", "Balancer": "arn:b"},
    )


def read(template: dict[str, Any]) -> Cluster:
    return cluster_of_stack(LOCATION, stack(template))


def changed(**properties: Any) -> dict[str, Any]:
    template = copy.deepcopy(TEMPLATE)
    template["Resources"]["Group"]["Properties"].update(properties)
    return template


def positions(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield, for each value in a map or list at any depth, the keys that lead to the value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in items:
        yield (key,)
        if isinstance(each, dict | list):
            yield from ((key, *rest) for rest in positions(each))


def replaced(template: Any, position: tuple[Any, ...], value: Any) -> Any:
    template = copy.deepcopy(template)
    parent = template
    for key in position[:-1]:
        parent = parent[key]
    parent[position[-1]] = copy.deepcopy(value)
    return template


def test_the_template_is_read() -> None:
    cluster = read(TEMPLATE)
    assert cluster.balancer is not None
    (listener,), (group,) = cluster.balancer.listeners, cluster.groups
    assert (listener.port, listener.group) == (9999, ARN)
    assert (group.service, group.port, group.health.port) == ("jdbc", 9999, 28080)
    assert (group.deregistration_delay, [target.node for target in group.targets]) == (
        300,
        ["node1"],
    )


@pytest.mark.parametrize("value", ODD, ids=lambda value: str(value)[:30])
def test_no_shape_is_an_internal_error(value: Any) -> None:
    for position in positions(TEMPLATE):
        template = replaced(TEMPLATE, position, value)
        with suppress(Failed):
            deployed_pins(read(template))
        for before, after in itertools.permutations((TEMPLATE, template)):
            node_changes.changes(before, after)
            database_changes.changes(before, after)


@pytest.mark.parametrize(
    ("properties", "subject"),
    [
        ({"Port": {"Ref": "Nothing"}}, "the port of target group Group"),
        ({"Targets": {"Fn::If": ["Large", [], []]}}, "the list of targets of target group Group"),
        ({"Targets": [IF]}, "the list of targets of target group Group"),
        ({"TargetGroupAttributes": [IF]}, "the deregistration delay of target group Group"),
        ({"HealthCheckIntervalSeconds": IF}, "HealthCheckIntervalSeconds of target group Group"),
        ({"HealthCheckPort": IF}, "HealthCheckPort of target group Group"),
    ],
)
def test_what_only_cloudformation_knows_is_not_known_from_here(
    properties: dict[str, Any], subject: str
) -> None:
    with pytest.raises(Failed, match=f"^prod-active: {subject} is not known, because"):
        read(changed(**properties))


def test_a_parameter_is_read() -> None:
    param = {"Ref": "Param"}
    (group,) = read(changed(Port=param, HealthCheckPort=param, HealthCheckTimeoutSeconds=7)).groups
    assert (group.port, group.health.port, group.health.timeout) == (80, 80, 7)


def test_keys_that_are_no_resources_are_left_out() -> None:
    template = copy.deepcopy(TEMPLATE)
    resources = template["Resources"]
    resources |= {"Fn::Transform": {"Name": "x"}, "Fn::ForEach::X": ["a", ["b"], {}]}
    assert read(template).groups == read(TEMPLATE).groups


def test_metadata_of_another_shape_is_no_metadata() -> None:
    template = copy.deepcopy(TEMPLATE)
    template["Metadata"]["Denodo"] = {"Nodes": []}
    assert [node.name for node in read(template).nodes] == ["node1"]


def test_a_tag_beside_an_expression_is_read() -> None:
    tags = [IF, {"Key": "denodo:service", "Value": "odbc"}, {"Key": "x", "Value": IF}]
    assert resource_tag({"Tags": tags}, "denodo:service") == "odbc"
    assert resource_tag({"Tags": tags}, "x") is None


def test_a_subnet_that_refers_to_itself_ends() -> None:
    template = replaced(TEMPLATE, ("Resources", "Subnet", "Properties", "VpcId"), {"Ref": "Subnet"})
    (change,) = node_changes.changes(TEMPLATE, template)
    assert change.why == ("SubnetId",)
