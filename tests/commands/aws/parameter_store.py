"""Simulated SSM parameter store with versions, and functions for locks in the store."""

from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from denodo_ha.aws.lock import Lock
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


def lock_of(store: ParameterStore, clock: VirtualClock, what: str = "roll") -> Lock:
    return Lock(cast("Aws", store), "eu-west-1", NAME, clock=clock, what=what)


def take(lock: Lock, kept: list[object], *, take_over: bool = False) -> None:
    """Acquire a lock and never release it, as a killed process does."""
    held = lock.held(take_over=take_over)
    held.__enter__()
    kept.append(held)


def busy_writes(store: ParameterStore, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Reject the next `count` writes, as AWS does while another call writes the parameter."""
    write = store.put_parameter

    def busy(**arguments: Any) -> dict[str, Any]:
        nonlocal count
        count -= 1
        if count >= 0:
            raise error("TooManyUpdates", "PutParameter")
        return write(**arguments)

    monkeypatch.setattr(store, "put_parameter", busy)
