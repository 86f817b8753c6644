"""A deployed cluster: its nodes, its load balancer, and the target groups behind it.

All data comes from the cluster's stack; its template says which instance is registered in which
target group. `denodo_ha.deployed.target_health` and `denodo_ha.deployed.instances` read the current
state of targets and instances.

    cluster = read_cluster(aws, environment.cluster("active"))
    cluster.node("node1").instance_id
    [group.arn for group in cluster.service_groups]
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli.errors import CommandError, UsageError
from denodo_ha.deployed.balancer import (
    Balancer,
    Listener,
    Target,
    TargetGroup,
    balancer_of_stack,
    target_groups_of_stack,
)
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.stack import Stack, mapping_in, read_stack, resource_tag, resources_of
from denodo_ha.environment import names

__all__ = ["Balancer", "Cluster", "Listener", "Node", "Target", "TargetGroup"]


@dataclass(frozen=True)
class Node:
    """A deployed node.

    Attributes:
        name: its name.
        instance_id: id of its instance; empty if the running deploy has not created it yet.
        logical_id: logical id of its instance in the template, None for an instance that existed
            before this project was used.
    """

    name: str
    instance_id: str
    logical_id: str | None


@dataclass(frozen=True)
class Cluster:
    """A deployed cluster.

    Attributes:
        location: the location of its stack.
        stack: its stack.
        nodes: its nodes by name.
        balancer: its load balancer; None for a single node without a load balancer.
        groups: its target groups: first those of services, by name; then those of auxiliary ports,
            by node; then those whose target is an Application Load Balancer.
    """

    location: StackLocation
    stack: Stack
    nodes: tuple[Node, ...]
    balancer: Balancer | None
    groups: tuple[TargetGroup, ...]

    @property
    def name(self) -> str:
        """Return the cluster's name."""
        return self.location.name

    @property
    def service_groups(self) -> tuple[TargetGroup, ...]:
        """Return the target groups of services, in which every node is registered."""
        return tuple(group for group in self.groups if group.service is not None)

    def auxiliary_groups(self, node: str) -> tuple[TargetGroup, ...]:
        """Return the target groups of a node's auxiliary ports."""
        return tuple(group for group in self.groups if group.node == node)

    def groups_of(self, node: str) -> tuple[TargetGroup, ...]:
        """Return the target groups in which the deployed template registers a node."""
        return tuple(group for group in self.groups if group.target(node) is not None)

    def group_behind(self, listener: Listener) -> TargetGroup | None:
        """Return the target group whose nodes serve a listener's clients; None if it is not known.

        If the listener forwards to an Application Load Balancer, the result is the target group
        behind that load balancer, in which the nodes are registered.
        """
        group = next((group for group in self.groups if group.arn == listener.group), None)
        if group is None or group.alb is None:
            return group
        return next((each for each in self.service_groups if each.service == group.alb), None)

    def node(self, name: str) -> Node:
        """Return a node by its name.

        Raises:
            UsageError: The cluster has no node of this name.
        """
        nodes = {node.name: node for node in self.nodes}
        if name not in nodes:
            near = get_close_matches(name, nodes, n=1)
            hint = (
                f"did you mean {near[0]}?" if near else f"its nodes are {', '.join(sorted(nodes))}"
            )
            message = f"cluster {self.name} has no node {name}; {hint}"
            raise UsageError(message)
        return nodes[name]


def read_cluster(aws: Aws, location: StackLocation) -> Cluster:
    """Read the cluster whose stack is at a location.

    Raises:
        NotFound: The stack is not deployed.
        AwsError: AWS did not answer, or denied a call.
        Failed: The deployed template cannot be read.
    """
    return cluster_of_stack(location, read_stack(aws, location))


def read_clusters(aws: Aws, locations: Iterable[StackLocation]) -> list[Cluster | CommandError]:
    """Read several clusters; the result has the error in place of a cluster that cannot be read.

    An unreachable region, or a stack that this version cannot read, therefore does not hide other
    clusters.
    """

    def attempt(location: StackLocation) -> Cluster | CommandError:
        try:
            return read_cluster(aws, location)
        except CommandError as error:
            return error

    return map_concurrently(attempt, locations)


def cluster_of_stack(location: StackLocation, stack: Stack) -> Cluster:
    """Return the cluster that a stack describes."""
    nodes = tuple(sorted(_nodes(stack), key=lambda node: node.name))
    node_names = {node.instance_id: node.name for node in nodes if node.instance_id}
    return Cluster(
        location,
        stack,
        nodes,
        balancer_of_stack(stack),
        target_groups_of_stack(stack, node_names),
    )


def _nodes(stack: Stack) -> Iterator[Node]:
    """Yield a node for each output with an instance's id."""
    for name, output in mapping_in(stack.template, "Outputs").items():
        if not name.startswith(names.NODE_ID_PREFIX) or not isinstance(output, Mapping):
            continue
        value = output.get("Value")
        logical_id = str(value["Ref"]) if isinstance(value, Mapping) and "Ref" in value else None
        # While a deploy is running, the outputs are still those of the previous deploy.
        instance_id = stack.value(value) or stack.outputs.get(name, "")
        yield Node(_node_name(stack, name, logical_id), instance_id, logical_id)


def _node_name(stack: Stack, output: str, logical_id: str | None) -> str:
    """Return a node's exact name; the output's name has only the letters and digits of the name."""
    metadata = mapping_in(mapping_in(stack.template, "Metadata"), names.METADATA)
    recorded = mapping_in(metadata, names.NODES_METADATA).get(output)
    if isinstance(recorded, str):
        return recorded
    if logical_id is not None:
        tag = resource_tag(stack.properties(logical_id), names.NODE_TAG)
        if tag:
            return tag
    suffix = output.removeprefix(names.NODE_ID_PREFIX)
    # An instance that existed before this project was used is not in the template, but the target
    # group of its auxiliary port is, and has a tag with the node's name.
    return next(
        (name for name in _tagged_nodes(stack) if names.alphanumeric(name) == suffix), suffix
    )


def _tagged_nodes(stack: Stack) -> Iterator[str]:
    """Yield each node name that a resource is tagged with."""
    for _, properties in resources_of(stack.template).values():
        if name := resource_tag(properties, names.NODE_TAG):
            yield name
