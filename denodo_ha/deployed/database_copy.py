"""Database copy: the backups of a metadata database that RDS replicates to another region.

    copy = read_database_copy(aws, "eu-central-1", source)
    copy.latest_restorable

Everything is read in the region of the copy, because the database's own region may be lost. In the
region of the copy, RDS names the database only by its identifier, which CloudFormation derives from
the stack's name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors

REPLICATING: Final = "replicating"
"""Status of a copy that follows its database (Amazon RDS User Guide, "Replicating automated backups
to another AWS Region")."""
_STACK_TAG: Final = "aws:cloudformation:stack-name"
_IDENTIFIER: Final = re.compile(r"([a-z][a-z0-9-]{3,})-data[a-z0-9]*-[a-z0-9]{8,}")
"""Identifier that CloudFormation gives to the database, whose logical id begins with `Database`;
AWS does not document how CloudFormation shortens long names."""


@dataclass(frozen=True)
class DatabaseSource:
    """The database that is copied.

    Attributes:
        stack: name of the stack with the database.
        account: its account.
        region: its region.
    """

    stack: str
    account: str
    region: str


@dataclass(frozen=True)
class DatabaseCopy:
    """The replicated backups of a database.

    Attributes:
        arn: ARN of the automated backups, from which a database is restored.
        database: identifier of the copied database.
        status: `replicating`, or another status as RDS reports it.
        latest_restorable: newest time that can be restored; None if nothing can be restored yet.
        kms_key: ARN of the KMS key that encrypts the copy; empty if RDS does not report the key.
    """

    arn: str
    database: str
    status: str
    latest_restorable: datetime | None
    kms_key: str


def read_database_copy(aws: Aws, region: str, source: DatabaseSource) -> DatabaseCopy | None:
    """Return the copy of a database in a region; None if there is none.

    After a replacement of the database there may be several copies; the result is the copy with
    the newest state.
    """
    with translated_errors():
        client = aws.client("rds", region)
        pages = client.get_paginator("describe_db_instance_automated_backups").paginate()
        backups = [backup for page in pages for backup in page["DBInstanceAutomatedBackups"]]
        copies = [_copy(backup) for backup in backups if _is_of(backup, source)]
    oldest = datetime.fromtimestamp(0, UTC)
    return max(copies, key=lambda copy: copy.latest_restorable or oldest, default=None)


def _copy(backup: Mapping[str, Any]) -> DatabaseCopy:
    latest = (backup.get("RestoreWindow") or {}).get("LatestTime")
    return DatabaseCopy(
        arn=str(backup["DBInstanceAutomatedBackupsArn"]),
        database=str(backup["DBInstanceIdentifier"]),
        status=str(backup.get("Status", "")).lower(),
        latest_restorable=latest,
        kms_key=str(backup.get("KmsKeyId", "")),
    )


def _is_of(backup: Mapping[str, Any], source: DatabaseSource) -> bool:
    """Return whether backups are of the source database, whose ARN copied backups keep."""
    _, _, _, region, account, *_ = [*str(backup.get("DBInstanceArn", "")).split(":"), *[""] * 5]
    if (region, account) != (source.region, source.account):
        return False
    tags = {tag["Key"]: tag["Value"] for tag in backup.get("TagList") or []}
    if _STACK_TAG in tags:
        return bool(tags[_STACK_TAG] == source.stack)
    # The identifier is STACK-LOGICALID-RANDOM in lower case; CloudFormation may shorten the first
    # two parts.
    match = _IDENTIFIER.fullmatch(str(backup["DBInstanceIdentifier"]))
    return match is not None and source.stack.lower().startswith(match[1].rstrip("-"))
