"""`denodo-ha plan`: effect of a deploy on load balancers, whose DNS names clients use."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.environment.facts.update_effects import LOAD_BALANCER_IN_PLACE, Effect
from denodo_ha.plan.balancer_changes import LOAD_BALANCER, changes
from tests.commands.conftest import Run
from tests.support import cfn_lint
from tests.support.assembly import ROOT, Template

EXAMPLE = ROOT / "config/examples/web-cookies.yaml"
STACK = "denodo90web-main"
Of = Callable[[Path], Mapping[str, Template]]


@pytest.fixture
def template(templates_of: Of) -> Template:
    return copy.deepcopy(templates_of(EXAMPLE)[STACK])


def balancers(template: Template) -> dict[str, dict[str, Any]]:
    """Return the properties of a template's load balancers, by the load balancer's type."""
    return {
        resource["Properties"].get("Type", "network"): resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == LOAD_BALANCER
    }


def effects(before: Template | None, after: Template | None) -> dict[str, Effect]:
    return {change.balancer: change.effect for change in changes(before, after)}


def test_nothing_new_and_removed(template: Template) -> None:
    names = {"(balancer)", "(cookie balancer)"}
    assert effects(template, template) == dict.fromkeys(names, Effect.NOTHING)
    assert effects(None, template) == dict.fromkeys(names, Effect.NEW)
    assert effects(template, None) == dict.fromkeys(names, Effect.REMOVED)
    assert not any(change.loses_name for change in changes(None, template))


@pytest.mark.parametrize(
    ("key", "value", "effect"),
    [
        ("Scheme", "internet-facing", Effect.REPLACEMENT),
        ("Name", "another", Effect.REPLACEMENT),
        ("PropertyOfTomorrow", "x", Effect.REPLACEMENT),
        ("SecurityGroups", ["sg-1"], Effect.IN_PLACE),
    ],
)
def test_a_changed_property(template: Template, key: str, value: object, effect: Effect) -> None:
    after = copy.deepcopy(template)
    balancers(after)["network"][key] = value
    assert effects(template, after) == {"(balancer)": effect, "(cookie balancer)": Effect.NOTHING}
    (change,) = (change for change in changes(template, after) if change.why)
    assert change.cluster == "main"
    assert change.why[0].startswith(key)


def test_another_logical_id_is_another_load_balancer(template: Template) -> None:
    after = copy.deepcopy(template)
    (id_,) = (
        id_
        for id_, resource in after["Resources"].items()
        if resource["Properties"] is balancers(after)["network"]
    )
    after["Resources"]["Other"] = after["Resources"].pop(id_)
    assert effects(template, after)["(balancer)"] is Effect.REPLACEMENT


def test_what_replaces_is_what_cloudformation_publishes(template: Template) -> None:
    """Each load balancer property in the templates has a known effect.

    The property is in `LOAD_BALANCER_IN_PLACE`, or is create-only in CloudFormation's schema.
    `plan` would count any other property as a replacement.
    """
    schema = cfn_lint.schema(LOAD_BALANCER)
    replacing = {path.removeprefix("/properties/") for path in schema["createOnlyProperties"]}
    assert replacing.isdisjoint(LOAD_BALANCER_IN_PLACE)
    assert set(schema["properties"]) >= LOAD_BALANCER_IN_PLACE
    for properties in balancers(template).values():
        assert set(properties) <= LOAD_BALANCER_IN_PLACE | replacing


def test_the_command_refuses_a_lost_name(
    template: Template, tmp_path: Path, denodo_ha: Run
) -> None:
    after = copy.deepcopy(template)
    balancers(after)["network"]["Scheme"] = "internet-facing"
    folders = []
    for name, content in (("base", template), ("new", after)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "t.json").write_text(json.dumps(content))
        properties = {"stackName": STACK, "templateFile": "t.json"}
        artifacts = {STACK: {"type": "aws:cloudformation:stack", "properties": properties}}
        (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
        folders.append(str(folder))
    done = denodo_ha("plan", *folders)
    assert done.exit_code == exit_codes.NO
    assert "main: the DNS name of (balancer) would no longer exist" in done.stdout
    document = json.loads(denodo_ha("plan", *folders, "--format", "json").stdout)
    assert {item["balancer"]: item["effect"] for item in document["balancers"]} == {
        "(balancer)": "replacement",
        "(cookie balancer)": "nothing",
    }
    assert denodo_ha("plan", folders[0], folders[0]).exit_code == exit_codes.DONE
