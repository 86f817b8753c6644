"""Lock of a cluster: an SSM parameter that lets one command at a time change the nodes.

    with Lock(aws, region, name, clock=clock, what="roll").held() as renewing_clock:
        poll_until(observe, done=..., clock=renewing_clock, ...)

Creating a parameter without overwriting is atomic. The holder renews the lock whenever it waits, so
that the lock of a command that was killed expires (docs/decisions/0024-one-change-at-a-time.md).
"""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translate_error, translated_errors
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AwsError, Failed, NotFound, Refused, Throttled, Unreachable
from denodo_ha.cli.operator_text import operator_name
from denodo_ha.environment.loading.bounded_document import parse_json_answer

LIFETIME_S: Final = 300
"""Ours: seconds after which a lock expires that is not renewed."""
RENEWAL_S: Final = 60
"""Ours: seconds between two renewals."""

_ALREADY_EXISTS: Final = "ParameterAlreadyExists"


class Lock:
    """The lock of a cluster.

    Args:
        aws: the credentials.
        region: the cluster's region.
        name: name of the parameter.
        clock: the clock.
        what: the command that holds the lock, shown to other operators.
    """

    def __init__(self, aws: Aws, region: str, name: str, *, clock: Clock, what: str) -> None:
        self._aws, self._region, self._name = aws, region, name
        self._clock, self._what = clock, what
        self._token, self._since = uuid.uuid4().hex, clock.now()
        self._expires = self._since
        self._renewed = clock.monotonic()
        # Several threads may wait at once.
        self._renewal = threading.Lock()

    @contextmanager
    def held(self, *, take_over: bool = False) -> Iterator[Clock]:
        """Hold the lock; yields a clock that renews the lock in every wait.

        Args:
            take_over: take the lock from its holder.

        Raises:
            Refused: Another command holds the lock.
            Failed: Another command took the lock over meanwhile.
        """
        self._acquire(take_over=take_over)
        try:
            yield _RenewingClock(self._clock, self)
        finally:
            self._release()

    def prove(self) -> None:
        """Check that this command still holds the lock, and renew it.

        Raises:
            Failed: This command does not hold the lock any more.
        """
        try:
            content, version = self._read()
        except NotFound:
            content, version = {}, 0
        if content.get("token") != self._token:
            message = (
                f"{_holder(content)} has taken over the lock {self._name}; this run stops "
                "without further changes"
            )
            raise Failed(message)
        # A gap between the versions means that another command has written between the two calls.
        if self._put(overwrite=True) != version + 1:
            message = f"the lock {self._name} changed meanwhile; this run stops"
            raise Failed(message)
        self._renewed = self._clock.monotonic()

    def renew_if_due(self) -> None:
        """Renew the lock if the last renewal is old enough.

        Raises:
            Failed: This command does not hold the lock any more.
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
            try:
                self._put(overwrite=False)
            except ClientError as error:
                if error.response["Error"]["Code"] != _ALREADY_EXISTS:
                    raise translate_error(error) from error
            else:
                return
            try:
                content, version = self._read()
            except NotFound:
                # Released between the two calls.
                continue
            if not take_over and _expiry(content) > self._clock.now():
                message = (
                    f"{_holder(content)} is changing this cluster; nothing was changed. If that "
                    f"command was killed, its lock expires at {content.get('until')}; if you know "
                    "that it was killed, add --take-over to continue at once"
                )
                raise Refused(message)
            if self._put(overwrite=True) == version + 1:
                return
        message = (
            f"other commands are taking the lock {self._name} at this moment; nothing was changed. "
            "Run the command again"
        )
        raise Refused(message)

    def _release(self) -> None:
        try:
            content, _ = self._read()
            if content.get("token") == self._token:
                with translated_errors():
                    self._client.delete_parameter(Name=self._name)
        except AwsError:
            # The lock expires.
            return

    def _put(self, *, overwrite: bool) -> int:
        """Write the lock, and return the parameter's version."""
        self._expires = self._clock.now() + timedelta(seconds=LIFETIME_S)
        value = {
            "who": operator_name(),
            "what": self._what,
            "since": self._since.isoformat(timespec="seconds"),
            "until": self._expires.isoformat(timespec="seconds"),
            "token": self._token,
        }
        arguments = {
            "Name": self._name,
            "Value": json.dumps(value),
            "Type": "String",
            "Overwrite": overwrite,
        }
        if overwrite:
            with translated_errors():
                return int(self._client.put_parameter(**arguments)["Version"])
        return int(self._client.put_parameter(**arguments)["Version"])

    def _read(self) -> tuple[dict[str, Any], int]:
        with translated_errors():
            parameter = self._client.get_parameter(Name=self._name)["Parameter"]
        try:
            content = parse_json_answer(parameter["Value"])
        except ValueError:
            content = {}
        return content if isinstance(content, dict) else {}, int(parameter["Version"])

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


def _expiry(content: dict[str, Any]) -> datetime:
    """Return the time at which a lock expires; in the past for an unreadable lock."""
    try:
        return datetime.fromisoformat(str(content["until"]))
    except (KeyError, ValueError):
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _holder(content: dict[str, Any]) -> str:
    who, what, since = (content.get(key, "?") for key in ("who", "what", "since"))
    return f"{who} ({what}, since {since})"
