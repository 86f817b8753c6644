"""Polling with a virtual clock."""

from functools import partial

import pytest

from denodo_ha.aws import deadline
from denodo_ha.aws.polling import PollTimeout, RealClock, poll_until
from denodo_ha.cli.errors import AccessDenied, Throttled
from tests.commands.account.virtual_clock import VirtualClock


class Looks:
    """Look that returns the given states, one at each call.

    A state that is an exception is raised. The last state is repeated.
    """

    def __init__(self, *seen: object) -> None:
        self._seen = list(seen)

    def __call__(self) -> object:
        state = self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]
        if isinstance(state, Exception):
            raise state
        return state


def wait(looks: Looks, clock: VirtualClock, timeout: float = 60, every: float = 5) -> object:
    return poll_until(
        looks, done=lambda seen: seen == "so", clock=clock, timeout=timeout, every=every
    )


def test_done_at_once_waits_for_nothing() -> None:
    clock = VirtualClock()
    assert wait(Looks("so"), clock, timeout=0) == "so"
    assert clock.slept == []


def test_looks_again_until_it_is_so() -> None:
    clock = VirtualClock()
    assert wait(Looks("not", "not", "so"), clock) == "so"
    assert clock.slept == [5, 5]


def test_looks_each_second_at_the_beginning() -> None:
    clock = VirtualClock()
    looks = Looks(*["not"] * 6, "so")
    poll_until(looks, done=lambda seen: seen == "so", clock=clock, timeout=14.5, every=5, soon=3)
    assert clock.slept == [1, 1, 1, 5, 5, 1.5]


def test_looks_are_never_further_apart_at_the_beginning() -> None:
    clock = VirtualClock()
    looks = Looks("not", "not", "so")
    poll_until(looks, done=lambda seen: seen == "so", clock=clock, timeout=60, every=0.5, soon=3)
    assert clock.slept == [0.5, 0.5]


def test_gives_up_in_time_and_says_what_was_seen() -> None:
    clock = VirtualClock()
    with pytest.raises(PollTimeout) as caught:
        wait(Looks("not"), clock, timeout=12)
    assert clock.monotonic() == 12
    assert (caught.value.last, caught.value.seconds) == ("not", 12)


def test_looks_once_more_when_the_time_is_up() -> None:
    clock = VirtualClock()
    assert wait(Looks("not", "not", "not", "so"), clock, timeout=12) == "so"
    assert clock.slept == [5, 5, 2]


def test_the_calls_of_a_look_end_with_the_timeout() -> None:
    """The deadline of each look is the timeout; the last look has a short limit of its own."""
    clock, left = VirtualClock(), []

    def look() -> None:
        left.append(deadline.left(1000))

    with pytest.raises(PollTimeout):
        poll_until(look, done=lambda _: False, clock=clock, timeout=12, every=6)
    for seconds, most in zip(left, (12, 6, deadline.LAST_LOOK_S), strict=True):
        assert 0 < seconds <= most


def test_an_outer_deadline_ends_a_wait() -> None:
    clock = VirtualClock()
    with deadline.limited(8), pytest.raises(PollTimeout):
        wait(Looks("not"), clock, timeout=600)
    assert clock.monotonic() <= 8


def test_bears_throttling_for_a_while() -> None:
    clock = VirtualClock()
    assert wait(Looks("not", Throttled("enough"), "so"), clock) == "so"


def test_throttling_to_the_end_is_the_error() -> None:
    with pytest.raises(Throttled):
        wait(Looks("not", Throttled("enough")), VirtualClock())


def test_other_errors_end_it() -> None:
    clock = VirtualClock()
    with pytest.raises(AccessDenied):
        wait(Looks(AccessDenied("no"), "so"), clock)
    assert clock.slept == []


def test_progress_hears_every_look() -> None:
    heard: list[tuple[object, float]] = []
    clock, looks = VirtualClock(), Looks("not", "so")
    poll_until(
        looks,
        done=lambda seen: seen == "so",
        clock=clock,
        timeout=60,
        every=5,
        progress=lambda seen, seconds: heard.append((seen, seconds)),
    )
    assert heard == [("not", 0), ("so", 5)]


class TestVirtualClock:
    """Scheduled calls happen at their time."""

    def test_in_order_each_at_its_moment(self) -> None:
        clock = VirtualClock()
        seen: list[tuple[str, float]] = []

        def happen(name: str) -> None:
            seen.append((name, clock.monotonic()))

        for moment, name in [(7, "late"), (3, "early"), (3, "next"), (20, "never")]:
            clock.at(moment, partial(happen, name))
        clock.sleep(10)
        assert seen == [("early", 3), ("next", 3), ("late", 7)]
        assert clock.monotonic() == 10

    def test_now_goes_on(self) -> None:
        clock = VirtualClock()
        before = clock.now()
        clock.sleep(90)
        assert (clock.now() - before).total_seconds() == 90


def test_the_real_clock_tells_the_time() -> None:
    clock = RealClock()
    before = clock.now(), clock.monotonic()
    clock.sleep(0.001)
    assert before[0].utcoffset() is not None
    assert (clock.now(), clock.monotonic()) > before
