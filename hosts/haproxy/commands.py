"""The commands, on HAProxy's own host. Exit codes: see `errors`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.haproxy import host, program_update, server_state_file
from hosts.haproxy.cloud import Cloud
from hosts.haproxy.draining import drain
from hosts.haproxy.enabling import enable
from hosts.haproxy.errors import DONE, INTERRUPTED, NO, HaproxyError
from hosts.haproxy.inspection import status, verify
from hosts.haproxy.reloading import reload
from hosts.haproxy.runtime_api import LocalHaproxy

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAIN_S = 1800.0
ENABLE_S = 600.0


def start() -> int:
    """Run the command of this process's arguments; return its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # A command that is ended reports the state it leaves, and undoes what it has half done.
        signal.signal(number, _interrupted)
    return main()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives its exit code."""
    options = _parser().parse_args(arguments)
    haproxy = LocalHaproxy(options.run, options.state, options.config, options.haproxy)
    try:
        return _run(haproxy, options)
    except HaproxyError as wrong:
        sys.stderr.write(f"haproxy: {wrong}\n")
        return wrong.code
    except KeyboardInterrupt:
        sys.stderr.write("haproxy: interrupted: `status` shows what stands\n")
        return INTERRUPTED


def _run(haproxy: LocalHaproxy, options: argparse.Namespace) -> int:
    if options.command == "drain":
        seconds = None if options.no_wait else options.timeout
        drain(haproxy, options.node, say, seconds=seconds, force=options.force)
    elif options.command == "enable":
        enable(haproxy, options.node, say, seconds=options.timeout)
    elif options.command == "reload":
        reload(haproxy, options.new, say)
    elif options.command == "save":
        with haproxy.locked():
            server_state_file.save(haproxy)
    elif options.command == "status":
        return show_status(haproxy, as_json=options.format == "json")
    elif options.command == "verify":
        return show_findings(haproxy, as_json=options.format == "json")
    else:
        _by_parameter(haproxy, options)
    return DONE


def _by_parameter(haproxy: LocalHaproxy, options: argparse.Namespace) -> None:
    """What a host does that our stacks made."""
    cloud = Cloud(options.parameter, options.region)
    if options.command == "take":
        if program_update.take(cloud, program_update.FOLDER):
            say("took another program")
    elif options.command == "apply":
        host.apply(host.Host(haproxy), cloud, say)
    else:
        host.boot(host.Host(haproxy), cloud, say)


def show_status(haproxy: LocalHaproxy, *, as_json: bool) -> int:
    """Print what there is; gives the exit code."""
    found = status(haproxy)
    say(json.dumps(found.data()) if as_json else "\n".join(found.lines()))
    return found.code


def show_findings(haproxy: LocalHaproxy, *, as_json: bool) -> int:
    """Print whether it is right; gives the exit code."""
    found = list(verify(haproxy))
    if as_json:
        say(json.dumps([vars(one) for one in found]))
    else:
        say("\n".join(f"{'ok   ' if one.right else 'WRONG'} {one.what}" for one in found))
    return DONE if all(one.right for one in found) else NO


def say(line: str) -> None:
    """Tell at once: whoever waits for a drain reads along."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    usual = LocalHaproxy()
    parser = argparse.ArgumentParser(prog="haproxy", description="Operate the HAProxy here.")
    parser.add_argument("--run", type=Path, default=usual.run, help="folder of the sockets")
    parser.add_argument("--state", type=Path, default=usual.state, help="the servers' state file")
    parser.add_argument("--config", type=Path, default=usual.config, help="HAProxy's file")
    parser.add_argument("--haproxy", default=usual.program, help="the program that validates")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("drain", help="take a node out without a lost session")
    one.add_argument("node")
    one.add_argument("--timeout", type=float, default=DRAIN_S, help="seconds to wait for sessions")
    one.add_argument("--no-wait", action="store_true", help="do not wait for the sessions")
    one.add_argument("--force", action="store_true", help="also if nobody else serves")
    one = commands.add_parser("enable", help="bring a node back once it passes its checks")
    one.add_argument("node")
    one.add_argument("--timeout", type=float, default=ENABLE_S, help="seconds to wait for checks")
    one = commands.add_parser("reload", help="validate a file, load it, and see that it serves")
    one.add_argument("new", type=Path, nargs="?", help="the new file; default: the one in place")
    commands.add_parser("save", help="keep who is drained over the next reload")
    for name, what in (
        ("boot", "set this host up by its parameter"),
        ("take", "take the program that the parameter names"),
        ("apply", "bring HAProxy to what the parameter says"),
    ):
        one = commands.add_parser(name, help=f"on AWS: {what}")
        one.add_argument("--parameter", required=True, help="name of the parameter")
        one.add_argument("--region", required=True, help="its region")
    for name, what in (("status", "nodes, sessions, processes"), ("verify", "is all as it should")):
        one = commands.add_parser(name, help=what)
        one.add_argument("--format", choices=("table", "json"), default="table")
    return parser
