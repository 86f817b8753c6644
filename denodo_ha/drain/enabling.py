"""Enable a node: bring it back into its target groups, or on all HAProxy instances.

    Enabling(context).enable("node1", metadata_ok=True)

The drain tag is removed only when the node is healthy everywhere, so that the tag remains if the
command is interrupted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from denodo_ha.cli.errors import CommandError, Failed, Refused
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.instances import VISIBLE_EVERY_S, read_instance, read_instances
from denodo_ha.deployed.lost_nodes import GONE, lost_state, remedy
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import ClusterOperation
from denodo_ha.deployed.rotation.rotation import HEALTHY_S, Entrance, Rotation, labels

CONFIRM: Final = "confirm-metadata"
CONFIRM_S: Final = 120
"""Project default: seconds for a node to record that an operator has confirmed its metadata."""
_RUNNING: Final = "running"


@dataclass(frozen=True)
class EnablePlan:
    """The changes that enabling a node makes.

    Attributes:
        node: the node.
        instance_id: id of the node's instance.
        scope: a text that names where the node will be healthy, such as "in jdbc, odbc".
        missing: the target groups in which the node must be registered again.
        tag: the node's drain tag, None if it has none.
        at: the time at which this plan was made.
    """

    node: str
    instance_id: str
    scope: str
    missing: tuple[Entrance, ...]
    tag: DrainTag | None
    at: datetime


class Enabling(ClusterOperation):
    """Brings nodes of one cluster back into service.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
    """

    def plan(self, node: str) -> EnablePlan:
        """Return the changes that enabling a node would make now.

        Raises:
            UsageError: There is no such node.
            Refused: The node's instance is not running.
        """
        cluster = self._read_cluster()
        return self._plan(cluster, self._rotation(cluster), node)

    def enable(self, node: str, *, metadata_ok: bool = False) -> EnablePlan:
        """Bring a node back into service, and return the changes that were made.

        Args:
            node: the node.
            metadata_ok: True to record first that an operator has confirmed the node's metadata.

        Raises:
            UsageError: There is no such node, or the node does not run the node program. Nothing
                was changed.
            Refused: The node's instance is not running, or another operation holds the lock.
                Nothing was changed.
            Failed: A step failed. The message says which state remains.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The command was interrupted. The message says which state remains.
        """
        with self._reported():
            if metadata_ok:
                self._confirm_metadata(node)
            with self._locked(f"enable {node}"):
                cluster = self._read_cluster()
                rotation = self._rotation(cluster)
                plan = self._plan(cluster, rotation, node)
                if plan.missing or plan.tag:
                    self._silence.begin(cluster)
                self._open(rotation, plan)
            self._wait_until_healthy(self._rotation(cluster), plan)
        return plan

    def _plan(self, cluster: Cluster, rotation: Rotation, node: str) -> EnablePlan:
        instance_id = cluster.node(node).instance_id
        instance = read_instance(self._aws, self._location.region, instance_id, self._clock)
        state = instance.state if instance is not None else GONE
        if instance is None or state != _RUNNING:
            what = f"the instance of {node} ({instance_id or 'not created yet'}) is {state}"
            todo = "start the instance, or create it with a deploy"
            if lost_state(cluster.node(node), instance):
                todo = remedy(cluster.name, cluster.node(node))
            message = f"{what}: {todo}, and run the command again. Nothing was changed"
            raise Refused(message)
        return EnablePlan(
            node=node,
            instance_id=instance_id,
            scope=rotation.service_scope(node),
            missing=rotation.missing_entrances(node),
            tag=DrainTag.from_tags(instance.tags),
            at=self._clock.now(),
        )

    def _confirm_metadata(self, node: str) -> None:
        """Make a node record that an operator has confirmed the node's metadata."""
        cluster = self._read_cluster()
        self._plan(cluster, self._rotation(cluster), node)
        self._note(node, before="the node's metadata is not confirmed")
        self._state_left = (
            f"it is not known whether {node} has recorded that its metadata is confirmed; the "
            "target groups are unchanged"
        )
        with self._progress.step(f"{node}: confirming its metadata") as step:
            result = self._agent(cluster).run(
                node,
                CONFIRM,
                timeout=CONFIRM_S,
                progress=lambda state, passed: step.update(f"{state} ({passed:.0f} s)"),
            )
        if result.code != node_agent.DONE:
            reason = node_agent.explain_result(result)
            message = (
                f"{node} has not recorded that its metadata is confirmed: {reason}. The target "
                "groups are unchanged"
            )
            raise Failed(message)

    def _open(self, rotation: Rotation, plan: EnablePlan) -> None:
        keeps = ", and keeps its drain tag" if plan.tag else ""
        if plan.missing or plan.tag:
            self._note(plan.node, before=f"out {plan.tag}" if plan.tag else "out of service")
        for entrance in rotation.open(plan.node, plan.missing):
            position = plan.missing.index(entrance)
            self._state_left = (
                f"{plan.node} was registered in "
                f"{labels(plan.missing[:position]) or 'no target group'}, and perhaps not in "
                f"{labels(plan.missing[position:])}{keeps}. {plan.node} serves in each target "
                "group in which it is registered; run the command again to continue"
            )
        self._state_left = (
            f"{plan.node} may not be healthy {plan.scope} yet{keeps}; run the command again to "
            "wait until the node is healthy"
        )

    def _wait_until_healthy(self, rotation: Rotation, plan: EnablePlan) -> None:
        """Wait until the node is healthy, and remove its drain tag."""
        try:
            rotation.wait_until_healthy(plan.node, self._timeout or HEALTHY_S)
        except Failed as error:
            self._require_same_tag(plan)
            message = f"{error}{self._node_report(rotation.cluster, plan.node)}"
            raise Failed(message) from error
        current = self._require_same_tag(plan)
        if current is None and plan.missing and plan.tag is None:
            # Read the drain tag again: the node was out of service, so it has a drain tag that AWS
            # may not have shown before.
            self._clock.sleep(VISIBLE_EVERY_S)
            current = self._require_same_tag(plan)
        # End the node's hold even if the node has no drain tag: an earlier run may have removed the
        # tag, but failed to reach the node.
        rotation.release_watchdog(plan.node)
        if current is not None or plan.tag is not None:
            rotation.remove_drain_tag(plan.node)
        self._note(plan.node, after=f"healthy {plan.scope}")

    def _require_same_tag(self, plan: EnablePlan) -> DrainTag | None:
        """Return the current drain tag; fail if another command wrote it after the plan."""
        instances = read_instances(self._aws, self._location.region, [plan.instance_id])
        current = (
            DrainTag.from_tags(instances[plan.instance_id].tags)
            if plan.instance_id in instances
            else None
        )
        if current is not None and current != plan.tag and current.since > plan.at:
            message = (
                f"another command has drained {plan.node} meanwhile ({current}); the drain tag "
                "remains"
            )
            raise Failed(message)
        return current

    def _node_report(self, cluster: Cluster, node: str) -> str:
        """Return why the node itself reports that it is not ready; empty without a reason.

        The text is also empty if the node cannot be queried.
        """
        try:
            status = self._agent(cluster).status(node)
        except CommandError:
            return ""
        if not status.confirmed:
            return (
                ". The node reports that its metadata is not confirmed: check the node's metadata, "
                "import what is missing, and run the command again with --metadata-ok"
            )
        reasons = ", ".join(f"{service}: {why}" for service, why in sorted(status.unready.items()))
        return f". The node reports: {reasons}" if reasons else ""
