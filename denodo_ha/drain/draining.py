"""Draining a node: out of the shared groups, under the cluster's lock, and undone if it fails.

    Draining(aws, "prod", place, clock=clock, progress=progress).drain("node1", why="promotion")

Only the check and the deregistration hold the lock; the wait for the connections does not. So two
nodes drain side by side, and the second sees that the first is out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.polling import Clock, poll_until
from denodo_ha.cli.errors import AwsError, CommandError, Failed, Interrupted, Refused, UsageError
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import instances
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.rotation import capacity_check, drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.haproxy_fleet import DRAIN_S
from denodo_ha.deployed.rotation.haproxy_rotation import HaproxyRotation
from denodo_ha.deployed.rotation.target_group_rotation import Rotation
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.drain.node_operation import OneNode

WHY: Final = "maintenance"
SEEN_S: Final = 60
"""Ours: how long AWS may take to show what it was told; it is eventually consistent."""
EVERY_S: Final = 2
_OWN: Final = "denodo-ha "
"""How the reason of a command of ours begins: it would bring the node back by itself."""
_GONE: Final = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True)
class Plan:
    """What draining a node would change.

    Attributes:
        node: the node.
        instance_id: its instance.
        shared: the groups that it must be out of.
        inside: those of them that have it now.
        keeps: the group that keeps it, None from Denodo 8.0 on.
        old: its mark, None where it has none.
        mark: the mark that it shall have.
        delay: seconds that its connections stay.
        proxied: whether it is HAProxies that it must be out of, and none of the groups.
        serving: whether some HAProxy still sends it new sessions.
    """

    node: str
    instance_id: str
    shared: tuple[TargetGroup, ...]
    inside: tuple[TargetGroup, ...]
    keeps: TargetGroup | None
    old: DrainTag | None
    mark: DrainTag
    delay: int
    proxied: bool = False
    serving: bool = False

    @property
    def where(self) -> str:
        """What it must be out of, in words."""
        if self.proxied:
            return "every HAProxy"
        return ", ".join(group.key for group in self.shared)


class Draining(OneNode):
    """Drains nodes of one cluster.

    Args:
        aws: the credentials.
        environment: the environment's name.
        place: the cluster.
        clock: the time.
        progress: who is told.
        force: whether the last healthy node may go.
        timeout: seconds for each wait; None: what is waited for says.
        take_over: take the cluster's lock from whoever holds it.
    """

    def __init__(
        self,
        aws: Aws,
        environment: str,
        place: StackLocation,
        *,
        clock: Clock,
        progress: Progress,
        force: bool = False,
        timeout: float | None = None,
        take_over: bool = False,
    ) -> None:
        super().__init__(
            aws,
            environment,
            place,
            clock=clock,
            progress=progress,
            patience=timeout,
            take_over=take_over,
        )
        self._force, self._timeout = force, timeout

    def plan(self, node: str, *, why: str | None = None) -> Plan:
        """What draining a node would change now.

        Raises:
            UsageError: there is no such node, or no group to take it out of.
            Refused: nobody would be left, or its instance is gone.
        """
        cluster = found.read_cluster(self._aws, self._place)
        return self._plan(cluster, self._rotation(cluster), node, why)

    def drain(self, node: str, *, why: str | None = None) -> Plan:
        """Drain a node; gives what was changed.

        Raises:
            UsageError: there is no such node, or the time cannot be enough; nothing was changed.
            Refused: nobody would be left, or somebody else is at work; nothing was changed.
            Failed: the message says what stands.
            AwsError: the same.
            Interrupted: the same.
        """
        with self._told():
            rotation, plan = self._taken_out(node, why)
            rotation.wait_until_gone(node, self._timeout)
        return plan

    def _taken_out(self, node: str, why: str | None) -> tuple[Rotation, Plan]:
        with self._turn(f"drain {node}") as lock:
            cluster = found.read_cluster(self._aws, self._place)
            rotation = self._rotation(cluster)
            plan = self._plan(cluster, rotation, node, why)
            self._take_out(rotation, plan, lock)
        return rotation, plan

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str, why: str | None) -> Plan:
        instance_id = cluster.node(node).instance_id
        shared = rotation.shared(node)
        proxied = isinstance(rotation, HaproxyRotation)
        if not shared and not proxied:
            message = (
                f"{cluster.name} has no AWS balancer with {node} behind it: there is no group to "
                "take it out of; nothing was changed. Behind HAProxy, it is `denodo-ha haproxy "
                "drain` on its host"
            )
            raise UsageError(message)
        shown = instances.read_instances(self._aws, self._place.region, [instance_id])
        state = shown[instance_id].state if instance_id in shown else "gone"
        if state == "gone" or state in _GONE:
            message = (
                f"the instance of {node}, {instance_id or 'not made yet'}, is {state}: the "
                "balancer drops it by itself, and there is nothing to mark; nothing was changed. "
                "A rollout or a deploy makes it anew"
            )
            raise Refused(message)
        seen = rotation.look(shared)
        inside = tuple(rotation.registered(node, seen))
        if inside:
            self._demand(cluster, node, seen, inside)
        if isinstance(rotation, HaproxyRotation) and not self._force:
            rotation.demand(node, 1, accept="--force")
        serving = proxied and not rotation.is_out(node)
        old = DrainTag.from_tags(shown[instance_id].tags)
        return Plan(
            node=node,
            instance_id=instance_id,
            shared=shared,
            inside=inside,
            keeps=cluster.auxiliary_group(node),
            old=old,
            mark=self._mark(old, why, out=not (inside or serving)),
            delay=max((group.deregistration_delay for group in shared), default=DRAIN_S),
            proxied=proxied,
            serving=serving,
        )

    def _demand(
        self,
        cluster: Cluster,
        node: str,
        seen: Sequence[GroupHealth],
        inside: Sequence[TargetGroup],
    ) -> None:
        """Go on only if others serve, and if the time can be enough."""
        if not self._force:
            capacity_check.demand(cluster, node, seen, 1, accept="--force")
        delay = max(group.deregistration_delay for group in inside)
        if self._timeout is not None and self._timeout < delay:
            message = (
                f"--timeout {self._timeout:.0f} is less than the deregistration delay of {delay} "
                f"s, for which {node} keeps its connections: it cannot be enough; nothing was "
                "changed. Give more, or set balancer.deregistration_delay and deploy"
            )
            raise UsageError(message)

    def _mark(self, old: DrainTag | None, why: str | None, *, out: bool) -> DrainTag:
        """The mark of before where the node is out already, so that its time stays true."""
        if out and old is not None and why is None and not old.why.startswith(_OWN):
            return old
        return DrainTag.now(self._clock, why=why or WHY)

    def _take_out(self, rotation: Rotation, plan: Plan, lock: Lock) -> None:
        """Out of every group, or as before."""
        begun: list[TargetGroup] = []
        try:
            if plan.mark != plan.old:
                # First, so that whoever finds it out knows why.
                region = self._place.region
                drain_tag.write(self._aws, region, plan.instance_id, plan.mark)
            lock.prove()
            if isinstance(rotation, HaproxyRotation):
                rotation.take_out(plan.node, force=self._force)
            for group in plan.inside:
                begun.append(group)
                rotation.deregister(plan.node, group)
            poll_until(
                lambda: rotation.registered(plan.node, rotation.look(plan.shared)),
                done=lambda inside: not inside,
                clock=self._clock,
                timeout=SEEN_S,
                every=EVERY_S,
            )
        except (CommandError, KeyboardInterrupt) as error:
            self._undo(rotation, plan, begun, error)
        self._standing = (
            f"{plan.node} is out of {plan.where}, and marked; {_leaving(plan)}. Run this again to "
            f"wait for it, or `denodo-ha enable {plan.node}` to bring it back"
        )

    def _undo(
        self, rotation: Rotation, plan: Plan, begun: Sequence[TargetGroup], error: BaseException
    ) -> None:
        what = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        kind = Interrupted if isinstance(error, KeyboardInterrupt) else _kind(error)
        self._progress.say(f"{plan.node}: undoing")
        # Each message of below says what stands.
        self._standing = ""
        try:
            for group in begun:
                rotation.register(plan.node, group)
            if plan.serving:
                rotation.wait_until_healthy(plan.node)
            if plan.old is None:
                drain_tag.remove(self._aws, self._place.region, plan.instance_id)
            elif plan.mark != plan.old:
                drain_tag.write(self._aws, self._place.region, plan.instance_id, plan.old)
        except (CommandError, KeyboardInterrupt) as second:
            groups = ", ".join(group.key for group in begun) or "no group"
            groups = "some HAProxy" if plan.proxied else groups
            why = "interrupted" if isinstance(second, KeyboardInterrupt) else str(second)
            message = (
                f"{what}. It could not be undone: {why}. {plan.node} may be out of {groups}, and "
                f"marked as drained; see `denodo-ha status`, then run this again to go on, or "
                f"`denodo-ha enable {plan.node}` to bring it back"
            )
            raise kind(message) from error
        stands = "is served" if plan.proxied else "is in its groups"
        message = f"{what}. It was undone: {plan.node} {stands} as before"
        raise kind(message) from error


def _kind(error: BaseException) -> type[CommandError]:
    """The error's own kind; that of an error which counts as without consequence is another."""
    if isinstance(error, AwsError):
        return type(error)
    return Failed


def _leaving(plan: Plan) -> str:
    """How its connections end; HAProxy waits for them, and cuts none."""
    if plan.proxied:
        return "its sessions end by themselves"
    return f"its connections leave by themselves within {plan.delay} s"
