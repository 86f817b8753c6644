"""The lock of a cluster, tested with a simulated parameter store that has versions."""

import json
import time
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.lock import LIFETIME_S, PROVE_AGAIN_S, RENEWAL_S, Lock
from denodo_ha.cli.errors import AccessDenied, Failed, Refused, Throttled, Unreachable
from tests.commands.account.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from denodo_ha.aws.clients import Aws

NAME = "/denodo/prod/active/.lock"


class ParameterStore:
    """Simulated parameter store with one parameter and its version.

    Attributes:
        value: the parameter's value, None if it does not exist.
        version: the number of writes since the parameter was created.
        writes: the total number of writes.
        after_read: called once after the next read; simulates another, faster command.
        fails: the error code of every call; empty if calls succeed.
        lost: 1: the answer to the next write is lost; 2: the SDK also repeats the write.
        server_clock: AWS's clock, whose time the answers then contain.
    """

    def __init__(self) -> None:
        self.value: str | None = None
        self.version = self.writes = 0
        self.after_read: Callable[[], object] | None = None
        self.fails = ""
        self.lost = 0
        self.server_clock: VirtualClock | None = None
        self._written: object = None

    def client(self, service: str, region: str) -> Any:
        assert (service, region) == ("ssm", "eu-west-1")
        return self

    def put_parameter(self, **arguments: Any) -> dict[str, Any]:
        self._fail("PutParameter")
        if self.value is not None and not arguments["Overwrite"]:
            raise error("ParameterAlreadyExists", "PutParameter")
        assert (arguments["Name"], arguments["Type"]) == (NAME, "String")
        self.write(arguments["Value"])
        if self.lost:
            repeats, self.lost = self.lost > 1, 0
            if not repeats:
                raise EndpointConnectionError(endpoint_url="https://ssm")
            answer = self.put_parameter(**arguments)
            return {**answer, "ResponseMetadata": {"RetryAttempts": 1}}
        return {"Version": self.version}

    def get_parameter(self, **arguments: Any) -> dict[str, Any]:
        self._fail("GetParameter")
        if self.value is None:
            raise error("ParameterNotFound", "GetParameter")
        assert arguments == {"Name": NAME}
        parameter = {"Value": self.value, "Version": self.version}
        answer: dict[str, Any] = {"Parameter": parameter}
        if self.server_clock is not None:
            parameter["LastModifiedDate"] = self._written
            date = format_datetime(self.server_clock.now(), usegmt=True)
            answer["ResponseMetadata"] = {"HTTPHeaders": {"date": date}}
        happens, self.after_read = self.after_read, None
        if happens is not None:
            happens()
        return answer

    def delete_parameter(self, **_: Any) -> None:
        self._fail("DeleteParameter")
        self.value, self.version = None, 0

    def write(self, value: str) -> None:
        self.value = value
        self.version += 1
        self.writes += 1
        self._written = self.server_clock.now() if self.server_clock else None

    def _fail(self, operation: str) -> None:
        if self.fails:
            raise error(self.fails, operation)


def error(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, operation)


@pytest.fixture
def store() -> ParameterStore:
    return ParameterStore()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def lock_of(store: ParameterStore, clock: VirtualClock, what: str = "roll") -> Lock:
    return Lock(cast("Aws", store), "eu-west-1", NAME, clock=clock, what=what)


def take(lock: Lock, kept: list[object], *, take_over: bool = False) -> None:
    """Acquire a lock and never release it, as a killed process does."""
    held = lock.held(take_over=take_over)
    held.__enter__()
    kept.append(held)


@pytest.fixture
def kept() -> list[object]:
    """Return a list of held locks, so that garbage collection does not release them."""
    return []


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
    """Another command, which has read the expired lock, writes the parameter first."""
    lock = lock_of(store, clock)
    with lock.held():
        lock.prove()
        store.after_read = lambda: store.write('{"token": "another"}')
        with pytest.raises(Failed, match="changed meanwhile; this run stops"):
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


def test_a_write_at_the_same_time_as_another_command_s_is_refused(
    store: ParameterStore,
    clock: VirtualClock,
    kept: list[object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AWS rejects one of two concurrent writes; its command waits, as for any other lock."""
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


def busy_writes(store: ParameterStore, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Reject the next writes, as if another call were writing the lock."""
    write = store.put_parameter

    def busy(**arguments: Any) -> dict[str, Any]:
        nonlocal count
        count -= 1
        if count >= 0:
            raise error("TooManyUpdates", "PutParameter")
        return write(**arguments)

    monkeypatch.setattr(store, "put_parameter", busy)


def test_a_proof_during_another_write_is_repeated(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other write may be an earlier attempt of this command, so it need not stop."""
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
    """The refused operator is asked to run the command again, and sees no error of AWS."""
    store.write("{}")
    busy_writes(store, monkeypatch, 2)
    with pytest.raises(Refused, match="taking the lock"):
        lock_of(store, clock).held(take_over=True).__enter__()


def test_threads_that_prove_at_the_same_time_do_not_disturb_each_other(
    store: ParameterStore, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read of one thread never comes between the read and the write of another."""
    lock, read, write, order = lock_of(store, clock), store.get_parameter, store.put_parameter, []

    def noted_read(**arguments: Any) -> dict[str, Any]:
        order.append("read")
        time.sleep(0.005)  # lets another thread run between a read and its write
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
    """The SDK repeats the write, and AWS answers that the parameter already exists."""
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
    """A command that ends at once releases the lock before the first attempt reaches AWS."""
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
