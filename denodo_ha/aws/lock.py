"""Lock of a cluster: an SSM parameter that lets one command at a time change the nodes.

    with Lock(aws, region, name, clock=clock, what="roll").held() as renewing_clock:
        poll_until(observe, done=..., clock=renewing_clock, ...)

Creating a parameter without overwriting is atomic. The holder renews the lock whenever it waits, so
that the lock of a command that was killed expires (docs/decisions/0024-one-change-at-a-time.md).
AWS's answer to a write may be lost, and the SDK then repeats the write; therefore a command
recognises its own lock by a token. The age of a lock is measured by AWS's clock, because the clocks
of two operators' machines may differ.
"""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import UNANSWERED, translate_error, translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import (
    AwsError,
    CommandError,
    Failed,
    NotFound,
    Refused,
    Throttled,
    Unreachable,
)
from denodo_ha.cli.operator_text import operator_name
from denodo_ha.environment.loading.bounded_document import parse_json_answer

LIFETIME_S: Final = 300
"""Project default: seconds after which a lock expires unless it is renewed."""
RENEWAL_S: Final = 60
"""Project default: seconds between two renewals of a lock."""

RELEASE_S: Final = 20
"""Project default: seconds to release the lock, even after the command's deadline."""
LATE_S: Final = (1, 2)
"""Project default: seconds to wait before the second and the third attempt to delete the lock, if a
write was interrupted."""

_EXISTS: Final = "ParameterAlreadyExists"
_CONTENDED: Final = "TooManyUpdates"
"""Error code if the lock is being written at the same time, by another command or by an earlier
attempt of this command whose answer was lost (AWS, Systems Manager API, PutParameter). The SDK does
not repeat such a call."""
REPEATED_S: Final = 10
"""Project default: seconds in which the first request of a write may still reach AWS, after the SDK
has repeated the request."""
PROVE_AGAIN_S: Final = (1, 2, 4)
"""Project default: seconds before the attempts to renew a lock that another call is writing."""


@dataclass(frozen=True)
class _Record:
    """The SSM parameter of a lock, as AWS returned it.

    Attributes:
        content: the lock's content, empty if it cannot be read.
        version: number of writes since the parameter was created.
        age: seconds since the last write by AWS's clock, None if the answer does not contain the
            times.
    """

    content: dict[str, Any]
    version: int
    age: float | None


