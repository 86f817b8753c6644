"""DNS names of nodes. A name outlives the node's instance, in a private zone of each cluster."""

from typing import Final

from denodo_ha.environment.model.environment import Environment

RECORD_TTL_S: Final = 10
"""Ours: a replaced node has a new address, and clients that know its name find it soon."""

MAX_NAME_LENGTH: Final = 253
"""The longest name in DNS, in characters."""


def zone_name(environment: Environment, cluster: str) -> str:
    """Return the name of the zone with a cluster's nodes: the given zone, else a created one."""
    given = environment.clusters[cluster].network.node_zone
    return given.name.lower() if given else f"{cluster}.{environment.name}.internal"


def host_name(environment: Environment, cluster: str, node: str) -> str:
    """Return a node's full host name, without a final dot."""
    return f"{node.lower()}.{zone_name(environment, cluster)}"


def nodes_with_record(environment: Environment, cluster: str) -> tuple[str, ...]:
    """Return the nodes that have a DNS record: those whose address is known at deploy."""
    nodes = environment.clusters[cluster].nodes
    return tuple(
        sorted(name for name, node in nodes.items() if not node.instance_id or node.address)
    )
