"""Base of the operations that change nodes of a cluster: drain, enable, roll, rollout.

An operation holds the cluster's lock while it changes something that two operations must not change
at the same time. Every error that ends an operation early says in which state the cluster remains.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import LIFETIME_S, Lock
from denodo_ha.aws.polling import Clock
from denodo_ha.cli import process
from denodo_ha.cli.errors import (
    AwsError,
    CommandError,
    Failed,
    Interrupted,
    Refused,
    UsageError,
)
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.alarm_silence import AlarmSilence
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.haproxy_instances import has_haproxy
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.pause_record import PauseRecord
from denodo_ha.deployed.rotation.haproxy_rotation import HaproxyRotation
from denodo_ha.deployed.rotation.rotation import Rotation
from denodo_ha.deployed.rotation.target_group_rotation import TargetGroupRotation
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command

UNCHANGED: Final = "nothing was changed"
LOCK_REMAINS: Final = f"The cluster's lock may remain for up to {LIFETIME_S // 60} minutes"
"""Text for a second signal, which ends the program before it can release the lock."""
_UNCHANGED = re.compile(r"\b([Nn])othing was changed")
RETRY_S: Final = 5
LOCK_WAIT_S: Final = LIFETIME_S + 15
"""Project default: longest wait for the lock; longer than the time in which the lock of a killed
process expires."""


def rotation_of(aws: Aws, cluster: Cluster, *, clock: Clock, progress: Progress) -> Rotation:
    """Return the rotation of a cluster: by HAProxy if the cluster has it, else by target groups."""
    kind = HaproxyRotation if has_haproxy(cluster) else TargetGroupRotation
    return kind(aws, cluster, clock, progress)


@dataclass(frozen=True)
class OperationContext:
    """The cluster of an operation, and the options with which the operation runs.

    Attributes:
        aws: the credentials.
        environment: the environment's name.
        location: the cluster's stack.
        clock: the clock.
        progress: receives progress messages.
        timeout: seconds for each wait; None: a default for each kind of wait.
        take_over: True to take the cluster's lock from its holder instead of waiting for its
            release.
    """

    aws: Aws
    environment: str
    location: StackLocation
    clock: Clock
    progress: Progress
    timeout: float | None = None
    take_over: bool = False


class ClusterOperation:
    """An operation that changes nodes of one cluster.

    Subclasses update `_state_left`, a text that says in which state an interruption would leave the
    cluster.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
    """

    def __init__(self, context: OperationContext) -> None:
        self._context, self._aws, self._location = context, context.aws, context.location
        self._progress, self._timeout = context.progress, context.timeout
        self._silence = AlarmSilence(context.aws, context.clock, context.progress)
        # While the operation holds the lock, a clock that renews the lock in every wait replaces
        # this clock.
        self._clock: Clock = self._silence
        self._state_left = UNCHANGED
        self._remaining_lock = ""
        self._waited_for: set[str] = set()

    @property
    def _state_left(self) -> str:
        """A text that says in which state an interruption would leave the cluster."""
        return self._state

    @_state_left.setter
    def _state_left(self, state: str) -> None:
        self._state = state
        # A second signal ends the program at once, and the program then prints this state.
        status = full_command("status")
        process.set_state_left(f"{of_nodes(state)}. {LOCK_REMAINS}. To see the state: `{status}`")

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Add the state of the cluster to every error that ends the operation early."""
        try:
            yield
        except KeyboardInterrupt:
            message = self._with_lock(f"interrupted: {self._interruption_text()}")
            raise Interrupted(message) from None
        except AwsError as error:
            message = f"{error}. {self._interruption_text()}".removesuffix(". ")
            raise type(error)(self._with_lock(message)) from error
        except CommandError as error:
            if not self._remaining_lock:
                raise
            # Refused and UsageError mean that nothing was changed, which is not true if a lock
            # remains.
            kind = Failed if isinstance(error, Refused | UsageError) else type(error)
            raise kind(self._with_lock(str(error))) from error
        if self._remaining_lock:
            self._progress.say(f"warning: {self._remaining_lock}")

    def _note(self, node: str, *, before: str = "", after: str = "") -> None:
        """Note for the history a node's state before, or after, a change by the operation."""
        recording.note(self._location.name, node, before=before, after=after)

    def _with_lock(self, message: str) -> str:
        """Return a message, with the reason at its end if the lock could not be released."""
        if not self._remaining_lock:
            return message
        return f"{of_nodes(message)}. But {self._remaining_lock}"

    def _interruption_text(self) -> str:
        return self._state_left

    @contextmanager
    def _locked(self, purpose: str) -> Iterator[Lock]:
        """Hold the cluster's lock, after waiting for another holder to release it.

        Call `lock.prove()` before each step that two processes must not both make: a process that
        was suspended for minutes may have lost the lock.

        Args:
            purpose: what the operation does; shown to operations that wait for the lock.

        Raises:
            Refused: Another operation still holds the lock. Nothing was changed.
            AwsError: AWS does not answer, or denies access.
        """
        self._remaining_lock = ""
        with ExitStack() as held:
            lock, self._clock = self._acquire(purpose, held)
            try:
                yield lock
            finally:
                self._clock = self._silence

    def _acquire(self, purpose: str, held: ExitStack) -> tuple[Lock, Clock]:
        clock, location = self._silence, self._location
        name = names.lock_parameter(self._context.environment, location.name)
        patience = deadline.left(min(self._timeout or LOCK_WAIT_S, LOCK_WAIT_S))
        begin, reported = clock.monotonic(), ""
        while True:
            lock = Lock(self._aws, location.region, name, clock=clock, what=purpose)
            # Register this callback before acquiring the lock: the callbacks of the exit stack run
            # in reverse order, so this one runs after the lock's release.
            held.callback(self._note_lock, lock)
            try:
                return lock, held.enter_context(lock.held(take_over=self._context.take_over))
            except Refused as refused:
                self._waited_for.add(lock.holder)
                left = patience - (clock.monotonic() - begin)
                if left <= 0:
                    raise
                if str(refused) != reported:
                    reported = str(refused)
                    self._progress.say(f"waiting: {reported}")
                clock.sleep(min(RETRY_S, left))

    def _note_lock(self, lock: Lock) -> None:
        self._remaining_lock = lock.remaining or self._remaining_lock

    def _read_cluster(self) -> Cluster:
        """Return the operation's cluster, read from AWS at this moment."""
        return read_cluster(self._aws, self._location)

    def _rotation(self, cluster: Cluster) -> Rotation:
        """Return the rotation of the cluster; its waits renew a lock that this operation holds."""
        return rotation_of(self._aws, cluster, clock=self._clock, progress=self._progress)

    def _pause_record(self) -> PauseRecord:
        return PauseRecord(self._aws, self._context.environment, self._location)

    def _agent(self, cluster: Cluster) -> NodeAgent:
        return NodeAgent(self._aws, cluster, self._clock)


def of_nodes(text: str) -> str:
    """Return a message with "no node was changed" instead of "nothing was changed"."""
    return _UNCHANGED.sub(lambda match: f"{match[1]}o node was changed", text)