class Lock:
    """The lock of a cluster.

    Args:
        aws: the credentials.
        region: the cluster's region.
        name: name of the parameter.
        clock: the clock.
        what: the command that holds the lock, shown to other operators.

    Attributes:
        holder: the other command that holds the lock (its `what`); empty if no other command does.
        remaining: why the lock could not be released, and what to do; empty if it was released.
    """

    def __init__(self, aws: Aws, region: str, name: str, *, clock: Clock, what: str) -> None:
        self._aws, self._region, self._name = aws, region, name
        self._clock, self._what = clock, what
        self._token, self._since = uuid.uuid4().hex, clock.now()
        self._expires = self._since
        self._renewed = clock.monotonic()
        self.remaining, self._may_be_ours = "", False
        self.holder, self._in_flight, self._repeated = "", False, float("-inf")
        # Several threads may wait, and so renew the lock, at the same time. Without this mutex, a
        # thread would take the renewal of another thread for a write of another command.
        self._renewal = threading.RLock()

    @contextmanager
    def held(self, *, take_over: bool = False) -> Iterator[Clock]:
        """Hold the lock during the block; yield a clock that renews the lock in every wait.

        Args:
            take_over: True to take the lock from another command.

        Raises:
            Refused: Another command holds the lock.
            Failed: Another command took the lock over in the meantime.
        """
        try:
            self._acquire(take_over=take_over)
            yield _RenewingClock(self._clock, self)
        finally:
            # Release the lock also after an interrupted `_acquire`: its write may have reached AWS.
            if self._may_be_ours:
                self._release()

    def prove(self) -> None:
        """Check that this command still holds the lock, and renew the lock.

        If another call is writing the lock, the lock is read again: the other call may be a
        take-over, or an earlier attempt of this command.

        Raises:
            Failed: This command no longer holds the lock.
            AwsError: AWS does not answer, or denies access.
        """
        with self._renewal:
            for seconds in PROVE_AGAIN_S:
                try:
                    return self._prove_once()
                except _ContendedError:
                    self._clock.sleep(seconds)
            return self._prove_once()

    def _prove_once(self) -> None:
        try:
            record = self._read()
        except NotFound:
            record = _Record({}, 0, None)
        if not self._is_ours(record):
            message = (
                f"{_holder(record.content)} has taken over the lock {self._name}; this command "
                "stops without further changes"
            )
            raise Failed(message)
        # If the version grew by more than one, another command wrote between the read and this
        # write, or the SDK repeated this write.
        version, repeated = self._put(overwrite=True)
        if not record.version < version <= record.version + 1 + repeated:
            message = f"another command has changed the lock {self._name}; this command stops"
            raise Failed(message)
        self._renewed = self._clock.monotonic()

    def renew_if_due(self) -> None:
        """Renew the lock if the last renewal is old enough.

        Raises:
            Failed: This command no longer holds the lock.
            AwsError: AWS does not answer, and the lock has expired.
        """
        with self._renewal:
            if self._clock.monotonic() - self._renewed < RENEWAL_S:
                return
            try:
                self.prove()
            except (Throttled, Unreachable):
                if self._clock.now() >= self._expires:
                    raise

    def _acquire(self, *, take_over: bool) -> None:
        for _ in range(2):
            self._may_be_ours = True
            try:
                self._put(overwrite=False)
            except (_AlreadyExistsError, _ContendedError):
                pass
            except (Throttled, Unreachable):
                # The write may have reached AWS in spite of the error, so raise the error only if
                # this command does not hold the lock.
                if not self._holds():
                    raise
                return
            else:
                return
            try:
                record = self._read()
            except NotFound:
                # The holder released the lock between this command's write and read.
                continue
            if self._is_ours(record):
                # The answer to the first write was lost, and the SDK has repeated the write: this
                # command holds the lock.
                return
            if not take_over and not self._has_expired(record):
                self._may_be_ours = False
                self.holder = str(record.content.get("what", ""))
                message = (
                    f"{_holder(record.content)} is changing this cluster; nothing was changed. If "
                    "that command was killed, its lock expires at "
                    f"{record.content.get('until')}; if you know that it was killed, add "
                    "--take-over to continue at once"
                )
                raise Refused(message)
            if self._takes_over(record):
                return
            break
        message = (
            f"other commands are taking the lock {self._name} at this moment; nothing was changed. "
            "Run the command again"
        )
        raise Refused(message)

    def _takes_over(self, record: _Record) -> bool:
        """Overwrite a lock; return False if another command has written it at the same time."""
        try:
            version, repeated = self._put(overwrite=True)
        except _ContendedError:
            return False
        return record.version < version <= record.version + 1 + repeated

    def _holds(self) -> bool:
        """Return whether this command holds the lock; False if the lock cannot be read."""
        try:
            with deadline.limited(deadline.LOOK_S):
                return self._is_ours(self._read())
        except AwsError:
            return False

    def _is_ours(self, record: _Record) -> bool:
        return record.content.get("token") == self._token

    def _has_expired(self, record: _Record) -> bool:
        """Return True if a lock was not renewed in time, by AWS's clock if its age is known."""
        if record.age is None:
            return _expiry(record.content) <= self._clock.now()
        return record.age >= LIFETIME_S or "until" not in record.content

    def _release(self) -> None:
        """Delete the lock if this command holds it; if that fails, say why in `remaining`."""
        try:
            with deadline.extended(RELEASE_S):
                try:
                    self._delete()
                except AwsError as error:
                    # The lock may have been deleted although AWS's answer was lost.
                    if self._may_remain():
                        self.remaining = self._remains(str(error))
        except KeyboardInterrupt:
            self.remaining = self._remains("interrupted")
            raise

    def _delete(self) -> None:
        """Delete the lock, and delete it again if an earlier write may still reach AWS.

        A write may reach AWS late if it was interrupted, or if the SDK has just repeated it: the
        first request may arrive after the repeated one.
        """
        is_repeated = self._clock.monotonic() - self._repeated < REPEATED_S
        for seconds in (0, *LATE_S) if self._in_flight or is_repeated else (0,):
            if seconds:
                self._clock.sleep(seconds)
            try:
                if self._is_ours(self._read()):
                    with translated_errors():
                        self._client.delete_parameter(Name=self._name)
                    if not is_repeated:
                        return
            except NotFound:
                continue

    def _may_remain(self) -> bool:
        """Return whether this command still holds the lock, or may hold it."""
        try:
            return self._is_ours(self._read())
        except NotFound:
            return False
        except AwsError:
            return True

    def _remains(self, reason: str) -> str:
        return (
            f"the lock {self._name} could not be released ({reason}): until the lock expires, at "
            f"most {LIFETIME_S // 60} minutes from now, other commands wait for the lock; a "
            "command with --take-over does not wait"
        )

    def _put(self, *, overwrite: bool) -> tuple[int, int]:
        """Write the lock; return the parameter's version and the number of the SDK's retries."""
        with translated_errors():
            answer = self._write(overwrite=overwrite)
            metadata = answer.get("ResponseMetadata", {})
            return int(answer["Version"]), int(metadata.get("RetryAttempts", 0))

    def _write(self, *, overwrite: bool) -> dict[str, Any]:
        self._expires = self._clock.now() + timedelta(seconds=LIFETIME_S)
        value = {
            "who": operator_name(),
            "what": self._what,
            "since": self._since.isoformat(timespec="seconds"),
            "until": self._expires.isoformat(timespec="seconds"),
            "token": self._token,
        }
        self._in_flight = True
        try:
            answer: dict[str, Any] = self._client.put_parameter(
                Name=self._name, Value=json.dumps(value), Type="String", Overwrite=overwrite
            )
        except ClientError as error:
            # The SDK has repeated the request, and this is the answer to the repetition. The first
            # request got no answer, and may still reach AWS.
            self._in_flight = UNANSWERED in error.response.get("ResponseMetadata", {})
            code = error.response["Error"]["Code"]
            if code == _EXISTS:
                raise _AlreadyExistsError from None
            if code == _CONTENDED:
                raise _ContendedError(str(translate_error(error))) from None
            raise
        self._in_flight = False
        if answer.get("ResponseMetadata", {}).get("RetryAttempts"):
            self._repeated = self._clock.monotonic()
        return answer

    def _read(self) -> _Record:
        with translated_errors():
            answer = self._client.get_parameter(Name=self._name)
            parameter = answer["Parameter"]
            value, version = str(parameter["Value"]), int(parameter["Version"])
        try:
            content = parse_json_answer(value)
        except ValueError:
            content = {}
        return _Record(content if isinstance(content, dict) else {}, version, _age(answer))

    @property
    def _client(self) -> Any:
        return self._aws.client("ssm", self._region)


