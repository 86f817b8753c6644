"""DNS names of nodes, in a private hosted zone for each cluster.

A node keeps its name when its instance is replaced.
"""

from typing import Final

from denodo_ha.environment.model.environment import Environment

RECORD_TTL_S: Final = 10
"""Project default: TTL of a node's DNS record. The TTL is low, since a replaced node has a new
address, which clients must find soon."""

MAX_NAME_LENGTH: Final = 253
"""Maximum length of a DNS name, in characters."""


def zone_name(environment: Environment, cluster: str) -> str:
    """Return the name of the hosted zone that contains the names of a cluster's nodes."""
    given = environment.clusters[cluster].network.node_zone
    return given.name.lower() if given else f"{cluster}.{environment.name}.internal"


def host_name(environment: Environment, cluster: str, node: str) -> str:
    """Return a node's full host name, without a final dot."""
    return f"{node.lower()}.{zone_name(environment, cluster)}"


def nodes_with_record(environment: Environment, cluster: str) -> tuple[str, ...]:
    """Return the nodes with a DNS record: those whose address is known during deployment."""
    nodes = environment.clusters[cluster].nodes
    return tuple(
        sorted(name for name, node in nodes.items() if not node.instance_id or node.address)
    )
