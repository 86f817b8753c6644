"""Names of nodes that outlive their instances, in a private zone of each cluster."""

from typing import Final

from denodo_ha.environment.model.environment import Environment

TTL_S: Final = 10
"""Ours: a node that is replaced has another address, and whoever knows its name soon finds it."""

MOST: Final = 253
"""The longest name that DNS knows, in characters."""


def zone_name(environment: Environment, cluster: str) -> str:
    """Name of the zone with a cluster's nodes: the given one's, else of our own."""
    given = environment.clusters[cluster].network.node_zone
    return given.name.lower() if given else f"{cluster}.{environment.name}.internal"


def host(environment: Environment, cluster: str, node: str) -> str:
    """A node's own name, in full and without a final dot."""
    return f"{node.lower()}.{zone_name(environment, cluster)}"


def named(environment: Environment, cluster: str) -> tuple[str, ...]:
    """The nodes that have a record: those whose address is known at deploy."""
    nodes = environment.clusters[cluster].nodes
    return tuple(
        sorted(name for name, node in nodes.items() if not node.instance_id or node.address)
    )


def parameter(environment: str, cluster: str, node: str) -> str:
    """Name of the SSM parameter with a node's desired state."""
    return f"/denodo/{environment}/{cluster}/{node}"


def haproxy_parameter(environment: str, cluster: str) -> str:
    """Name of the SSM parameter with what a cluster's HAProxies shall be; no node's is like it."""
    return f"/denodo/{environment}/{cluster}/haproxy/state"
