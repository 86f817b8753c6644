"""Messages of the program, each one line, for systemd's journal (with a priority) or a terminal."""

from __future__ import annotations

import os
import sys

from hosts.common import program

_INFO, _WARNING, _ERROR = 6, 4, 3


def info(message: str) -> None:
    """Report a completed step."""
    _write(_INFO, message)


def warning(message: str) -> None:
    """Report a condition that an operator should check."""
    _write(_WARNING, message)


def error(message: str) -> None:
    """Report the reason of a failure."""
    _write(_ERROR, message)


def _write(priority: int, message: str) -> None:
    # systemd sets JOURNAL_STREAM if the output goes to the journal (systemd.exec(5), sd-daemon(3)).
    prefix = f"<{priority}>" if "JOURNAL_STREAM" in os.environ else ""
    program.write_lines(sys.stdout, "\n".join(message.splitlines()), prefix)
