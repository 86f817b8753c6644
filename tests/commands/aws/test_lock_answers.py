"""The lock of a cluster if AWS refuses a write, or if the answer to a write is lost."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from denodo_ha.aws.lock import PROVE_AGAIN_S
from denodo_ha.cli.errors import Failed, Refused, Throttled, Unreachable
from tests.commands.account.virtual_clock import VirtualClock
from tests.commands.aws.parameter_store import (
    NAME,
    ParameterStore,
    busy_writes,
    error,
    lock_of,
    take,
)


def test_a_write_at_the_same_time_as_another_command_s_is_refused(
    store: ParameterStore,
    clock: VirtualClock,
    kept: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AWS rejects one of two concurrent writes. The rejected command waits for the lock."""
    write = store.put_parameter

    def busy(**_: Any) -> dict[str, Any]:
        monkeypatch.setattr(store, "put_parameter", write)
        take(lock_of(store, clock, "drain node1"), kept)
        raise error("TooManyUpdates", "PutParameter")

    monkeypatch.setattr(store, "put_parameter", busy)
    lock = lock_of(store, clock)
    with pytest.raises(Refused, match="drain node1"):
        lock.held().__enter__()
    assert lock.holder == "drain node1"


def test_a_proof_during_another_write_is_repeated(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejected proof is repeated: the other write may be an earlier attempt of this command."""
    lock = lock_of(store, clock)
    with lock.held():
        busy_writes(store, monkeypatch, len(PROVE_AGAIN_S))
        lock.prove()
        assert store.writes == 2
        busy_writes(store, monkeypatch, len(PROVE_AGAIN_S) + 1)
        with pytest.raises(Throttled, match="TooManyUpdates"):
            lock.prove()


def test_a_proof_during_a_take_over_ends_the_run(
    store: ParameterStore,
    clock: VirtualClock,
    kept: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lock, write = lock_of(store, clock), store.put_parameter

    def taken_over(**_: Any) -> dict[str, Any]:
        monkeypatch.setattr(store, "put_parameter", write)
        take(lock_of(store, clock, "drain node1"), kept, take_over=True)
        raise error("TooManyUpdates", "PutParameter")

    with lock.held():
        monkeypatch.setattr(store, "put_parameter", taken_over)
        with pytest.raises(Failed, match="has taken over the lock"):
            lock.prove()


def test_a_take_over_during_another_one_is_refused(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message asks the operator to run the command again; it shows no error of AWS."""
    store.write("{}")
    busy_writes(store, monkeypatch, 2)
    with pytest.raises(Refused, match="taking the lock"):
        lock_of(store, clock).held(take_over=True).__enter__()


@pytest.mark.parametrize("code", ["ThrottlingException", "ExpiredTokenException"])
def test_a_release_that_fails_names_the_lock_and_the_option(
    store: ParameterStore, clock: VirtualClock, code: str
) -> None:
    lock = lock_of(store, clock)
    with lock.held():
        store.fails = code
    assert store.value is not None
    assert NAME in lock.remaining
    assert "--take-over" in lock.remaining


def test_a_lock_whose_answer_was_lost_is_its_own(
    store: ParameterStore, clock: VirtualClock
) -> None:
    """AWS answers the SDK's repeated write with "the parameter already exists".

    The command compares the parameter's value and recognises its own lock.
    """
    store.lost = 2
    lock = lock_of(store, clock)
    with lock.held():
        assert store.writes == 1
        lock.prove()
    assert store.value is None
    assert lock.remaining == ""


def test_a_lock_whose_every_answer_was_lost_is_its_own(
    store: ParameterStore, clock: VirtualClock
) -> None:
    store.lost = 1
    with lock_of(store, clock).held():
        assert store.writes == 1


def test_a_repeated_renewal_is_no_other_command(store: ParameterStore, clock: VirtualClock) -> None:
    lock = lock_of(store, clock)
    with lock.held():
        store.lost = 2
        lock.prove()
        assert store.version == 3
        store.lost = 1
        with pytest.raises(Unreachable):
            lock.prove()
        lock.prove()


def test_an_interrupted_write_is_released(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.put_parameter

    def interrupted(**arguments: Any) -> dict[str, int]:
        write(**arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "put_parameter", interrupted)
    with pytest.raises(KeyboardInterrupt), lock_of(store, clock).held():
        pass
    assert store.value is None


def test_an_interrupted_write_that_arrives_later_is_released(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(**arguments: Any) -> dict[str, int]:
        clock.at(2, lambda: store.write(arguments["Value"]))
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "put_parameter", late)
    with pytest.raises(KeyboardInterrupt), lock_of(store, clock).held():
        pass
    assert (store.value, store.writes) == (None, 1)


def test_the_first_attempt_of_a_repeated_write_is_released_too(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempt reaches AWS only after the command has ended and released the lock."""
    write = store.put_parameter

    def repeated(**arguments: Any) -> dict[str, Any]:
        clock.at(2, lambda: store.write(arguments["Value"]))
        return {**write(**arguments), "ResponseMetadata": {"RetryAttempts": 1}}

    monkeypatch.setattr(store, "put_parameter", repeated)
    with lock_of(store, clock).held():
        pass
    assert (store.value, store.writes) == (None, 2)


def test_a_release_whose_answer_was_lost_leaves_nothing(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**_: Any) -> None:
        store.value = None
        raise EndpointConnectionError(endpoint_url="https://ssm")

    monkeypatch.setattr(store, "delete_parameter", lost)
    lock = lock_of(store, clock)
    with lock.held():
        pass
    assert lock.remaining == ""
