"""Draining a node: out of service under the cluster's lock, and undone if that fails.

    Draining(context).drain("node1", why="promotion")

Only the check and the closing of the entrances hold the lock; the wait for the connections does
not. Two nodes can therefore drain at the same time, and the second command sees that the first node
is out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from denodo_ha.aws.lock import Lock
from denodo_ha.cli.errors import AwsError, CommandError, Failed, Interrupted, Refused, UsageError
from denodo_ha.deployed.cluster import Cluster, TargetGroup, read_cluster
from denodo_ha.deployed.instances import read_instances
from denodo_ha.deployed.rotation import drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import ClusterOperation, OperationContext
from denodo_ha.deployed.rotation.rotation import Entrance, Rotation, labels

WHY: Final = "maintenance"
_COMMAND: Final = "denodo-ha "
"""Start of the reason in the drain tag of a command that brings the node back automatically."""
_ENDED: Final = frozenset({"gone", "shutting-down", "terminated"})


@dataclass(frozen=True)
class DrainPlan:
    """The changes that draining a node makes.

    Attributes:
        node: the node.
        instance_id: its instance.
        scope: the entrances of which a drained node is out, in words.
        open: the entrances that send new sessions to the node now.
        keeps: the auxiliary target group that keeps the node, None from Denodo 8.0 on.
        old_tag: the node's drain tag, None if it has none.
        tag: the drain tag that the node gets.
        seconds: seconds that its connections have to end.
    """

    node: str
    instance_id: str
    scope: str
    open: tuple[Entrance, ...]
    keeps: TargetGroup | None
    old_tag: DrainTag | None
    tag: DrainTag
    seconds: int


class Draining(ClusterOperation):
    """Drains nodes of one cluster.

    Args:
        context: the cluster of the operation, and how the operation runs.
        force: whether the last healthy node may be drained.
    """

    def __init__(self, context: OperationContext, *, force: bool = False) -> None:
        super().__init__(context)
        self._force = force

    def plan(self, node: str, *, why: str | None = None) -> DrainPlan:
        """Return the changes that draining a node would make now.

        Raises:
            UsageError: There is no such node, nothing to take it out of, or the timeout is too
                short.
            Refused: No other node would serve, or the node's instance does not exist.
        """
        cluster = read_cluster(self._aws, self._location)
        return self._plan(cluster, self._rotation(cluster), node, why)

    def drain(self, node: str, *, why: str | None = None) -> DrainPlan:
        """Drain a node, and return the changes that were made.

        Raises:
            UsageError: There is no such node, nothing to take it out of, or the timeout is too
                short. Nothing was changed.
            Refused: No other node would serve, or another operation holds the lock. Nothing was
                changed.
            Failed: The message names the state that is left.
            AwsError: The message names the state that is left.
            Interrupted: The message names the state that is left.
        """
        with self._reported():
            with self._locked(f"drain {node}") as lock:
                cluster = read_cluster(self._aws, self._location)
                rotation = self._rotation(cluster)
                plan = self._plan(cluster, rotation, node, why)
                self._take_out(rotation, plan, lock)
            self._rotation(cluster).wait_until_drained(node, self._timeout)
        return plan

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str, why: str | None) -> DrainPlan:
        instance_id = cluster.node(node).instance_id
        scope = rotation.drain_scope(node)
        if not scope:
            message = (
                f"{cluster.name} has no AWS load balancer in front of {node}: there is no target "
                "group to take it out of. Nothing was changed. Behind HAProxy hosts of your own, "
                f"run `denodo-ha haproxy drain {node}` there"
            )
            raise UsageError(message)
        instances = read_instances(self._aws, self._location.region, [instance_id])
        state = instances[instance_id].state if instance_id in instances else "gone"
        if state in _ENDED:
            message = (
                f"the instance of {node}, {instance_id or 'not created yet'}, is {state}: the load "
                "balancer drops it by itself, and there is no instance to tag. Nothing was "
                "changed. A rollout or a deploy creates a new instance"
            )
            raise Refused(message)
        entrances = rotation.open_entrances(node, minimum=0 if self._force else 1, accept="--force")
        if entrances:
            rotation.require_drain_time(node, self._timeout)
        old_tag = DrainTag.from_tags(instances[instance_id].tags)
        return DrainPlan(
            node=node,
            instance_id=instance_id,
            scope=scope,
            open=entrances,
            keeps=cluster.auxiliary_group(node),
            old_tag=old_tag,
            tag=self._new_tag(old_tag, why, is_out=not entrances),
            seconds=rotation.drain_seconds(node),
        )

    def _new_tag(self, old_tag: DrainTag | None, why: str | None, *, is_out: bool) -> DrainTag:
        """Return the old tag if the node is out already, so that its time stays correct."""
        keeps = is_out and why is None
        if keeps and old_tag is not None and not old_tag.why.startswith(_COMMAND):
            return old_tag
        return DrainTag.now(self._clock, why=why or WHY)

    def _take_out(self, rotation: Rotation, plan: DrainPlan, lock: Lock) -> None:
        """Close every entrance, or restore the state before."""
        begun: list[Entrance] = []
        try:
            if plan.tag != plan.old_tag:
                # The tag comes first, so that it explains a node that is found out of service.
                drain_tag.write(self._aws, self._location.region, plan.instance_id, plan.tag)
            lock.prove()
            for entrance in rotation.close(plan.node, plan.open, force=self._force):
                begun.append(entrance)  # noqa: PERF402 - needed also if closing fails
            rotation.wait_until_closed(plan.node)
        except (CommandError, KeyboardInterrupt) as error:
            self._undo(rotation, plan, begun, error)
        self._state_left = (
            f"{plan.node} is out of {plan.scope}, and has a drain tag; "
            f"{rotation.drain_end(plan.node)}. Run this again to wait for that, or "
            f"`denodo-ha enable {plan.node}` to bring it back"
        )

    def _undo(
        self,
        rotation: Rotation,
        plan: DrainPlan,
        begun: Sequence[Entrance],
        error: CommandError | KeyboardInterrupt,
    ) -> NoReturn:
        self._progress.say(f"{plan.node}: undoing")
        # The messages below name the state themselves.
        self._state_left = ""
        kind = _error_class(error)
        try:
            closed = [entrance for entrance in begun if entrance in plan.open]
            for _ in rotation.open(plan.node, closed):
                pass
            if plan.old_tag is None:
                drain_tag.remove(self._aws, self._location.region, plan.instance_id)
            elif plan.tag != plan.old_tag:
                drain_tag.write(self._aws, self._location.region, plan.instance_id, plan.old_tag)
        except (CommandError, KeyboardInterrupt) as second:
            message = (
                f"{_reason(error)}. It could not be undone: {_reason(second)}. {plan.node} may be "
                f"out of {labels(begun) or 'nothing'}, and have a drain tag. See `denodo-ha "
                f"status`, then run this again to continue, or `denodo-ha enable {plan.node}` to "
                "bring it back"
            )
            raise kind(message) from error
        message = f"{_reason(error)}. It was undone: {plan.node} is as before"
        raise kind(message) from error


def _reason(error: CommandError | KeyboardInterrupt) -> str:
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)


def _error_class(error: CommandError | KeyboardInterrupt) -> type[CommandError]:
    """Return the class of the error to raise after undoing.

    Usage errors and refusals promise that nothing was changed, so they become `Failed`.
    """
    if isinstance(error, KeyboardInterrupt):
        return Interrupted
    return type(error) if isinstance(error, AwsError) else Failed
