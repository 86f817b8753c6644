"""The commands of the HAProxy program (exit codes: `hosts.haproxy.errors`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common.aws_cli import AwsCli
from hosts.common.errors import HostError
from hosts.common.program import Interrupted, Parser, printable, write, write_lines
from hosts.haproxy import (
    certificate_metric,
    desired_state,
    host,
    journal_unit,
    server_state_file,
)
from hosts.haproxy.draining import drain
from hosts.haproxy.enabling import enable
from hosts.haproxy.errors import DONE, INTERRUPTED, NO, Failed, HaproxyError
from hosts.haproxy.inspection import status, verify
from hosts.haproxy.reloading import prepare_start, reload
from hosts.haproxy.runtime_api import LocalHaproxy

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DRAIN_S = 1800.0
ENABLE_S = 600.0
_AWS_S = 120


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name; return the exit code of the program."""
    options = _parser().parse_args(arguments)
    haproxy = LocalHaproxy(options.run, options.state, options.config, options.haproxy)
    try:
        return _run(haproxy, options)
    except HostError as error:
        write_lines(sys.stderr, f"haproxy: {error}")
        # Errors of AWS calls have no HAProxy exit code, so the program ends with the code of
        # `Failed`.
        return error.code if isinstance(error, HaproxyError) else Failed.code
    except OSError as error:
        hint = "check the disk and the path, and run the command again"
        write_lines(sys.stderr, f"haproxy: {error}: {hint}")
        return Failed.code
    except (Interrupted, KeyboardInterrupt):
        write(sys.stderr, "haproxy: interrupted: `status` shows the current state\n")
        return INTERRUPTED


def _run(haproxy: LocalHaproxy, options: argparse.Namespace) -> int:
    if options.command == "drain":
        seconds = None if options.no_wait else options.timeout
        drain(haproxy, options.node, report, seconds=seconds, force=options.force)
    elif options.command == "enable":
        enable(haproxy, options.node, report, seconds=options.timeout)
    elif options.command == "reload":
        reload(haproxy, options.new, report)
    elif options.command == "save":
        with haproxy.locked():
            server_state_file.save(haproxy)
    elif options.command == "prepare":
        with haproxy.locked():
            prepare_start(haproxy, report)
    elif options.command == "status":
        return show_status(haproxy, as_json=options.format == "json")
    elif options.command == "verify":
        return show_findings(haproxy, as_json=options.format == "json")
    else:
        _run_on_aws(haproxy, options)
    return DONE


def _run_on_aws(haproxy: LocalHaproxy, options: argparse.Namespace) -> None:
    """Run a command that needs a desired state, which only hosts of the stacks have."""
    aws = AwsCli(region=options.region, call_seconds=_AWS_S, copy_seconds=_AWS_S)
    desired = desired_state.fetch(aws, options.parameter)
    if options.command == "take":
        if host.update(aws, desired, host.PROGRAM_FOLDER):
            report("this host uses another release of the program now")
    elif options.command == "send-journal":
        journal_unit.send_journal(aws, desired, report)
    elif options.command == "metrics":
        days = certificate_metric.publish(host.Host(haproxy), aws, desired)
        report(
            "the desired state has no namespace for metrics, or no certificate"
            if days is None
            else f"{certificate_metric.METRIC} {days:g}"
        )
    else:
        machine = host.Host(haproxy)
        # Start the unit that sends the journal before all other steps, so that the reason of a
        # later failure is sent too.
        journal_unit.ensure(
            machine,
            desired,
            options.parameter,
            options.region,
            program=host.PROGRAM_FOLDER / "current",
            report=report,
        )
        act = host.apply if options.command == "apply" else host.boot
        act(machine, aws, desired, report)
        _switch_metrics(machine, desired, options)


def _switch_metrics(
    machine: host.Host, desired: desired_state.DesiredState, options: argparse.Namespace
) -> None:
    """Write or remove the timer of the metrics.

    A failure is only reported: HAProxy serves anyway.
    """
    try:
        certificate_metric.switch(
            machine, desired, parameter=options.parameter, region=options.region
        )
    except (HaproxyError, OSError) as error:
        report(f"the timer of this host's metrics cannot be turned on or off: {error}")


def show_status(haproxy: LocalHaproxy, *, as_json: bool) -> int:
    """Print the state of HAProxy; return the exit code."""
    current = status(haproxy)
    for line in [json.dumps(current.data())] if as_json else current.lines():
        report(line)
    return current.code


def show_findings(haproxy: LocalHaproxy, *, as_json: bool) -> int:
    """Print the results of all checks; return the exit code."""
    findings = list(verify(haproxy))
    if as_json:
        report(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            report(f"{'ok   ' if finding.right else 'WRONG'} {finding.what}")
    return DONE if all(finding.right for finding in findings) else NO


def report(line: str) -> None:
    """Print a line and flush the output immediately, because a drain takes minutes.

    Characters that are not printable are escaped, so that text from HAProxy or a server cannot
    control a terminal or forge a line.
    """
    write(sys.stdout, f"{printable(line)}\n")


def _parser() -> argparse.ArgumentParser:
    default = LocalHaproxy()
    parser = Parser(prog="haproxy", description="Operate the HAProxy of this machine.")
    parser.add_argument("--run", type=Path, default=default.run, help="folder of the sockets")
    parser.add_argument(
        "--state",
        type=Path,
        default=default.state,
        help="file from which HAProxy loads the states of servers after a reload",
    )
    parser.add_argument(
        "--config", type=Path, default=default.config, help="HAProxy's configuration file"
    )
    parser.add_argument(
        "--haproxy", default=default.program, help="HAProxy's executable, for validations"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("drain", help="take a node out without ending its sessions")
    command.add_argument("node")
    command.add_argument(
        "--timeout", type=float, default=DRAIN_S, help="seconds to wait for the sessions to end"
    )
    command.add_argument(
        "--no-wait", action="store_true", help="do not wait for the sessions to end"
    )
    command.add_argument(
        "--force", action="store_true", help="drain the node even if no other node serves"
    )
    command = commands.add_parser(
        "enable", help="bring a node back into service once it passes its checks"
    )
    command.add_argument("node")
    command.add_argument(
        "--timeout", type=float, default=ENABLE_S, help="seconds to wait for passed checks"
    )
    command = commands.add_parser(
        "reload", help="validate a configuration, load it, and verify that HAProxy serves"
    )
    command.add_argument(
        "new",
        type=Path,
        nargs="?",
        help="configuration to load; default: load the file of --config again",
    )
    commands.add_parser("save", help="save which nodes are drained, for the next reload")
    commands.add_parser(
        "prepare",
        help="save the states of servers, before another program starts or reloads HAProxy",
    )
    for name, help_ in (
        ("boot", "set up this host from the desired state in its SSM parameter"),
        ("take", "change to the release of this program that the desired state names"),
        ("apply", "bring HAProxy to the desired state in the SSM parameter"),
        ("send-journal", "send the journal to CloudWatch Logs each minute, if a log group is set"),
        ("metrics", "publish the metrics of this host, if a namespace for metrics is set"),
    ):
        command = commands.add_parser(name, help=f"on AWS: {help_}")
        command.add_argument("--parameter", required=True, help="name of the SSM parameter")
        command.add_argument("--region", required=True, help="region of the parameter")
    for name, help_ in (
        ("status", "show nodes, sessions and processes"),
        ("verify", "check that HAProxy serves as configured"),
    ):
        command = commands.add_parser(name, help=help_)
        command.add_argument("--format", choices=("table", "json"), default="table")
    return parser