class _RenewingClock:
    """A clock that renews a lock before every wait."""

    def __init__(self, clock: Clock, lock: Lock) -> None:
        self._clock, self._lock = clock, lock

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds since an arbitrary moment, to measure durations."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Renew the lock if a renewal is due, and wait."""
        self._lock.renew_if_due()
        self._clock.sleep(seconds)


class _AlreadyExistsError(CommandError):
    """The parameter of the lock exists."""


class _ContendedError(Throttled):
    """Another call is writing the parameter of the lock at this moment."""


def _age(answer: dict[str, Any]) -> float | None:
    """Return the seconds since the last write of the lock's parameter, by AWS's clock."""
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    written = answer["Parameter"].get("LastModifiedDate")
    try:
        return float((parsedate_to_datetime(headers["date"]) - written).total_seconds())
    except (KeyError, TypeError, ValueError):
        return None


def _expiry(content: dict[str, Any]) -> datetime:
    """Return the time at which a lock expires; a past time if the lock cannot be read."""
    try:
        return datetime.fromisoformat(str(content["until"]))
    except (KeyError, ValueError):
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _holder(content: dict[str, Any]) -> str:
    who, what, since = (content.get(key, "?") for key in ("who", "what", "since"))
    return f"{who} ({what}, since {since})"
