"""What a verification finds: steps, each with its time, and what a wrong one means.

    with log.step("RMI handshake") as step:
        ...
        step.said = "the server sees us as 10.0.9.4"

A step that raises a `Fault` is wrong, and ends its probe; `step.wrong` and `step.note` let the
probe go on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from denodo_ha.verify.findings import FINDINGS

_SHOWN = 300
"""How many characters of what a server said a message shows."""


class State(StrEnum):
    """How a step went."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


class Fault(Exception):  # noqa: N818 - in the network's words
    """A step that failed.

    Attributes:
        code: the finding, a key of `FINDINGS`.
        said: what was seen.
    """

    def __init__(self, code: str, said: str) -> None:
        super().__init__(f"{code}: {said}")
        self.code, self.said = code, said


@dataclass
class Step:
    """One thing that was tried.

    Attributes:
        what: what was tried.
        state: how it went.
        said: what was seen.
        code: the finding, a key of `FINDINGS`; empty where all is right.
        seconds: how long it took.
    """

    what: str
    state: State = State.OK
    said: str = ""
    code: str = ""
    seconds: float = 0.0

    @property
    def meaning(self) -> str:
        """What the finding means, and where to look."""
        return FINDINGS[self.code] if self.code else ""

    def wrong(self, code: str, said: str) -> None:
        """The step is wrong, and the probe goes on."""
        self.state, self.code, self.said = State.WRONG, code, said

    def note(self, code: str, said: str) -> None:
        """Nothing is broken, but somebody should know; never takes back that it is wrong."""
        if self.state is not State.WRONG:
            self.state, self.code, self.said = State.NOTE, code, said


@dataclass
class Log:
    """The steps of one subject, in the order in which they were tried."""

    subject: str
    steps: list[Step] = field(default_factory=list)
    clock: Callable[[], float] = time.perf_counter

    @contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Time a step and keep it, whatever becomes of it.

        Raises:
            Fault: what the step raised.
        """
        step = Step(shown(what))
        self.steps.append(step)
        start = self.clock()
        try:
            yield step
        except Fault as fault:
            step.wrong(fault.code, fault.said)
            raise
        finally:
            step.seconds = self.clock() - start
            step.said = shown(step.said)

    @property
    def state(self) -> State:
        """The worst of the steps."""
        states = {step.state for step in self.steps}
        return next((one for one in (State.WRONG, State.NOTE) if one in states), State.OK)


def shown(text: str) -> str:
    """A server's words on one line, no control characters, not too long."""
    line = "".join(one if one.isprintable() else " " for one in text)
    line = " ".join(line.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
