"""The actions of the node program's commands (their options: `hosts.denodo.command_line`)."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import program
from hosts.common.errors import CRASH, HostError
from hosts.common.program import Interrupted
from hosts.common.releases import Releases
from hosts.denodo import (
    boot,
    command_line,
    image_findings,
    installation,
    license_manager,
    log,
    node_warnings,
    privileges,
    program_update,
)
from hosts.denodo.apply import apply, check
from hosts.denodo.configuration import environment_file, hosts_file
from hosts.denodo.disks import data_disk
from hosts.denodo.errors import (
    OK,
    WOULD_CHANGE,
    ImageError,
    NotReadyError,
    StateError,
    SystemRefusedError,
)
from hosts.denodo.logs import log_commands
from hosts.denodo.metadata import metadata_commands
from hosts.denodo.metrics import node_metrics
from hosts.denodo.readiness import earlier_rules, readiness_endpoint
from hosts.denodo.record import Record
from hosts.denodo.servers import unit_cgroup
from hosts.denodo.state_reader import fetch
from hosts.denodo.system import System
from hosts.denodo.watchdog import pause, watchdog_commands

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from hosts.denodo.state import State

OPERATOR = "DENODO_NODE_OPERATOR"
"""Environment variable with the operator's name and the id of a request, which may arrive twice.
The program has no option for them: programs of earlier versions refuse unknown options."""
REQUEST = " request="
"""Separator between the operator's name and the request id (`denodo_ha.deployed.node_agent`)."""
_DEFAULT_READY_PORT = 9191
BOOT_CALL_SECONDS = 20.0
"""Project default: seconds after which a boot continues without AWS's answer to a call."""

_AS_DENODO_USER = (
    *("serve", "drain", "undrain", "confirm-metadata", "accept-readiness"),
    *("export", "metrics", "status", "stop", "hold", "release", "look", "catalog-settings"),
    *("send-logs", "digest-test", "import-export", "pause", "resume", "silence"),
)
"""Commands that need no desired state; if root starts them, they run as the Denodo user."""

_REPEAT_SECONDS = 60.0
_SERVERS_RUN = (0, 6, 9, 11)
"""Exit codes of `boot` with running servers: `SuccessExitStatus` of `denodo-node.service`."""
_KILLED = 128
"""A higher exit code is this number plus the number of the signal that ended the process."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit code of the program."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = command_line.parser().parse_args(given)
    system = command_line.system_of(options)
    if options.command == "boot":
        system = replace(system, call_seconds=BOOT_CALL_SECONDS)
        # Remove the variable: a process of the Denodo user would inherit it and repeat the boot.
        if os.environ.pop(program_update.REPEAT, "") and not options.repeat:
            options.repeat, given = True, [*given, "--repeat"]
    try:
        if options.command == "look" and options.act and (code := _enter_unit(system)):
            return code
        if options.command in _AS_DENODO_USER and os.geteuid() == 0:
            account = privileges.installed_account(system)
            more = [f"--warning={text}" for text in _warnings(system, options, account)]
            if account.uid != 0:
                more += [f"--who={options.who}"] if hasattr(options, "who") else []
                return privileges.run_as(account, [*given, *more])
            options = command_line.parser().parse_args([*given, *more])
        code = REGISTRY[options.command](system, options)
    except HostError as error:
        log.error(str(error))
        code = error.code
    except OSError as error:
        log.error(f"the operating system refused an operation: {error}")
        code = SystemRefusedError.code
    if options.command == "boot" and options.repeat and code not in _SERVERS_RUN:
        _repeat(given)
    return code


def _repeat(arguments: Sequence[str]) -> None:
    """Run `boot` again after a pause: systemd before 244 cannot restart `denodo-node.service`."""
    log.warning(f"the boot begins again in {_REPEAT_SECONDS:.0f} s")
    time.sleep(_REPEAT_SECONDS)  # no event announces that AWS answers again
    command = [sys.executable, "-m", program_update.PACKAGE, *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - no shell


def _warnings(
    system: System, options: argparse.Namespace, account: privileges.Account
) -> list[str]:
    if options.command != "status":
        return []
    findings = image_findings.findings(Path("/")) if _is_real(system) else []
    return [*privileges.warnings(account), *findings]


def _is_real(system: System) -> bool:
    """Return whether `system` is this machine, not a test's folder with a machine's files."""
    return system.folder == System.folder


def _apply(system: System, options: argparse.Namespace) -> int:
    if options.check:
        return _check(system, options)
    state = command_line.state_of(system, options)
    if code := _enter_unit(system):
        return code
    # The request id is empty if an earlier version of `denodo-ha` has sent only the operator.
    request = os.environ.get(OPERATOR, "").partition(REQUEST)[2]
    return _change(system, options, state, lambda state: apply(system, state, request=request))


def _enter_unit(system: System) -> int:
    """As root on a real machine, move this process to the unit of Denodo's servers."""
    return unit_cgroup.enter() if os.geteuid() == 0 and _is_real(system) else 0


