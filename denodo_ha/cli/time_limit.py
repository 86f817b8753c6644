"""Time limit of a command: the time by which all its calls to AWS and all its waits end.

    @limited(TimeLimit(CHANGE_S, waits=(LOCK_WAIT_S, HEALTHY_S)))
    def enable(*, timeout: options.Timeout = None) -> None:

The time starts with the process and not with the command, because on a slow machine the imports
take seconds. A command that works on one node or one HAProxy instance after another has a limit for
each of them (`TimeLimit.stage`), because their number is not known in advance.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from denodo_ha.aws import deadline
from denodo_ha.cli import process

Function = TypeVar("Function", bound=Callable[..., Any])

ANSWER_S: Final = 15.0
"""Project default: seconds for a command that shows a state, from the start to the end of the
process."""
OUTPUT_S: Final = 1.5
"""Project default: the part of `ANSWER_S` that is kept for the output and the end of the
process."""
LEAST_S: Final = 3.0
"""Project default: minimum seconds for calls to AWS, even if the start of the process has used up
the time limit."""
READ_S: Final = 30.0
"""Project default: seconds to read the state of the nodes or resources that a command works on."""
CHANGE_S: Final = 300.0
"""Project default: seconds for the steps of a change besides its long waits: reading, the calls,
and the checks that AWS shows their effect."""

_ATTRIBUTE: Final = "time_limit"


@dataclass(frozen=True)
class TimeLimit:
    """The time limit of a command.

    Attributes:
        seconds: the limit without the waits that the option --timeout limits, in seconds.
        waits: for each wait that --timeout limits, its default limit in seconds.
        then: description of the stages after these seconds, each of which has its own limit; empty
            without stages.
    """

    seconds: float
    waits: tuple[float, ...] = ()
    then: str = ""

    def total(self, timeout: float | None = None) -> float:
        """Return the seconds within which the command ends.

        Args:
            timeout: the value of --timeout; None without the option.
        """
        return self.seconds + sum(wait if timeout is None else timeout for wait in self.waits)

    def text(self) -> str:
        """Return the limit as a sentence of the command's help."""
        limit = f"The command ends within {self.total():g} s"
        if self.waits:
            count = "" if len(self.waits) == 1 else f"{len(self.waits)} "
            limit += f", with --timeout T within {self.seconds:g} s and {count}T"
        return f"{limit}, plus: {self.then}." if self.then else f"{limit}."

    @contextmanager
    def stage(self, timeout: float | None = None) -> Iterator[None]:
        """Limit the time of a stage: work on one node or instance, with a time limit of its own."""
        with deadline.extended(self.total(timeout)):
            yield


ANSWER: Final = TimeLimit(ANSWER_S - OUTPUT_S, then=f"{OUTPUT_S:g} s for the output")
"""Time limit of commands that show a state."""


def limited(limit: TimeLimit) -> Callable[[Function], Function]:
    """Limit the time of a command: a decorator for the command's function.

    The limit is the last paragraph of the command's help.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            seconds = limit.total(options.get("timeout")) - process.age()
            with deadline.limited(max(seconds, LEAST_S)):
                return function(*arguments, **options)

        run.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\n{limit.text()}"
        setattr(run, _ATTRIBUTE, limit)
        return run  # type: ignore[return-value] # the wrapper has the same signature

    return decorate


def limit_of(function: object) -> TimeLimit | None:
    """Return the time limit of a command, None if the command has no time limit."""
    limit = getattr(function, _ATTRIBUTE, None)
    return limit if isinstance(limit, TimeLimit) else None
