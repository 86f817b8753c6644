"""`denodo-ha plan`: effect of a deploy on a shared database."""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.environment.facts.update_effects import DATABASE_EFFECTS, Effect
from denodo_ha.plan.database_changes import INSTANCE, changes
from tests.commands.conftest import Run
from tests.support import cfn_lint
from tests.support.assembly import ROOT, Template

EXAMPLE = ROOT / "config/examples/shared-catalog.yaml"
STACK = "denodo80s-main-catalog"
Of = Callable[[Path], Mapping[str, Template]]


@pytest.fixture
def template(templates_of: Of) -> Template:
    return copy.deepcopy(templates_of(EXAMPLE)[STACK])


def changed(tmp_path: Path, templates_of: Of, old: str, new: str) -> Mapping[str, Template]:
    """Return the example's templates after one change of its text: `new` instead of `old`."""
    text = EXAMPLE.read_text()
    assert text.count(old) == 1
    file = tmp_path / "environment.yaml"
    file.write_text(text.replace(old, new))
    return templates_of(file)


def only(template: Template, kind: str) -> dict[str, Any]:
    (found,) = (
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == kind
    )
    properties: dict[str, Any] = found
    return properties


def write(templates: Mapping[str, Template], folder: Path) -> str:
    folder.mkdir()
    artifacts = {}
    for name, template in templates.items():
        (folder / f"{name}.json").write_text(json.dumps(template))
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": name, "templateFile": f"{name}.json"},
        }
    (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    return str(folder)


@pytest.mark.parametrize(
    ("old", "new", "effect", "why"),
    [
        ("type: db.t4g.medium", "type: db.m6g.large", Effect.INTERRUPTION, "DBInstanceClass"),
        ('version: "16"', 'version: "17"', Effect.INTERRUPTION, "EngineVersion 16 -> 17"),
        ('version: "16"', 'version: "15"', Effect.INTERRUPTION, "16 -> 15 (RDS does not downgrade"),
        ("backup_window: 01:00-02:00", "multi_az: false", Effect.IN_PLACE, "MultiAZ True -> False"),
        (
            "backup_window: 01:00-02:00",
            "max_connections: 500",
            Effect.INTERRUPTION,
            "max_connections 300 -> 500",
        ),
        (
            "backup_window: 01:00-02:00",
            "storage_gib: 40",
            Effect.IN_PLACE,
            "AllocatedStorage 20 -> 40",
        ),
        (
            "backup_window: 01:00-02:00",
            "kms_key: arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            Effect.REPLACEMENT,
            "KmsKeyId none -> arn:aws:kms",
        ),
        ("type: m7i.xlarge", "type: m7i.2xlarge", Effect.NOTHING, ""),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_a_change_of_the_configuration_does(
    *,
    tmp_path: Path,
    templates_of: Of,
    template: Template,
    old: str,
    new: str,
    effect: Effect,
    why: str,
) -> None:
    after = changed(tmp_path, templates_of, old, new)[STACK]
    (one,) = changes(template, after)
    assert (one.cluster, one.effect) == ("main", effect)
    assert one.when == ("at once" if effect is Effect.INTERRUPTION else "")
    assert why in "; ".join(one.why)


@pytest.mark.parametrize(
    ("key", "value", "effect"),
    [
        ("StorageEncrypted", False, Effect.REPLACEMENT),
        ("MasterUsername", "other", Effect.REPLACEMENT),
        ("DBSubnetGroupName", {"Ref": "Other"}, Effect.REPLACEMENT),
        ("SomethingNew", 1, Effect.REPLACEMENT),
        ("StorageType", "io2", Effect.INTERRUPTION),
        ("BackupRetentionPeriod", 14, Effect.IN_PLACE),
        ("BackupRetentionPeriod", 0, Effect.INTERRUPTION),
        ("DeletionProtection", False, Effect.IN_PLACE),
    ],
)
def test_what_a_property_does(template: Template, key: str, value: object, effect: Effect) -> None:
    new = copy.deepcopy(template)
    only(new, INSTANCE)[key] = value
    (one,) = changes(template, new)
    assert (one.effect, one.loses) == (effect, effect is Effect.REPLACEMENT)
    assert one.why[0].startswith(key)


def test_storage_does_not_shrink(template: Template) -> None:
    new = copy.deepcopy(template)
    only(new, INSTANCE)["AllocatedStorage"] = "100"
    (one,) = changes(new, template)
    assert one.why == (
        "AllocatedStorage 100 -> 20 (storage never shrinks, so the deploy would fail)",
    )


def test_other_subnets_change_its_group_in_place(template: Template) -> None:
    new = copy.deepcopy(template)
    only(new, "AWS::RDS::DBSubnetGroup")["SubnetIds"] = ["subnet-1", "subnet-2"]
    (one,) = changes(template, new)
    assert (one.effect, one.why) == (Effect.IN_PLACE, ("SubnetIds",))


@pytest.mark.parametrize(
    ("settings", "when"),
    [
        ({"ApplyImmediately": False}, "in the maintenance window, Sun:03:00-Sun:04:00"),
        (
            {"ApplyImmediately": "false", "PreferredMaintenanceWindow": None},
            "in the maintenance window",
        ),
        ({"ApplyImmediately": True}, "at once"),
    ],
)
def test_when_it_is_interrupted(template: Template, settings: dict[str, Any], when: str) -> None:
    new = copy.deepcopy(template)
    only(template, INSTANCE).update(settings)
    only(new, INSTANCE).update({**settings, "DBInstanceClass": "db.m6g.large"})
    (one,) = changes(template, new)
    assert (one.effect, one.when) == (Effect.INTERRUPTION, when)


def test_new_removed_and_renamed_databases(template: Template) -> None:
    assert [one.effect for one in changes(None, template)] == [Effect.NEW]
    (gone,) = changes(template, None)
    assert (gone.effect, gone.loses) == (Effect.REMOVED, True)
    new = copy.deepcopy(template)
    (id_,) = (id_ for id_, resource in new["Resources"].items() if resource["Type"] == INSTANCE)
    new["Resources"]["Another"] = new["Resources"].pop(id_)
    assert {one.effect for one in changes(template, new)} == {Effect.NEW, Effect.REMOVED}


def test_what_replaces_is_what_cloudformation_publishes(template: Template) -> None:
    """Each database property in the templates has a known effect.

    The property is in `DATABASE_EFFECTS`, or is create-only in CloudFormation's schema. `plan`
    would count any other property as a replacement.
    """
    schema = cfn_lint.schema(INSTANCE)
    replacing = {path.removeprefix("/properties/") for path in schema["createOnlyProperties"]}
    assert replacing.isdisjoint(DATABASE_EFFECTS)
    assert set(DATABASE_EFFECTS) <= set(schema["properties"])
    # Engine and Port are in neither list, since the configuration cannot change them.
    assert set(only(template, INSTANCE)) - set(DATABASE_EFFECTS) - replacing == {"Engine", "Port"}


def test_two_folders(tmp_path: Path, templates_of: Of, denodo_ha: Run) -> None:
    base = write(templates_of(EXAMPLE), tmp_path / "base")
    larger = changed(tmp_path, templates_of, "type: db.t4g.medium", "type: db.m6g.large")
    done = denodo_ha("plan", base, write(larger, tmp_path / "larger"))
    assert done.exit_code == exit_codes.DONE
    assert "interruption, at once" in " ".join(done.stdout.split())
    key = "kms_key: arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    (tmp_path / "key").mkdir()
    other = changed(tmp_path / "key", templates_of, "backup_window: 01:00-02:00", key)
    folder = write(other, tmp_path / "other")
    done = denodo_ha("plan", base, folder)
    assert (done.exit_code, "the cluster's database would be lost" in done.stdout) == (
        exit_codes.NO,
        True,
    )
    told = json.loads(denodo_ha("plan", base, folder, "--format", "json").stdout)
    (database,) = told["databases"]
    assert (database["cluster"], database["effect"]) == ("main", "replacement")
    assert told["touched"] == {}
