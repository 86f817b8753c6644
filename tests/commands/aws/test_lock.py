"""The lock of a cluster, tested with a simulated parameter store that has versions."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.lock import LIFETIME_S, RENEWAL_S
from denodo_ha.cli.errors import AccessDenied, Failed, Refused, Throttled
from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.aws.parameter_store import (
    ParameterStore,
    error,
    lock_of,
    take,
)


def test_content_and_release(store: ParameterStore, clock: VirtualClock) -> None:
    begin = clock.now()
    with lock_of(store, clock).held():
        content = json.loads(str(store.value))
        assert set(content) == {"who", "what", "since", "until", "token"}
        assert content["what"] == "roll"
        assert content["since"] == begin.isoformat(timespec="seconds")
        expires = begin + timedelta(seconds=LIFETIME_S)
        assert content["until"] == expires.isoformat(timespec="seconds")
    assert store.value is None


def test_another_holder_is_refused_until_its_lock_expires(
    store: ParameterStore, clock: VirtualClock, kept: list[object]
) -> None:
    killed = lock_of(store, clock, "drain node1")
    take(killed, kept)
    for seconds in (0, LIFETIME_S - 1):
        clock.sleep(seconds)
        with pytest.raises(Refused, match=r"\(drain node1, .*--take-over"):
            lock_of(store, clock).held().__enter__()
    assert store.writes == 1
    clock.sleep(1)
    with lock_of(store, clock).held(), pytest.raises(Failed, match="has taken over the lock"):
        killed.prove()


def test_a_lock_that_is_taken_over_is_lost(store: ParameterStore, clock: VirtualClock) -> None:
    first = lock_of(store, clock, "drain node1")
    with first.held():
        with lock_of(store, clock, "rollout").held(take_over=True):
            with pytest.raises(Failed, match=r"\(rollout, .*has taken over the lock"):
                first.prove()
            assert json.loads(str(store.value))["what"] == "rollout"
        with pytest.raises(Failed, match="has taken over the lock"):
            first.prove()


def test_release_leaves_the_lock_of_another_command(
    store: ParameterStore, clock: VirtualClock, kept: list[object]
) -> None:
    with lock_of(store, clock, "drain node1").held():
        take(lock_of(store, clock, "rollout"), kept, take_over=True)
    assert json.loads(str(store.value))["what"] == "rollout"


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", '{"until": "soon"}'])
def test_a_lock_that_cannot_be_read_has_expired(
    store: ParameterStore, clock: VirtualClock, text: str
) -> None:
    store.write(text)
    with lock_of(store, clock).held() as renewing:
        renewing.sleep(0)
        assert json.loads(str(store.value))["what"] == "roll"


def test_prove_notices_a_write_between_its_two_calls(
    store: ParameterStore, clock: VirtualClock
) -> None:
    """Another command, which has read the expired lock, writes between the two calls of `prove`."""
    lock = lock_of(store, clock)
    with lock.held():
        lock.prove()
        store.after_read = lambda: store.write('{"token": "another"}')
        with pytest.raises(
            Failed, match=r"another command has changed the lock .*; this command stops"
        ):
            lock.prove()


def test_of_two_that_take_an_expired_lock_one_stops(
    store: ParameterStore, clock: VirtualClock, kept: list[object]
) -> None:
    store.write("{}")
    other = lock_of(store, clock, "rollout")
    store.after_read = lambda: take(other, kept, take_over=True)
    with pytest.raises(Refused), lock_of(store, clock).held():
        pass


def test_a_lock_that_others_write_all_the_time_is_refused(
    store: ParameterStore, clock: VirtualClock
) -> None:
    def write_again() -> None:
        store.write("{}")
        store.after_read = write_again

    write_again()
    with (
        pytest.raises(Refused, match="other commands are taking the lock"),
        lock_of(store, clock).held(take_over=True),
    ):
        pass


def test_a_denied_write_is_not_another_holder(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.put_parameter

    def denied(**arguments: Any) -> dict[str, int]:
        if not arguments["Overwrite"]:
            raise error("AccessDeniedException", "PutParameter")
        return write(**arguments)

    store.write("{}")
    monkeypatch.setattr(store, "put_parameter", denied)
    with pytest.raises(AccessDenied), lock_of(store, clock).held():
        pass


def test_a_lock_that_is_released_meanwhile_is_taken(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("{}")
    read = store.get_parameter

    def released(**arguments: Any) -> dict[str, Any]:
        monkeypatch.setattr(store, "get_parameter", read)
        store.delete_parameter()
        return read(**arguments)

    monkeypatch.setattr(store, "get_parameter", released)
    with lock_of(store, clock).held():
        assert store.version == 1


def test_threads_that_prove_at_the_same_time_do_not_disturb_each_other(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One thread's read of the lock never comes between the read and the write of another."""
    lock, read, write, order = lock_of(store, clock), store.get_parameter, store.put_parameter, []

    def noted_read(**arguments: Any) -> dict[str, Any]:
        order.append("read")
        time.sleep(0.005)  # time in which another thread could run between a read and its write
        return read(**arguments)

    def noted_write(**arguments: Any) -> dict[str, Any]:
        order.append("write")
        return write(**arguments)

    with lock.held():
        monkeypatch.setattr(store, "get_parameter", noted_read)
        monkeypatch.setattr(store, "put_parameter", noted_write)
        map_concurrently(lambda _: lock.prove(), range(6))
        assert order == ["read", "write"] * 6


def test_waits_renew_the_lock(store: ParameterStore, clock: VirtualClock) -> None:
    with lock_of(store, clock).held() as renewing:
        assert renewing.now() == clock.now()
        renewing.sleep(RENEWAL_S - 1)
        renewing.sleep(1)
        assert store.writes == 1
        renewing.sleep(0)
        assert store.writes == 2
        for _ in range(2 * LIFETIME_S // RENEWAL_S):
            renewing.sleep(RENEWAL_S)
        assert store.writes == 2 + 2 * LIFETIME_S // RENEWAL_S - 1
        assert renewing.monotonic() == clock.monotonic()
        with pytest.raises(Refused):
            lock_of(store, clock).held().__enter__()


def test_throttled_renewals_end_the_run_when_the_lock_has_expired(
    store: ParameterStore, clock: VirtualClock
) -> None:
    with lock_of(store, clock).held() as renewing:
        store.fails = "ThrottlingException"
        for _ in range(LIFETIME_S // RENEWAL_S):
            renewing.sleep(RENEWAL_S)
        with pytest.raises(Throttled):
            renewing.sleep(RENEWAL_S)


def test_a_clock_that_is_fast_does_not_take_a_live_lock(
    store: ParameterStore, clock: VirtualClock, kept: list[object]
) -> None:
    store.server_clock = clock
    take(lock_of(store, clock, "drain node1"), kept)
    fast = VirtualClock(clock.now() + timedelta(minutes=30))
    with pytest.raises(Refused, match="drain node1"):
        lock_of(store, fast).held().__enter__()
    clock.sleep(LIFETIME_S)
    slow = VirtualClock(clock.now() - timedelta(minutes=30))
    with lock_of(store, slow).held():
        assert store.version == 2
