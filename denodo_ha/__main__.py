"""The program `denodo-ha`, as tools/denodo-ha and the installed script start it."""

import os
import signal
import sys

import typer

from denodo_ha.cli import exit_codes
from denodo_ha.cli.main import COMMANDS, build_program, exit_with_error


def main() -> None:
    """Run a command, and end the process with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # A command then undoes its steps, or reports the current state, as after Ctrl-C.
        signal.signal(number, _interrupt)
    try:
        _run()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.flush()
        if end.code == exit_codes.INTERRUPTED:
            # Threads that wait for an answer of AWS would keep the process for minutes.
            os._exit(exit_codes.INTERRUPTED)
        raise


def _run() -> None:
    try:
        build_program(COMMANDS)(prog_name="denodo-ha")
    except Exception as error:  # noqa: BLE001 - an internal error is a message, not a traceback
        try:
            exit_with_error(error)
        except typer.Exit as end:
            sys.exit(end.exit_code)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
