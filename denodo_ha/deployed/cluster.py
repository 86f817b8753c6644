"""What is deployed of a cluster: its nodes, its balancer, and the groups behind it.

Read from the cluster's stack, whose template says which instance stands in which group. How they
are is another question: `denodo_ha.deployed.target_health`, `denodo_ha.deployed.instances`.

    cluster = read(aws, site.cluster("active"))
    cluster.node("node1").instance_id
    [group.arn for group in cluster.shared]
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli.errors import AwsError, UsageError
from denodo_ha.deployed import balancer as found_groups
from denodo_ha.deployed import nodes as found_nodes
from denodo_ha.deployed import stack
from denodo_ha.deployed.balancer import Balancer, Listener, Target, TargetGroup
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.nodes import Node
from denodo_ha.deployed.stack import Stack
from denodo_ha.environment.derived.topology import HealthCheck

__all__ = ["Balancer", "Cluster", "HealthCheck", "Listener", "Node", "Target", "TargetGroup"]


@dataclass(frozen=True)
class Cluster:
    """A cluster as it is deployed.

    Attributes:
        location: where it is.
        stack: its stack.
        nodes: its nodes by name.
        balancer: its balancer, None for a single node without one.
        groups: the target groups: shared ones by service, then auxiliary ones by node, and those
            of an Application Load Balancer in between.
    """

    location: StackLocation
    stack: Stack
    nodes: tuple[Node, ...]
    balancer: Balancer | None
    groups: tuple[TargetGroup, ...]

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.location.name

    @property
    def shared(self) -> tuple[TargetGroup, ...]:
        """The groups of services, which hold every node."""
        return tuple(group for group in self.groups if group.service is not None)

    def auxiliary(self, node: str) -> TargetGroup | None:
        """The group of a node's auxiliary port, None from Denodo 8.0 on."""
        return next((group for group in self.groups if group.node == node), None)

    def of(self, node: str) -> tuple[TargetGroup, ...]:
        """The groups in which the deployed template has a node."""
        return tuple(
            group for group in self.groups if any(target.node == node for target in group.targets)
        )

    def behind(self, listener: Listener) -> TargetGroup | None:
        """The group whose targets serve a listener's clients, None if that is not known.

        With an Application Load Balancer in between it is that one's, which holds the nodes.
        """
        group = next((one for one in self.groups if one.arn == listener.group), None)
        if group is None or group.alb is None:
            return group
        return next((one for one in self.shared if one.service == group.alb), None)

    def node(self, name: str) -> Node:
        """A node by its name.

        Raises:
            UsageError: there is no such node.
        """
        known = {node.name: node for node in self.nodes}
        if name not in known:
            near = get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            message = f"cluster {self.name} has no node {name}; {guess}"
            raise UsageError(message)
        return known[name]


def read_cluster(aws: Aws, place: StackLocation) -> Cluster:
    """What is deployed at a place.

    Raises:
        NotFound: nothing is.
        AwsError: AWS does not answer, or does not permit.
    """
    return cluster_of_stack(place, stack.read_stack(aws, place))


def read_clusters(aws: Aws, places: Iterable[StackLocation]) -> list[Cluster | AwsError]:
    """What is deployed at each place, or why that is not known: a lost region hides no other."""

    def attempt(place: StackLocation) -> Cluster | AwsError:
        try:
            return read_cluster(aws, place)
        except AwsError as error:
            return error

    return map_concurrently(attempt, places)


def cluster_of_stack(place: StackLocation, deployed: Stack) -> Cluster:
    """What a stack holds."""
    nodes = found_nodes.nodes_of_stack(deployed)
    return Cluster(
        place,
        deployed,
        nodes,
        found_groups.balancer_of_stack(deployed),
        found_groups.target_groups_of_stack(deployed, nodes),
    )
