"""One command at a time changes the nodes of a cluster: an SSM parameter is its lock.

    with Lock(aws, region, name, clock=clock, what="roll").held() as beating:
        until(look, done=..., clock=beating, ...)

Making a parameter without overwriting is atomic. The holder renews it while it waits, so that the
lock of a command that was killed ends by itself (docs/decisions/0024-one-change-at-a-time.md).
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

LIFE_S: Final = 300
"""Ours: how long a lock stands that nobody renews."""
BEAT_S: Final = 60
"""Ours: how often it is renewed."""

_THERE = "ParameterAlreadyExists"


class Lock:
    """A lock of a cluster.

    Args:
        aws: the credentials.
        region: the cluster's region.
        name: name of the parameter.
        clock: the time.
        what: what the holder does, for whoever finds it.
    """

    def __init__(self, aws: Aws, region: str, name: str, *, clock: Clock, what: str) -> None:
        self._aws, self._region, self._name = aws, region, name
        self._clock, self._what = clock, what
        self._token, self._since = uuid.uuid4().hex, clock.now()
        self._until = self._since
        self._beaten = clock.monotonic()
        # Several threads may wait at once.
        self._one = threading.Lock()

    @contextmanager
    def held(self, *, take_over: bool = False) -> Iterator[Clock]:
        """Hold it; gives a clock that renews it whenever somebody waits.

        Args:
            take_over: take it from whoever holds it.

        Raises:
            Refused: somebody else holds it.
            Failed: it was taken over meanwhile.
        """
        self._acquire(take_over=take_over)
        try:
            yield _Beating(self._clock, self)
        finally:
            self._release()

    def prove(self) -> None:
        """Make sure that it is still ours, and renew it.

        Raises:
            Failed: it is not.
        """
        try:
            known, version = self._read()
        except NotFound:
            known, version = {}, 0
        if known.get("token") != self._token:
            message = (
                f"{_holder(known)} has taken over the lock {self._name} meanwhile; this run stops, "
                "and leaves everything as it is"
            )
            raise Failed(message)
        if self._put(overwrite=True) != version + 1:
            message = f"the lock {self._name} changed meanwhile; this run stops"
            raise Failed(message)
        self._beaten = self._clock.monotonic()

    def beat(self) -> None:
        """Renew it if it is time to."""
        with self._one:
            if self._clock.monotonic() - self._beaten < BEAT_S:
                return
            try:
                self.prove()
            except (Throttled, Unreachable):
                if self._clock.now() >= self._until:
                    raise

    def _acquire(self, *, take_over: bool) -> None:
        for _ in range(2):
            try:
                self._put(overwrite=False)
            except ClientError as error:
                if error.response["Error"]["Code"] != _THERE:
                    raise translate_error(error) from error
            else:
                return
            try:
                known, version = self._read()
            except NotFound:
                # Given back between the two calls.
                continue
            if not take_over and _until(known) > self._clock.now():
                message = (
                    f"{_holder(known)} changes this cluster; nothing was changed. Its lock ends "
                    f"by itself at {known.get('until')} if it was killed; if you know that it "
                    "was, --take-over does not wait"
                )
                raise Refused(message)
            if self._put(overwrite=True) == version + 1:
                return
        message = f"the lock {self._name} changes hands; nothing was changed: run it again"
        raise Refused(message)

    def _release(self) -> None:
        try:
            known, _ = self._read()
            if known.get("token") == self._token:
                with translated_errors():
                    self._client.delete_parameter(Name=self._name)
        except AwsError:
            # It ends by itself.
            return

    def _put(self, *, overwrite: bool) -> int:
        """Write it; gives its version."""
        self._until = self._clock.now() + timedelta(seconds=LIFE_S)
        value = {
            "who": operator_name(),
            "what": self._what,
            "since": self._since.isoformat(timespec="seconds"),
            "until": self._until.isoformat(timespec="seconds"),
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
            found = self._client.get_parameter(Name=self._name)["Parameter"]
        try:
            known = json.loads(found["Value"])
        except ValueError:
            known = {}
        return known if isinstance(known, dict) else {}, int(found["Version"])

    @property
    def _client(self) -> Any:
        return self._aws.client("ssm", self._region)


class _Beating:
    """A clock that renews a lock before every wait."""

    def __init__(self, clock: Clock, lock: Lock) -> None:
        self._clock, self._lock = clock, lock

    def now(self) -> datetime:
        """The time, in UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Seconds since some moment, for measuring."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._lock.beat()
        self._clock.sleep(seconds)


def _until(known: dict[str, Any]) -> datetime:
    """When a lock ends; one that cannot be read has ended."""
    try:
        return datetime.fromisoformat(str(known["until"]))
    except (KeyError, ValueError):
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _holder(known: dict[str, Any]) -> str:
    return f"{known.get('who', 'somebody')} ({known.get('what', '?')}, {known.get('since', '?')})"
