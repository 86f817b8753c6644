"""The commands, and what they end with (see `hosts.denodo.errors` for the exit codes)."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.denodo import (
    aws,
    boot,
    hosts_file,
    log,
    metadata_export,
    privileges,
    readiness_endpoint,
    update,
)
from hosts.denodo.apply import apply, check
from hosts.denodo.errors import (
    OK,
    WOULD_CHANGE,
    NodeError,
    NotReadyError,
    StateError,
    SystemRefusedError,
)
from hosts.denodo.install import install
from hosts.denodo.record import Record
from hosts.denodo.state import State, parse
from hosts.denodo.system import System

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_DEFAULT_READY_PORT = 9191
_MACHINE = ("folder", "hosts", "local", "address", "aws", "poll", "settle", "machine")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    options = _parser().parse_args(arguments)
    system = _system(options)
    try:
        return _COMMANDS[options.command](system, options)
    except NodeError as failure:
        log.error(str(failure))
        return failure.code
    except OSError as wrong:
        log.error(f"the system refused: {wrong}")
        return SystemRefusedError.code


def _apply(system: System, options: argparse.Namespace) -> int:
    if options.check:
        return _check(system, options)
    return _changing(system, options, lambda state: apply(system, state))


def _check(system: System, options: argparse.Namespace) -> int:
    state = _state(system, options)
    if privileges.must_switch(state):
        return privileges.again_as_user(state, _same(system, "check"), _text(state))
    todo = check(system, state)
    names = hosts_file.names(state)
    if hosts_file.wanted(system, names) is None:
        log.info(str(todo))
    else:
        log.info(f"{system.hosts}: {', '.join(names)} will lead to {system.own_address}")
        if not todo.nothing:
            log.info(str(todo))
    return OK if todo.nothing and hosts_file.wanted(system, names) is None else WOULD_CHANGE


def _boot(system: System, options: argparse.Namespace) -> int:
    return _changing(system, options, lambda state: boot.boot(system, state))


def _changing(system: System, options: argparse.Namespace, do: Callable[[State], None]) -> int:
    state = _state(system, options)

    def as_user() -> int:
        if privileges.must_switch(state):
            given = _same(system, options.command, "--names-are-set")
            return privileges.again_as_user(state, given, _text(state))
        do(state)
        return OK

    if options.names_are_set:
        return as_user()
    try:
        privileges.must_switch(state)
        privileges.give_folder(system, state)
        return privileges.change(system, state, as_user)
    except (NodeError, OSError) as wrong:
        if options.command == "boot":
            boot.tell_failure(system, state, wrong)
        raise


def _serve(system: System, options: argparse.Namespace) -> int:
    applied = Record(system).applied
    port = options.port
    if port is None:
        port = applied.ready_port if applied else _DEFAULT_READY_PORT
    parameter = options.parameter
    desired = (lambda: parse(aws.parameter(system, parameter))) if parameter else None
    with readiness_endpoint.server(system, port, options.listen, desired) as endpoint:
        endpoint.serve_forever()
    return OK


def _export(system: System, options: argparse.Namespace) -> int:
    applied = Record(system).applied
    if applied and privileges.must_switch(applied):
        more = ["--if-due"] if options.if_due else []
        return privileges.again_as_user(applied, _same(system, "export", *more, state=False), "")
    metadata_export.export(system, if_due=options.if_due)
    return OK


def _drain(system: System, options: argparse.Namespace) -> int:
    Record(system).drain(options.who, options.why)
    log.info(f"drained by {options.who}: {options.why}")
    return OK


def _undrain(system: System, _options: argparse.Namespace) -> int:
    Record(system).undrain()
    log.info("not drained")
    return OK


def _confirm_metadata(system: System, options: argparse.Namespace) -> int:
    Record(system).confirm_metadata(options.who, "confirmed by an operator")
    log.info(f"metadata confirmed by {options.who}")
    return OK


def _status(system: System, _options: argparse.Namespace) -> int:
    # Nothing was asked before in this process, and a slow Java is not a failure.
    readiness = readiness_endpoint.Readiness(system, patience=readiness_endpoint.STALE_SECONDS)
    services = [vars(answer) for answer in readiness.all()]
    record = Record(system)
    confirmed = {"metadata_confirmed": record.metadata_confirmed}
    told = {**record.show(), **confirmed, "services": services}
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return OK if services and all(one["ready"] for one in services) else NotReadyError.code


def _stop(system: System, _options: argparse.Namespace) -> int:
    applied = Record(system).applied
    if applied and privileges.must_switch(applied):
        return privileges.again_as_user(applied, _same(system, "stop", state=False), "")
    boot.stop(system)
    return OK


def _install(system: System, options: argparse.Namespace) -> int:
    state = _state(system, options)
    privileges.give_folder(system, state)
    install(state, options.parameter or "", region=options.region, root=options.root)
    return OK


def _update(system: System, options: argparse.Namespace) -> int:
    if options.state is not None or not options.parameter:
        raise StateError("which state? Give --parameter NAME; the units will read the same")
    state = _state(system, options)
    install_ = [f"--parameter={options.parameter}", f"--root={options.root}"]
    if region := options.region or os.environ.get("AWS_DEFAULT_REGION", ""):
        install_.append(f"--region={region}")
    if not update.update(system, state, options.programs, install_):
        log.info("the program is the one that the state names")
    return OK


_COMMANDS: dict[str, Callable[[System, argparse.Namespace], int]] = {
    "apply": _apply,
    "check": _check,
    "boot": _boot,
    "serve": _serve,
    "drain": _drain,
    "undrain": _undrain,
    "confirm-metadata": _confirm_metadata,
    "export": _export,
    "status": _status,
    "stop": _stop,
    "install": _install,
    "update": _update,
}


def _state(system: System, options: argparse.Namespace) -> State:
    if options.state is not None:
        try:
            text = sys.stdin.read() if options.state == "-" else Path(options.state).read_text()
        except (OSError, UnicodeDecodeError) as wrong:
            message = f"the state cannot be read: {wrong}"
            raise StateError(message) from None
        return parse(text)
    if not options.parameter:
        raise StateError("which state? Give --parameter NAME or --state FILE")
    return parse(aws.parameter(system, options.parameter))


def _text(state: State) -> str:
    return json.dumps(state.raw)


def _same(system: System, command: str, *more: str, state: bool = True) -> list[str]:
    """The arguments that run a command on the same machine, with its state from standard input."""
    machine = [f"--{name}={getattr(system, name)}" for name in _MACHINE]
    return [*machine, command, *(["--state=-"] if state else []), *more]


def _system(options: argparse.Namespace) -> System:
    default = System()
    kinds = {field.name: type(getattr(default, field.name)) for field in fields(System)}
    given = {name: getattr(options, name) for name in _MACHINE}
    return replace(
        default,
        **{name: kinds[name](value) for name, value in given.items() if value is not None},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="node", description=__doc__)
    machine = parser.add_argument_group("the machine, for trying this out in a folder")
    for name in _MACHINE:
        machine.add_argument(f"--{name}", help=f"default: {getattr(System(), name) or 'found out'}")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, help_: str, *, state: bool = False) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_, description=help_)
        if state:
            made.add_argument(
                "--parameter",
                default=os.environ.get("DENODO_NODE_PARAMETER"),
                help="the SSM parameter with the state (default: $DENODO_NODE_PARAMETER)",
            )
            made.add_argument("--state", help="a file with the state, - for standard input")
            made.add_argument("--names-are-set", action="store_true", help=argparse.SUPPRESS)
        return made

    command("apply", "bring the node to its state", state=True).add_argument(
        "--check", action="store_true", help="only say what would change"
    )
    command("check", "say what an apply would change", state=True)
    command("boot", "apply the state, start the servers, tell CloudFormation", state=True)
    serve = command("serve", "answer for the servers' readiness")
    serve.add_argument("--port", type=int, help="default: what the applied state says")
    serve.add_argument(
        "--parameter",
        default=os.environ.get("DENODO_NODE_PARAMETER"),
        help="where services are looked up that were added since (default: $DENODO_NODE_PARAMETER)",
    )
    serve.add_argument("--listen", default="", help="the address to listen on (default: all)")
    drain = command("drain", "be not ready, whatever the servers say")
    drain.add_argument("--why", required=True, help="for whoever wonders")
    command("undrain", "be ready again")
    confirm = command("confirm-metadata", "say that this machine's metadata is right")
    for one in (drain, confirm):
        one.add_argument("--who", default=getpass.getuser(), help="default: this user")
    export = command("export", "export Virtual DataPort's metadata to the cluster's bucket")
    export.add_argument("--if-due", action="store_true", help="only if the last one is old enough")
    command("status", "print what is applied, drained, confirmed and ready, as JSON")
    command("stop", "stop the servers; queries may end first")
    installer = command("install", "check the image and install the systemd units", state=True)
    updater = command("update", "take the program that the state names", state=True)
    for one in (installer, updater):
        one.add_argument("--region", default="", help="the region of the AWS calls")
        one.add_argument("--root", type=Path, default=Path("/"), help="default: /")
    updater.add_argument(
        "--programs", type=Path, default=update.FOLDER, help=f"default: {update.FOLDER}"
    )
    return parser
