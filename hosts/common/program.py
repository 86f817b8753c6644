"""Start and end of a host program: its streams, signals and exit code.

The exit code reports only the result of the program's task. A failed write to a standard stream
(closed, full, or a broken pipe) does not change the exit code. A signal ends the program with exit
code 128 plus the signal number and no traceback. An unhandled exception ends the program with exit
code `errors.CRASH`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from hosts.common.errors import CRASH

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Parser(argparse.ArgumentParser):
    """An argument parser whose exit code does not change if a standard stream fails."""

    def _print_message(self, message: str, file: Any = None) -> None:
        write(file or sys.stderr, message)


class Interrupted(BaseException):
    """A signal asks the program to end.

    Attributes:
        number: number of the signal.
        code: exit code of the program, by which shells report the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number
        self.code = 128 + number


def run(main: Callable[[], int]) -> int:
    """Run a program; return its exit code.

    Args:
        main: the task of the program; returns the exit code.
    """
    _open_closed_streams()
    for number in _SIGNALS:
        # Continue to ignore a signal that the caller ignores, such as SIGHUP under nohup.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        code = main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else CRASH
    except Interrupted as interruption:
        _ignore_signals()
        write(sys.stderr, f"{interruption}\n")
        code = interruption.code
    except BaseException:  # noqa: BLE001 - any other exception ends with code CRASH
        _ignore_signals()
        write(sys.stderr, f"the program ended with an internal error:\n{traceback.format_exc()}")
        code = CRASH
    _ignore_signals()
    for stream in (sys.stdout, sys.stderr):
        write(stream, "")
    return code


def write(stream: TextIO, text: str) -> None:
    """Write to a standard stream; if a write fails, discard this and all later output."""
    try:
        stream.write(text)
        stream.flush()
    except (OSError, ValueError):
        # At exit, Python writes the rest of its buffers. If that failed, the exit code would be
        # 120. So replace the stream's file with /dev/null.
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)


def write_lines(stream: TextIO, text: str, prefix: str = "") -> None:
    """Write lines of text, each with a prefix.

    Characters that are not printable are escaped, so that text from a server, Denodo or AWS cannot
    control a terminal.
    """
    for line in text.split("\n"):
        write(stream, f"{prefix}{printable(line)}\n")


def printable(text: str) -> str:
    """Return a text with each non-printable character replaced by an escape sequence."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def _open_closed_streams() -> None:
    """Open /dev/null for each closed standard stream.

    Otherwise, the next file that this process opens would get the descriptor of the stream.
    """
    inheritable = True
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        os.set_inheritable(descriptor, inheritable)
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    # No `with`, since the streams stay open; `open` instead of pathlib, which takes time to import.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        else:
            # A character that the stream's encoding does not have must not cause an error.
            stream.reconfigure(errors="backslashreplace")
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _ignore_signals()  # another signal must not interrupt the clean-up
    raise Interrupted(number)


def _ignore_signals() -> None:
    """Ignore SIGINT, SIGTERM and SIGHUP, so that no signal interrupts the program's clean-up."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
