"""Journal of a HAProxy host: the systemd unit and the command that send it to CloudWatch Logs."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, machine_id
from hosts.common.log_loop import (
    CLOUD_INIT,
    CLOUD_INIT_UNITS,
    JournalSender,
    KnownSecrets,
    send_repeatedly,
)
from hosts.common.log_sender import UNKNOWN_MACHINE, LogSender
from hosts.haproxy.errors import HaproxyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hosts.common.aws_cli import AwsCli
    from hosts.haproxy.desired_state import DesiredState
    from hosts.haproxy.draining import Report
    from hosts.haproxy.host import Host

UNIT = "denodo-haproxy-journal.service"
CURSOR_FOLDER = Path("/var/lib/denodo-haproxy-journal")
"""Folder that only root can write, with the position up to which the journal was sent."""
_SOURCES = {"haproxy.service": "haproxy", **dict.fromkeys(CLOUD_INIT_UNITS, CLOUD_INIT)}
"""Unit names, each with the source that is part of the name of its log stream."""

_TEXT = """\
# Sends the journal of HAProxy and of cloud-init to CloudWatch Logs. Written by the HAProxy program.
[Unit]
Description=Journal of this HAProxy host for CloudWatch Logs
Wants=network-online.target
After=network-online.target
# At a shutdown this unit stops after HAProxy, and sends its last lines.
Before=haproxy.service

[Service]
WorkingDirectory={program}
ExecStart={python} -m haproxy send-journal --parameter {parameter} --region {region}
# It ends with 0 if the desired state has no logs.
Restart=on-failure
RestartSec=60
# A program of an older version does not know the command.
RestartPreventExitStatus=2
TimeoutStopSec=60
Nice=10

[Install]
WantedBy=multi-user.target
"""


def ensure(
    host: Host, desired: DesiredState, parameter: str, region: str, *, program: Path, report: Report
) -> None:
    """Write and start the systemd unit if a log group is set, else stop and remove the unit.

    A failure is only reported: logs must not keep HAProxy from running.

    Args:
        host: the HAProxy host.
        desired: the desired state.
        parameter: SSM parameter with the desired state.
        region: region of the parameter.
        program: folder of the program that the unit runs.
        report: reports a failure.
    """
    path = host.drop_in.parent.parent / UNIT
    try:
        if desired.log_group:
            text = _TEXT.format(
                program=program, python=sys.executable, parameter=parameter, region=region
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            files.write_atomically(path, text.encode(), mode=files.PUBLIC, trusted=True)
            host.run_systemctl("daemon-reload")
            host.run_systemctl("enable", UNIT)
            host.run_systemctl("restart", "--no-block", UNIT)
        elif path.exists():
            host.run_systemctl("disable", "--now", UNIT)
            files.remove(path)
    except (HaproxyError, OSError) as error:
        report(f"the journal is not sent to CloudWatch Logs: {error}")


def send_journal(
    aws: AwsCli,
    desired: DesiredState,
    report: Report,
    *,
    folder: Path = CURSOR_FOLDER,
    program: str = "journalctl",
    machine: Path = machine_id.FILE,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send new entries of the journal until a signal ends this process.

    If the desired state has no log group, return immediately.
    """
    if not desired.log_group:
        report("the desired state names no log group, so the journal is not sent")
        return
    arns = [arn for arn in (desired.certificate, desired.authority) if arn]
    secrets = KnownSecrets(aws.secret, arns, report)
    journal = JournalSender(_SOURCES, folder, secrets, program)
    id_ = machine_id.read(machine)
    sender = LogSender(aws, desired.log_group, id_ or UNKNOWN_MACHINE, id_, warn=report)
    send_repeatedly(sender, journal.send, sleep)
