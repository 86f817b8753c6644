"""Policy of the Solution Manager's scripts: it allows only the needed actions, on one cluster."""

from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.loading.loader import load
from tests.support.assembly import ROOT, Template, synthesise
from tests.support.policy_simulator import conditions_hold

NEEDED = {
    *("elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"),
    *("elasticloadbalancing:DescribeTargetHealth", "ec2:DescribeInstances"),
    *("ec2:CreateTags", "ec2:DeleteTags"),
    *("ssm:PutParameter", "ssm:GetParameter", "ssm:DeleteParameter"),
    *("cloudformation:DescribeStacks", "cloudformation:GetTemplate"),
    *("cloudformation:ListStackResources", "cloudwatch:PutMetricData"),
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    file = ROOT / "config/examples/active-passive.yaml"
    return synthesise(load(file), tmp_path_factory.mktemp("manager")).templates["denodo70-active"]


def policy(template: Template) -> dict[str, Any]:
    (name,) = template["Outputs"]["SolutionManagerPolicyArn"]["Value"].values()
    properties: dict[str, Any] = template["Resources"][name]["Properties"]
    return properties


def statements(template: Template) -> dict[str, dict[str, Any]]:
    return {
        statement["Sid"]: statement for statement in policy(template)["PolicyDocument"]["Statement"]
    }


def actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


def tags(template: Template, kind: str) -> list[dict[str, str]]:
    return [
        {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
        for resource in template["Resources"].values()
        if resource["Type"] == kind
    ]


def admits(statement: dict[str, Any], tags: dict[str, str], *keys: str) -> bool:
    """Return whether the conditions allow these resource tags and these tag keys of a request."""
    context = {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    return conditions_hold(statement, {**context, **({"aws:TagKeys": keys} if keys else {})})


def test_allows_what_the_scripts_call_and_no_more(template: Template) -> None:
    found = [action for statement in statements(template).values() for action in actions(statement)]
    assert sorted(found) == sorted(NEEDED)
    assert all(statement["Effect"] == "Allow" for statement in statements(template).values())


def test_is_attached_to_nobody_and_has_no_name(template: Template) -> None:
    properties = policy(template)
    assert not properties.keys() & {"Users", "Groups", "ManagedPolicyName"}
    assert properties.get("Roles", []) == []


def test_takes_out_of_shared_groups_and_brings_back_into_all(template: Template) -> None:
    groups = tags(template, "AWS::ElasticLoadBalancingV2::TargetGroup")
    out, back = statements(template)["TakeOut"], statements(template)["BringBack"]
    assert [admits(out, group) for group in groups] == [
        "denodo:service" in group for group in groups
    ]
    assert {admits(out, group) for group in groups} == {True, False}
    assert all(admits(back, group) for group in groups)
    for other in ({"denodo:environment": "other"}, {"denodo:cluster": "passive"}):
        assert not any(admits(one, {**group, **other}) for one in (out, back) for group in groups)


def test_marks_this_clusters_instances_with_one_tag(template: Template) -> None:
    statement = statements(template)["MarkNodes"]
    for one in tags(template, "AWS::EC2::Instance"):
        assert admits(statement, one, "denodo:drained")
        assert not admits(statement, one)
        assert not admits(statement, one, "denodo:drained", "Name")


def test_silences_this_clusters_alarms_alone(template: Template) -> None:
    conditions = statements(template)["SilenceAlarms"]["Condition"]["StringEquals"]
    assert conditions["cloudwatch:namespace"] == "Denodo/Pause/denodo70-active"


def test_what_takes_no_resource_is_bounded_by_region(template: Template) -> None:
    for statement in statements(template).values():
        if statement["Resource"] == "*":
            region = statement["Condition"]["StringEquals"]["aws:RequestedRegion"]
            assert region == "eu-west-1"


@pytest.mark.parametrize("name", ["active-active", "standalone-failover"])
def test_is_not_there_without_a_solution_manager_or_a_balancer(name: str, tmp_path: Path) -> None:
    templates = synthesise(load(ROOT / f"config/examples/{name}.yaml"), tmp_path).templates
    for template in templates.values():
        assert "SolutionManagerPolicyArn" not in template.get("Outputs", {})


def test_servers_that_exist_already_are_named(tmp_path: Path) -> None:
    text = (ROOT / "config/examples/adopted.yaml").read_text()
    file = tmp_path / "adopted.yaml"
    file.write_text(text + "\nsolution_manager: {cidrs: [10.0.9.0/24], host: sm.example.com}\n")
    loaded = load(file)
    ((cluster, told),) = loaded.environment.clusters.items()
    name = f"{loaded.environment.name}-{cluster}"
    statement = statements(synthesise(loaded, tmp_path / "out").templates[name])[
        "MarkExistingNodes"
    ]
    ids = {node.instance_id for node in told.nodes.values() if node.instance_id}
    resources = statement["Resource"]
    listed = str([resources] if isinstance(resources, dict) else resources)
    assert ids
    assert all(id_ in listed for id_ in ids)
