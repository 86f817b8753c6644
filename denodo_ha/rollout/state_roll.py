"""Bringing nodes to their desired state, one at a time: what `denodo-ha roll` does.

For each node whose applied state is not its parameter's: out of the shared groups, drained,
applied, ready, back, healthy in every group. The first failure stops with the rest untouched.
What a killed run has left is found by its mark (`rotation.drain_tag`), and finished first.
"""

from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.polling import Clock
from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli.errors import CommandError, Failed
from denodo_ha.cli.progress import Progress, lasted
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import desired_state, instances, node_agent, target_health
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.desired_state import NodeState
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.rollout.node_by_node import Nodewise

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
    state: NodeState
    differs: bool
    mark: DrainTag | None
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


class StateRoll(Nodewise):
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
        place: StackLocation,
        *,
        clock: Clock,
        progress: Progress,
        minimum: int | None = None,
        timeout: int | None = None,
    ) -> None:
        super().__init__(
            aws, place, clock=clock, progress=progress, minimum=minimum, timeout=timeout
        )
        self._environment = environment

    def look(self, node: str | None = None) -> list[Wish]:
        """What is to be done with each node that has a desired state, in the order to do it.

        Raises:
            Failed: a node does not say how it is.
            UsageError: there is no such node.
        """
        return self._look(found.read_cluster(self._aws, self._place), node)

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
        with self._turn(self._environment, changed, what=WHY, take_over=take_over) as lock:
            for _ in range(ROUNDS):
                due = [wish for wish in self.look(node) if wish.due]
                for wish in due:
                    lock.prove()
                    self._one(wish.node)
                    changed.append(wish.node)
                if not due:
                    break
        return list(dict.fromkeys(changed))

    def _look(self, cluster: Cluster, only: str | None = None) -> list[Wish]:
        if only is not None:
            cluster.node(only)
        ids = [node.instance_id for node in cluster.nodes]
        shown = instances.read_instances(self._aws, self._place.region, ids)
        groups = {
            one.group.arn: one
            for one in target_health.read_groups_health(self._aws, cluster.groups)
        }
        asked = self._agent(cluster)

        def wish(name: str) -> Wish | None:
            state = desired_state.read_desired_state(
                self._aws, self._environment, self._place, name
            )
            if state is None:
                return None
            id_ = cluster.node(name).instance_id
            return Wish(
                node=name,
                state=state,
                differs=asked.status(name).applied != state,
                mark=DrainTag.from_tags(shown[id_].tags) if id_ in shown else None,
                sick=any(id_ not in groups[group.arn].healthy for group in cluster.groups_of(name)),
            )

        wanted = [node.name for node in cluster.nodes if only in {None, node.name}]
        wishes = [one for one in map_concurrently(wish, wanted) if one is not None]
        # What is out or sick already is mended first: nobody loses anything by it.
        return sorted(wishes, key=lambda one: (not one.unfinished, not one.sick, one.node))

    def _one(self, node: str) -> None:
        """Bring one node to its state, as it is now: something may have been deployed."""
        cluster = found.read_cluster(self._aws, self._place)
        self._demand_rest(cluster)
        (wish,) = self._look(cluster, node)
        if not wish.due:
            return
        self._demand_ours(node, wish.mark, unfinished=wish.unfinished)
        self._progress.say(f"{node}: {wish}")
        mark = wish.mark or DrainTag.now(self._clock, why=WHY)
        self._standing = f"{node} is marked, and leaves the shared groups or has left them"
        self._rotation(cluster).out(node, mark=mark, minimum=self._minimum, timeout=self._timeout)
        self._standing = f"{node} is out of the shared groups, and marked"
        if wish.differs:
            self._standing += "; its new state may be under way on it"
            self._apply(cluster, wish)
        self._back(cluster, node)
        self._done(node)

    def _apply(self, cluster: Cluster, wish: Wish) -> None:
        limits = wish.state.get("limits", {})
        seconds = self._timeout or EXTRA_S + 2 * (
            int(limits.get("start_seconds", 0)) + int(limits.get("stop_seconds", 0))
        )
        ended = self._ended(self._agent(cluster), wish.node, seconds)
        if ended.code == node_agent.DONE:
            return
        message = f"{wish.node} did not take its new state: {node_agent.explain_result(ended)}"
        if ended.code not in node_agent.AS_BEFORE:
            message += (
                f". It stays out of the shared groups, the others are untouched; mend {wish.node} "
                "(`journalctl -u denodo-node` on it says more), and run this again"
            )
            raise Failed(message)
        try:
            self._back(cluster, wish.node)
        except CommandError as again:
            message = f"{message}. Nor does it come back as it was: {again}"
            raise Failed(message) from again
        message += (
            ". It is back in service with the state before, and the others are untouched; mend "
            "the configuration, deploy, and run this again"
        )
        raise Failed(message)

    def _ended(self, asked: NodeAgent, node: str, seconds: int) -> CommandResult:
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
                if ended.code != node_agent.BUSY or late:
                    return ended
                step.update(node_agent.explain_result(ended))
                self._clock.sleep(BUSY_S)

    def _back(self, cluster: Cluster, node: str) -> None:
        self._standing = f"{node} is marked, and not back in every group or not healthy yet"
        self._bring_back(cluster, node)
