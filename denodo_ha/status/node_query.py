"""Asking nodes how they are, through Systems Manager, and which configuration they should have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
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
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.node_agent import NodeAgent, NodeStatus

PATIENCE_S: Final = 20
"""Ours: how long `status` waits for a node; one that is well answers in a few seconds."""
RUNNING: Final = "running"


@dataclass(frozen=True)
class Said:
    """What a node says.

    Attributes:
        status: how it is; None if it does not say.
        unasked: why it does not.
        waits: whether the last deploy wants another configuration; None if not known.
    """

    status: NodeStatus | None
    unasked: str = ""
    waits: bool | None = None


Answers = Mapping[tuple[str, str], Said]
"""What nodes say, by cluster and node."""


def ask(
    aws: Aws,
    environment: str,
    clusters: Sequence[Cluster],
    states: Mapping[str, str],
    *,
    clock: Clock,
) -> Answers:
    """Ask every node that runs, several at once.

    Args:
        aws: the credentials.
        environment: the environment's name.
        clusters: the clusters.
        states: state of the instances by id.
        clock: the time.

    Raises:
        NoCredentials: there are none.
        Expired: they are no longer valid.
    """
    pairs = [(cluster, node) for cluster in clusters for node in cluster.nodes]

    def one(pair: tuple[Cluster, Any]) -> Said:
        cluster, node = pair
        if states.get(node.instance_id) != RUNNING:
            return Said(None, "its instance does not run")
        return _ask(aws, environment, cluster, node.name, clock)

    answers = map_concurrently(one, pairs)
    return {
        (cluster.name, node.name): said
        for (cluster, node), said in zip(pairs, answers, strict=True)
    }


def _ask(aws: Aws, environment: str, cluster: Cluster, node: str, clock: Clock) -> Said:
    try:
        status = NodeAgent(aws, cluster, clock).status(node, patience=PATIENCE_S)
    except (NoCredentials, ExpiredCredentials):
        raise
    except UsageError:
        return Said(None, "no program of ours is on it")
    except (Failed, AwsError) as error:
        return Said(None, str(error))
    try:
        wanted = desired_state.read_desired_state(aws, environment, cluster.location, node)
    except (NoCredentials, ExpiredCredentials):
        raise
    except CommandError:
        wanted = None
    return Said(status, "", None if wanted is None else status.applied != wanted)
