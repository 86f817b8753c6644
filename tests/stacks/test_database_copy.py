"""The copy of a database: two properties of the database, and rights where it is restored."""

import json
from pathlib import Path

from denodo_ha.environment.loading.loader import load
from tests.commands.catalog.test_database_copy import SPARE, copied
from tests.support.assembly import Assembly, synthesise
from tests.support.configurations import ACCOUNT, GONE, UUID, Data, changed, write

DATABASE = "AWS::RDS::DBInstance"
POLICY = "AWS::IAM::ManagedPolicy"


def synth(folder: Path, data: Data) -> Assembly:
    folder.mkdir()
    return synthesise(load(write(folder, data)), folder / "out")


def test_a_copy_changes_a_deployed_database_in_place(tmp_path: Path) -> None:
    before = synth(tmp_path / "before", changed(copied(), {"clusters/main/catalog/copy": GONE}))
    after = synth(tmp_path / "after", copied())
    ((id_, old),) = before.resources("test-main-catalog", DATABASE).items()
    new = after.resources("test-main-catalog", DATABASE)[id_]
    assert {key: value for key, value in new.items() if old.get(key) != value} == {
        "AutomaticBackupReplicationRegion": SPARE,
        "AutomaticBackupReplicationKmsKeyId": f"arn:aws:kms:{SPARE}:{ACCOUNT}:key/{UUID}",
    }
    for stack in before.templates:
        allowed = {
            assembly is after: json.dumps(assembly.resources(stack, POLICY))
            for assembly in (before, after)
        }
        gets = "RestoreDBInstanceToPointInTime" in allowed[True]
        assert gets == (stack == "test-spare-catalog")
        assert (allowed[True] == allowed[False]) != gets
    assert "db:test-spare-restored" in json.dumps(after.resources("test-spare-catalog", POLICY))
