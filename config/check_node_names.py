"""Rules about the names of nodes, in private zones."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from config import node_names
from config.cluster import Cluster
from config.model import Environment
from config.problem import Path, Problem, Severity

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,{node_names.MOST}}}$){_LABEL}(\.{_LABEL})*")
_RULE = (
    f"a host name has at most {node_names.MOST} characters, and its labels letters, digits and "
    "inner hyphens (RFC 1123, Requirements for Internet Hosts)"
)


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
                lacks=("clusters", name, "network", "node_zone"),
            )


def resolvers_given_once(environment: Environment) -> Iterator[Problem]:
    """A zone is associated with a VPC once."""
    for name, cluster in environment.clusters.items():
        seen = {cluster.network.vpc}
        for number, peer in enumerate(cluster.network.node_zone_vpcs):
            if peer.vpc in seen:
                yield Problem(
                    ("clusters", name, "network", "node_zone_vpcs", number),
                    "stands here twice"
                    if peer.vpc != cluster.network.vpc
                    else "is the cluster's own VPC",
                    "a zone is associated with a VPC once",
                    "remove it here",
                    value=peer.vpc,
                )
            seen.add(peer.vpc)


def names_are_host_names(environment: Environment) -> Iterator[Problem]:
    """Servers, clients and certificates know a node by its name, so it must be a host's."""
    places: dict[Path, str] = {}
    for name, cluster in environment.clusters.items():
        zone = cluster.network.node_zone
        host = max((node_names.host(environment, name, node) for node in cluster.nodes), key=len)
        if zone is None:
            ours: dict[Path, str] = {("name",): environment.name, ("clusters", name): name}
            places |= {path: value for path, value in ours.items() if value.endswith("-")}
        elif not _HOST.fullmatch(host):
            yield Problem(
                ("clusters", name, "network", "node_zone", "name"),
                "makes no host names",
                f"a node would be {host}; {_RULE}",
                "give the nodes another zone",
                value=zone.name,
            )
    for path, value in places.items():
        yield Problem(
            path,
            "makes no host names",
            f"the nodes' zone is named after environment and cluster; {_RULE}",
            "write it without the hyphen at its end",
            value=value,
            at_key=path[0] == "clusters",
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
            elif node.address is not None:
                yield from _impossible(name, cluster, node_name, node.address)
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


def _impossible(name: str, cluster: Cluster, node_name: str, address: str) -> Iterator[Problem]:
    """An address of another network, or of another node."""
    path: Path = ("clusters", name, "nodes", node_name, "address")
    cidr = cluster.network.cidr
    if cidr and IPv4Address(address) not in IPv4Network(cidr):
        yield Problem(
            path,
            f"is not in {cidr}",
            "the balancer reaches the node in the cluster's network",
            "write the instance's private address",
            value=address,
            since=(("clusters", name, "network", "cidr"),),
        )
    first = next(other for other, node in cluster.nodes.items() if node.address == address)
    if first != node_name:
        yield Problem(
            path,
            f"is the address of {first} too",
            "a node is one server",
            "write the instance's own private address",
            value=address,
            since=(("clusters", name, "nodes", first),),
        )


RULES = (
    zone_of_another,
    resolvers_given_once,
    names_are_host_names,
    names_in_a_shared_zone,
    addresses_of_nodes,
)
