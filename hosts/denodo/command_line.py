"""The commands of the node program and their options (exit codes: `hosts.denodo.errors`)."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, program
from hosts.denodo import program_update
from hosts.denodo.errors import StateError
from hosts.denodo.state_reader import STATE_LIMIT, fetch, parse
from hosts.denodo.system import System
from hosts.denodo.watchdog import pause, watchdog_commands

if TYPE_CHECKING:
    from hosts.denodo.state import State

_MACHINE = (
    *("folder", "hosts", "environment", "local", "address", "aws", "poll", "settle", "patience"),
    "machine",
)
"""Fields of `System` that command-line options can set."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    root = program.Parser(prog="node", description=__doc__)
    machine = root.add_argument_group("options of the machine, to try the program in a folder")
    for name in _MACHINE:
        default = getattr(System(), name) or "determined automatically"
        machine.add_argument(f"--{name}", help=f"default: {default}")
    commands = root.add_subparsers(dest="command", required=True)

    def command(name: str, help_: str, *, state: bool = False) -> argparse.ArgumentParser:
        subparser = commands.add_parser(name, help=help_, description=help_)
        if state:
            subparser.add_argument(
                "--parameter",
                default=os.environ.get("DENODO_NODE_PARAMETER"),
                help="SSM parameter with the desired state (default: $DENODO_NODE_PARAMETER)",
            )
            subparser.add_argument(
                "--state", help="file with the desired state, - for standard input"
            )
            subparser.add_argument("--names-are-set", action="store_true", help=argparse.SUPPRESS)
        return subparser

    command("apply", "bring the node to its desired state", state=True).add_argument(
        "--check", action="store_true", help="only print what would change"
    )
    command("check", "print what an apply would change", state=True)
    boot_ = command("boot", "apply the state, start the servers, signal CloudFormation", state=True)
    boot_.add_argument(
        "--repeat", action="store_true", help="after a failure, wait a minute and boot again"
    )
    boot_.add_argument("--failed", help=argparse.SUPPRESS)
    boot_.add_argument("--unreadable", help=argparse.SUPPRESS)
    serve = command("serve", "run the readiness endpoint")
    serve.add_argument(
        "--port", type=int, help="port to listen on (default: the port in the applied state)"
    )
    serve.add_argument(
        "--parameter",
        default=os.environ.get("DENODO_NODE_PARAMETER"),
        help="SSM parameter with services that were added since the last apply (default: "
        "$DENODO_NODE_PARAMETER)",
    )
    serve.add_argument("--listen", default="", help="address to listen on (default: all addresses)")
    drain = command("drain", "report all services of the node as not ready, even if they answer")
    drain.add_argument("--why", required=True, help="reason, which `status` shows")
    command("undrain", "end the drain: report the services as ready again if they answer")
    confirm = command("confirm-metadata", "confirm that the metadata of this machine is correct")
    command(
        "digest-test",
        "export the metadata twice, and print as JSON what changes the site digest",
    )
    import_ = command("import-export", "import a metadata export, and confirm the metadata")
    import_.add_argument("--uri", required=True, help="S3 address of the export's export.json")
    hold = watchdog_commands.add(command)
    paused = pause.add(command)
    for subparser in (drain, confirm, hold, import_, paused):
        subparser.add_argument(
            "--who", default=_user_name(), help="name of the operator (default: this user)"
        )
    command(
        "accept-readiness",
        "use the readiness rules of this version instead of those of an earlier version",
    )
    command(
        "catalog-settings", "print the database settings that Denodo's form has written, as JSON"
    )
    export = command("export", "export Virtual DataPort's metadata to the bucket of the cluster")
    export.add_argument(
        "--if-due",
        action="store_true",
        help="export only if the last export is older than the interval in the applied state",
    )
    command("metrics", "publish the metrics of this node, if the applied state has metrics")
    status = command("status", "print the records and the readiness of all services, as JSON")
    status.add_argument("--warning", action="append", help=argparse.SUPPRESS)
    command("license-manager", "check whether the License Manager answers", state=True)
    command("stop", "stop the servers, after a time limit for running queries to end")
    command("mount", "mount the data disk; format the disk first if it is blank", state=True)
    command("send-logs", "send new lines of Denodo's log files, each minute", state=True)
    command("send-journal", "send new entries of the journal, each minute", state=True)
    install = command("install", "check the image and install the systemd units", state=True)
    update = command("update", "change to the program that the desired state names", state=True)
    for subparser in (install, update):
        subparser.add_argument("--region", default="", help="region of the AWS calls")
        subparser.add_argument(
            "--root", type=Path, default=Path("/"), help="folder of the image's files (default: /)"
        )
    folder = program_update.PROGRAM_FOLDER
    update.add_argument(
        "--programs", type=Path, default=folder, help=f"folder of the releases (default: {folder})"
    )
    return root


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user has no entry in the user database
        return str(os.geteuid())


def system_of(options: argparse.Namespace) -> System:
    """Return a `System` with the values in the options, else with this machine's default values."""
    default = System()
    types = {field.name: type(getattr(default, field.name)) for field in fields(System)}
    values = {name: getattr(options, name) for name in _MACHINE}
    given = {name: types[name](value) for name, value in values.items() if value is not None}
    return replace(default, **given)


def arguments(system: System, command: str, *more: str) -> list[str]:
    """Return arguments to run a command on this machine with a state from standard input."""
    return [*machine_arguments(system), command, "--state=-", *more]


def machine_arguments(system: System) -> list[str]:
    """Return options from which `system_of` makes an equal `System` in another run."""
    return [f"--{name}={getattr(system, name)}" for name in _MACHINE]


def state_of(system: System, options: argparse.Namespace) -> State:
    """Return the desired state from the file or the parameter that the options name.

    Raises:
        StateError: The state cannot be read, or the options name neither file nor parameter.
    """
    if options.state is not None:
        try:
            text = (
                sys.stdin.read(STATE_LIMIT + 1)
                if options.state == "-"
                else files.read(Path(options.state), limit=STATE_LIMIT).decode()
            )
        except (OSError, UnicodeDecodeError) as error:
            message = f"the desired state cannot be read: {error}"
            raise StateError(message) from None
        return parse(text)
    if not options.parameter:
        raise StateError("the desired state is missing: add --parameter NAME or --state FILE")
    return fetch(system, options.parameter)
