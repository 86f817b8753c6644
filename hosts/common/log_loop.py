"""Loop that sends new log lines to CloudWatch Logs each minute, until a signal ends the process."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from hosts.common import files, journal, json_object
from hosts.common.errors import AwsError, HostError
from hosts.common.log_events import SecretFilter
from hosts.common.program import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from hosts.common.log_events import LogEvent
    from hosts.common.log_sender import LogSender

PAUSE_S = 60.0
"""Project default: pause between two readings of the logs. If a machine loses power, the lines
that were written after the last reading are not sent."""
LAST_CALL_S = 15.0
"""Project default: time limit of an AWS call that sends the last lines, while systemd stops the
program's unit."""
SECRETS_S = 3600.0
"""Project default: seconds after which the secrets to hide are read again, since a secret may be
rotated."""

CLOUD_INIT = "cloud-init"
CLOUD_INIT_UNITS = (
    *("cloud-init-local.service", "cloud-init.service", "cloud-init-network.service"),
    *("cloud-init-main.service", "cloud-config.service", "cloud-final.service"),
)
"""Units of cloud-init's stages, whose output goes to the journal and to
/var/log/cloud-init-output.log. `cloud-init-main` and `cloud-init-network` exist since cloud-init
24.3 (cloud-init, Boot stages)."""

_CURSOR_LIMIT = 4096
_NOT_SECRET = frozenset(
    ("username", "user", "host", "port", "engine", "dbname", "database", "dbInstanceIdentifier")
)
"""Keys of a secret in Secrets Manager whose values are not secrets (AWS Secrets Manager User Guide,
"JSON structure of AWS Secrets Manager secrets")."""


class KnownSecrets:
    """The secrets that a machine reads, whose values must not appear in sent log lines.

    Args:
        read: returns the text of a secret.
        arns: ARNs of the secrets.
        warn: reports a secret that cannot be read.
        now: a monotonic clock.
    """

    def __init__(
        self,
        read: Callable[[str], str],
        arns: Iterable[str],
        warn: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read, self._arns, self._warn, self._now = read, [*arns], warn, now
        self._values: dict[str, list[str]] = {}
        self._read_at: float | None = None
        self._filter = SecretFilter()

    def filter(self) -> SecretFilter:
        """Return the filter that hides the secrets' values; warn of secrets that cannot be read.

        The filter does not hide the values of a secret that cannot be read.
        """
        if self._read_at is None or self._now() - self._read_at >= SECRETS_S:
            for arn in self._arns:
                self._add(arn)
            self._read_at = self._now()
            self._filter = SecretFilter(
                value for values in self._values.values() for value in values
            )
        return self._filter

    def _add(self, arn: str) -> None:
        # Keep earlier values of the secret: lines that were logged before a rotation may contain
        # these values.
        known = self._values.setdefault(arn, [])
        try:
            known += [value for value in _secret_texts(self._read(arn)) if value not in known]
        except HostError as error:
            self._warn(
                "the values of a secret are not hidden in the sent log lines, because the secret"
                f" {arn} cannot be read: {error}"
            )


def _secret_texts(text: str) -> Iterator[str]:
    try:
        data = json_object.parse(text)
    except ValueError:
        data = text
    yield from _texts(data)


def _texts(data: object) -> Iterator[str]:
    """Yield the texts in a parsed secret that must be hidden."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key not in _NOT_SECRET:
                yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
    elif isinstance(data, str):
        yield data


class JournalSender:
    """Sender of new journal entries to CloudWatch Logs.

    Args:
        sources: unit names, each with the source that is part of the name of its log stream.
        folder: folder that only root can write, for the position up to which the journal was sent.
        secrets: the secrets to hide in the lines.
        program: name or path of `journalctl`.
    """

    def __init__(
        self,
        sources: Mapping[str, str],
        folder: Path,
        secrets: KnownSecrets,
        program: str = "journalctl",
    ) -> None:
        self._sources, self._secrets, self._program = sources, secrets, program
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._cursor = folder / "cursor"

    def send(self, sender: LogSender) -> None:
        """Send the journal entries that follow the last sent entry.

        Raises:
            AwsError: AWS does not answer, or denies a call.
            OSError: The journal cannot be read.
        """
        cursor = ""
        with suppress(FileNotFoundError):
            cursor = files.read(self._cursor, limit=_CURSOR_LIMIT, follow=False).decode()
        entries = [*journal.read([*self._sources], cursor, program=self._program)]
        if not entries:
            return
        hide = self._secrets.filter()
        events: dict[str, list[LogEvent]] = {}
        other = next(iter(self._sources.values()))
        for entry in entries:
            for line in entry.message.splitlines():
                if event := hide.event(entry.time_ms, line):
                    events.setdefault(self._sources.get(entry.unit, other), []).append(event)
        for source, source_events in events.items():
            sender.send(source, source_events)
        position = entries[-1].cursor.encode()
        files.write_atomically(self._cursor, position, mode=files.PRIVATE, trusted=True)


def send_repeatedly(
    sender: LogSender,
    send: Callable[[LogSender], None],
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Call `send` each minute; when a signal ends this process, call `send` for a last time."""
    failure = ""
    try:
        while True:
            try:
                send(sender)
                failure = ""
            except (AwsError, OSError) as error:
                # Report each reason once: AWS may not answer for hours.
                if str(error) != failure:
                    sender.warn(
                        f"the log lines are not sent to CloudWatch Logs: {error};"
                        " the program tries again each minute"
                    )
                failure = str(error)
            sleep(PAUSE_S)
    except Interrupted:
        with suppress(AwsError, OSError):
            send(replace(sender, aws=replace(sender.aws, call_seconds=LAST_CALL_S)))
