"""State roll: bring nodes to their desired state, one at a time (`denodo-ha roll`).

Each node whose applied state differs from its SSM parameter, or whose login to the metadata
database has changed since the node applied its state, is taken out of service, drained, changed,
and brought back when it is ready and healthy. The first failure stops the roll and leaves the other
nodes unchanged. Nodes that a killed run has not finished are recognised by their drain tag, and
completed first.
"""

import uuid
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.lock import Lock
from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli.errors import CommandError, Failed, Unreachable
from denodo_ha.cli.progress import lasted
from denodo_ha.cli.time_limit import CHANGE_S
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.desired_state import NodeState, read_desired_state
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.rollout.node_sequence import BEGIN, OUT, NodeSequence
from denodo_ha.rollout.node_task import NodeTask, in_order, read_conditions

WHY: Final = "denodo-ha roll"
ROUNDS: Final = 3
"""Project default: maximum number of rounds over all nodes. Further rounds are needed if a deploy
writes new desired states during a round."""
EXTRA_S: Final = 600
"""Project default: seconds to apply a state, in addition to the time to stop and start the servers
twice."""
BUSY_S: Final = 30
"""Project default: seconds between attempts while another run of the node program is active."""

StateTask = NodeTask[NodeState]


class StateRoll(NodeSequence):
    """Rolls the nodes of one cluster.

    Args:
        context: the cluster of the operation, and the options with which the operation runs.
        minimum: the number of other nodes that must be healthy; None: all of them.
        without_license_manager: True to take nodes out even if the License Manager does not answer.
        accept_readiness: True to also roll nodes that are ready only by an earlier version's rules.
    """

    def __init__(
        self,
        context: OperationContext,
        *,
        minimum: int | None = None,
        without_license_manager: bool = False,
        accept_readiness: bool = False,
    ) -> None:
        super().__init__(context, minimum=minimum, without_license_manager=without_license_manager)
        self._accept_readiness = accept_readiness

    def plan(self, node: str | None = None) -> list[StateTask]:
        """Return one task for each node that has a desired state, in execution order.

        Args:
            node: the only node to roll; None: all nodes.

        Raises:
            Failed: A node does not report its status.
            Refused: A node is lost.
            UsageError: There is no such node.
        """
        cluster = read_cluster(self._aws, self._location)
        self._require_instances(cluster, node)
        return self._plan(cluster, node)

    def roll(self, node: str | None = None) -> list[str]:
        """Roll nodes, and return the nodes that were changed.

        Args:
            node: the only node to roll; None: all nodes.

        Raises:
            Refused: Too few nodes would serve, or another operation holds the lock.
            Failed: A node did not become ready. The message says which state remains.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The operation was interrupted. The message says which state remains.
        """
        with self._sequence(WHY) as lock:
            for _ in range(ROUNDS):
                with BEGIN.stage():
                    due = [task for task in self.plan(node) if task.due]
                for task in due:
                    self._roll_node(task.node, lock)
                if not due:
                    break
        return list(dict.fromkeys(self._completed))

    def _plan(self, cluster: Cluster, only: str | None) -> list[StateTask]:
        if only is not None:
            cluster.node(only)
        conditions, agent = read_conditions(self._aws, cluster), self._agent(cluster)
        if self._accept_readiness:
            agent.require_action("accept-readiness")

        def task(node: str) -> StateTask | None:
            state = read_desired_state(self._aws, self._context.environment, self._location, node)
            if state is None:
                return None
            status = agent.status(node)
            differences = []
            if status.applied != state:
                differences.append("waits for its new state")
            elif state.get("catalog") and agent.would_change(node):
                # `catalog init` and `catalog rotate` change a secret, and not the desired state.
                differences.append("waits for its login to the metadata database")
            if self._accept_readiness and status.earlier_rules:
                differences.append("takes the readiness rules of its version")
            return NodeTask(node, state, tuple(differences), conditions[node], WHY)

        nodes = [node.name for node in cluster.nodes if only in {None, node.name}]
        return in_order([made for made in map_concurrently(task, nodes) if made is not None])

    def _roll_node(self, node: str, lock: Lock) -> None:
        """Bring a node to its desired state, read again as a deploy may have changed the state."""
        with OUT.stage(self._timeout):
            lock.prove()
            cluster = read_cluster(self._aws, self._location)
            self._require_no_deploy(cluster)
            (task,) = self._plan(cluster, node)
            if task.due:
                self._take_task_out(cluster, task)
        if task.due:
            if task.differences:
                self._state_left += "; the node may still apply its new state"
                self._apply(cluster, task)
            self._bring_back(cluster, node)
        self._complete(node)

    def _take_task_out(self, cluster: Cluster, task: StateTask) -> None:
        self._require_own_tag(task)
        node = task.node
        self._progress.say(f"{node}: {task}")
        tag = task.tag or DrainTag.now(self._clock, why=WHY)
        if task.differences:
            self._require_license_manager(cluster, node)
        self._note(node, before=str(task))
        self._take_out(cluster, node, tag)

    def _apply(self, cluster: Cluster, task: StateTask) -> None:
        limits = task.goal.get("limits", {})
        seconds = int(self._timeout or 0) or EXTRA_S + 2 * (
            int(limits.get("start_seconds", 0)) + int(limits.get("stop_seconds", 0))
        )
        with deadline.extended(CHANGE_S + seconds):
            result = self._run_apply(self._agent(cluster), task.node, seconds)
            if result.code == node_agent.DONE:
                self._take_rules(cluster, task.node)
                return
        message = f"{task.node} did not apply its new state: {node_agent.explain_result(result)}"
        if result.code not in node_agent.AS_BEFORE:
            message += (
                f". {task.node} stays out of the shared target groups, and the other nodes are "
                f"unchanged. Repair {task.node} (`journalctl -u denodo-node` on the node shows "
                "details), and run the command again"
            )
            raise Failed(message)
        try:
            self._bring_back(cluster, task.node)
        except CommandError as second:
            message = (
                f"{message}. {task.node} does not come back into service with its old state "
                f"either: {second}"
            )
            raise Failed(message) from second
        message += (
            f". {task.node} is back in service with its old state, and the other nodes are "
            "unchanged. Fix the configuration, deploy, and run the command again"
        )
        raise Failed(message)

    def _take_rules(self, cluster: Cluster, node: str) -> None:
        if not self._accept_readiness:
            return
        agent = self._agent(cluster)
        result = agent.run(node, "accept-readiness", timeout=node_agent.STATUS_S)
        if result.code != node_agent.DONE:
            explanation = node_agent.explain_result(result)
            message = f"{node} did not accept the readiness rules of its version: {explanation}"
            raise Failed(message)

    def _run_apply(self, agent: NodeAgent, node: str, seconds: int) -> CommandResult:
        """Apply a node's desired state; wait while an earlier run of the node program is active.

        If AWS's answer to the command is lost, it is not known whether the command runs. The
        command is then sent again. This is safe: the node program runs one apply at a time, and
        changes nothing if the state is applied already or if an apply with this request id was
        undone.
        """
        begin, request = self._clock.monotonic(), uuid.uuid4().hex
        with self._progress.step(f"{node}: applying its state") as step:
            while True:
                late = self._clock.monotonic() - begin >= seconds
                try:
                    result = agent.run(
                        node,
                        "apply",
                        timeout=seconds,
                        request=request,
                        progress=lambda state, passed: step.update(f"{state}{lasted(passed)}"),
                    )
                except Unreachable as error:
                    if late:
                        raise
                    step.update(str(error))
                    self._clock.sleep(BUSY_S)
                    continue
                late = self._clock.monotonic() - begin >= seconds
                if result.code != node_agent.BUSY or late:
                    return result
                step.update(node_agent.explain_result(result))
                self._clock.sleep(BUSY_S)
