"""Sender of a machine's log events to a log group of CloudWatch Logs.

    NAME/SOURCE/MACHINE        stream of a journal, for example node1/program/i-0123
    NAME/SOURCE/MACHINE/FILE   stream of a file

The machine is part of the name, because a node keeps its name when its instance is replaced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.common.errors import AwsError
from hosts.common.log_events import batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hosts.common.aws_cli import AwsCli
    from hosts.common.log_events import LogEvent

UNKNOWN_MACHINE = "unknown"
"""Text in place of the machine's id in the name of a log stream, if the id is not known."""
_NOT_IN_NAMES = re.compile(r"[:*/]")
"""Characters that a part of a stream's name must not contain: `:` and `*`, which CloudWatch Logs
refuses (AWS, CloudWatch Logs API Reference, CreateLogStream), and `/`, which separates the
parts."""


@dataclass(frozen=True)
class LogSender:
    """Sender of events to the log streams of one machine.

    Attributes:
        aws: the AWS CLI.
        group: name of the log group.
        name: name of the node; on a HAProxy host, the id of the machine.
        machine: id of the machine.
        warn: reports a batch that CloudWatch Logs refuses.
    """

    aws: AwsCli
    group: str
    name: str
    machine: str
    warn: Callable[[str], None]

    def send(self, source: str, events: Iterable[LogEvent], *, file: str = "") -> None:
        """Send events to the stream of a source.

        A batch that CloudWatch Logs refuses is reported and not sent again: CloudWatch Logs would
        never accept the batch, and repeated attempts would block later events.

        Raises:
            AwsError: AWS does not answer, or denies the call.
        """
        parts = (self.name, source, self.machine or UNKNOWN_MACHINE, *([file] if file else []))
        stream = "/".join(_NOT_IN_NAMES.sub("-", part) for part in parts)
        for batch in batches(events):
            self._put(stream, batch)

    def _put(self, stream: str, batch: Sequence[LogEvent]) -> None:
        try:
            self.aws.put_log_events(self.group, stream, batch)
        except AwsError as error:
            if "(InvalidParameterException)" not in str(error):
                raise
            self.warn(
                f"CloudWatch Logs refuses {len(batch)} lines for the log stream {stream}, so they"
                f" are not sent: {error}"
            )