def _boot(system: System, options: argparse.Namespace) -> int:
    if options.unreadable is not None:
        boot.start_applied(system, options.unreadable)
        return OK
    if options.parameter and not options.state:
        program_update.hand_over_boot(system, options.parameter, repeat=options.repeat)
    try:
        state = boot.patiently(system, lambda: command_line.state_of(system, options))
    except StateError as error:
        return _start_applied(system, options, str(error))
    if options.failed is not None:
        boot.signal_failure(system, state, options.failed)
        return OK
    try:
        code = _change(system, options, state, lambda state: boot.boot(system, state))
    except Interrupted:
        raise  # not a failure: the next boot continues an interrupted boot
    except BaseException as error:
        _signal_failure(system, state, str(error) or repr(error))
        raise
    if code == CRASH or code > _KILLED:
        _signal_failure(system, state, f"the boot ended with {code}; see journalctl -u denodo-node")
    return code


def _start_applied(system: System, options: argparse.Namespace, reason: str) -> int:
    """Start the servers with the state that was applied last.

    If this process is root, it starts a process of the Denodo user for this work, because root
    never opens the records.
    """
    if os.geteuid() == 0 and options.state is None:
        account = privileges.installed_account(system)
        if account.uid != 0:
            arguments = command_line.arguments(system, "boot", f"--unreadable={reason}")
            return privileges.run_as(account, arguments)
    boot.start_applied(system, reason)
    return OK


def _signal_failure(system: System, state: State, reason: str) -> None:
    """Signal CloudFormation that the boot failed.

    If this process is root, it starts a process of the Denodo user for this work, because root
    never opens the records.
    """
    if os.geteuid() == 0:
        try:
            if privileges.must_switch_user(state):
                account = privileges.Account.named(state.user)
                arguments = command_line.arguments(system, "boot", f"--failed={reason}")
                privileges.run_as(account, arguments, json.dumps(state.raw))
                return
        except HostError:
            # Without the Denodo user there are no records, so an earlier signal is unknown.
            boot.signal_failure(system, state, reason, recorded=False)
            return
    boot.signal_failure(system, state, reason)


def _change(
    system: System, options: argparse.Namespace, state: State, action: Callable[[State], None]
) -> int:
    """Run an action as the Denodo user, while the hosts file has the names of the node."""

    def as_denodo_user() -> int:
        if privileges.must_switch_user(state):
            account = privileges.Account.named(state.user)
            arguments = command_line.arguments(system, options.command, "--names-are-set")
            return privileges.run_as(account, arguments, json.dumps(state.raw))
        action(state)
        return OK

    if options.names_are_set:
        return as_denodo_user()
    privileges.must_switch_user(state)
    privileges.create_folders(system, state)
    if os.geteuid() == 0:
        _record_account(system, state)
        if _is_real(system):
            data_disk.ensure(state)
            installation.switch_metrics(state)
            log_commands.ensure_units(state, restart=options.command == "apply")
    return privileges.with_names_in_hosts_file(system, state, as_denodo_user)


def _record_account(system: System, state: State) -> None:
    """Record the name of the Denodo user, for commands that do not read the desired state."""
    try:
        environment_file.update_account(system.environment, state)
    except (HostError, OSError) as error:
        log.warning(f"the name of the Denodo user cannot be recorded: {error}")


def _check(system: System, options: argparse.Namespace) -> int:
    state = command_line.state_of(system, options)
    if privileges.must_switch_user(state):
        account = privileges.Account.named(state.user)
        # Pass the node's address that root finds: `apply` writes this address to the hosts file, so
        # `check` must compare with this address.
        own = replace(system, address=system.own_address)
        return privileges.run_as(
            account, command_line.arguments(own, "check"), json.dumps(state.raw)
        )
    plan = check(system, state)
    names = hosts_file.node_names(state)
    if hosts_file.with_names(system, names) is None:
        log.info(str(plan))
        return OK if plan.nothing else WOULD_CHANGE
    log.info(f"{system.hosts}: {', '.join(names)} will resolve to {system.own_address}")
    if not plan.nothing:
        log.info(str(plan))
    return WOULD_CHANGE


