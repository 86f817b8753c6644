"""The commands `send-logs` and `send-journal`: they send new lines each minute, until they end.

`send-logs` runs as the Denodo user, who owns the files. `send-journal` runs as root, reads only the
journal, and keeps its position in a folder of root. Both end at once if the desired state has no
logs.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, journal, json_object
from hosts.common.errors import AwsError, HostError
from hosts.common.log_events import SecretFilter
from hosts.common.log_sender import LogSender
from hosts.common.process import run
from hosts.common.program import Interrupted
from hosts.denodo import log
from hosts.denodo.errors import OK
from hosts.denodo.logs.log_files import LogFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hosts.common.log_events import LogEvent
    from hosts.denodo.state import State
    from hosts.denodo.system import System

FILES_UNIT = "denodo-node-logs.service"
JOURNAL_UNIT = "denodo-node-journal.service"
UNITS = (FILES_UNIT, JOURNAL_UNIT)
"""Units that run the commands, if the desired state has logs."""

PAUSE_S = 60.0
"""Project default: pause between two readings. A machine that loses its power has not sent the
lines of this time."""
LAST_CALL_S = 15.0
"""Project default: time limit of a call to AWS while the unit is stopped."""
SECRETS_S = 3600.0
"""Project default: seconds after which the secrets are read again, since they may be rotated."""
POSITIONS = "log-positions.json"
"""File in the folder of the records, with the positions of Denodo's files."""
CURSOR_FOLDER = Path("/var/lib/denodo-node-journal")
"""Folder of root, with the position in the journal."""

PROGRAM, CLOUD_INIT = "program", "cloud-init"
PROGRAM_UNITS = (
    *("denodo-node.service", "denodo-node-disk.service", "denodo-node-ready.service"),
    *("denodo-node-export.service", "denodo-node-metrics.service", "denodo-node-watchdog.service"),
)
CLOUD_INIT_UNITS = (
    *("cloud-init-local.service", "cloud-init.service", "cloud-init-network.service"),
    *("cloud-init-main.service", "cloud-config.service", "cloud-final.service"),
)
"""Stages of cloud-init, whose output goes to the journal and to /var/log/cloud-init-output.log;
`cloud-init-main` and `cloud-init-network` are from 24.3 on (cloud-init, Boot stages)."""

_CURSOR_LIMIT = 4096
_NOT_SECRET = frozenset(
    ("username", "user", "host", "port", "engine", "dbname", "database", "dbInstanceIdentifier")
)
"""Keys of a secret in Secrets Manager whose values are no secrets (AWS Secrets Manager User Guide,
"JSON structure of AWS Secrets Manager secrets")."""
_SYSTEMCTL_SECONDS = 60


