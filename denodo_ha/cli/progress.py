"""Progress messages of a command on stderr.

On a terminal the last line of a step is replaced in place; elsewhere each new line is printed once.
With `--log-format json` progress messages are log lines.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

from denodo_ha.cli import logging_setup
from denodo_ha.cli.output import print_message
from denodo_ha.environment.loading.problem import printable

_log = logging.getLogger(__name__)


class Step:
    """A long step of a command, with its latest message."""

    def __init__(self, title: str, status: Status | None) -> None:
        self._title, self._status = title, status
        self._last = ""

    def update(self, text: str) -> None:
        """Show a message, unless it is the same as the previous one."""
        if text == self._last:
            return
        self._last = text
        line = f"{self._title}: {text}"
        if logging_setup.is_json():
            _log.info(line)
        elif self._status is not None:
            self._status.update(_escaped(line))
        else:
            print_message(line)


class Progress:
    """Progress messages on stderr.

    progress = Progress()
    with progress.step("draining node1") as step:
        step.update("2 of 3 groups")
    progress.say("node1 is drained")
    """

    def say(self, text: str) -> None:
        """Print a line that later messages do not replace."""
        if logging_setup.is_json():
            _log.info(text)
        else:
            print_message(text)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a long step of a command; yield an object for the messages of the step."""
        console = _console()
        if console.is_terminal and not logging_setup.is_json():
            with console.status(_escaped(title)) as status:
                yield Step(title, status)
        else:
            step = Step(title, None)
            self.say(title)
            yield step


def lasted(seconds: float) -> str:
    """Return a duration as ` (N min)`, which changes once a minute; empty below a minute."""
    return f" ({seconds // 60:.0f} min)" if seconds >= 60 else ""


def _console() -> Console:
    """Return a console for the current `sys.stderr`, which tests replace."""
    return Console(file=sys.stderr)


def _escaped(text: str) -> str:
    return printable(text).replace("[", "\\[")
