"""Rules about names and tags."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from denodo_ha.environment import names
from denodo_ha.environment.derived import node_names
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

RESERVED_ENDINGS = ("-failover", names.CATALOG_STACK_SUFFIX)
"""What other stacks of an environment are called after its name or a cluster's."""


def reserved_cluster_names(environment: Environment) -> Iterator[Problem]:
    """A cluster's stack must not have the name of another stack."""
    for name in environment.clusters:
        ending = next((end for end in RESERVED_ENDINGS if f"-{name}".endswith(end)), None)
        if ending:
            yield Problem(
                ("clusters", name),
                "is a reserved name for a cluster",
                f"another stack of the environment ends in {ending}",
                "choose another name, like active",
                value=name,
                at_key=True,
            )


def node_names_collide(environment: Environment) -> Iterator[Problem]:
    """Names must differ in letters and digits, which is what outputs and DNS keep of them."""
    for cluster_name, cluster in environment.clusters.items():
        seen: dict[str, str] = {}
        for name in cluster.nodes:
            bare = re.sub(r"[^a-z0-9]", "", name.lower())
            if bare in seen:
                yield Problem(
                    ("clusters", cluster_name, "nodes", name),
                    f"is the same name as {seen[bare]}",
                    "output names keep letters and digits only, and DNS has no upper case",
                    "give the nodes names that differ in a letter or digit",
                    value=name,
                    at_key=True,
                )
            seen.setdefault(bare, name)


def tags(environment: Environment) -> Iterator[Problem]:
    """Tags must be ones that AWS accepts and that this project does not set itself."""
    for key in environment.tags:
        prefix = next((one for one in ("aws:", "denodo:") if key.lower().startswith(one)), None)
        if prefix or key == "Name":
            yield Problem(
                ("tags", key),
                f"begins with {prefix}" if prefix else "is each resource's own name",
                "AWS and this project keep these tags for themselves",
                "choose another key",
                value=key,
                at_key=True,
            )
    own = 4
    room = limits.TAGS_PER_RESOURCE.value - own
    if len(environment.tags) > room:
        yield Problem(
            ("tags",),
            f"has {len(environment.tags)} tags",
            f"AWS allows {limits.TAGS_PER_RESOURCE}, and {own} are this project's",
            f"keep at most {room}",
        )


_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,{node_names.MAX_NAME_LENGTH}}}$){_LABEL}(\.{_LABEL})*")
_RULE = (
    f"a host name has at most {node_names.MAX_NAME_LENGTH} characters, and its labels letters, "
    "digits and inner hyphens (RFC 1123, Requirements for Internet Hosts)"
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
        host = max(
            (node_names.host_name(environment, name, node) for node in cluster.nodes), key=len
        )
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
        for node in node_names.nodes_with_record(environment, name):
            taken = seen.setdefault((zone.id, node.lower()), f"{node} of {name}")
            if taken != f"{node} of {name}":
                yield Problem(
                    ("clusters", name, "nodes", node),
                    f"has the name of {taken}",
                    f"both have a record in {zone.name}",
                    "rename one of them, or give the clusters zones of their own",
                    value=node,
                    at_key=True,
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
        )
    first = next(other for other, node in cluster.nodes.items() if node.address == address)
    if first != node_name:
        yield Problem(
            path,
            f"is the address of {first} too",
            "a node is one server",
            "write the instance's own private address",
            value=address,
        )


RULES = (
    reserved_cluster_names,
    node_names_collide,
    tags,
    zone_of_another,
    resolvers_given_once,
    names_are_host_names,
    names_in_a_shared_zone,
    addresses_of_nodes,
)
