"""Node task: what an operation will do to one node, and the order of the nodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from denodo_ha.aws.clients import Aws
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.instances import read_instances
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.target_health import read_groups_health

Goal = TypeVar("Goal")


@dataclass(frozen=True)
class NodeCondition:
    """The condition of a node before an operation.

    Attributes:
        tag: its drain tag, None if it has none.
        unhealthy: whether it is not healthy in some target group.
    """

    tag: DrainTag | None
    unhealthy: bool


@dataclass(frozen=True)
class NodeTask(Generic[Goal]):
    """What an operation will do to one node.

    Attributes:
        node: the node's name.
        goal: the state or machine that the node is to have.
        differences: what differs from the goal, in words.
        condition: the node's condition now.
        operation: the operation, as its drain tags name it.
        half_moved: whether an earlier run has moved the node's pin and deployed nothing.
        left_unhealthy: whether an unhealthy node without a drain tag is work of an earlier run.
    """

    node: str
    goal: Goal
    differences: tuple[str, ...]
    condition: NodeCondition
    operation: str
    half_moved: bool = False
    left_unhealthy: bool = False

    @property
    def tag(self) -> DrainTag | None:
        """The node's drain tag, None if it has none."""
        return self.condition.tag

    @property
    def unfinished(self) -> bool:
        """Whether an earlier run of the operation has left the node out of service."""
        return self.tag is not None and self.tag.why == self.operation

    @property
    def due(self) -> bool:
        """Whether there is something to do."""
        return bool(self.differences) or self.unfinished or self.left_unhealthy

    def __str__(self) -> str:
        parts = list(self.differences)
        parts += [f"out {self.tag}"] * (self.tag is not None)
        parts += ["not healthy"] * self.condition.unhealthy
        return ", ".join(parts) or "as configured"


def in_order(tasks: Sequence[NodeTask[Goal]]) -> list[NodeTask[Goal]]:
    """Return tasks in the order to do them.

    Nodes that are out of service or unhealthy come first: changing them takes no capacity away.
    """
    return sorted(
        tasks,
        key=lambda task: (
            not task.unfinished,
            not task.half_moved,
            not task.condition.unhealthy,
            task.node,
        ),
    )


def read_conditions(aws: Aws, cluster: Cluster) -> Mapping[str, NodeCondition]:
    """Return the condition of each node of a cluster.

    Raises:
        AwsError: AWS does not answer, or denies access.
    """
    instances = read_instances(
        aws, cluster.location.region, [node.instance_id for node in cluster.nodes]
    )
    healthy = {
        health.group.arn: health.healthy for health in read_groups_health(aws, cluster.groups)
    }
    return {
        node.name: NodeCondition(
            tag=(
                DrainTag.from_tags(instances[node.instance_id].tags)
                if node.instance_id in instances
                else None
            ),
            unhealthy=any(
                node.instance_id not in healthy[group.arn] for group in cluster.groups_of(node.name)
            ),
        )
        for node in cluster.nodes
    }
