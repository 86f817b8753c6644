"""Deploying the working tree over an earlier revision restarts and replaces no resource."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.loading.loader import load
from denodo_ha.plan import database_changes, node_changes
from tests.support.assembly import Template, synthesise
from tests.upgrade.conftest import NewTemplates
from tests.upgrade.revision import EXAMPLES, Revision
from tools.local_aws.published_schemas import FILE

NAMED_IN_CHANGELOG: dict[str, set[str]] = {}
"""Resources (`STACK LOGICAL_ID`) that an upgrade restarts or replaces, by the old commit's id.

CHANGELOG must mention the restart or replacement of each resource.
"""

_ROLLED = {"AWS::EC2::LaunchTemplate"}
"""Types whose change rolls the HAProxy instances one at a time, through the Auto Scaling group."""


@pytest.mark.parametrize("example", EXAMPLES)
def test_plan_says_no_restart_and_no_replacement(
    revision: Revision, new_templates: NewTemplates, example: str
) -> None:
    before, after = revision.templates(example), new_templates(revision, example)
    assert before.keys() == after.keys()
    for name in before:
        nodes = node_changes.changes(before[name], after[name])
        assert node_changes.touched(nodes) == {}
        for change in nodes:
            assert change.effect.value in {"nothing", "state only", "in place"}, change
        assert not [
            change
            for change in database_changes.changes(before[name], after[name])
            if change.loses or change.effect.touches
        ]


def _user_data(templates: dict[str, Template]) -> dict[str, str]:
    return {
        f"{name} {id_}": resource["Properties"]["UserData"]["Fn::Base64"]
        for name, template in templates.items()
        for id_, resource in template["Resources"].items()
        if resource["Type"] == "AWS::EC2::Instance"
    }


@pytest.mark.parametrize("example", EXAMPLES)
def test_pinned_nodes_keep_their_first_boot_byte_for_byte(
    revision: Revision, new_templates: NewTemplates, example: str
) -> None:
    assert _user_data(new_templates(revision, example)) == _user_data(revision.templates(example))


def test_nodes_without_pins_count_as_new(revision: Revision, tmp_path: Path) -> None:
    """Without `denodo-ha pin` before the upgrade, `plan` reports a restart (CHANGELOG)."""
    before = revision.templates("active-active")
    loaded = load(revision.configuration("active-active"))
    after = synthesise(loaded, tmp_path / "out").templates
    assert all("# denodo-ha first boot 2" in text for text in _user_data(dict(after)).values())
    for name in before:
        changes = node_changes.changes(before[name], after[name])
        assert [change.effect for change in changes] == [Effect.RESTART] * 3
        assert all("UserData" in change.why for change in changes)


@pytest.mark.parametrize("example", EXAMPLES)
def test_no_resource_is_removed_or_replaced(
    revision: Revision, new_templates: NewTemplates, example: str
) -> None:
    """The check includes load balancers, target groups, DNS records, health checks and policies."""
    before, after = revision.templates(example), new_templates(revision, example)
    commit = json.loads((revision.folder / "revision.json").read_text())["commit"]
    replaced = {
        f"{name} {resource}" for name in before for resource in _replaced(before[name], after[name])
    }
    assert replaced <= NAMED_IN_CHANGELOG.get(commit, set())


def _replaced(before: Template, after: Template) -> Iterator[str]:
    schemas = json.loads(Path(FILE).read_text())
    for id_, old in before["Resources"].items():
        new = after["Resources"].get(id_)
        if new is None or new["Type"] != old["Type"]:
            yield id_
            continue
        for path in schemas.get(old["Type"], {}).get("replacing", ()):
            keys = path.split("/")
            if _value(old, keys) != _value(new, keys) and old["Type"] not in _ROLLED:
                yield id_


def _value(resource: Any, keys: list[str]) -> Any:
    value = resource.get("Properties", {})
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize("example", EXAMPLES)
def test_outputs_stay(revision: Revision, new_templates: NewTemplates, example: str) -> None:
    after = new_templates(revision, example)
    for name, template in revision.templates(example).items():
        assert template.get("Outputs", {}).keys() <= after[name].get("Outputs", {}).keys()


def test_a_replaced_or_removed_resource_is_found(revision: Revision) -> None:
    before = revision.templates("active-passive")["denodo70-active"]
    after = json.loads(json.dumps(before))
    for kind, key in {
        "AWS::ElasticLoadBalancingV2::LoadBalancer": "Scheme",
        "AWS::IAM::ManagedPolicy": "Description",
    }.items():
        ids = [id_ for id_, item in after["Resources"].items() if item["Type"] == kind]
        for id_ in ids[:1]:
            after["Resources"][id_]["Properties"][key] = "another"
            assert id_ in set(_replaced(before, after))
            del after["Resources"][id_]
            assert id_ in set(_replaced(before, after))
