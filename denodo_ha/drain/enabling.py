"""Bringing a node back into every group that the deployed template says.

Enabling(aws, "prod", place, clock=clock, progress=progress).enable("node1", metadata_ok=True)

The mark stays until the node is healthy everywhere, so that whatever ends the command leaves it
to be seen.
"""

from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import CommandError, Failed, Refused
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import instances, node_agent
from denodo_ha.deployed.cluster import Cluster, TargetGroup
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.rotation import drain_tag
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.haproxy_rotation import HaproxyRotation
from denodo_ha.deployed.rotation.target_group_rotation import HEALTHY_S, Rotation
from denodo_ha.drain.node_operation import OneNode

CONFIRM: Final = "confirm-metadata"
CONFIRM_S: Final = 120
"""Ours: how long a node may take to write down that its metadata is right."""
_RUNNING: Final = "running"


@dataclass(frozen=True)
class Plan:
    """What bringing a node back would change.

    Attributes:
        node: the node.
        instance_id: its instance.
        groups: the groups that it belongs into.
        missing: those of them that do not have it.
        mark: its mark, None where it has none.
        proxied: whether it is HAProxies that bring it back, and none of the groups.
    """

    node: str
    instance_id: str
    groups: tuple[TargetGroup, ...]
    missing: tuple[TargetGroup, ...]
    mark: DrainTag | None
    proxied: bool = False

    @property
    def where(self) -> str:
        """Where it is brought back, in words."""
        if self.proxied:
            return "every HAProxy"
        return ", ".join(group.key for group in self.groups) or "no group"


class Enabling(OneNode):
    """Brings nodes of one cluster back.

    Args:
        aws: the credentials.
        environment: the environment's name.
        place: the cluster.
        clock: the time.
        progress: who is told.
        timeout: seconds that a node may take to be healthy.
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
        timeout: float | None = None,
        take_over: bool = False,
    ) -> None:
        self._timeout = HEALTHY_S if timeout is None else timeout
        super().__init__(
            aws,
            environment,
            place,
            clock=clock,
            progress=progress,
            patience=self._timeout,
            take_over=take_over,
        )

    def plan(self, node: str) -> Plan:
        """What bringing a node back would change now.

        Raises:
            UsageError: there is no such node.
            Refused: its instance does not run.
        """
        cluster = found.read_cluster(self._aws, self._place)
        return self._plan(cluster, self._rotation(cluster), node)

    def enable(self, node: str, *, metadata_ok: bool = False) -> Plan:
        """Bring a node back; gives what was changed.

        Args:
            node: the node.
            metadata_ok: tell the node that its metadata is right, first.

        Raises:
            UsageError: there is no such node, or nothing on it to tell; nothing was changed.
            Refused: its instance does not run, or somebody is at work; nothing was changed.
            Failed: the message says what stands.
            AwsError: the same.
            Interrupted: the same.
        """
        with self._told():
            if metadata_ok:
                self._confirm(node)
            rotation, plan = self._put_back(node)
            self._wait(rotation, plan)
        return plan

    def _put_back(self, node: str) -> tuple[Rotation, Plan]:
        with self._turn(f"enable {node}"):
            cluster = found.read_cluster(self._aws, self._place)
            rotation = self._rotation(cluster)
            plan = self._plan(cluster, rotation, node)
            self._put_in(rotation, plan)
        return rotation, plan

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str) -> Plan:
        instance_id = cluster.node(node).instance_id
        shown = instances.read_instances(self._aws, self._place.region, [instance_id])
        state = shown[instance_id].state if instance_id in shown else "gone"
        if state != _RUNNING:
            message = (
                f"the instance of {node}, {instance_id or 'not made yet'}, is {state}: start it, "
                "or let a deploy make it, and run this again; nothing was changed"
            )
            raise Refused(message)
        groups = cluster.groups_of(node)
        inside = {group.arn for group in rotation.registered(node, rotation.look(groups))}
        missing = tuple(group for group in groups if group.arn not in inside)
        mark = DrainTag.from_tags(shown[instance_id].tags)
        proxied = isinstance(rotation, HaproxyRotation)
        # The balancer's groups hold the HAProxies.
        return Plan(node, instance_id, groups, missing, mark, proxied)

    def _confirm(self, node: str) -> None:
        """Let a node write down that its metadata is right."""
        cluster = found.read_cluster(self._aws, self._place)
        self._plan(cluster, self._rotation(cluster), node)
        self._standing = f"the metadata of {node} may be confirmed; its groups are as they were"
        with self._progress.step(f"{node}: confirming its metadata") as step:
            ended = NodeAgent(self._aws, cluster, self._clock).run(
                node,
                CONFIRM,
                timeout=CONFIRM_S,
                progress=lambda state, passed: step.update(f"{state} ({passed:.0f} s)"),
            )
        if ended.code != node_agent.DONE:
            reason = node_agent.explain_result(ended)
            message = (
                f"the metadata of {node} was not confirmed: {reason}. Its groups are as they were"
            )
            raise Failed(message)

    def _put_in(self, rotation: Rotation, plan: Plan) -> None:
        done: list[str] = []
        marked = ", and keeps its mark" if plan.mark else ""
        for group in plan.missing:
            left = [one.key for one in plan.missing if one.key not in done]
            self._standing = (
                f"{plan.node} was put into {', '.join(done) or 'no group'}, and perhaps not into "
                f"{', '.join(left)}{marked}. It serves where it is; run this again to go on"
            )
            rotation.register(plan.node, group)
            done.append(group.key)
        stands = "may not be back on every HAProxy" if plan.proxied else "is in its groups"
        self._standing = f"{plan.node} {stands}{marked}; run this again to wait for it"

    def _wait(self, rotation: Rotation, plan: Plan) -> None:
        """Wait until it is healthy, and take away the mark that it had."""
        try:
            rotation.wait_until_healthy(plan.node, self._timeout)
        except Failed as error:
            self._unmark(plan, only_look=True)
            message = f"{error}{self._own_words(rotation.cluster, plan.node)}"
            raise Failed(message) from error
        self._unmark(plan)

    def _unmark(self, plan: Plan, *, only_look: bool = False) -> None:
        """Take the mark away, unless it is another one than before."""
        shown = instances.read_instances(self._aws, self._place.region, [plan.instance_id])
        now = (
            DrainTag.from_tags(shown[plan.instance_id].tags) if plan.instance_id in shown else None
        )
        if now is not None and now != plan.mark:
            message = f"somebody has taken {plan.node} out meanwhile, {now}; their mark stays"
            raise Failed(message)
        if now is None or only_look:
            return
        drain_tag.remove(self._aws, self._place.region, plan.instance_id)

    def _own_words(self, cluster: Cluster, node: str) -> str:
        """What the node itself says is wrong, where it can be asked."""
        try:
            status = NodeAgent(self._aws, cluster, self._clock).status(node)
        except CommandError:
            return ""
        if not status.confirmed:
            return (
                ". The node says that its metadata is not confirmed: look at its catalog, import "
                "what it lacks, and run this again with --metadata-ok"
            )
        said = ", ".join(f"{service}: {why}" for service, why in sorted(status.unready.items()))
        return f". The node says: {said}" if said else ""
