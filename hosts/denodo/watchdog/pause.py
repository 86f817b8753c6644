"""Pause of the node: until a given time, the watchdog and the timer of exports do nothing.

`denodo-ha pause` runs `pause`, and `denodo-ha resume` runs `resume`. The pause ends at its time
without another command. During the pause, the watchdog runs `silence` once a minute, which puts a
datapoint of the metric that suppresses the notifications of the cluster's alarms.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.errors import OK, StateError
from hosts.denodo.record import Record

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from hosts.denodo.system import System

METRIC = "Paused"
"""Name of the metric that silences alarms, as in `denodo_ha/environment/names.py`."""


def add(command: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the commands to the parser; return the parser of `pause`."""
    pause_ = command("pause", "stop the watchdog and scheduled exports until a given time")
    pause_.add_argument("--until", required=True, help="end of the pause, such as 2026-01-01T09:00")
    pause_.add_argument("--why", required=True, help="reason, which `status` shows")
    pause_.add_argument(
        "--namespace", default="", help="CloudWatch namespace of the metric that silences alarms"
    )
    command("resume", "end the pause of this node")
    command("silence", "put the datapoint that silences the alarms, if the node is paused")
    return pause_


def pause(system: System, options: argparse.Namespace) -> int:
    """Record the pause, and put the first datapoint that silences the alarms.

    Raises:
        StateError: The end is not a time.
        AwsError: The node is paused, and cannot put the datapoint.
    """
    try:
        until = datetime.fromisoformat(options.until)
    except ValueError:
        message = f"--until {options.until!r} is not a time such as 2026-01-01T09:00:00+00:00"
        raise StateError(message) from None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    Record(system).pause(options.who, options.why, until.isoformat(), options.namespace)
    log.info(f"the node is paused by {options.who} until {until.isoformat()}: {options.why}")
    return silence(system, options)


def resume(system: System, _options: argparse.Namespace) -> int:
    """Remove the record of the pause."""
    Record(system).resume()
    log.info("the node is not paused")
    return OK


def silence(system: System, _options: argparse.Namespace) -> int:
    """Put a datapoint that silences the alarms, if the node is paused and its cluster has alarms.

    Raises:
        AwsError: The datapoint cannot be put.
    """
    paused = Record(system).paused or {}
    if namespace := str(paused.get("namespace", "")):
        system.aws_cli.put_datapoint(namespace, METRIC, 1)
    return OK
