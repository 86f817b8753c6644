"""Observation of a practice: looks of the client observer, and states of the switch.

with watching(Observation(observer, switch)) as observation:
    ...
observation.looks
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import CommandError
from denodo_ha.deployed.failover.health_checks import read_check
from denodo_ha.deployed.failover.location import FailoverLocation
from denodo_ha.failover.failover_task import LOOK_S
from denodo_ha.failover.practice.client_observer import Look, Observer

SWITCH_EVERY_S: Final = 5.0
"""Project default: seconds between two reads of the switch's alarm and health check."""
THREADS: Final = "observation"
"""Beginning of the names of the observation's threads."""


@dataclass(frozen=True)
class SwitchState:
    """State of the switch at a time.

    Attributes:
        at: the time, by the clock's `monotonic`.
        alarm: state of the switch's alarm, such as ALARM; empty if it is not known.
        check: state of the switch's health check.
    """

    at: float
    alarm: str
    check: str


class SwitchReader:
    """Reads the switch's alarm and health check."""

    def __init__(self, aws: Aws, site: FailoverLocation, check_id: str, clock: Clock) -> None:
        self._aws, self._site, self._check_id, self._clock = aws, site, check_id, clock

    def read(self) -> SwitchState | None:
        """Return the switch's current state; None if AWS does not answer."""
        try:
            with deadline.limited(LOOK_S):
                check = read_check(self._aws, self._check_id, self._site.region)
        except CommandError:
            return None
        return SwitchState(self._clock.monotonic(), check.alarm, check.state)


@dataclass
class Observation:
    """Looks and switch states that were observed so far, in the order of time.

    Attributes:
        observer: the client observer.
        switch: reads the switch.
        looks: the looks of the observer.
        switch_states: the states of the switch.
    """

    observer: Observer
    switch: SwitchReader
    looks: list[Look] = field(default_factory=list)
    switch_states: list[SwitchState] = field(default_factory=list)

    @property
    def tasks(self) -> tuple[tuple[Callable[[], None], float], ...]:
        """The tasks of the observation, each with the seconds between two runs."""
        return ((self.look, self.observer.every), (self.read_switch, SWITCH_EVERY_S))

    def look(self) -> None:
        """Let the observer look once."""
        self.looks.append(self.observer.look())

    def read_switch(self) -> None:
        """Read the switch once."""
        if (state := self.switch.read()) is not None:
            self.switch_states.append(state)


Watching = Callable[[Observation], AbstractContextManager[None]]
"""Function that runs the tasks of an observation during a block."""


@contextmanager
def watching(observation: Observation) -> Iterator[None]:
    """Run each task of an observation in a thread of its own until the end of the block."""
    end = threading.Event()

    def repeat(task: Callable[[], None], every: float) -> None:
        while not end.is_set():
            begin = time.monotonic()
            task()
            end.wait(max(every - (time.monotonic() - begin), 0))

    # Daemon threads: a handshake with a lost region must not keep the process running.
    threads = [
        threading.Thread(target=repeat, args=task, daemon=True, name=f"{THREADS}-{number}")
        for number, task in enumerate(observation.tasks)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        end.set()
