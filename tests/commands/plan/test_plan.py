"""`denodo-ha plan` and `nodes`: their output, before a deploy changes anything."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.environment.facts.update_effects import RESTARTING_STATE, Effect
from denodo_ha.plan.node_changes import changes
from hosts.denodo.state import NOT_RESTARTING
from tests.commands.conftest import Run
from tests.support.assembly import ROOT, Template

EXAMPLE = ROOT / "config/examples/active-active.yaml"
STACK = "denodo80-main"


@pytest.fixture
def template(templates_of: Callable[[Path], Mapping[str, Template]]) -> Template:
    return copy.deepcopy(templates_of(EXAMPLE)[STACK])


def instance(template: Template, node: str = "node1") -> dict[str, Any]:
    for resource in template["Resources"].values():
        tags = resource.get("Properties", {}).get("Tags", [])
        if (
            resource["Type"] == "AWS::EC2::Instance"
            and {"Key": "denodo:node", "Value": node} in tags
        ):
            properties: dict[str, Any] = resource["Properties"]
            return properties
    raise AssertionError(node)


def of_kind(template: Template, kind: str) -> dict[str, Any]:
    return next(
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == kind
    )


def write(template: Template, folder: Path) -> str:
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps(template))
    artifact = {
        "type": "aws:cloudformation:stack",
        "properties": {"stackName": STACK, "templateFile": "one.json"},
    }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": {STACK: artifact}}))
    return str(folder)


@pytest.mark.parametrize(
    ("key", "value", "effect"),
    [
        ("ImageId", "ami-1", Effect.REPLACEMENT),
        ("KeyName", "mine", Effect.REPLACEMENT),
        ("BlockDeviceMappings", [], Effect.REPLACEMENT),
        ("SomethingNew", 1, Effect.REPLACEMENT),
        ("InstanceType", "m5.large", Effect.RESTART),
        ("UserData", "other", Effect.RESTART),
        ("SecurityGroupIds", ["sg-1"], Effect.IN_PLACE),
        ("MetadataOptions", {}, Effect.IN_PLACE),
    ],
)
def test_what_a_property_does(template: Template, key: str, value: object, effect: Effect) -> None:
    new = copy.deepcopy(template)
    instance(new)[key] = value
    first, *others = changes(template, new)
    assert (first.node, first.cluster, first.effect) == ("node1", "main", effect)
    assert {server.effect for server in others} == {Effect.NOTHING}


def test_a_new_subnet_replaces_the_nodes_in_it(template: Template) -> None:
    new = copy.deepcopy(template)
    of_kind(new, "AWS::EC2::VPC")["CidrBlock"] = "10.99.0.0/16"
    assert {one.effect for one in changes(template, new)} == {Effect.REPLACEMENT}
    tagged = copy.deepcopy(template)
    of_kind(tagged, "AWS::EC2::Subnet")["MapPublicIpOnLaunch"] = True
    assert {one.effect for one in changes(template, tagged)} == {Effect.NOTHING}


@pytest.mark.parametrize(
    ("key", "text", "restarts"), [("ports", "9997", True), ("program", ".zip", False)]
)
def test_a_state_alone_restarts_no_instance(
    template: Template, key: str, text: str, *, restarts: bool
) -> None:
    new = copy.deepcopy(template)
    for one in new["Resources"].values():
        told = one["Properties"]
        if one["Type"] == "AWS::SSM::Parameter" and told["Tags"]["denodo:node"] == "node2":
            told["Value"] = json.loads(json.dumps(told["Value"]).replace(text, "0"))
    first, second, _ = changes(template, new)
    assert (first.effect, second.effect, second.restarts) == (
        Effect.NOTHING,
        Effect.STATE,
        restarts,
    )
    assert second.why == (f"state: {key}",)


def test_new_and_removed_nodes(template: Template) -> None:
    assert {one.effect for one in changes(None, template)} == {Effect.NEW}
    assert {one.effect for one in changes(template, None)} == {Effect.REMOVED}


def test_two_nodes_at_once_end_with_1(template: Template, tmp_path: Path, denodo_ha: Run) -> None:
    base = write(template, tmp_path / "base")
    instance(template)["ImageId"] = "ami-1"
    one = write(template, tmp_path / "one")
    instance(template, "node2")["InstanceType"] = "m5.large"
    two = write(template, tmp_path / "two")
    assert denodo_ha("plan", base, base).exit_code == exit_codes.DONE
    done = denodo_ha("plan", base, one)
    assert (done.exit_code, "replacement" in done.stdout) == (exit_codes.DONE, True)
    done = denodo_ha("plan", base, two, "--format", "json")
    assert (done.exit_code, json.loads(done.stdout)["touched"]) == (
        exit_codes.NO,
        {"main": ["node1", "node2"]},
    )
    assert "node1, node2 would stop serving at the same time" in denodo_ha("plan", base, two).stdout


def test_wrong_usage(tmp_path: Path, denodo_ha: Run) -> None:
    assert denodo_ha("plan").exit_code == exit_codes.USAGE
    done = denodo_ha("plan", str(tmp_path), str(tmp_path))
    assert (done.exit_code, "cdk synth" in done.stderr) == (exit_codes.USAGE, True)


def test_what_restarts_is_what_the_node_says() -> None:
    schema = json.loads((ROOT / "hosts/denodo/state.schema.json").read_text())
    assert set(schema["properties"]) - set(NOT_RESTARTING) == RESTARTING_STATE


def test_nodes_to_register(denodo_ha: Run) -> None:
    done = denodo_ha("nodes", "-c", "active-passive", "--format", "json")
    rows = json.loads(done.stdout)
    assert rows[0] == {
        "cluster": "active",
        "name": "node1",
        "type": "Virtual DataPort",
        "host": "node1.active.denodo70.internal",
        "port": "9999",
    }
    assert len(rows) == 4
    assert denodo_ha("nodes").exit_code == exit_codes.USAGE
    assert (
        "| active | node1 |"
        in denodo_ha("nodes", "-c", "active-passive", "--format", "markdown").stdout
    )
    assert "own host name of i-" in denodo_ha("nodes", "-c", "adopted").stdout
