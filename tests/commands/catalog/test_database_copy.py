"""Copies of metadata databases in another region: their age, and their restore."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import recovery_commands
from denodo_ha.cli import exit_codes
from denodo_ha.deployed.database_copy import DatabaseSource, read_database_copy
from tests.commands.account.calls import Answer, Call, Fault, answer, error
from tests.commands.account.cloud import Cloud
from tests.commands.account.cloudformation import Deployed
from tests.commands.conftest import Clouds, Run
from tests.support.configurations import ACCOUNT
from tests.support.copied_sites import MAIN_REGION as MAIN
from tests.support.copied_sites import SPARE_REGION as SPARE

LATEST = datetime(2026, 1, 1, 9, 41, tzinfo=UTC)
SOURCE = DatabaseSource("test-main-catalog", ACCOUNT, MAIN)
ARN = f"arn:aws:rds:{SPARE}:{ACCOUNT}:auto-backup:ab-1"


def backup(**changes: Any) -> dict[str, Any]:
    """Return the replicated backups of a database, as RDS in the other region describes them."""
    return {
        "DBInstanceAutomatedBackupsArn": ARN,
        "DBInstanceArn": f"arn:aws:rds:{MAIN}:{ACCOUNT}:db:it",
        "DBInstanceIdentifier": "test-main-catalog-databaseinstance1234-abcdefghijkl",
        "Status": "replicating",
        "RestoreWindow": {"LatestTime": LATEST},
        "KmsKeyId": "key",
        **changes,
    }


@dataclass
class Rds:
    """Simulated RDS in the copy's region. A restored database becomes available after some polls.

    Attributes:
        backups: the automated backups.
        databases: the databases by identifier.
        polls: number of descriptions after which a restored database is available.
        calls: the calls that change something.
    """

    backups: list[dict[str, Any]]
    databases: dict[str, dict[str, Any]] = field(default_factory=dict)
    polls: int = 2
    calls: list[str] = field(default_factory=list)

    def __call__(self, call: Call) -> Answer | None:
        """Answer a call of the RDS API."""
        given = call.parameters
        match call.operation:
            case "DescribeDBInstanceAutomatedBackups":
                return answer({"DBInstanceAutomatedBackups": self.backups})
            case "DescribeDBInstances":
                return self._describe(given["DBInstanceIdentifier"])
            case "RestoreDBInstanceToPointInTime":
                self.calls.append(call.operation)
                self.restored = given
                name = given["TargetDBInstanceIdentifier"]
                self.databases[name] = {"DBInstanceStatus": "creating"}
            case "ModifyDBInstance":
                self.calls.append(call.operation)
                secret = {"SecretArn": "arn:secret", "SecretStatus": "active"}
                self.databases[given["DBInstanceIdentifier"]]["MasterUserSecret"] = secret
        return answer({"DBInstance": {}})

    def _describe(self, name: str) -> Answer:
        database = self.databases.get(name)
        if database is None:
            return error("DBInstanceNotFound", f"DBInstance {name} not found.", 404)
        if database["DBInstanceStatus"] == "creating":
            self.polls -= 1
            if self.polls < 0:
                database["DBInstanceStatus"] = "available"
        return answer({"DBInstances": [{"Endpoint": {"Address": "host"}, **database}]})


@pytest.fixture
def config(copied_config: Path) -> Path:
    return copied_config


@pytest.fixture
def cloud(clouds: Clouds, config: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = clouds(str(config))
    monkeypatch.setattr(recovery_commands, "RealClock", lambda: cloud.clock)
    return cloud


@pytest.fixture
def rds(cloud: Cloud) -> Rds:
    """Return RDS with a database copy, and with the metadata database of the other cluster."""
    own = {
        "DBInstanceStatus": "available",
        "DBInstanceClass": "db.t4g.medium",
        "DBSubnetGroup": {"DBSubnetGroupName": "subnets"},
        "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1"}],
        "DBParameterGroups": [{"DBParameterGroupName": "parameters"}],
        "MultiAZ": True,
    }
    rds = Rds([backup()], {"own": own})
    cloud.faults.add(Fault(lambda call: call.service == "rds", rds))
    template = {"Resources": {"It": {"Type": "AWS::RDS::DBInstance", "Properties": {}}}}
    stack = Deployed("test-spare-catalog", ACCOUNT, SPARE, template)
    stack.physical_ids = {"It": "own"}
    cloud.stacks.all.append(stack)
    return rds


def restore(denodo_ha: Run, config: Path, *more: str) -> Any:
    return denodo_ha("catalog", "restore-database", "--in", "spare", "-c", str(config), *more)


@pytest.mark.parametrize(
    ("changes", "is_ours"),
    [
        ({}, True),
        ({"DBInstanceIdentifier": "test-main-cat-databasein-abcdefghijkl"}, True),
        ({"DBInstanceIdentifier": "test-other-catalog-database-abcdefghijkl"}, False),
        ({"DBInstanceIdentifier": "test-main-backup-abcdefghijkl"}, False),
        ({"DBInstanceIdentifier": "test-database-x"}, False),
        ({"DBInstanceIdentifier": "mine"}, False),
        ({"DBInstanceArn": f"arn:aws:rds:{SPARE}:{ACCOUNT}:db:it"}, False),
        ({"DBInstanceArn": f"arn:aws:rds:{MAIN}:444455556666:db:it"}, False),
        ({"DBInstanceArn": ""}, False),
        (
            {
                "DBInstanceIdentifier": "renamed",
                "TagList": [{"Key": "aws:cloudformation:stack-name", "Value": "test-main-catalog"}],
            },
            True,
        ),
        ({"TagList": [{"Key": "aws:cloudformation:stack-name", "Value": "other"}]}, False),
    ],
)
def test_the_copy_of_a_database_is_found(
    cloud: Cloud, rds: Rds, changes: dict[str, Any], *, is_ours: bool
) -> None:
    rds.backups = [backup(**changes)]
    copy = read_database_copy(Aws(), SPARE, SOURCE)
    assert (copy is not None) is is_ours
    assert {call.region for call in cloud.calls.made} == {SPARE}


def test_the_newest_of_several_copies_is_taken(rds: Rds) -> None:
    old = backup(Status="retained", RestoreWindow={}, DBInstanceAutomatedBackupsArn="old")
    rds.backups = [old, backup(), old]
    copy = read_database_copy(Aws(), SPARE, SOURCE)
    assert copy is not None
    assert (copy.arn, copy.status, copy.latest_restorable) == (ARN, "replicating", LATEST)


def test_a_copy_is_restored_from_its_region_alone(
    cloud: Cloud, rds: Rds, denodo_ha: Run, config: Path
) -> None:
    done = restore(denodo_ha, config, "--dry-run")
    assert (done.exit_code, rds.calls) == (exit_codes.DONE, []), done.output
    assert "2026-01-01T09:41:00+00:00" in done.output
    done = restore(denodo_ha, config)
    assert done.exit_code == exit_codes.DONE, done.output
    assert rds.calls == ["RestoreDBInstanceToPointInTime", "ModifyDBInstance"]
    assert rds.restored["SourceDBInstanceAutomatedBackupsArn"] == ARN
    assert rds.restored["DBSubnetGroupName"] == "subnets"
    assert rds.restored["VpcSecurityGroupIds"] == ["sg-1"]
    assert rds.restored["PubliclyAccessible"] is False
    assert "test-spare-restored (host)" in done.stdout
    assert "arn:secret" in done.stdout
    assert "stop the Scheduler on every node" in done.stderr
    reads = [call for call in cloud.calls.made if call.operation != "PutObject"]
    assert {call.region for call in reads} == {SPARE}


def test_a_restore_that_was_broken_off_continues(rds: Rds, denodo_ha: Run, config: Path) -> None:
    rds.databases["test-spare-restored"] = {"DBInstanceStatus": "creating"}
    assert restore(denodo_ha, config).exit_code == exit_codes.DONE
    assert rds.calls == ["ModifyDBInstance"]
    assert restore(denodo_ha, config).exit_code == exit_codes.DONE
    assert rds.calls == ["ModifyDBInstance"]


def test_a_restore_that_takes_too_long_or_fails(rds: Rds, denodo_ha: Run, config: Path) -> None:
    rds.polls = 10**6
    done = restore(denodo_ha, config, "--timeout", "60")
    assert done.exit_code == exit_codes.FAILED
    assert "run the same command again to continue" in done.output
    rds.databases["test-spare-restored"] = {"DBInstanceStatus": "incompatible-restore"}
    done = restore(denodo_ha, config)
    assert done.exit_code == exit_codes.FAILED
    assert "is incompatible-restore" in done.output


@pytest.mark.parametrize(
    ("backups", "says"),
    [
        ([], "the database of test-main-catalog has no copy in us-east-1 yet"),
        ([backup(RestoreWindow={}, Status="pending")], "is pending, and has no state"),
    ],
)
def test_what_cannot_be_restored_is_refused(
    rds: Rds, denodo_ha: Run, config: Path, backups: list[dict[str, Any]], says: str
) -> None:
    rds.backups = backups
    done = restore(denodo_ha, config)
    assert (done.exit_code, says in done.output) == (exit_codes.REFUSED, True), done.output
    assert not rds.calls


def test_without_a_copy_or_a_database_there(
    cloud: Cloud, rds: Rds, denodo_ha: Run, config: Path
) -> None:
    done = denodo_ha("catalog", "restore-database", "--in", "main", "-c", str(config))
    assert done.exit_code == exit_codes.REFUSED
    assert "no cluster of test has catalog.copy with to: main" in done.output
    cloud.stacks.all[:] = [one for one in cloud.stacks.all if one.name != "test-spare-catalog"]
    done = restore(denodo_ha, config)
    assert done.exit_code == exit_codes.REFUSED
    assert "gets the subnets" in done.output
    assert not rds.calls
