"""Drain a node under the cluster's lock; if a step fails, undo the drain.

    Draining(context).drain("node1", why="promotion")

The command holds the lock while it checks the other nodes and stops new sessions, but not while it
waits until connections end. Therefore two nodes can be drained at the same time, and the command
for the second node sees that the first node is out of service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from denodo_ha.aws import deadline
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.polling import PollTimeout, poll_until
from denodo_ha.cli import process
from denodo_ha.cli.errors import (
    AwsError,
    CommandError,
    Failed,
    Interrupted,
    Refused,
    UsageError,
)
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.instances import read_instance, read_instances
from denodo_ha.deployed.lost_nodes import GONE, lost_state, remedy
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import (
    LOCK_REMAINS,
    ClusterOperation,
    OperationContext,
)
from denodo_ha.deployed.rotation.rotation import (
    HEALTHY_S,
    Entrance,
    Rotation,
    labels,
    without_promise,
)
from denodo_ha.environment.full_command import full_command

WHY: Final = "maintenance"
LOOK_EVERY_S: Final = 2
OTHERS_S: Final = 15
"""Project default: seconds until AWS shows the drain of another command that has just ended."""
SETTLE_S: Final = 10
"""Project default: seconds after an interrupted call during which it may still reach AWS."""
UNDO_S: Final = 60
"""Project default: seconds until AWS shows that a drain was undone."""
_PURPOSE: Final = "drain "
"""Beginning of the purpose that a drain writes into the lock."""
_COMMAND: Final = "denodo-ha "
"""Beginning of the reason in the drain tags of commands, such as `roll`, that later enable the node
themselves."""


@dataclass(frozen=True)
class DrainPlan:
    """The changes that draining a node makes.

    Attributes:
        node: the node.
        instance_id: id of the node's instance.
        scope: text with the target groups or HAProxy instances that the drained node leaves.
        open: the target groups or HAProxy instances that send new sessions to the node now.
        keeps: the target groups of the node's auxiliary ports, in which the node remains
            registered.
        old_tag: the node's drain tag, None if it has none.
        tag: the new drain tag of the node.
        seconds: seconds within which the node's connections may end.
    """

    node: str
    instance_id: str
    scope: str
    open: tuple[Entrance, ...]
    keeps: tuple[TargetGroup, ...]
    old_tag: DrainTag | None
    tag: DrainTag
    seconds: int


class Draining(ClusterOperation):
    """Drains nodes of one cluster.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
        force: True if the last healthy node may be drained.
    """

    def __init__(self, context: OperationContext, *, force: bool = False) -> None:
        super().__init__(context)
        self._force = force

    def plan(self, node: str, *, why: str | None = None) -> DrainPlan:
        """Return the changes that draining a node would make now.

        Raises:
            UsageError: There is no such node, no load balancer in front of it, or the timeout is
                too short.
            Refused: No other node would serve, or the node's instance does not exist.
        """
        cluster = self._read_cluster()
        return self._plan(cluster, self._rotation(cluster), node, why)

    def drain(self, node: str, *, why: str | None = None) -> DrainPlan:
        """Drain a node, and return the changes that were made.

        Raises:
            UsageError: There is no such node, no load balancer in front of it, or the timeout is
                too short. Nothing was changed.
            Refused: No other node would serve, or another operation holds the lock. Nothing was
                changed.
            Failed: A step failed. The message says which state remains.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The drain was interrupted. The message says which state remains.
        """
        with self._reported():
            with self._locked(f"{_PURPOSE}{node}") as lock:
                cluster = self._read_cluster()
                rotation = self._rotation(cluster)
                self._wait_for_others(cluster, rotation, node)
                plan = self._plan(cluster, rotation, node, why)
                if plan.open:
                    self._silence.begin(cluster)
                self._take_out(rotation, plan, lock)
                self._hold_watchdog(rotation, plan, lock)
                # End the silence of the alarms before the wait: a node that is out of service sets
                # off no alarm, and its connections may take an hour to end.
                self._silence.end()
            self._rotation(cluster).wait_until_drained(node, self._timeout)
        return plan

    def _wait_for_others(self, cluster: Cluster, rotation: Rotation, node: str) -> None:
        """Wait until AWS shows the drain of another command that held the lock before this one."""
        drained = {purpose.removeprefix(_PURPOSE) for purpose in self._waited_for}
        for other in cluster.nodes:
            if other.name in drained and other.name != node:
                try:
                    poll_until(
                        # mypy cannot infer the type of a default argument of a lambda.
                        lambda name=other.name: rotation.is_out(name),  # type: ignore[misc] # a default
                        done=bool,
                        clock=self._clock,
                        timeout=OTHERS_S,
                        every=LOOK_EVERY_S,
                    )
                except PollTimeout:
                    # The other node is in service: the command that drained it has undone its
                    # drain.
                    continue

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str, why: str | None) -> DrainPlan:
        instance_id = cluster.node(node).instance_id
        scope = rotation.drain_scope(node)
        if not scope:
            message = (
                f"{cluster.name} has no AWS load balancer in front of {node}, so {node} cannot be "
                "taken out of a target group. Nothing was changed. If the cluster is behind your "
                f"own HAProxy hosts, run `{full_command('haproxy drain', node)}` on these hosts"
            )
            raise UsageError(message)
        instance = read_instance(self._aws, self._location.region, instance_id, self._clock)
        if instance is None or lost_state(cluster.node(node), instance):
            state = instance.state if instance is not None else GONE
            todo = (
                remedy(cluster.name, cluster.node(node))
                if instance_id
                else "wait until the deploy has created the instance"
            )
            message = (
                f"the instance of {node} ({instance_id or 'not created yet'}) is {state}: no load "
                "balancer sends connections to such an instance, and no drain tag can be written "
                f"on it. Nothing was changed. To bring {node} back, {todo}"
            )
            raise Refused(message)
        entrances = rotation.open_entrances(node, minimum=0 if self._force else 1, accept="--force")
        if entrances:
            rotation.require_drain_time(node, self._timeout)
        old_tag = DrainTag.from_tags(instance.tags)
        return DrainPlan(
            node=node,
            instance_id=instance_id,
            scope=scope,
            open=entrances,
            keeps=cluster.auxiliary_groups(node),
            old_tag=old_tag,
            tag=self._new_tag(old_tag, why, is_out=not entrances),
            seconds=rotation.drain_seconds(node),
        )

    def _new_tag(self, old_tag: DrainTag | None, why: str | None, *, is_out: bool) -> DrainTag:
        """Return the drain tag to write; a node already out of service keeps its tag's time."""
        keeps = is_out and why is None
        if keeps and old_tag is not None and not old_tag.why.startswith(_COMMAND):
            return old_tag
        return DrainTag.now(self._clock, why=why or WHY)

    def _take_out(self, rotation: Rotation, plan: DrainPlan, lock: Lock) -> None:
        """Stop new sessions to the node everywhere; if that fails, restore the previous state."""
        begun: list[Entrance] = []
        if plan.open or plan.tag != plan.old_tag:
            old = f"out {plan.old_tag}" if plan.old_tag else "in service"
            self._note(plan.node, before=old)
        try:
            if plan.tag != plan.old_tag:
                # Write the tag before the node is taken out, so that no node is out of service
                # without a tag.
                rotation.write_drain_tag(plan.node, plan.tag)
            lock.prove()
            for entrance in rotation.close(plan.node, plan.open, force=self._force):
                begun.append(entrance)  # noqa: PERF402 - complete even if `close` fails
            rotation.wait_until_closed(plan.node)
            if plan.open:
                # Check again: another node may have been taken out since the first check, or the
                # state that AWS returned then may have been out of date.
                minimum = 0 if self._force else 1
                rotation.require_capacity(plan.node, minimum=minimum, accept="--force")
        except (CommandError, KeyboardInterrupt) as error:
            self._undo(rotation, plan, begun, error)
        self._note(plan.node, after=f"out of {plan.scope} {plan.tag}")
        self._state_left = (
            f"{plan.node} is out of {plan.scope}, and has a drain tag; "
            f"{rotation.drain_end(plan.node)}. Run the command again to wait until they have "
            f"ended, or `{self._enable(plan.node)}` to bring the node back"
        )

    def _enable(self, node: str) -> str:
        return full_command("enable", node, cluster=self._location.name)

    def _hold_watchdog(self, rotation: Rotation, plan: DrainPlan, lock: Lock) -> None:
        """Hold the drained node's watchdog, unless another command has taken over the lock."""
        try:
            lock.prove()
        except AwsError as error:
            self._progress.say(
                f"warning: {plan.node} was not held, so its watchdog may start a server that was "
                f"stopped: {error}"
            )
            return
        rotation.hold_watchdog(plan.node, plan.tag)

    def _undo(
        self,
        rotation: Rotation,
        plan: DrainPlan,
        begun: Sequence[Entrance],
        error: CommandError | KeyboardInterrupt,
    ) -> NoReturn:
        self._progress.say(f"{plan.node}: undoing the drain")
        # Clear `_state_left`: the messages of this function say which state remains.
        self._state_left = ""
        kind = _error_class(error)
        out = f"be out of {labels(begun)}, and " if begun else ""
        left = f"{plan.node} may {out}have a drain tag"
        status = full_command("status")
        process.set_state_left(f"{left}. {LOCK_REMAINS}. To see the state: `{status}`")
        closed = [entrance for entrance in begun if entrance in plan.open]
        try:
            # The command's time limit may have expired, and the undo must not depend on it.
            with deadline.extended(HEALTHY_S):
                for _ in rotation.open(plan.node, closed):
                    pass
                self._restore_tag(rotation, plan)
                self._see_undone(rotation, plan, closed, late=_may_arrive_late(error))
        except (CommandError, KeyboardInterrupt) as second:
            message = (
                f"{_reason(error)}. The drain could not be undone: {_reason(second)}. {left}. Look "
                f"at the state with `{status}`, then run the command again to continue, or "
                f"`{self._enable(plan.node)}` to bring the node back"
            )
            raise kind(message) from error
        self._note(plan.node, after="as before")
        message = f"{_reason(error)}. The drain was undone: {plan.node} is as before"
        raise kind(message) from error

    def _restore_tag(self, rotation: Rotation, plan: DrainPlan) -> None:
        if plan.old_tag is None:
            rotation.remove_drain_tag(plan.node)
        elif plan.tag != plan.old_tag:
            rotation.write_drain_tag(plan.node, plan.old_tag)

    def _see_undone(
        self, rotation: Rotation, plan: DrainPlan, closed: Sequence[Entrance], *, late: bool
    ) -> None:
        """Restore the node again and again, until AWS shows the state before the drain.

        Args:
            rotation: the rotation of the cluster.
            plan: the drain to undo.
            closed: the target groups or HAProxy instances that the node has left.
            late: True if a call of the drain may still reach AWS after the undo.

        Raises:
            Failed: AWS does not show the state before the drain in time.
        """
        begin, settled = self._clock.monotonic(), SETTLE_S if late else 0
        while True:
            opened = rotation.open_entrances(plan.node, minimum=0)
            missing = [entrance for entrance in closed if entrance not in opened]
            tagged = self._has_new_tag(plan)
            passed = self._clock.monotonic() - begin
            if not missing and not tagged and passed >= settled:
                return
            if passed >= UNDO_S:
                tag = ", and with the drain tag of this command" * tagged
                groups = labels(missing) or "no target group"
                message = f"AWS shows {plan.node} out of {groups}{tag}"
                raise Failed(message)
            for _ in rotation.open(plan.node, missing):
                pass
            if tagged:
                self._restore_tag(rotation, plan)
            self._clock.sleep(LOOK_EVERY_S)

    def _has_new_tag(self, plan: DrainPlan) -> bool:
        """Return whether the instance still has the drain tag of the drain to undo."""
        instances = read_instances(self._aws, self._location.region, [plan.instance_id])
        instance = instances.get(plan.instance_id)
        tag = DrainTag.from_tags(instance.tags) if instance else None
        return tag is not None and tag != plan.old_tag and tag.text == plan.tag.text


def _may_arrive_late(error: CommandError | KeyboardInterrupt) -> bool:
    """Return True if a call that got no answer, or was interrupted, may still take effect."""
    return not isinstance(error, CommandError) or (
        isinstance(error, AwsError) and error.may_take_effect
    )


def _reason(error: CommandError | KeyboardInterrupt) -> str:
    if isinstance(error, Refused):
        return without_promise(error)
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)


def _error_class(error: CommandError | KeyboardInterrupt) -> type[CommandError]:
    """Return the class of the error to raise after a drain was undone.

    `UsageError` and `Refused` mean that nothing was changed, so they become `Failed`.
    """
    if isinstance(error, KeyboardInterrupt):
        return Interrupted
    return type(error) if isinstance(error, AwsError) else Failed
