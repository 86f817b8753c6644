"""Bringing nodes to their desired state, one at a time: what `denodo-ha roll` does.

For each node whose applied state is not its parameter's: out of the shared groups, drained,
applied, ready, back, healthy in every group. The first failure stops with the rest untouched.
What a killed run has left is found by its mark (`ops.marks`), and finished first.
"""

from dataclasses import dataclass
from typing import Final

from ops import agent, desired, found, health, instances, names
from ops.agent import Agent, Ended
from ops.aws import Aws
from ops.clock import Clock
from ops.desired import State
from ops.errors import AwsError, Failed, Interrupted, OpsError, Refused
from ops.found import Cluster
from ops.lock import Lock
from ops.marks import Mark
from ops.node_ready import NodeReady
from ops.places import Place
from ops.progress import Progress, lasted
from ops.proxied_rotation import rotation_of
from ops.rotation import HEALTHY_S, READY_S, Rotation
from ops.together import together

WHY: Final = "denodo-ha roll"
ROUNDS: Final = 3
"""Ours: how often it is looked again, as something may be deployed meanwhile."""
EXTRA_S: Final = 600
"""Ours: what applying may take beside stopping and starting, each of which may happen twice."""
BUSY_S: Final = 30
"""Ours: how long to wait for another run on the node before it is asked again."""


@dataclass(frozen=True)
class Wish:
    """What is to be done with a node.

    Attributes:
        node: its name.
        state: what its parameter says.
        differs: whether it has another state.
        mark: why it is out, None where it is not marked.
        sick: whether it is not healthy in one of its groups.
    """

    node: str
    state: State
    differs: bool
    mark: Mark | None
    sick: bool

    @property
    def unfinished(self) -> bool:
        """Whether a run of ours has left it."""
        return self.mark is not None and self.mark.why == WHY

    @property
    def due(self) -> bool:
        """Whether there is something to do."""
        return self.differs or self.unfinished

    def __str__(self) -> str:
        what = "waits for its new state" if self.differs else "has its desired state"
        return f"{what}, out {self.mark}" if self.mark else what


