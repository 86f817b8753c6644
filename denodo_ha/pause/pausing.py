"""Pause of a cluster: its alarms are silenced, its nodes' watchdogs and export timers rest.

    Pausing(context).pause(why="new switches", seconds=7200)
    Pausing(context).resume()

The SSM parameter of the pause is written first, because `roll`, `rollout` and `replace` read it.
Each node has its own record with the end of the pause, and puts the suppressor's metric until then.
So a pause ends without another command, and one node that answers is enough to silence the alarms.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli.errors import AwsError, Failed, Refused
from denodo_ha.cli.operator_text import accepted_name, accepted_text, operator_name
from denodo_ha.deployed import node_agent
from denodo_ha.deployed.alarm_silence import suppressor_namespace
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.node_agent import NodeAgent
from denodo_ha.deployed.pause_record import Pause
from denodo_ha.deployed.rotation.operation import ClusterOperation
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command

PAUSE: Final = "pause"
RESUME: Final = "resume"
ANSWER_S: Final = 60
"""Project default: seconds to wait until every node has carried out the action pause or resume."""


@dataclass(frozen=True)
class PauseResult:
    """The effect of a pause or of its end.

    Attributes:
        pause: the pause; None if the cluster had none.
        resting: the nodes that have carried out the action pause or resume.
        failures: for each node that has not carried out the action, the reason.
        silenced: True if the alarms of the cluster are silenced until the end of the pause.
    """

    pause: Pause | None
    resting: tuple[str, ...]
    failures: Mapping[str, str]
    silenced: bool = False


class Pausing(ClusterOperation):
    """Pauses a cluster, and ends its pause."""

    def plan(self) -> PauseResult:
        """Return the current pause of the cluster, and the nodes that a pause would reach.

        Raises:
            Refused: The deployed stack is of an earlier version.
            AwsError: AWS did not answer or denied a call.
        """
        cluster = read_cluster(self._aws, self._location)
        nodes = self._nodes(cluster)
        self._require_support(cluster, nodes)
        pause = self._pause_record().read(self._clock.now())
        silenced = bool(nodes) and bool(suppressor_namespace(cluster.stack))
        return PauseResult(pause, tuple(nodes), {}, silenced)

    def pause(self, *, why: str, seconds: float) -> PauseResult:
        """Pause the cluster from now on, in place of an earlier pause.

        Args:
            why: the operator's reason.
            seconds: duration of the pause.

        Raises:
            Refused: The deployed stack is of an earlier version, or another operation holds the
                lock. Nothing was changed.
            Failed: No node could be paused. The message says which state remains.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The command was interrupted. The message says which state remains.
        """
        name = self._location.name
        resume = full_command("resume", name)
        with self._reported(), self._locked(PAUSE) as lock:
            cluster = read_cluster(self._aws, self._location)
            nodes = self._nodes(cluster)
            self._require_support(cluster, nodes)
            now = self._clock.now().replace(microsecond=0)
            pause = Pause(
                now,
                now + timedelta(seconds=seconds),
                accepted_name(operator_name()),
                accepted_text(why),
            )
            lock.prove()
            self._state_left = (
                f"it is not known whether {name} is paused, and whether the watchdogs of its nodes "
                f"rest; run the command again to continue, or `{resume}` to end the pause"
            )
            self._note("pause", before="not paused")
            self._pause_record().write(pause)
            self._silence.begin(cluster)
            failures = self._run(cluster, nodes, PAUSE, pause)
            self._note("pause", after=f"paused {pause}")
            resting = tuple(node for node in nodes if node not in failures)
            if nodes and not resting:
                reasons = "; ".join(f"{node}: {reason}" for node, reason in failures.items())
                message = (
                    f"no node of {name} could be paused ({reasons}): the watchdogs do not rest, "
                    f"and the alarms of {name} are not silenced. roll, rollout and replace refuse "
                    f"to run until {pause.until.isoformat()}. Run the command again to continue, "
                    f"or `{resume}` to end the pause"
                )
                raise Failed(message)
        silenced = bool(resting) and bool(suppressor_namespace(cluster.stack))
        return PauseResult(pause, resting, failures, silenced)

    def resume(self) -> PauseResult:
        """End the pause of the cluster; a node that does not answer rests until the planned end.

        Raises:
            Refused: Another operation holds the lock. Nothing was changed.
            AwsError: AWS did not answer or denied a call. The message says which state remains.
            Interrupted: The command was interrupted. The message says which state remains.
        """
        name = self._location.name
        with self._reported(), self._locked(RESUME) as lock:
            cluster = read_cluster(self._aws, self._location)
            record = self._pause_record()
            pause = record.read(self._clock.now())
            nodes = self._nodes(cluster)
            lock.prove()
            self._state_left = (
                f"the pause of {name} may have ended, but the watchdogs of its nodes may rest "
                "until the planned end of the pause; run the command again to continue"
            )
            if pause is not None:
                self._note("pause", before=f"paused {pause}", after="not paused")
            record.remove()
            # Run the action on the nodes even if there is no pause: an earlier run may have removed
            # the parameter, but reached no node.
            failures = {}
            if nodes and self._agent(cluster).offers(RESUME):
                failures = self._run(cluster, nodes, RESUME, None)
        resting = tuple(node for node in nodes if node not in failures)
        return PauseResult(pause, resting, failures)

    def _nodes(self, cluster: Cluster) -> list[str]:
        """Return the nodes that run the node program."""
        if names.NODE_DOCUMENT not in cluster.stack.outputs:
            return []
        return [node.name for node in cluster.nodes if node.logical_id is not None]

    def _require_support(self, cluster: Cluster, nodes: list[str]) -> None:
        if nodes and not self._agent(cluster).offers(PAUSE):
            roll = full_command("roll", cluster=self._location.name)
            message = (
                f"{cluster.stack.name} was deployed by an earlier version, whose SSM document has "
                "no action pause. Nothing was changed. Deploy the cluster with this version, bring "
                f"the new program to its nodes with `{roll}`, and run the command again"
            )
            raise Refused(message)

    def _run(
        self, cluster: Cluster, nodes: list[str], action: str, pause: Pause | None
    ) -> dict[str, str]:
        """Run an action on all nodes; return the reason for each node that did not carry it out."""
        agent = self._agent(cluster)
        with self._progress.step(f"{action} of {', '.join(nodes) or cluster.name}"):
            reasons = map_concurrently(
                lambda node: _failure(agent, node, action, pause), nodes, workers=len(nodes) or 1
            )
        return {node: reason for node, reason in zip(nodes, reasons, strict=True) if reason}


def _failure(agent: NodeAgent, node: str, action: str, pause: Pause | None) -> str:
    """Run an action on a node; return why the action failed, empty if the node carried it out."""
    try:
        with deadline.limited(ANSWER_S):
            result = agent.run(
                node,
                action,
                timeout=node_agent.STATUS_S,
                patience=ANSWER_S,
                why=pause.why if pause else "",
                until=pause.until.isoformat() if pause else "",
            )
    except (Failed, AwsError) as error:
        return str(error)
    return "" if result.code == node_agent.DONE else node_agent.explain_result(result)
