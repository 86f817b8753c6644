"""Messages for journald: a line each, with a priority where journald reads one."""

from __future__ import annotations

import os
import sys

_INFO, _WARNING, _ERROR = 6, 4, 3


def info(message: str) -> None:
    """What was done."""
    _say(_INFO, message)


def warning(message: str) -> None:
    """What somebody should look at."""
    _say(_WARNING, message)


def error(message: str) -> None:
    """Why it failed."""
    _say(_ERROR, message)


def _say(priority: int, message: str) -> None:
    # systemd sets the variable for what it sends to the journal (systemd.exec(5), sd-daemon(3)).
    prefix = f"<{priority}>" if "JOURNAL_STREAM" in os.environ else ""
    for line in message.splitlines() or [""]:
        sys.stdout.write(f"{prefix}{line}\n")
    sys.stdout.flush()
