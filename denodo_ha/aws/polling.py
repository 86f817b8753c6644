"""Wait until something is so, or too long.

state = until(look, done=lambda seen: not seen.draining, clock=clock, timeout=330, every=5)
"""

from collections.abc import Callable
from typing import TypeVar

from denodo_ha.aws.clock import Clock
from denodo_ha.cli.errors import Failed, Throttled, Unreachable

Seen = TypeVar("Seen")


class TooLong(Failed):
    """It was not so in time; commands say what stands instead.

    Attributes:
        seen: what was seen last, None if it was never seen.
        seconds: how long it was waited for.
    """

    def __init__(self, seen: object, seconds: float) -> None:
        self.seen, self.seconds = seen, seconds
        super().__init__(f"it was waited for {seconds:.0f} s, and is not so yet")


def until(
    look: Callable[[], Seen],
    *,
    done: Callable[[Seen], bool],
    clock: Clock,
    timeout: float,
    every: float,
    progress: Callable[[Seen, float], None] | None = None,
) -> Seen:
    """Look again and again until what is seen is as wanted; gives what was seen then.

    AWS that throttles or does not answer for a while is not the end: it is asked again until the
    time is up. It is looked at once at least, and once more when the time is up.

    Args:
        look: what to look at.
        done: whether that is as wanted.
        clock: the time.
        timeout: seconds after which to give up.
        every: seconds between two looks.
        progress: told of every look, with the seconds that have passed.

    Raises:
        TooLong: it was not so in time.
        AwsError: AWS does not permit, or did not answer when the time was up.
    """
    begin, last = clock.monotonic(), None
    while True:
        failure = None
        try:
            last = seen = look()
        except (Throttled, Unreachable) as error:
            failure = error
        else:
            if progress is not None:
                progress(seen, clock.monotonic() - begin)
            if done(seen):
                return seen
        left = timeout - (clock.monotonic() - begin)
        if left <= 0:
            raise failure or TooLong(last, clock.monotonic() - begin)
        clock.sleep(min(every, left))
