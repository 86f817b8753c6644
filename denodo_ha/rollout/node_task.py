"""Node task: the task of an operation for one node, and the order of these tasks."""

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
    """The condition of a node when an operation begins.

    Attributes:
        tag: its drain tag, None if it has none.
        unhealthy: True if the node is not healthy in at least one of its target groups.
        lost: True if the node's instance no longer exists.
    """

    tag: DrainTag | None
    unhealthy: bool
    lost: bool = False


@dataclass(frozen=True)
class NodeTask(Generic[Goal]):
    """The task of an operation for one node.

    Attributes:
        node: the node's name.
        goal: the state or machine that the node is to have.
        differences: descriptions of the differences between the node and the goal.
        condition: the node's condition now.
        operation: the operation's name in drain tags.
        half_moved: True if an earlier run wrote the node's new pin but did not deploy that pin.
        left_unhealthy: True if the node is unhealthy and has no drain tag because an earlier run
            was killed.
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
        """Drain tag of the node; None for a node without a drain tag."""
        return self.condition.tag

    @property
    def unfinished(self) -> bool:
        """True if an earlier run of the operation took the node out and did not bring it back."""
        return self.tag is not None and self.tag.why == self.operation

    @property
    def due(self) -> bool:
        """True if the operation must do something with the node."""
        return bool(self.differences) or self.unfinished or self.left_unhealthy

    def __str__(self) -> str:
        parts = list(self.differences)
        parts += [f"out {self.tag}"] * (self.tag is not None)
        parts += ["not healthy"] * self.condition.unhealthy
        return ", ".join(parts) or "as configured"


def in_order(tasks: Sequence[NodeTask[Goal]]) -> list[NodeTask[Goal]]:
    """Return tasks in execution order.

    Nodes that are out of service or unhealthy come first, because changing them removes no
    capacity.
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
