"""Polling of a state until a condition holds, and the clock that polling uses.

state = poll_until(read, done=lambda state: not state.draining, clock=clock, timeout=330, every=5)
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Protocol, TypeVar

from denodo_ha.aws import deadline
from denodo_ha.cli.errors import Failed, Throttled, Unreachable

SOON_EVERY_S: Final = 1
"""Project default: seconds between two observations while the argument `soon` applies."""

Observation = TypeVar("Observation")


class Clock(Protocol):
    """Interface for time and waits; tests use a clock that does not wait."""

    def now(self) -> datetime:
        """Return the time in UTC."""

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment, to measure durations."""

    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""


class RealClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds since an arbitrary moment, to measure durations."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; every wait of a command goes through this method."""
        time.sleep(seconds)


class PollTimeout(Failed):
    """The condition did not hold before the timeout; commands catch this and raise their own error.

    Attributes:
        last: the last observation, None if there was none.
        seconds: the duration of the polling.
    """

    def __init__(self, last: object, seconds: float) -> None:
        self.last, self.seconds = last, seconds
        super().__init__(f"the condition did not hold within {seconds:.0f} s")


def poll_until(
    observe: Callable[[], Observation],
    *,
    done: Callable[[Observation], bool],
    clock: Clock,
    timeout: float,
    every: float,
    soon: float = 0,
    progress: Callable[[Observation, float], None] | None = None,
) -> Observation:
    """Poll until a condition holds or a timeout expires, and return the last observation.

    Throttling and unanswered calls do not end the polling: they are retried until the timeout
    expires. There is at least one observation, and one more when the timeout expires. AWS calls of
    an observation end at the timeout; AWS calls of the last observation end within
    `deadline.LAST_LOOK_S`. The polling ends before the caller's deadline, whatever the timeout is.

    Args:
        observe: returns the current state.
        done: returns True if the state is the expected one.
        clock: the clock for time and waits.
        timeout: seconds after which to stop.
        every: seconds between two observations.
        soon: seconds from the beginning in which observations are at most `SOON_EVERY_S` apart, for
            a condition that mostly holds after a short time.
        progress: called after each observation, with the seconds that have passed.

    Raises:
        PollTimeout: The condition did not hold before the timeout.
        AwsError: AWS denied a call, or did not answer the last call.
    """
    begin, last = clock.monotonic(), None
    # The last observation must also end before the caller's deadline.
    timeout = min(timeout, deadline.left(timeout + deadline.LAST_LOOK_S) - deadline.LAST_LOOK_S)
    while True:
        failure = None
        seconds = timeout - (clock.monotonic() - begin)
        try:
            with deadline.limited(max(seconds, deadline.LAST_LOOK_S)):
                last = observation = observe()
        except (Throttled, Unreachable) as error:
            failure = error
        else:
            if progress is not None:
                progress(observation, clock.monotonic() - begin)
            if done(observation):
                return observation
        passed = clock.monotonic() - begin
        left = timeout - passed
        if left <= 0:
            raise failure or PollTimeout(last, passed)
        clock.sleep(min(every, left, SOON_EVERY_S if passed < soon else left))
