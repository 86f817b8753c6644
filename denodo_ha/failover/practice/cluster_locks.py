"""Locks of both clusters during a practice, by which a practice that was killed is recognised."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import CommandError, Failed, NotFound, Refused, UsageError
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.failover.location import FailoverLocation
from denodo_ha.deployed.rotation.operation import of_nodes
from denodo_ha.environment import names
from denodo_ha.environment.loading.bounded_document import parse_json_answer

WHAT: Final = "failover practice"
"""Purpose that a practice writes into both locks."""


@contextmanager
def held_locks(
    aws: Aws, site: FailoverLocation, *, clock: Clock, progress: Progress, take_over: bool
) -> Iterator[Clock]:
    """Hold the locks of both clusters, so that no other command changes nodes in the meantime.

    Yield a clock that renews both locks in every wait.

    Raises:
        Refused: Another command holds a lock.
        Failed: The practice was refused, and a lock could not be released.
    """
    locks: list[Lock] = []
    try:
        with ExitStack() as stack:
            for cluster in site.clusters.values():
                if cluster.unreachable:
                    progress.say(
                        f"warning: the lock of {cluster.name} is not held: {cluster.unreachable}"
                    )
                    continue
                name = names.lock_parameter(site.environment, cluster.name)
                lock = Lock(aws, cluster.region, name, clock=clock, what=WHAT)
                locks.append(lock)
                clock = stack.enter_context(lock.held(take_over=take_over))
            yield clock
    except CommandError as error:
        remaining = _remaining(locks)
        if not remaining:
            raise
        # Refused and UsageError mean that nothing was changed, which is not true if a lock remains.
        kind = Failed if isinstance(error, Refused | UsageError) else type(error)
        message = f"{of_nodes(str(error))}. But {'; '.join(remaining)}"
        raise kind(message) from error
    except BaseException:  # also KeyboardInterrupt, after Ctrl-C
        _warn(locks, progress)
        raise
    _warn(locks, progress)


def _remaining(locks: Sequence[Lock]) -> list[str]:
    return [lock.remaining for lock in locks if lock.remaining]


def _warn(locks: Sequence[Lock], progress: Progress) -> None:
    for text in _remaining(locks):
        progress.say(f"warning: {text}")


def practice_was_killed(aws: Aws, site: FailoverLocation) -> bool:
    """Return whether a practice, running or killed, holds the lock of a cluster."""
    return any(
        _holder(aws, cluster.region, names.lock_parameter(site.environment, cluster.name)) == WHAT
        for cluster in site.clusters.values()
        if not cluster.unreachable
    )


def _holder(aws: Aws, region: str, name: str) -> str:
    try:
        with translated_errors():
            answer = aws.client("ssm", region).get_parameter(Name=name)
            content = parse_json_answer(str(answer["Parameter"]["Value"]))
    except (NotFound, ValueError):
        return ""
    return str(content.get("what", "")) if isinstance(content, dict) else ""
