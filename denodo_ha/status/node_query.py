"""Query of nodes through Systems Manager, and comparison of applied and desired states."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import begin, map_concurrently
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import (
    AwsError,
    CommandError,
    ExpiredCredentials,
    Failed,
    NoCredentials,
    UsageError,
)
from denodo_ha.deployed import desired_state
from denodo_ha.deployed.cluster import Cluster, Node
from denodo_ha.deployed.desired_state import NodeState
from denodo_ha.deployed.node_agent import NodeAgent, NodeStatus

PATIENCE_S: Final = 20
"""Project default: seconds that `status` waits for a node; a healthy node needs a few seconds."""
RUNNING: Final = "running"


@dataclass(frozen=True)
class NodeAnswer:
    """The answer of a node.

    Attributes:
        status: the node's status, None if the node did not answer.
        unasked: why the node did not answer; empty if the node answered.
        waits: True if the last deploy wrote a state that is not applied yet; None if not known.
    """

    status: NodeStatus | None
    unasked: str = ""
    waits: bool | None = None


Answers = Mapping[tuple[str, str], NodeAnswer]
"""Answers by cluster and node."""


def query_nodes(
    aws: Aws,
    environment: str,
    clusters: Sequence[Cluster],
    states: Mapping[str, str],
    *,
    clock: Clock,
) -> Answers:
    """Query every running node, in parallel.

    Args:
        aws: the credentials.
        environment: the environment's name.
        clusters: the clusters.
        states: states of the instances by id.
        clock: the clock.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    pairs = [(cluster, node) for cluster in clusters for node in cluster.nodes]

    def query(pair: tuple[Cluster, Node]) -> NodeAnswer:
        cluster, node = pair
        if states.get(node.instance_id) != RUNNING:
            return NodeAnswer(None, "the node's instance is not running")
        return _query(aws, environment, cluster, node.name, clock)

    answers = map_concurrently(query, pairs)
    return {
        (cluster.name, node.name): answer
        for (cluster, node), answer in zip(pairs, answers, strict=True)
    }


def _query(aws: Aws, environment: str, cluster: Cluster, node: str, clock: Clock) -> NodeAnswer:
    def read_status() -> NodeStatus | NodeAnswer:
        try:
            return NodeAgent(aws, cluster, clock).status(node, patience=PATIENCE_S)
        except (NoCredentials, ExpiredCredentials):
            raise
        except UsageError:
            return NodeAnswer(None, "the node program is not installed on the node")
        except (Failed, AwsError) as error:
            return NodeAnswer(None, str(error))

    def read_desired() -> NodeState | None:
        try:
            return desired_state.read_desired_state(aws, environment, cluster.location, node)
        except (NoCredentials, ExpiredCredentials):
            raise
        except CommandError:
            return None

    with ThreadPoolExecutor(max_workers=1) as pool:
        reading = begin(pool, lambda read: read(), read_desired)
        status = read_status()
        desired = reading.result()
    if isinstance(status, NodeAnswer):
        return status
    return NodeAnswer(status, "", None if desired is None else status.applied != desired)
