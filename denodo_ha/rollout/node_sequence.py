"""Base of the operations that change the nodes of a cluster one after another: roll and rollout.

The operation holds the cluster's lock from beginning to end, and verifies before each node that it
still holds the lock. The operation does not change a node that another operator has drained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from denodo_ha.aws.lock import Lock
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.cli.time_limit import CHANGE_S, TimeLimit
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.lost_nodes import lost_nodes, require_instances
from denodo_ha.deployed.node_agent import (
    DONE,
    LICENSE_MANAGER,
    UNLICENSED,
    NodeAgent,
    NodeStatus,
    explain_result,
)
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import (
    LOCK_WAIT_S,
    ClusterOperation,
    OperationContext,
)
from denodo_ha.deployed.rotation.rotation import HEALTHY_S, LONGEST_DRAIN_S, READY_S
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command
from denodo_ha.rollout.node_task import NodeTask

Goal = TypeVar("Goal")

BEGIN: Final = TimeLimit(
    CHANGE_S, waits=(LOCK_WAIT_S,), then="for each node, its waits, each with the limit --timeout"
)
"""Time limit to locate a cluster, to get its lock, and to read its nodes."""
OUT: Final = TimeLimit(CHANGE_S, waits=(LONGEST_DRAIN_S,))
"""Time limit to read a node's task and to take the node out."""
BACK: Final = TimeLimit(CHANGE_S, waits=(READY_S, HEALTHY_S))
"""Time limit to bring a node back."""
_MANUAL = "manual"
_LICENSE_S: Final = 60
"""Project default: seconds for a node's request to the License Manager."""
_NOT_ASKED: Final = "it is not known whether the License Manager answers"