class Rolling:
    """Rolls one cluster.

    Args:
        aws: the credentials.
        environment: the environment's name.
        place: the cluster.
        clock: the time.
        progress: who is told.
        minimum: how many other nodes must be healthy; None: all of them.
        timeout: seconds for each wait; None: what the wait is about says.
    """

    def __init__(
        self,
        aws: Aws,
        environment: str,
        place: Place,
        *,
        clock: Clock,
        progress: Progress,
        minimum: int | None = None,
        timeout: int | None = None,
    ) -> None:
        self._aws, self._environment, self._place = aws, environment, place
        self._clock, self._progress = clock, progress
        self._minimum, self._timeout = minimum, timeout
        self._standing = "nothing was changed"

    def look(self, node: str | None = None) -> list[Wish]:
        """What is to be done with each node that has a desired state, in the order to do it.

        Raises:
            Failed: a node does not say how it is.
            UsageError: there is no such node.
        """
        return self._look(found.read(self._aws, self._place), node)

    def roll(self, node: str | None = None, *, take_over: bool = False) -> list[str]:
        """Do it; gives the nodes that were changed.

        Args:
            node: the only node; None: each.
            take_over: take the cluster's lock from whoever holds it.

        Raises:
            Refused: too few nodes would serve, or somebody else is at work.
            Failed: a node did not come up; the message says what stands.
            AwsError: AWS does not answer, or does not permit; the same.
            Interrupted: by Ctrl-C; the same.
        """
        changed: list[str] = []
        name = names.lock(self._environment, self._place.name)
        lock = Lock(self._aws, self._place.region, name, clock=self._clock, what=WHY)
        own = self._clock
        try:
            with lock.held(take_over=take_over) as self._clock:
                for _ in range(ROUNDS):
                    due = [wish for wish in self.look(node) if wish.due]
                    for wish in due:
                        lock.prove()
                        self._one(wish.node)
                        changed.append(wish.node)
                    if not due:
                        break
        except KeyboardInterrupt:
            message = f"interrupted: {self._standing}{_before(changed)}. Run it again to go on"
            raise Interrupted(message) from None
        except AwsError as error:
            message = f"{error}. {self._standing}{_before(changed)}; run it again to go on"
            raise type(error)(message) from error
        finally:
            self._clock = own
        return list(dict.fromkeys(changed))

    def _look(self, cluster: Cluster, only: str | None = None) -> list[Wish]:
        if only is not None:
            cluster.node(only)
        ids = [node.instance_id for node in cluster.nodes]
        shown = instances.look(self._aws, self._place.region, ids)
        groups = {one.group.arn: one for one in health.look_at_all(self._aws, cluster.groups)}
        asked = Agent(self._aws, cluster, self._clock)

        def wish(name: str) -> Wish | None:
            state = desired.read(self._aws, self._environment, self._place, name)
            if state is None:
                return None
            id_ = cluster.node(name).instance_id
            return Wish(
                node=name,
                state=state,
                differs=asked.status(name).applied != state,
                mark=Mark.of(shown[id_].tags) if id_ in shown else None,
                sick=any(id_ not in groups[group.arn].healthy for group in cluster.of(name)),
            )

        wanted = [node.name for node in cluster.nodes if only in {None, node.name}]
        wishes = [one for one in together(wish, wanted) if one is not None]
        # What is out or sick already is mended first: nobody loses anything by it.
        return sorted(wishes, key=lambda one: (not one.unfinished, not one.sick, one.node))

    def _one(self, node: str) -> None:
        """Bring one node to its state, as it is now: something may have been deployed."""
        cluster = found.read(self._aws, self._place)
        if cluster.stack.changing:
            message = (
                f"{cluster.stack.name} is being deployed ({cluster.stack.status}); "
                f"{self._standing}. Run it again when that is over"
            )
            raise Failed(message)
        (wish,) = self._look(cluster, node)
        if not wish.due:
            return
        if wish.mark is not None and not wish.unfinished:
            message = (
                f"{node} is out {wish.mark}; {self._standing}. Bring it back first "
                f"(`denodo-ha enable {node}`, or what its mark names), then run this again"
            )
            raise Refused(message)
        self._progress.say(f"{node}: {wish}")
        rotation = rotation_of(self._aws, cluster, clock=self._clock, progress=self._progress)
        mark = wish.mark or Mark.now(self._clock, why=WHY)
        self._standing = f"{node} is marked, and leaves the shared groups or has left them"
        rotation.out(node, mark=mark, minimum=self._minimum, timeout=self._timeout)
        self._standing = f"{node} is out of the shared groups, and marked"
        asked = Agent(self._aws, cluster, self._clock)
        if wish.differs:
            self._standing += "; its new state may be under way on it"
            self._apply(asked, rotation, wish)
        self._back(asked, rotation, node)
        self._standing = f"{node} is done, and the others are as they were"
        self._progress.say(f"{node}: done")

    def _apply(self, asked: Agent, rotation: Rotation, wish: Wish) -> None:
        limits = wish.state.get("limits", {})
        seconds = self._timeout or EXTRA_S + 2 * (
            int(limits.get("start_seconds", 0)) + int(limits.get("stop_seconds", 0))
        )
        ended = self._ended(asked, wish.node, seconds)
        if ended.code == agent.DONE:
            return
        message = f"{wish.node} did not take its new state: {ended.meaning}"
        if ended.code not in agent.AS_BEFORE:
            message += (
                f". It stays out of the shared groups, the others are untouched; mend {wish.node} "
                "(`journalctl -u denodo-node` on it says more), and run this again"
            )
            raise Failed(message)
        try:
            self._back(asked, rotation, wish.node)
        except OpsError as again:
            message = f"{message}. Nor does it come back as it was: {again}"
            raise Failed(message) from again
        message += (
            ". It is back in service with the state before, and the others are untouched; mend "
            "the configuration, deploy, and run this again"
        )
        raise Failed(message)

    def _ended(self, asked: Agent, node: str, seconds: int) -> Ended:
        """How applying ended; a run of ours that was killed may still be at work on the node."""
        begin = self._clock.monotonic()
        with self._progress.step(f"{node}: applying its state") as step:
            while True:
                ended = asked.run(
                    node,
                    "apply",
                    timeout=seconds,
                    progress=lambda state, passed: step.update(f"{state}{lasted(passed)}"),
                )
                late = self._clock.monotonic() - begin >= seconds
                if ended.code != agent.BUSY or late:
                    return ended
                step.update(ended.meaning)
                self._clock.sleep(BUSY_S)

    def _back(self, asked: Agent, rotation: Rotation, node: str) -> None:
        self._standing = f"{node} is marked, and not back in every group or not healthy yet"
        rotation.back(
            node,
            ready=NodeReady(asked, node),
            ready_timeout=self._timeout or READY_S,
            timeout=self._timeout or HEALTHY_S,
        )


def _before(changed: list[str]) -> str:
    return f" (done before: {', '.join(changed)})" if changed else ""
