"""Rules about the names of nodes, in private zones."""

from collections.abc import Iterator

from config import node_names
from config.model import Environment
from config.problem import Path, Problem, Severity


def zone_of_another(environment: Environment) -> Iterator[Problem]:
    """Only of the zone that is created can it be said who resolves it."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.node_zone and network.node_zone_vpcs:
            yield Problem(
                ("clusters", name, "network", "node_zone_vpcs"),
                "can't be with node_zone",
                "that zone exists, and who resolves it is its owner's decision",
                "remove one of the two, and associate the VPCs with the zone yourself",
                at_key=True,
            )


def names_in_a_shared_zone(environment: Environment) -> Iterator[Problem]:
    """Clusters may share a zone as long as their nodes have different names."""
    seen: dict[tuple[str, str], str] = {}
    for name, cluster in environment.clusters.items():
        zone = cluster.network.node_zone
        if zone is None:
            continue
        for node in node_names.named(environment, name):
            taken = seen.setdefault((zone.id, node.lower()), f"{node} of {name}")
            if taken != f"{node} of {name}":
                yield Problem(
                    ("clusters", name, "nodes", node),
                    f"has the name of {taken}",
                    f"both have a record in {zone.name}",
                    "rename one of them, or give the clusters zones of their own",
                    value=node,
                    at_key=True,
                    since=(("clusters", name, "network", "node_zone"),),
                )


def addresses_of_nodes(environment: Environment) -> Iterator[Problem]:
    """The address of a node that is created is known by itself, that of another one is not."""
    for name, cluster in environment.clusters.items():
        for node_name, node in cluster.nodes.items():
            path: Path = ("clusters", name, "nodes", node_name)
            if node.instance_id is None and node.address is not None:
                yield Problem(
                    (*path, "address"),
                    "is not for a node that is created",
                    "it gets an address of its subnet, and its record follows",
                    "remove it",
                    value=node.address,
                    lacks=(*path, "instance_id"),
                )
            elif node.instance_id is not None and node.address is None:
                yield Problem(
                    path,
                    f"has no name in {node_names.zone_name(environment, name)}",
                    "the address of an instance that exists already is not known to CloudFormation",
                    "add address: with the instance's private address",
                    severity=Severity.NOTE,
                    rule="node-without-name",
                    lacks=(*path, "address"),
                )


RULES = (zone_of_another, names_in_a_shared_zone, addresses_of_nodes)
