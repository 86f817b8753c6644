"""RDS: automated backups that are replicated to another region, and the restore of such a copy.

A copy exists from the deploy of its database on, and remains when the database is deleted, as RDS
retains automated backups. A restored database has the current content of the source database, if
the source database has a server (`servers`).
"""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Properties
from tools.local_aws.emulator.errors import AwsError, InvalidRequestError
from tools.local_aws.emulator.rds import servers
from tools.local_aws.emulator.rds.servers import DATABASES

_REGION = "AutomaticBackupReplicationRegion"
_KEY = "AutomaticBackupReplicationKmsKeyId"
_SOURCE = "SourceDBInstanceAutomatedBackupsArn"
_OWN = "SourceDBInstanceIdentifier"
_AGE_S = 300
"""Project default: age of a copy's newest state, in seconds. In RDS, the age is 5 to 30 minutes
(AWS Prescriptive Guidance, "Amazon RDS PITR snapshot replication")."""
_RETAINED = timedelta(days=7)


@dataclass(frozen=True)
class _Copy:
    """The automated backups of a database that RDS replicates to another region."""

    account: str
    region: str
    source_region: str
    database: str
    key: str
    engine: str
    version: str
    username: str
    id: str

    @property
    def arn(self) -> str:
        """Return the ARN of the automated backups."""
        return f"arn:aws:rds:{self.region}:{self.account}:auto-backup:{self.id}"


_ages = {"age": _AGE_S}
"""The age of the newest state of all copies, in seconds."""
_copies: dict[tuple[str, str, str], _Copy] = {}
"""Copies by the account, region and identifier of the source database."""


def replicate(id_: str, properties: Properties) -> None:
    """Create, change or end the copy of a database, as the database's properties require."""
    place = (ministack.account(), ministack.region(), id_)
    region = properties.get(_REGION)
    if not region:
        _copies.pop(place, None)
        return
    kept = _copies.get(place)
    _copies[place] = _Copy(
        account=place[0],
        region=region,
        source_region=place[1],
        database=id_,
        key=properties.get(_KEY, ""),
        engine=properties.get("Engine", ""),
        version=str(properties.get("EngineVersion", "")),
        username=properties.get("MasterUsername", ""),
        id=kept.id if kept else f"ab-{secrets.token_hex(12)}",
    )


def check(properties: Properties) -> None:
    """Refuse what RDS refuses in the settings of the replication of backups.

    Backups of an encrypted database need a key, a key needs a region, and the region must differ
    from that of the database.
    """
    region, key = properties.get(_REGION), properties.get(_KEY)
    encrypted = resource_types.truth(properties.get("StorageEncrypted"))
    if region and encrypted and not key:
        message = "Encrypted instances require a valid KMS key ID"
    elif key and not region:
        message = f"{_KEY} needs {_REGION}"
    elif region == ministack.region():
        message = f"The backups are in {region} already"
    else:
        return
    raise AwsError("InvalidParameterCombination", message, service="Rds")


def _here() -> list[_Copy]:
    account, region = ministack.account(), ministack.region()
    return [copy for copy in _copies.values() if (copy.account, copy.region) == (account, region)]


def put(settings: dict[str, Any]) -> dict[str, int]:
    """Set the age of the newest state of all copies, in seconds; without `age`, `_AGE_S`.

    Raises:
        InvalidRequestError: the age is not a number of seconds.
    """
    age = settings.get("age", _AGE_S)
    if not isinstance(age, int) or age < 0 or settings.keys() - {"age"}:
        message = 'write {"age": SECONDS} with the age of the copies, or {} for the default age'
        raise InvalidRequestError(message)
    _ages["age"] = age
    return dict(_ages)


def _describe(_asked: dict[str, Any]) -> Any:
    now = datetime.now(UTC)
    latest, earliest = (
        f"{now - age:%Y-%m-%dT%H:%M:%SZ}" for age in (timedelta(seconds=_ages["age"]), _RETAINED)
    )
    described = "".join(
        "<DBInstanceAutomatedBackup>"
        f"<DBInstanceArn>arn:aws:rds:{copy.source_region}:{copy.account}:db:"
        f"{escape(copy.database)}</DBInstanceArn>"
        f"<Region>{copy.source_region}</Region>"
        f"<DBInstanceIdentifier>{escape(copy.database)}</DBInstanceIdentifier>"
        f"<RestoreWindow><EarliestTime>{earliest}</EarliestTime><LatestTime>{latest}</LatestTime>"
        "</RestoreWindow><Status>replicating</Status><Encrypted>true</Encrypted>"
        f"<Engine>{escape(copy.engine)}</Engine><KmsKeyId>{escape(copy.key)}</KmsKeyId>"
        f"<DBInstanceAutomatedBackupsArn>{copy.arn}</DBInstanceAutomatedBackupsArn>"
        "</DBInstanceAutomatedBackup>"
        for copy in _here()
    )
    name = "DescribeDBInstanceAutomatedBackups"
    result = f"<DBInstanceAutomatedBackups>{described}</DBInstanceAutomatedBackups>"
    return ministack.rds_answer(200, f"{name}Response", f"<{name}Result>{result}</{name}Result>")


def _restore(asked: dict[str, Any]) -> Any:
    """Create a database from a copy in this region, or from a database of this region."""
    copy = _of_database(_first(asked.get(_OWN))) if _OWN in asked else _of_copy(asked)
    more = {
        "DBInstanceIdentifier": _first(asked.get("TargetDBInstanceIdentifier")),
        "Engine": copy.engine,
        "EngineVersion": copy.version,
        "MasterUsername": copy.username,
    }
    status, headers, body = ministack.rds_actions["CreateDBInstance"](
        {**asked, **{key: [value] for key, value in more.items()}}
    )
    if status == 200:
        servers.name_endpoint(more["DBInstanceIdentifier"])
        source = (copy.account, copy.source_region, copy.database)
        target = (copy.account, copy.region, more["DBInstanceIdentifier"])
        DATABASES.copy(source, target)
    restored = body.replace(b"CreateDBInstance", b"RestoreDBInstanceToPointInTime")
    return status, headers, restored


def _of_copy(asked: dict[str, Any]) -> _Copy:
    arn = _first(asked.get(_SOURCE))
    copy = next((copy for copy in _here() if copy.arn == arn), None)
    if copy is None:
        message = f"DBInstanceAutomatedBackup {arn} not found"
        raise AwsError("DBInstanceAutomatedBackupNotFound", message, service="Rds")
    return copy


def _of_database(id_: str) -> _Copy:
    record = ministack.databases.get(id_)
    if record is None:
        raise AwsError("DBInstanceNotFound", f"DBInstance {id_} not found.", service="Rds")
    region = ministack.region()
    return _Copy(
        account=ministack.account(),
        region=region,
        source_region=region,
        database=id_,
        key="",
        engine=record["Engine"],
        version=record["EngineVersion"],
        username=record["MasterUsername"],
        id="",
    )


def _first(value: Any) -> str:
    return str(value[0] if isinstance(value, list) else value)


def install() -> None:
    """Answer the calls about replicated backups."""
    ministack.rds_actions["DescribeDBInstanceAutomatedBackups"] = _describe
    ministack.rds_actions["RestoreDBInstanceToPointInTime"] = _restore
