"""Reader of a cluster's logs in CloudWatch Logs, also of deleted machines and deleted stacks.

The names of the streams (`hosts.common.log_sender`) contain node, source, machine and file. The log
group is found by the beginning of its name, since a deleted stack has no outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import NotFound, UsageError
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment.full_command import full_command

MOST_LINES: Final = 10_000
"""Project default: number of lines after which the reader stops."""
_STREAMS_OF_A_CALL: Final = 100
"""Maximum number of streams in one call (AWS, CloudWatch Logs API Reference, FilterLogEvents)."""
_PARTS: Final = (3, 4)
"""Possible numbers of parts in a stream's name: 3 without a file, 4 with a file."""


@dataclass(frozen=True)
class LogStream:
    """A stream of a log group.

    Attributes:
        group: name of the log group.
        name: name of the stream.
        node: name of the node, or id of an HAProxy instance.
        source: a server of Denodo, `program` or `cloud-init`.
        machine: id of the instance.
        file: name of the file, empty for a journal.
        last: time of the last line, None if CloudWatch Logs does not know it yet.
    """

    group: str
    name: str
    node: str
    source: str
    machine: str
    file: str
    last: datetime | None


@dataclass(frozen=True)
class LogLine:
    """A line of a log."""

    at: datetime
    node: str
    source: str
    machine: str
    file: str
    text: str


@dataclass(frozen=True)
class LogLines:
    """Lines in order of time.

    Attributes:
        lines: the lines, at most `MOST_LINES`.
        is_complete: False if there are more than `MOST_LINES`.
    """

    lines: Sequence[LogLine]
    is_complete: bool


class LogReader:
    """Reads the logs of one cluster.

    Args:
        aws: the credentials.
        location: location of the cluster's stack, which may be deleted.
        group_prefix: beginning of the names of the cluster's log groups.
    """

    def __init__(self, aws: Aws, location: StackLocation, group_prefix: str) -> None:
        self._location, self._prefix = location, group_prefix
        self._client = aws.client("logs", location.region)

    def streams(self, node: str | None = None) -> list[LogStream]:
        """Return the streams of a node, or of all nodes.

        Raises:
            UsageError: The cluster has no log group.
            AwsError: AWS did not answer.
        """
        groups = self._groups()
        if not groups:
            roll = full_command("roll", cluster=self._location.name)
            message = (
                f"{self._location.name} has no log group in {self._location.region}: write `logs: "
                f"true` into the configuration, deploy, and run `{roll}` (docs/how-to/logs.md)"
            )
            raise UsageError(message)
        return [stream for group in groups for stream in self._streams(group, node)]

    def lines(
        self, streams: Sequence[LogStream], since: datetime, until: datetime | None = None
    ) -> LogLines:
        """Return the log lines of some log streams in a period.

        Raises:
            AwsError: AWS did not answer.
        """
        lines: list[LogLine] = []
        for group in dict.fromkeys(stream.group for stream in streams):
            of_group = {stream.name: stream for stream in streams if stream.group == group}
            names = [*of_group]
            for first in range(0, len(names), _STREAMS_OF_A_CALL):
                part = names[first : first + _STREAMS_OF_A_CALL]
                for event in self._events(group, part, since, until):
                    if len(lines) == MOST_LINES:
                        return LogLines(_sorted(lines), is_complete=False)
                    lines.append(_line(of_group[event["logStreamName"]], event))
        return LogLines(_sorted(lines), is_complete=True)

    def _groups(self) -> list[str]:
        with translated_errors():
            pages = self._client.get_paginator("describe_log_groups").paginate(
                logGroupNamePrefix=self._prefix
            )
            return [str(group["logGroupName"]) for page in pages for group in page["logGroups"]]

    def _streams(self, group: str, node: str | None) -> Iterator[LogStream]:
        prefix = {"logStreamNamePrefix": f"{node}/"} if node is not None else {}
        try:
            with translated_errors():
                pages = self._client.get_paginator("describe_log_streams").paginate(
                    logGroupName=group, **prefix
                )
                answers = [stream for page in pages for stream in page["logStreams"]]
                names = [str(stream["logStreamName"]) for stream in answers]
        except NotFound:
            return  # the log group was deleted after it was listed
        for name, answer in zip(names, answers, strict=True):
            parts = name.split("/")
            if len(parts) in _PARTS:
                node_, source, machine, file = (*parts, "")[:4]
                last = answer.get("lastEventTimestamp")
                yield LogStream(
                    group, name, node_, source, machine, file, _time(last) if last else None
                )

    def _events(
        self, group: str, streams: Sequence[str], since: datetime, until: datetime | None
    ) -> Iterator[Any]:
        period = {"startTime": _milliseconds(since)}
        if until is not None:
            period["endTime"] = _milliseconds(until)
        with translated_errors():
            for page in self._client.get_paginator("filter_log_events").paginate(
                logGroupName=group, logStreamNames=[*streams], **period
            ):
                yield from page["events"]


def _line(stream: LogStream, event: Any) -> LogLine:
    return LogLine(
        _time(event["timestamp"]),
        stream.node,
        stream.source,
        stream.machine,
        stream.file,
        str(event["message"]),
    )


def _sorted(lines: Sequence[LogLine]) -> list[LogLine]:
    return sorted(lines, key=lambda line: line.at)


def _time(milliseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
