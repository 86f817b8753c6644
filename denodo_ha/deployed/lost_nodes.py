"""Lost nodes: nodes whose instances no longer exist, and how an operator brings them back.

CloudFormation compares templates, not instances: no deploy creates a terminated instance again as
long as its resource is unchanged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.cluster import Cluster, Node
from denodo_ha.deployed.instances import Instance, read_instance, read_instances
from denodo_ha.environment.full_command import full_command

GONE: Final = "gone"
"""State of an instance that EC2 no longer lists; it lists terminated instances for a short time
only (AWS, Terminate Amazon EC2 instances)."""
_ENDED: Final = frozenset({"shutting-down", "terminated"})


@dataclass(frozen=True)
class LostNode:
    """A node whose instance no longer exists.

    Attributes:
        cluster: the node's cluster.
        name: the node's name.
        instance_id: id of the instance.
        state: shutting-down, terminated or gone.
        remedy: what brings the node back.
    """

    cluster: str
    name: str
    instance_id: str
    state: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.name} is lost: its instance {self.instance_id} is {self.state}"


def lost_state(node: Node, instance: Instance | None) -> str:
    """Return the state of a node's instance if the instance no longer exists, else an empty text.

    The instance of a node that the running deploy has not created yet is not lost.
    """
    if not node.instance_id:
        return ""
    state = instance.state if instance is not None else GONE
    return state if state == GONE or state in _ENDED else ""


def remedy(cluster: str, node: Node) -> str:
    """Return the instruction that restores a node whose instance no longer exists."""
    if node.logical_id is None:
        return (
            f"set clusters.{cluster}.nodes.{node.name}.instance_id to the id of another instance, "
            "and deploy"
        )
    replace = full_command("replace", node.name, cluster=cluster)
    return f"run `{replace}`, which creates the instance again"


def lost_nodes(
    aws: Aws, cluster: Cluster, clock: Clock | None, only: Iterable[str] | None = None
) -> list[LostNode]:
    """Return the nodes of a cluster whose instances no longer exist.

    Args:
        aws: the credentials.
        cluster: the cluster as it is deployed.
        clock: the clock for reading an instance again that EC2 does not list, because EC2 lists new
            instances some time after their creation; None: do not read the instance again.
        only: names of the nodes to check; None: all.

    Raises:
        AwsError: AWS does not answer, or denies access.
    """
    names = None if only is None else set(only)
    nodes = [node for node in cluster.nodes if names is None or node.name in names]
    region = cluster.location.region
    instances: Mapping[str, Instance] = read_instances(
        aws, region, [node.instance_id for node in nodes]
    )
    lost = []
    for node in nodes:
        state = lost_state(node, instances.get(node.instance_id))
        if state == GONE and clock is not None:
            state = lost_state(node, read_instance(aws, region, node.instance_id, clock))
        if state:
            lost.append(
                LostNode(
                    cluster.name, node.name, node.instance_id, state, remedy(cluster.name, node)
                )
            )
    return lost


def require_instances(
    aws: Aws, cluster: Cluster, clock: Clock, *, only: Iterable[str] | None, state: str
) -> None:
    """Check that the instances of nodes exist.

    Args:
        aws: the credentials.
        cluster: the cluster as it is deployed.
        clock: the clock.
        only: names of the nodes to check; None: all.
        state: text for the error message that says which state remains.

    Raises:
        Refused: A node is lost. The message says what brings the node back.
        AwsError: AWS does not answer, or denies access.
    """
    lost = lost_nodes(aws, cluster, clock, only)
    if lost:
        reasons = "; ".join(f"{node}: {node.remedy}" for node in lost)
        message = f"{reasons}; then run this command again; {state}"
        raise Refused(message)
