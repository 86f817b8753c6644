"""IAM policy of node operators: it allows the commands' calls on one cluster only."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment import names
from tests.support.assembly import ROOT, Template
from tests.support.policy_simulator import allows

EXAMPLES = ROOT / "config/examples"


@pytest.fixture
def statements(
    templates_of: Callable[[Path], Mapping[str, Template]],
) -> dict[str, dict[str, Any]]:
    template = templates_of(EXAMPLES / "active-active.yaml")["denodo80-main"]
    (policy,) = [
        resource["Properties"]
        for id_, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy" and "NodeOperators" in id_
    ]
    assert not {"Users", "Groups", "Roles"} & set(policy)
    return {statement["Sid"]: statement for statement in policy["PolicyDocument"]["Statement"]}


def test_a_command_is_the_document_on_the_clusters_nodes(
    statements: dict[str, dict[str, Any]],
) -> None:
    sent = [
        statement
        for statement in statements.values()
        if "ssm:SendCommand" in str(statement["Action"])
    ]
    assert {one["Sid"] for one in sent} == {"RunTheDocument", "OnTheNodes"}
    assert "document/" in str(statements["RunTheDocument"]["Resource"])
    assert "*" not in str(statements["RunTheDocument"]["Resource"])
    assert statements["OnTheNodes"]["Condition"]["StringEquals"] == {
        "ssm:resourceTag/denodo:environment": "denodo80",
        "ssm:resourceTag/denodo:cluster": "main",
    }


def test_only_the_mark_and_the_lock_are_written(statements: dict[str, dict[str, Any]]) -> None:
    condition = statements["MarkNodes"]["Condition"]
    assert condition["ForAllValues:StringEquals"] == {"aws:TagKeys": ["denodo:drained"]}
    assert condition["StringEquals"]["aws:ResourceTag/denodo:cluster"] == "main"
    written = [names.lock_parameter("denodo80", "main"), names.pause_parameter("denodo80", "main")]
    for resource, name in zip(statements["HoldTheLock"]["Resource"], written, strict=True):
        assert resource.endswith(f"parameter{name}")
    (conditions,) = statements["SilenceAlarms"]["Condition"].values()
    assert conditions["cloudwatch:namespace"] == names.pause_namespace("denodo80", "main")


def test_whatever_changes_something_is_bounded(statements: dict[str, dict[str, Any]]) -> None:
    for one in statements.values():
        if one["Resource"] == "*" and one["Sid"] != "SilenceAlarms":
            assert all(":Describe" in action or ":Get" in action for action in one["Action"])
            assert one["Condition"]


OWN = {"denodo:environment": "denodo80", "denodo:cluster": "main"}
VOLUME = "arn:aws:ec2:eu-west-1:111122223333:volume/vol-0123456789abcdef0"
SNAPSHOT = "arn:aws:ec2:eu-west-1::snapshot/*"


def _context(key: str, tags: Mapping[str, str], **more: str) -> dict[str, str]:
    return {**{f"{key}/{tag}": value for tag, value in tags.items()}, **more}


@pytest.mark.parametrize("tags", [OWN, {**OWN, "denodo:cluster": "other"}, {}])
def test_snapshots_of_the_clusters_volumes_alone(
    statements: dict[str, dict[str, Any]], tags: dict[str, str]
) -> None:
    """The policy requires the cluster's tags on the volume, and in the request for its snapshot."""
    created = {"ec2:CreateAction": "CreateSnapshot"}
    for action, resource, context in (
        ("ec2:CreateSnapshot", VOLUME, _context("aws:ResourceTag", tags)),
        ("ec2:CreateSnapshot", SNAPSHOT, _context("aws:RequestTag", tags)),
        ("ec2:CreateTags", SNAPSHOT, _context("aws:RequestTag", tags, **created)),
    ):
        assert allows(statements.values(), action, resource, context) == (tags == OWN)
    without = _context("aws:RequestTag", tags)
    assert not allows(statements.values(), "ec2:CreateTags", SNAPSHOT, without)
    assert not allows(statements.values(), "ec2:DeleteSnapshot", SNAPSHOT, without)


@pytest.mark.slow
def test_existing_instances_are_named() -> None:
    # ruff: noqa: PLC0415 - jsii starts when aws_cdk is imported
    from aws_cdk import App, Environment, Stack
    from aws_cdk.assertions import Template as Found

    from stacks.access.node_operators import NodeOperatorPolicy

    stack = Stack(App(), "one", env=Environment(account="111122223333", region="eu-west-1"))
    given: dict[str, Any] = {"environment": "denodo80", "cluster": "main", "node_document": "run"}
    NodeOperatorPolicy(stack, "Some", existing_instance_ids=["i-0123456789abcdef0"], **given)
    NodeOperatorPolicy(stack, "None", existing_instance_ids=[], **given)
    texts = [
        json.dumps(resource) for resource in Found.from_stack(stack).to_json()["Resources"].values()
    ]
    assert sorted("MarkExistingNodes" in text for text in texts) == [False, True]
    assert sorted("instance/i-0123456789abcdef0" in text for text in texts) == [False, True]