class NodeSequence(ClusterOperation):
    """Changes the nodes of one cluster, one after another.

    Attributes:
        continuation: end of the message that an operator must confirm a node's metadata: how to
            continue after the command that brings this node back.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
        minimum: the number of other nodes that must be healthy; None: all of them.
        without_license_manager: True to take nodes out even if the License Manager does not answer.
    """

    continuation = "; then run this command again"

    def __init__(
        self,
        context: OperationContext,
        *,
        minimum: int | None = None,
        without_license_manager: bool = False,
    ) -> None:
        super().__init__(context)
        self._minimum, self._without_license_manager = minimum, without_license_manager
        self._completed: list[str] = []

    @contextmanager
    def _sequence(self, purpose: str) -> Iterator[Lock]:
        """Hold the cluster's lock; errors that end the sequence early say which state remains.

        Raises:
            Refused: The cluster is paused. Nothing was changed.
        """
        self._completed = []
        with self._reported(), self._locked(purpose) as lock:
            with BEGIN.stage():
                self._pause_record().require_none(self._clock.now(), self._state_left)
            yield lock

    def _interruption_text(self) -> str:
        before = f" (completed: {', '.join(self._completed)})" if self._completed else ""
        return f"{self._state_left}{before}. Run the command again to continue"

    def _require_instances(self, cluster: Cluster, only: str | None = None) -> None:
        """Check that the nodes' instances exist: to wait for a lost node would be useless."""
        nodes = None if only is None else [only]
        require_instances(self._aws, cluster, self._clock, only=nodes, state=self._state_left)

    def _require_license_manager(self, cluster: Cluster, node: str, *, lost: bool = False) -> None:
        """Check that the License Manager answers: a stopped server cannot start without it.

        The node itself sends a request to the License Manager. If the node is lost or cannot be
        reached, another node sends the request.

        Raises:
            Refused: The License Manager does not answer.
        """
        if self._without_license_manager:
            return
        agent = self._agent(cluster)
        if names.NODE_DOCUMENT not in cluster.stack.outputs or not agent.offers(LICENSE_MANAGER):
            self._progress.say(
                f"{node}: {_NOT_ASKED}: the deployed SSM document has no action {LICENSE_MANAGER}"
            )
            return
        others = [each.name for each in cluster.nodes if each.name != node and each.logical_id]
        reason = "there is no other node that could send a request"
        for asked in others if lost else [node, *others]:
            try:
                result = agent.run(asked, LICENSE_MANAGER, timeout=_LICENSE_S)
            except Failed as error:
                reason = str(error)
                continue
            if result.code == DONE:
                return
            reason = f"{asked}: {explain_result(result)}"
            if result.code == UNLICENSED:
                message = (
                    f"{reason}. A server that is stopped now could not start again; "
                    f"{self._state_left}. Repair the License Manager, or the network between the "
                    "node and the License Manager, and run the command again. If you are certain "
                    "that the servers start, add --without-license-manager"
                )
                raise Refused(message)
        self._progress.say(f"{node}: {_NOT_ASKED}: {reason}")

    def _require_no_deploy(self, cluster: Cluster) -> None:
        if cluster.stack.changing:
            message = (
                f"{cluster.stack.name} is being deployed ({cluster.stack.status}); "
                f"{self._state_left}. Run the command again when the deploy has ended"
            )
            raise Failed(message)

    def _require_own_tag(self, task: NodeTask[Goal]) -> None:
        """Check that no other operator or operation has drained the node."""
        if task.tag is not None and not task.unfinished:
            enable = full_command("enable", task.node, cluster=self._location.name)
            message = (
                f"{task.node} is out {task.tag}; {self._state_left}. First bring the node back "
                f"(with `{enable}`, or with the command that the drain tag names), then run this "
                "command again"
            )
            raise Refused(message)

    def _take_out(self, cluster: Cluster, node: str, tag: DrainTag) -> None:
        """Take a node out of service, and wait until its connections have ended."""
        self._state_left = (
            f"{node} is being taken out of service: it may have a drain tag, and be out of some of "
            "its shared target groups"
        )
        self._silence.begin(cluster)
        self._rotation(cluster).out(node, tag=tag, minimum=self._minimum, timeout=self._timeout)
        self._state_left = f"{node} is out of its shared target groups, and has a drain tag"

    def _bring_back(self, cluster: Cluster, node: str) -> None:
        self._state_left = (
            f"{node} has a drain tag, and is not back in every target group or not healthy yet"
        )
        agent = self._agent(cluster)
        with BACK.stage(self._timeout):
            self._rotation(cluster).back(
                node,
                ready=lambda: self._unready_reason(cluster, agent, node),
                ready_timeout=self._timeout or READY_S,
                timeout=self._timeout or HEALTHY_S,
            )

    def _unready_reason(self, cluster: Cluster, agent: NodeAgent, node: str) -> str:
        """Return why a node is not ready yet; empty if it is ready.

        Raises:
            Failed: The node is lost, or an operator must confirm its metadata.
        """
        try:
            return unready_reason(agent.status(node), node, cluster.name, self.continuation)
        except Unconfirmed:
            raise
        except Failed as error:
            # Return a reason to wait, and raise no error: on a new machine the SSM agent may not
            # run yet.
            for lost in lost_nodes(self._aws, cluster, self._clock, [node]):
                message = f"{lost}; {self._state_left}. To bring {node} back, {lost.remedy}"
                raise Failed(message) from None
            return str(error)

    def _complete(self, node: str, after: str = "in service, as configured") -> None:
        self._completed.append(node)
        self._note(node, after=after)
        self._state_left = "the remaining nodes are unchanged"
        self._progress.say(f"{node}: done")


class Unconfirmed(Failed):
    """An operator must confirm a node's metadata."""


def unready_reason(status: NodeStatus, node: str, cluster: str, continuation: str) -> str:
    """Return why a node reports that it is not ready yet; empty if it is ready.

    Args:
        status: the node's status.
        node: the node's name.
        cluster: the cluster's name.
        continuation: the end of the message after the command that confirms the metadata.

    Raises:
        Unconfirmed: An operator must confirm the node's metadata.
    """
    if status.applied is None:
        return "the node has not applied a desired state yet"
    source = status.applied.get("metadata", {}).get("source", _MANUAL)
    if not status.confirmed and source == _MANUAL:
        enable = full_command("enable", node, "--metadata-ok", cluster=cluster)
        message = (
            f"the metadata of {node} is not confirmed, so the node stays out of the shared target "
            "groups. Check the node's metadata, import what is missing, and then bring the node "
            f"into service with `{enable}`{continuation}"
        )
        raise Unconfirmed(message)
    return ", ".join(f"{service}: {why}" for service, why in sorted(status.unready.items()))
