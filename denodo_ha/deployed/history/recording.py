"""Recording: each command that has changed something leaves one entry in the history.

    @limited(TimeLimit(CHANGE_S))
    @recorded("drain")
    def drain(…) -> None:
        located_environment(aws, environment)
        …
        note("active", "node1", before="in service")  # before the first step that changes the node
        note("active", "node1", after="drained")

The entry is written after the command has ended, within the rest of the command's time limit, and
within `RECORD_S` at most. If the entry cannot be written, a message says so, and the result of the
command remains the same. A command that has changed nothing leaves no entry.
"""

import functools
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import typer

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import AwsError, CommandError, NotFound, Refused, UsageError
from denodo_ha.cli.operator_text import operator_name
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.history.history_buckets import HistoryBucket, history_buckets
from denodo_ha.deployed.history.history_entry import (
    DONE,
    FAILED,
    INTERRUPTED,
    HistoryChange,
    HistoryEntry,
)
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment

Function = TypeVar("Function", bound=Callable[..., Any])

RECORD_S: Final = 6.0
"""Project default: seconds to write the entry after the command has ended. Each bucket except the
last gets half of the remaining seconds, so that a region that does not answer leaves time for
another bucket."""
ATTEMPTS: Final = 2
"""Project default: attempts to write the entry to a bucket."""
_LONGEST_MESSAGE: Final = 1_000
_ATTRIBUTE: Final = "history_name"
_log = logging.getLogger(__name__)


@dataclass
class _Recording:
    """The changes that the running command has noted so far, and where their entry is written."""

    command: str
    at: datetime
    begin: float
    aws: Aws | None = None
    environment: str = ""
    clusters: Sequence[StackLocation] = ()
    configured: Environment | None = None
    changes: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def buckets(self) -> list[HistoryBucket]:
        """Return the buckets for the entry; those of clusters that were not changed come first."""
        changed = {cluster for cluster, _ in self.changes}
        clusters = sorted(self.clusters, key=lambda cluster: cluster.name in changed)
        if (configured := self.configured) is not None and changed <= configured.clusters.keys():
            allowed = {
                name
                for cluster in changed
                for name in node_metadata.history_clusters(configured, cluster)
            }
            clusters = [cluster for cluster in clusters if cluster.name in allowed]
        return list(history_buckets(self.environment, clusters, self.configured))


_running: ContextVar[_Recording | None] = ContextVar("denodo_ha_recording", default=None)


def located(
    aws: Aws,
    environment: str,
    clusters: Iterable[StackLocation],
    configured: Environment | None = None,
) -> None:
    """Set the clusters to whose buckets the entry of the running command may be written.

    Args:
        aws: the credentials.
        environment: name of the environment.
        clusters: the environment's clusters; clusters that the command did not change come first,
            and the entry is written to the first bucket that accepts the entry.
        configured: the configuration, None without a file.
    """
    if (recording := _running.get()) is not None:
        recording.aws, recording.environment = aws, environment
        recording.clusters, recording.configured = tuple(clusters), configured


def located_environment(aws: Aws, environment: EnvironmentLocation) -> None:
    """Set the clusters to whose buckets the entry may be written: those of an environment."""
    configured = environment.loaded.environment if environment.loaded else None
    located(aws, environment.environment, environment.clusters, configured)


def note(cluster: str, subject: str, *, before: str = "", after: str = "") -> None:
    """Note a change of the running command: first the state before, later the state after.

    Only a call with `before` begins a change. A step that had nothing to do calls this function
    only with `after`, which notes no change.

    Args:
        cluster: name of the cluster; empty if the change is not one cluster's.
        subject: the node, zone, component or name.
        before: its state before the command; only the first call for the subject sets this state.
        after: its state after the command.
    """
    if (recording := _running.get()) is None:
        return
    with recording.lock:
        known_before, known_after = recording.changes.get((cluster, subject), ("", ""))
        if before or known_before:
            recording.changes[cluster, subject] = (known_before or before, after or known_after)


def forget(cluster: str, subject: str) -> None:
    """Remove a noted change that did not take place, because AWS has refused it."""
    if (recording := _running.get()) is not None:
        recording.changes.pop((cluster, subject), None)


def detail(**details: Any) -> None:
    """Add results of the running command, such as measured times, to its history entry."""
    if (recording := _running.get()) is not None:
        recording.details |= details


