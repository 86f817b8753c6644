"""What changes the nodes of a cluster one after another has in common: `roll` and `rollout`.

Under the cluster's lock, which is proved before each node, and with a word on what stands whenever
it ends early. A node that somebody else has taken out is nobody's to change.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AwsError, Failed, Interrupted, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.haproxy_rotation import rotation_of
from denodo_ha.deployed.rotation.target_group_rotation import HEALTHY_S, READY_S, Rotation
from denodo_ha.environment import names
from denodo_ha.rollout.node_readiness import NodeReady

UNTOUCHED: Final = "nothing was changed"


class Nodewise:
    """Changes the nodes of one cluster, one after another.

    Args:
        aws: the credentials.
        place: the cluster.
        clock: the time.
        progress: who is told.
        minimum: how many other nodes must be healthy; None: all of them.
        timeout: seconds for each wait; None: what the wait is about says.
    """

    def __init__(
        self,
        aws: Aws,
        place: StackLocation,
        *,
        clock: Clock,
        progress: Progress,
        minimum: int | None = None,
        timeout: int | None = None,
    ) -> None:
        self._aws, self._place = aws, place
        self._clock, self._progress = clock, progress
        self._minimum, self._timeout = minimum, timeout
        self._standing = UNTOUCHED

    @contextmanager
    def _turn(
        self, environment: str, done: Sequence[str], *, what: str, take_over: bool
    ) -> Iterator[Lock]:
        """Hold the cluster's lock; what breaks it off says what stands.

        Args:
            environment: the environment's name.
            done: the nodes that are done, as their number grows.
            what: what is done, for whoever waits.
            take_over: take the lock from whoever holds it.
        """
        name = names.lock_parameter(environment, self._place.name)
        lock = Lock(self._aws, self._place.region, name, clock=self._clock, what=what)
        own = self._clock
        try:
            with lock.held(take_over=take_over) as self._clock:
                yield lock
        except KeyboardInterrupt:
            message = f"interrupted: {self._standing}{_before(done)}. Run it again to go on"
            raise Interrupted(message) from None
        except AwsError as error:
            message = f"{error}. {self._standing}{_before(done)}; run it again to go on"
            raise type(error)(message) from error
        finally:
            self._clock = own

    def _demand_rest(self, cluster: Cluster) -> None:
        """Go on only if nobody deploys."""
        if cluster.stack.changing:
            message = (
                f"{cluster.stack.name} is being deployed ({cluster.stack.status}); "
                f"{self._standing}. Run it again when that is over"
            )
            raise Failed(message)

    def _demand_ours(self, node: str, mark: DrainTag | None, *, unfinished: bool) -> None:
        """Go on only if nobody else has taken a node out; what we left unfinished is ours."""
        if mark is not None and not unfinished:
            message = (
                f"{node} is out {mark}; {self._standing}. Bring it back first "
                f"(`denodo-ha enable {node}`, or what its mark names), then run this again"
            )
            raise Refused(message)

    def _rotation(self, cluster: Cluster) -> Rotation:
        return rotation_of(self._aws, cluster, clock=self._clock, progress=self._progress)

    def _agent(self, cluster: Cluster) -> NodeAgent:
        return NodeAgent(self._aws, cluster, self._clock)

    def _bring_back(self, cluster: Cluster, node: str) -> None:
        self._rotation(cluster).back(
            node,
            ready=NodeReady(self._agent(cluster), node),
            ready_timeout=self._timeout or READY_S,
            timeout=self._timeout or HEALTHY_S,
        )

    def _done(self, node: str) -> None:
        self._standing = f"{node} is done, and the others are as they were"
        self._progress.say(f"{node}: done")


def _before(done: Sequence[str]) -> str:
    return f" (done before: {', '.join(done)})" if done else ""
