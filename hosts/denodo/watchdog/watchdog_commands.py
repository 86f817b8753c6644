"""The commands of the watchdog: `watch`, `look`, `hold` and `release`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common.errors import HostError
from hosts.denodo import log, privileges, program_update
from hosts.denodo.errors import OK
from hosts.denodo.record import Record
from hosts.denodo.servers import unit_cgroup
from hosts.denodo.watchdog import server_revival
from hosts.denodo.watchdog.operator_scripts import OperatorScripts
from hosts.denodo.watchdog.watch_loop import WatchLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hosts.denodo.system import System

FOLDER = Path("/run/denodo-node-watchdog")
"""The `RuntimeDirectory` of the watchdog's unit, which only root can write."""


def add(command: Callable[..., argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the commands to the parser; return the parser of `hold`."""
    hold_ = command("hold", "start no server again that has died, until `release`")
    hold_.add_argument("why", metavar="WHY", help="reason, which `status` shows")
    release_ = command("release", "end the hold: start servers again that have died")
    for subparser in (hold_, release_):
        subparser.add_argument(
            "--for-drain",
            action="store_true",
            help="record or remove the hold of `denodo-ha drain`, not the hold of an operator",
        )
    watch_ = command("watch", "run the watchdog, which starts servers again that have died")
    watch_.add_argument("--watchdog-folder", type=Path, default=FOLDER, help=argparse.SUPPRESS)
    look_ = command("look", "check once whether servers have died", state=True)
    for name in ("act", "last", "catch-up"):
        look_.add_argument(f"--{name}", action="store_true", help=argparse.SUPPRESS)
    return hold_


def hold(system: System, options: argparse.Namespace) -> int:
    """Record a hold, an operator's or that of a drain: the watchdog starts no server again."""
    record = Record(system)
    (record.hold_for_drain if options.for_drain else record.hold)(options.who, options.why)
    log.info(
        f"the node is held by {options.who}: {options.why}; no server is started again until"
        " `release`"
    )
    return OK


def release(system: System, options: argparse.Namespace) -> int:
    """Remove the record of a hold, an operator's or that of a drain."""
    record = Record(system)
    (record.release_from_drain if options.for_drain else record.release)()
    held = record.held
    log.info(
        f"the node is still held by {held.get('who')}: {held.get('why')}"
        if held
        else "the node is not held"
    )
    return OK


def watch(system: System, options: argparse.Namespace, machine: Sequence[str]) -> int:
    """Run the watch loop; each check of the servers is a separate process.

    If this process is root, a check starts directly as the Denodo user, because a second start of
    Python would cost a tenth of a second of CPU. Only a check that may start servers begins as
    root, because only root can move the process to the unit of Denodo's servers.

    Args:
        system: the machine.
        options: options of the command.
        machine: the machine, as options of the program.
    """

    def node(*command: str, as_root: bool = False) -> int:
        if os.geteuid() == 0 and not as_root:
            try:
                account = privileges.installed_account(system)
                if account.uid != 0:
                    return privileges.run_as(account, [*machine, *command], continues=True)
            except HostError as error:
                log.error(str(error))
                return error.code
        arguments = [sys.executable, "-m", program_update.PACKAGE, *machine, *command]
        return subprocess.run(arguments, check=False).returncode

    def look_at_servers(*, act: bool, last: bool, catch_up: bool) -> int:
        more = [*["--act"] * act, *["--last"] * last, *["--catch-up"] * catch_up]
        return node("look", *more, as_root=act)

    options.watchdog_folder.mkdir(parents=True, exist_ok=True)
    scripts = OperatorScripts(system.processes, options.watchdog_folder)
    WatchLoop(
        scripts,
        unit_cgroup.active,
        look_at_servers,
        # Look only for the file's name: as root, this process opens no file of the Denodo user.
        paused=lambda: os.path.lexists(Record(system).pause_file),
        silence=lambda: node("silence"),
    ).run()
    return OK


def look(system: System, options: argparse.Namespace) -> int:
    """Check the servers once; with --catch-up, first apply the desired state (`catch_up`)."""
    if options.catch_up and options.parameter and Record(system).paused is None:
        server_revival.catch_up(system, options.parameter)
    return server_revival.look(system, act=options.act, last=options.last)
