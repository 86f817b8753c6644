"""History entry: one object in a bucket for each command that has changed something."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials, NotFound
from denodo_ha.deployed.history.history_buckets import HistoryBucket
from denodo_ha.environment.derived.node_metadata import HISTORY_PREFIX
from denodo_ha.environment.loading.bounded_document import parse_json_answer

DONE: Final = "done"
FAILED: Final = "failed"
INTERRUPTED: Final = "interrupted"
_SCHEMA: Final = 1
_KEY_TIME: Final = "%Y%m%dT%H%M%SZ"
"""Format of the time in an object's key: the order of the keys is the order of the times."""


@dataclass(frozen=True)
class HistoryChange:
    """Changes by one command to one subject.

    Attributes:
        cluster: the cluster; empty if the change is not one cluster's.
        subject: the node, zone, component or name that was changed.
        before: the subject's state before the command.
        after: the subject's state after the command; empty if the command ended before the change
            was complete.
    """

    cluster: str
    subject: str
    before: str
    after: str


@dataclass(frozen=True)
class HistoryEntry:
    """Changes by one run of a command.

    Attributes:
        id: random id of the run.
        at: time at which the command began.
        seconds: duration of the command.
        who: user and host that ran the command.
        caller: ARN of the credentials; empty if it was not read.
        command: name of the command, such as `failover to`.
        environment: name of the environment.
        verdict: `done`, `failed` or `interrupted`.
        exit: exit code of the command.
        message: the command's error message; empty if the command has succeeded.
        changes: what was changed.
        details: further results, such as the times that a practice has measured.
    """

    id: str
    at: datetime
    seconds: float
    who: str
    caller: str
    command: str
    environment: str
    verdict: str
    exit: int
    message: str
    changes: tuple[HistoryChange, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Return the key of the S3 object that contains this entry."""
        time = f"{self.at.astimezone(UTC):{_KEY_TIME}}"
        return f"{HISTORY_PREFIX}{time}-{self.id}{_key_end(self.command)}"

    def as_json(self) -> bytes:
        """Return the content of the S3 object that contains this entry."""
        at = self.at.isoformat(timespec="milliseconds")
        content = {"schema": _SCHEMA, **asdict(self), "at": at}
        return json.dumps(content, default=str).encode()


def _key_end(command: str) -> str:
    """Return the text with which the object keys of a command's entries end.

    Entries of a command are selected by this end of the key, before any object is read.
    """
    return f"-{command.replace(' ', '-')}.json"


@dataclass(frozen=True)
class History:
    """The history in several buckets.

    Attributes:
        entries: the entries, the oldest first.
        unread: what could not be read, and why.
        exists: True if at least one of the buckets exists.
    """

    entries: tuple[HistoryEntry, ...]
    unread: tuple[str, ...]
    exists: bool


def parse_entry(text: bytes) -> HistoryEntry:
    """Return the entry that an object contains.

    Raises:
        ValueError: The object is not an entry.
    """
    data = parse_json_answer(text)
    try:
        return HistoryEntry(
            id=str(data["id"]),
            at=datetime.fromisoformat(data["at"]).astimezone(UTC),
            seconds=float(data["seconds"]),
            who=str(data["who"]),
            caller=str(data.get("caller", "")),
            command=str(data["command"]),
            environment=str(data["environment"]),
            verdict=str(data["verdict"]),
            exit=int(data["exit"]),
            message=str(data.get("message", "")),
            changes=tuple(
                HistoryChange(*(str(change[key]) for key in HistoryChange.__annotations__))
                for change in data["changes"]
            ),
            details=dict(data.get("details") or {}),
        )
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        message = f"the object is not an entry of the history: {type(error).__name__}: {error}"
        raise ValueError(message) from None


def read_history(
    aws: Aws,
    buckets: Iterable[HistoryBucket],
    since: datetime,
    commands: Iterable[str] = (),
) -> History:
    """Read the entries of several buckets; a bucket that cannot be read is named in the result.

    Args:
        aws: the credentials.
        buckets: the buckets; a bucket that does not exist counts as empty.
        since: time from which entries are read.
        commands: read only entries of these commands; empty: entries of all commands.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    ends = tuple(map(_key_end, commands))
    histories = map_concurrently(lambda bucket: _read_bucket(aws, bucket, since, ends), buckets)
    entries = {entry.id: entry for history in histories for entry in history.entries}
    return History(
        tuple(sorted(entries.values(), key=lambda entry: entry.at)),
        tuple(problem for history in histories for problem in history.unread),
        exists=any(history.exists for history in histories),
    )


def _read_bucket(
    aws: Aws, bucket: HistoryBucket, since: datetime, ends: tuple[str, ...]
) -> History:
    client = aws.client("s3", bucket.region)
    first = f"{HISTORY_PREFIX}{since.astimezone(UTC):{_KEY_TIME}}"
    owner = {"Bucket": bucket.name, "ExpectedBucketOwner": bucket.account}
    try:
        with translated_errors():
            pages = client.get_paginator("list_objects_v2").paginate(
                **owner, Prefix=HISTORY_PREFIX, StartAfter=first
            )
            keys = [str(each["Key"]) for page in pages for each in page.get("Contents", [])]
            keys = [key for key in keys if not ends or key.endswith(ends)]

        def read(key: str) -> HistoryEntry | str:
            with translated_errors():
                text = client.get_object(**owner, Key=key)["Body"].read()
            try:
                return parse_entry(text)
            except ValueError as error:
                return f"s3://{bucket.name}/{key}: {error}"

        objects = map_concurrently(read, keys)
    except (NoCredentials, ExpiredCredentials):
        raise
    except NotFound:
        return History((), (), exists=False)
    except AwsError as error:
        problem = f"the history in {bucket.name} ({bucket.region}) is unknown: {error}"
        return History((), (problem,), exists=True)
    return History(
        tuple(each for each in objects if isinstance(each, HistoryEntry)),
        tuple(each for each in objects if isinstance(each, str)),
        exists=True,
    )