def send_files(system: System, state: State, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Send new lines of Denodo's log files until this process is ended."""
    logs = state.logs
    if logs is None:
        return _nothing_to_send()
    log_files = LogFiles(state.home / "logs", system.folder / POSITIONS, statements=logs.statements)
    secrets = KnownSecrets(system, state)

    def send(sender: LogSender) -> None:
        now = int(system.now().timestamp() * 1000)
        for new in log_files.read():
            hide = secrets.filter()
            events = [event for line in new.lines if (event := hide.event(now, line))]
            sender.send(new.source, events, file=new.name)

    return _repeat(system, state, send, sleep)


def send_journal(
    system: System,
    state: State,
    *,
    folder: Path = CURSOR_FOLDER,
    program: str = "journalctl",
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Send new entries of the program's units and of cloud-init until this process is ended."""
    if state.logs is None:
        return _nothing_to_send()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    cursor_file = folder / "cursor"
    secrets = KnownSecrets(system, state)

    def send(sender: LogSender) -> None:
        cursor = ""
        with suppress(FileNotFoundError):
            cursor = files.read(cursor_file, limit=_CURSOR_LIMIT, follow=False).decode()
        entries = [*journal.read((*PROGRAM_UNITS, *CLOUD_INIT_UNITS), cursor, program=program)]
        if not entries:
            return
        hide = secrets.filter()
        events: dict[str, list[LogEvent]] = {PROGRAM: [], CLOUD_INIT: []}
        for entry in entries:
            source = CLOUD_INIT if entry.unit in CLOUD_INIT_UNITS else PROGRAM
            for line in entry.message.splitlines():
                if event := hide.event(entry.time_ms, line):
                    events[source].append(event)
        for source, found in events.items():
            sender.send(source, found)
        position = entries[-1].cursor.encode()
        files.write_atomically(cursor_file, position, mode=files.PRIVATE, trusted=True)

    return _repeat(system, state, send, sleep)


def send_failure(system: System, state: State, reason: str) -> None:
    """Send the reason why this machine cannot be a node, before the units are installed."""
    if state.logs is None:
        return
    now = int(system.now().timestamp() * 1000)
    hide = KnownSecrets(system, state).filter()
    events = [event for line in reason.splitlines() if (event := hide.event(now, line))]
    try:
        _sender(system, state).send(PROGRAM, events)
    except HostError as error:
        log.warning(f"the reason is not in the log group: {error}")


class KnownSecrets:
    """The secrets that the node reads, which must not be in a log.

    Args:
        system: the machine.
        state: the desired state, with the ARNs of the secrets.
        now: a monotonic clock.
    """

    def __init__(
        self, system: System, state: State, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._system, self._arns, self._now = system, state.secret_arns, now
        self._values: dict[str, list[str]] = {}
        self._read_at: float | None = None
        self._filter = SecretFilter()

    def filter(self) -> SecretFilter:
        """Return the filter. A secret that cannot be read is not known, which is a warning."""
        if self._read_at is None or self._now() - self._read_at >= SECRETS_S:
            for arn in self._arns:
                self._add(arn)
            self._read_at = self._now()
            self._filter = SecretFilter(
                value for values in self._values.values() for value in values
            )
        return self._filter

    def _add(self, arn: str) -> None:
        # Earlier values are kept: lines that were written before may contain them.
        known = self._values.setdefault(arn, [])
        try:
            known += [value for value in self._read(arn) if value not in known]
        except HostError as error:
            log.warning(f"a secret is not searched for in the logs: {error}")

    def _read(self, arn: str) -> Iterator[str]:
        text = self._system.aws_cli.secret(arn)
        try:
            data = json_object.parse(text)
        except ValueError:
            data = text
        yield from _texts(data)


def _texts(data: object) -> Iterator[str]:
    """Yield the secret texts in a parsed secret."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key not in _NOT_SECRET:
                yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
    elif isinstance(data, str):
        yield data


def _nothing_to_send() -> int:
    log.info("the desired state has no logs, so nothing is sent")
    return OK


def _sender(system: System, state: State) -> LogSender:
    assert state.logs is not None
    return LogSender(
        system.aws_cli, state.logs.group, state.node, system.machine_id, warn=log.warning
    )


def _repeat(
    system: System,
    state: State,
    send: Callable[[LogSender], None],
    sleep: Callable[[float], None],
) -> int:
    """Send again and again; when a signal ends this process, send for a last time."""
    sender, failure = _sender(system, state), ""
    try:
        while True:
            try:
                send(sender)
                failure = ""
            except (AwsError, OSError) as error:
                # The same reason is reported once: AWS may not answer for hours.
                if str(error) != failure:
                    log.warning(f"nothing is sent: {error}; it is tried again each minute")
                failure = str(error)
            sleep(PAUSE_S)
    except Interrupted:
        with suppress(AwsError, OSError):
            send(replace(sender, aws=replace(sender.aws, call_seconds=LAST_CALL_S)))
        return OK


def ensure_units(state: State, *, restart: bool) -> None:
    """Start the units if the state has logs, else stop them. A failure is only a warning.

    An apply and a boot call this as root on a real machine. An apply restarts the units, so that
    they use the new state.
    """
    if state.logs is None:
        commands = [["disable", "--now", *UNITS]]
    else:
        commands = [["enable", *UNITS], ["restart" if restart else "start", "--no-block", *UNITS]]
    for command in commands:
        try:
            result = run(["systemctl", *command], seconds=_SYSTEMCTL_SECONDS)
        except OSError as error:
            log.warning(f"systemctl cannot be run: {error}")
            return
        if not result.succeeded and state.logs is not None:
            log.warning(f"systemctl {' '.join(command)} {result}")
