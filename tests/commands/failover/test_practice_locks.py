"""Locks of a practice: if a lock cannot be released, the practice's own error also says so."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from denodo_ha.cli.errors import AwsError, CommandError, ExpiredCredentials, Failed, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.failover.practice import cluster_locks
from tests.commands.account.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from denodo_ha.aws.clients import Aws
    from denodo_ha.deployed.failover.location import FailoverLocation

_REMAINS = "the lock LOCK could not be released (why): --take-over does not wait"


class _Lock:
    """Simulated lock, which cannot be released in the region `lost`."""

    def __init__(self, _aws: Any, region: str, *_: Any, **__: Any) -> None:
        self.region, self.remaining = region, ""

    @contextmanager
    def held(self, *, take_over: bool) -> Iterator[object]:
        assert not take_over
        try:
            yield VirtualClock()
        finally:
            self.remaining = _REMAINS if self.region == "lost" else ""


def run(error: CommandError, monkeypatch: pytest.MonkeyPatch, region: str = "lost") -> CommandError:
    """Raise an error in a block that holds the locks; return the error that leaves the block."""
    monkeypatch.setattr(cluster_locks, "Lock", _Lock)
    cluster = SimpleNamespace(name="active", region=region, unreachable="")
    site = SimpleNamespace(environment="prod", clusters={"PRIMARY": cluster})
    held = cluster_locks.held_locks(
        cast("Aws", None),
        cast("FailoverLocation", site),
        clock=VirtualClock(),
        progress=Progress(),
        take_over=False,
    )
    with pytest.raises(CommandError) as raised, held:
        raise error
    return raised.value


def test_a_refusal_does_not_say_that_nothing_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = run(Refused("active does not serve. Nothing was changed"), monkeypatch)
    assert type(seen) is Failed
    assert str(seen) == f"active does not serve. No node was changed. But {_REMAINS}"


def test_an_error_of_aws_names_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = run(ExpiredCredentials("the token is expired"), monkeypatch)
    assert isinstance(seen, AwsError)
    assert str(seen) == f"the token is expired. But {_REMAINS}"


def test_a_released_lock_changes_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    error = Refused("nothing was changed")
    assert run(error, monkeypatch, "eu-west-1") is error