def recorded(command: str, *, extra_time: bool = False) -> Callable[[Function], Function]:
    """Return a decorator that writes a history entry for each run that changes something.

    Args:
        command: name of the command.
        extra_time: True for a command whose stages have their own time limits: writing the entry
            gets additional time.
    """

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(*arguments: Any, **options: Any) -> Any:
            recording = _Recording(command, datetime.now(UTC), time.monotonic())
            token = _running.set(recording)
            verdict: BaseException | None = None
            try:
                return function(*arguments, **options)
            except BaseException as error:  # also on Ctrl-C: an interrupted command has an entry
                verdict = error
                raise
            finally:
                _running.reset(token)
                _record(recording, verdict, extra_time=extra_time)

        setattr(run, _ATTRIBUTE, command)
        return run  # type: ignore[return-value] # the wrapper has the same signature

    return decorate


def history_name(function: object) -> str:
    """Return the name of a command in history entries; empty if the command writes no entry."""
    return str(getattr(function, _ATTRIBUTE, ""))


def _record(recording: _Recording, error: BaseException | None, *, extra_time: bool) -> None:
    if isinstance(error, Refused | UsageError):
        # The error says that nothing was changed. Keep only the changes that earlier steps have
        # completed.
        recording.changes = {key: states for key, states in recording.changes.items() if states[1]}
    if not recording.changes:
        return
    try:
        with _time_limit(extra_time):
            reason = _write(recording, _entry(recording, error))
    except KeyboardInterrupt:
        reason = "interrupted"
    # the command's result must not depend on the history
    except Exception as problem:  # noqa: BLE001 - no failure of the history may end the command
        reason = f"{type(problem).__name__}: {problem}"
    if reason:
        Progress().say(f"the command is not recorded in the history: {reason}")


@contextmanager
def _time_limit(extra_time: bool) -> Iterator[None]:  # noqa: FBT001 - private, one caller
    with deadline.extended(RECORD_S) if extra_time else deadline.limited(RECORD_S):
        yield


def _entry(recording: _Recording, error: BaseException | None) -> HistoryEntry:
    verdict, code, message = _verdict(error)
    return HistoryEntry(
        id=uuid.uuid4().hex[:8],
        at=recording.at,
        seconds=round(time.monotonic() - recording.begin, 1),
        who=operator_name(),
        caller=recording.aws.caller if recording.aws else "",
        command=recording.command,
        environment=recording.environment,
        verdict=verdict,
        exit=code,
        message=message[:_LONGEST_MESSAGE],
        changes=tuple(
            HistoryChange(cluster, subject, before, after)
            for (cluster, subject), (before, after) in recording.changes.items()
        ),
        details=recording.details,
    )


def _verdict(error: BaseException | None) -> tuple[str, int, str]:
    match error:
        case None:
            return DONE, exit_codes.DONE, ""
        case typer.Exit():
            done = error.exit_code == exit_codes.DONE
            return DONE if done else FAILED, error.exit_code, ""
        case CommandError():
            verdict = INTERRUPTED if error.exit == exit_codes.INTERRUPTED else FAILED
            return verdict, error.exit, str(error)
        case KeyboardInterrupt():
            return INTERRUPTED, exit_codes.INTERRUPTED, "interrupted"
        case _:
            return FAILED, exit_codes.FAILED, type(error).__name__


def _write(recording: _Recording, entry: HistoryEntry) -> str:
    """Write the entry to the first bucket that accepts it.

    Return why no bucket has accepted it; empty if the entry was written.
    """
    if recording.aws is None:
        return "the command has not named its environment"
    buckets = recording.buckets()
    names = ", ".join(cluster.name for cluster in recording.clusters) or "the environment"
    if not buckets:
        return (
            f"{names}: no cluster has a bucket of metadata exports (`exports` in the configuration)"
        )
    problems, aws = [], recording.aws.with_attempts(ATTEMPTS)
    for index, bucket in enumerate(buckets):
        seconds = deadline.left(RECORD_S) / (2 if buckets[index + 1 :] else 1)
        if seconds <= 0:
            problems.append(f"no time is left to write to {bucket.name}")
            break
        try:
            with deadline.limited(seconds), translated_errors():
                aws.client("s3", bucket.region).put_object(
                    Bucket=bucket.name,
                    Key=entry.key,
                    Body=entry.as_json(),
                    ContentType="application/json",
                    ExpectedBucketOwner=bucket.account,
                )
        except NotFound:
            problems.append(f"there is no bucket {bucket.name}")
            continue
        except AwsError as error:
            problems.append(f"{bucket.name}: {error}")
            continue
        _log.info("recorded", extra={"bucket": bucket.name, "key": entry.key})
        return ""
    return "; ".join(problems)
