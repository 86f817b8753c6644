"""What `drain` and `enable` have in common: one node, a turn of its cluster, a word on what stands.

Only a part of each holds the cluster's lock; what is waited for afterwards does not.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AwsError, Interrupted
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.rotation.haproxy_rotation import rotation_of
from denodo_ha.deployed.rotation.lock_wait import PATIENCE_S, turn
from denodo_ha.deployed.rotation.target_group_rotation import Rotation


class OneNode:
    """Changes nodes of one cluster, each by itself.

    Args:
        aws: the credentials.
        environment: the environment's name.
        place: the cluster.
        clock: the time.
        progress: who is told.
        patience: seconds to wait for the cluster's lock; None: as long as one that was left stands.
        take_over: take the lock from whoever holds it.
    """

    def __init__(
        self,
        aws: Aws,
        environment: str,
        place: StackLocation,
        *,
        clock: Clock,
        progress: Progress,
        patience: float | None,
        take_over: bool,
    ) -> None:
        self._aws, self._environment, self._place = aws, environment, place
        self._clock, self._progress = clock, progress
        self._patience = PATIENCE_S if patience is None else min(patience, PATIENCE_S)
        self._take_over = take_over
        self._standing = "nothing was changed"

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever breaks it off says what stands; nothing where the error has said it already."""
        try:
            yield
        except KeyboardInterrupt:
            message = f"interrupted: {self._standing}"
            raise Interrupted(message) from None
        except AwsError as error:
            message = f"{error}. {self._standing}".removesuffix(". ")
            raise type(error)(message) from error

    def _turn(self, what: str) -> AbstractContextManager[Lock]:
        """The cluster's lock, for what is done."""
        return turn(
            self._aws,
            self._environment,
            self._place,
            what=what,
            clock=self._clock,
            progress=self._progress,
            patience=self._patience,
            take_over=self._take_over,
        )

    def _rotation(self, cluster: Cluster) -> Rotation:
        return rotation_of(self._aws, cluster, clock=self._clock, progress=self._progress)
