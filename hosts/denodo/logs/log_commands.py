"""The commands `send-logs` and `send-journal`, which send new log lines each minute.

`send-logs` runs as the Denodo user, who owns the log files. `send-journal` runs as root, reads only
the journal, and keeps its position in a folder of root. Both run until a signal ends them; if the
desired state has no logs, both end immediately.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common.errors import HostError
from hosts.common.log_loop import (
    CLOUD_INIT,
    CLOUD_INIT_UNITS,
    JournalSender,
    KnownSecrets,
    send_repeatedly,
)
from hosts.common.log_sender import LogSender
from hosts.common.process import run
from hosts.denodo import log
from hosts.denodo.errors import OK
from hosts.denodo.logs.log_files import LogFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts.denodo.state import Logs, State
    from hosts.denodo.system import System

FILES_UNIT = "denodo-node-logs.service"
JOURNAL_UNIT = "denodo-node-journal.service"
UNITS = (FILES_UNIT, JOURNAL_UNIT)
"""Units that run `send-logs` and `send-journal`, if the desired state has logs."""

POSITIONS = "log-positions.json"
"""File in the folder of the records, with the positions up to which log files were sent."""
CURSOR_FOLDER = Path("/var/lib/denodo-node-journal")
"""Folder that only root can write, with the position up to which the journal was sent."""

PROGRAM = "program"
_SOURCES = {
    **dict.fromkeys(
        (
            *("denodo-node.service", "denodo-node-disk.service", "denodo-node-ready.service"),
            *("denodo-node-export.service", "denodo-node-watchdog.service"),
            "denodo-node-metrics.service",
        ),
        PROGRAM,
    ),
    **dict.fromkeys(CLOUD_INIT_UNITS, CLOUD_INIT),
}
"""Unit names, each with the source that is part of the name of its log stream."""

_SYSTEMCTL_SECONDS = 60


def send_files(system: System, state: State, *, sleep: Callable[[float], None] = time.sleep) -> int:
    """Send new lines of Denodo's log files until a signal ends this process."""
    logs = state.logs
    if logs is None:
        return _nothing_to_send()
    log_files = LogFiles(state.home / "logs", system.folder / POSITIONS, statements=logs.statements)
    secrets = known_secrets(system, state)

    def send(sender: LogSender) -> None:
        now = int(system.now().timestamp() * 1000)
        for new in log_files.read():
            hide = secrets.filter()
            events = [event for line in new.lines if (event := hide.event(now, line))]
            sender.send(new.source, events, file=new.name)

    send_repeatedly(_sender(system, state, logs), send, sleep)
    return OK


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
    journal = JournalSender(_SOURCES, folder, known_secrets(system, state), program)
    send_repeatedly(_sender(system, state, state.logs), journal.send, sleep)
    return OK


def send_failure(system: System, state: State, reason: str) -> None:
    """Send the reason why this machine cannot become a node.

    A first boot calls this function, because the units that send logs are not installed yet.
    """
    if state.logs is None:
        return
    now = int(system.now().timestamp() * 1000)
    hide = known_secrets(system, state).filter()
    events = [event for line in reason.splitlines() if (event := hide.event(now, line))]
    try:
        _sender(system, state, state.logs).send(PROGRAM, events)
    except HostError as error:
        log.warning(f"the reason of the failure cannot be sent to the log group: {error}")


def known_secrets(
    system: System, state: State, now: Callable[[], float] = time.monotonic
) -> KnownSecrets:
    """Return the secrets that the node reads, which must not appear in sent log lines."""
    return KnownSecrets(system.aws_cli.secret, state.secret_arns, log.warning, now)


def _nothing_to_send() -> int:
    log.info("the desired state names no log group, so no log lines are sent")
    return OK


def _sender(system: System, state: State, logs: Logs) -> LogSender:
    return LogSender(system.aws_cli, logs.group, state.node, system.machine_id, warn=log.warning)


def ensure_units(state: State, *, restart: bool) -> None:
    """Start the units that send logs if the state has logs, else stop the units.

    An apply and a boot call this function as root on a real machine. An apply restarts the units,
    so that they use the new state. A failure is only a warning.
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