def _serve(system: System, options: argparse.Namespace) -> int:
    applied = Record(system).applied
    port = options.port
    if port is None:
        port = applied.ready_port if applied else _DEFAULT_READY_PORT
    parameter = options.parameter
    desired = (lambda: fetch(system, parameter)) if parameter else None
    with readiness_endpoint.server(system, port, options.listen, desired) as endpoint:
        endpoint.serve_forever()
    return OK


def _metrics(system: System, _options: argparse.Namespace) -> int:
    node_metrics.publish(system)
    return OK


def _drain(system: System, options: argparse.Namespace) -> int:
    Record(system).drain(options.who, options.why)
    log.info(f"the node is drained by {options.who}: {options.why}")
    return OK


def _undrain(system: System, _options: argparse.Namespace) -> int:
    Record(system).undrain()
    log.info("the node is not drained")
    return OK


def _status(system: System, options: argparse.Namespace) -> int:
    # Wait longer than the endpoint waits: a new process has no earlier results; Java may be slow.
    readiness = readiness_endpoint.Readiness(system, patience=readiness_endpoint.STALE_SECONDS)
    services = [vars(answer) for answer in readiness.all()]
    record = Record(system)
    confirmed = {"metadata_confirmed": record.metadata_confirmed}
    status = {**record.contents(), **confirmed, "services": services}
    if warnings := [*(options.warning or ()), *node_warnings.warnings(system, record)]:
        status["warnings"] = warnings
    releases = Releases.of_running_program(program_update.PACKAGE)
    if releases and (refused := releases.refused):
        status["program_refused"] = refused
    program.write(sys.stdout, json.dumps(status, indent=1) + "\n")
    ready = bool(services) and all(service["ready"] for service in services)
    return OK if ready else NotReadyError.code


def _accept_readiness(system: System, _options: argparse.Namespace) -> int:
    earlier_rules.accept(Record(system))
    log.info("the readiness rules of this version now decide whether the services are ready")
    return OK


def _license_manager(system: System, options: argparse.Namespace) -> int:
    return license_manager.report(command_line.state_of(system, options))


def _stop(system: System, _options: argparse.Namespace) -> int:
    boot.stop(system)
    return OK


def _mount(system: System, options: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise SystemRefusedError("only root can mount disks; run the command as root")
    state = command_line.state_of(system, options)
    if state.data_disk is None:
        log.info("the desired state has no data disk")
    else:
        data_disk.Mount(state.data_disk, privileges.Account.named(state.user)).make()
    return OK


def _install(system: System, options: argparse.Namespace) -> int:
    state = command_line.state_of(system, options)
    privileges.create_folders(system, state)
    parameter = options.parameter or ""
    try:
        installation.install(state, parameter, region=options.region, root=options.root)
    except ImageError as error:
        # Send the reason here, since CloudFormation will terminate the instance, and the units that
        # send logs do not run yet.
        log_commands.send_failure(system, state, str(error))
        raise
    return OK


def _update(system: System, options: argparse.Namespace) -> int:
    if options.state is not None or not options.parameter:
        raise StateError("add --parameter NAME: the systemd units also use this SSM parameter")
    uri = program_update.desired_program(system, options.parameter)
    arguments = program_update.install_arguments(options.parameter, options.root, options.region)
    if not program_update.update(system, uri, options.programs, arguments):
        log.info("the node already uses the program that the desired state names")
    return OK


def _send_logs(system: System, options: argparse.Namespace) -> int:
    return log_commands.send_files(system, command_line.state_of(system, options))


def _send_journal(system: System, options: argparse.Namespace) -> int:
    return log_commands.send_journal(system, command_line.state_of(system, options))


def _watch(system: System, options: argparse.Namespace) -> int:
    return watchdog_commands.watch(system, options, command_line.machine_arguments(system))


REGISTRY: dict[str, Callable[[System, argparse.Namespace], int]] = {
    "apply": _apply,
    "check": _check,
    "boot": _boot,
    "serve": _serve,
    "drain": _drain,
    "undrain": _undrain,
    "confirm-metadata": metadata_commands.confirm_metadata,
    "accept-readiness": _accept_readiness,
    "catalog-settings": metadata_commands.catalog_settings,
    "export": metadata_commands.export,
    "metrics": _metrics,
    "digest-test": metadata_commands.digest_test,
    "import-export": metadata_commands.import_export,
    "license-manager": _license_manager,
    "status": _status,
    "stop": _stop,
    "hold": watchdog_commands.hold,
    "release": watchdog_commands.release,
    "watch": _watch,
    "look": watchdog_commands.look,
    "pause": pause.pause,
    "resume": pause.resume,
    "silence": pause.silence,
    "mount": _mount,
    "send-logs": _send_logs,
    "send-journal": _send_journal,
    "install": _install,
    "update": _update,
}
