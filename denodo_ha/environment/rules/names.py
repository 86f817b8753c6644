"""Rules about names and tags: clusters, nodes, their host names and addresses."""

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from denodo_ha.environment.derived import node_names
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import CATALOG_STACK_SUFFIX, DASHBOARD, FAILOVER, alphanumeric

RESERVED_SUFFIXES = (f"-{FAILOVER}", CATALOG_STACK_SUFFIX)
"""Suffixes of the names of other stacks, after the name of the environment or a cluster."""

_OWN_TAGS = 4
"""Number of tags that this project sets on a resource."""

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"(?=.{{1,{node_names.MAX_NAME_LENGTH}}}\Z){_LABEL}(\.{_LABEL})*")
_HOST_NAME_RULE = (
    f"a host name has at most {node_names.MAX_NAME_LENGTH} characters, and its labels contain "
    "letters, digits and inner hyphens (RFC 1123, Requirements for Internet Hosts)"
)


def reserved_cluster_names(environment: Environment) -> Iterator[Problem]:
    """A cluster's stack must not have the name of another stack."""
    for name in environment.clusters:
        suffix = next((end for end in RESERVED_SUFFIXES if f"-{name}".endswith(end)), None)
        if environment.dashboard and name == DASHBOARD:
            suffix = f"-{DASHBOARD}"
        if suffix:
            yield Problem(
                ("clusters", name),
                "is a reserved name for a cluster",
                f"the name of another stack of the environment ends in {suffix}",
                "choose another name, like active",
                value=name,
                at_key=True,
            )


def node_names_differ(environment: Environment) -> Iterator[Problem]:
    """Names of nodes must differ in letters or digits, regardless of upper and lower case."""
    for cluster_name, cluster in environment.clusters.items():
        seen: dict[str, str] = {}
        for name in cluster.nodes:
            key = alphanumeric(name).lower()
            if key in seen:
                yield Problem(
                    ("clusters", cluster_name, "nodes", name),
                    f"has the same letters and digits as {seen[key]}",
                    "names of outputs contain only letters and digits, and DNS ignores upper and "
                    "lower case",
                    "give the nodes names that differ in a letter or digit",
                    value=name,
                    at_key=True,
                )
            seen.setdefault(key, name)


def tag_keys(environment: Environment) -> Iterator[Problem]:
    """Tags must be accepted by AWS, and must not be tags that this project sets."""
    for key in environment.tags:
        prefix = next((start for start in ("aws:", "denodo:") if key.lower().startswith(start)), "")
        if prefix or key == "Name":
            yield Problem(
                ("tags", key),
                f"begins with {prefix}"
                if prefix
                else "is the tag with which the stacks name each resource",
                "AWS and this project reserve these tags",
                "choose another key",
                value=key,
                at_key=True,
            )
    room = limits.TAGS_PER_RESOURCE.value - _OWN_TAGS
    if len(environment.tags) > room:
        yield Problem(
            ("tags",),
            f"has {len(environment.tags)} tags",
            f"AWS allows {limits.TAGS_PER_RESOURCE}, and this project sets {_OWN_TAGS}",
            f"keep at most {room}",
        )


def existing_node_zone(environment: Environment) -> Iterator[Problem]:
    """Additional VPCs can be associated only with a hosted zone that the stack creates."""
    for name, cluster in environment.clusters.items():
        network = cluster.network
        if network.node_zone and network.node_zone_vpcs:
            yield Problem(
                ("clusters", name, "network", "node_zone_vpcs"),
                "cannot be used with node_zone",
                "the stacks do not change an existing hosted zone; the owner of the hosted zone "
                "decides which VPCs resolve its names",
                "remove node_zone_vpcs, and associate the VPCs with the hosted zone yourself",
                at_key=True,
            )


def node_zone_vpcs_unique(environment: Environment) -> Iterator[Problem]:
    """A VPC can be associated with a hosted zone only once."""
    for name, cluster in environment.clusters.items():
        own = cluster.network.vpc
        seen = {own}
        for index, peer in enumerate(cluster.network.node_zone_vpcs):
            if peer.vpc in seen:
                yield Problem(
                    ("clusters", name, "network", "node_zone_vpcs", index),
                    "is listed twice" if peer.vpc != own else "is the cluster's own VPC",
                    "a hosted zone can be associated with a VPC only once",
                    "remove this entry",
                    value=peer.vpc,
                )
            seen.add(peer.vpc)


def node_zone_vpcs_accounts(environment: Environment) -> Iterator[Problem]:
    """A VPC of another account must not be listed: only that account can associate the VPC."""
    for name, cluster in environment.clusters.items():
        for index, peer in enumerate(cluster.network.node_zone_vpcs):
            if peer.account in {None, cluster.account}:
                continue
            vpc = f"VPCRegion={peer.region or cluster.region},VPCId={peer.vpc}"
            yield Problem(
                ("clusters", name, "network", "node_zone_vpcs", index, "account"),
                f"is not {cluster.account}, the account of {name}",
                "only the account of a VPC can associate the VPC with a hosted zone of another "
                "account, after the account of the hosted zone has authorised the association "
                "(AWS, Associating an Amazon VPC and a private hosted zone that you created with "
                "different AWS accounts)",
                "remove the VPC from this list, deploy, and run two commands with the id of the "
                f"hosted zone as ID: in account {cluster.account} aws route53 "
                f"create-vpc-association-authorization --hosted-zone-id ID --vpc {vpc}, then in "
                f"account {peer.account} aws route53 associate-vpc-with-hosted-zone "
                f"--hosted-zone-id ID --vpc {vpc}; or share the hosted zone by a Route 53 Profile",
                value=str(peer.account),
                rule="vpc-of-another-account",
                refuses=(name,),
            )


def host_names_valid(environment: Environment) -> Iterator[Problem]:
    """Host names of nodes must be valid, as servers, clients and certificates use them."""
    with_hyphen: dict[Path, str] = {}
    for name, cluster in environment.clusters.items():
        zone = cluster.network.node_zone
        longest = max(
            (node_names.host_name(environment, name, node) for node in cluster.nodes), key=len
        )
        if zone is None:
            parts: dict[Path, str] = {("name",): environment.name, ("clusters", name): name}
            with_hyphen |= {path: part for path, part in parts.items() if part.endswith("-")}
        elif not _HOST_NAME.fullmatch(longest):
            yield Problem(
                ("clusters", name, "network", "node_zone", "name"),
                "does not result in valid host names",
                f"a node would have the name {longest}; {_HOST_NAME_RULE}",
                "give the nodes another hosted zone",
                value=zone.name,
            )
    for path, part in with_hyphen.items():
        yield Problem(
            path,
            "does not result in valid host names",
            "the hosted zone of the nodes is named after the environment and the cluster; "
            f"{_HOST_NAME_RULE}",
            "write the name without the hyphen at the end",
            value=part,
            at_key=path[0] == "clusters",
        )


def host_names_unique(environment: Environment) -> Iterator[Problem]:
    """Nodes of clusters that share a hosted zone must have different names."""
    seen: dict[tuple[str, str], str] = {}
    for name, cluster in environment.clusters.items():
        zone = cluster.network.node_zone
        if zone is None:
            continue
        for node in node_names.nodes_with_record(environment, name):
            owner = seen.setdefault((zone.id, node.lower()), f"{node} of {name}")
            if owner != f"{node} of {name}":
                yield Problem(
                    ("clusters", name, "nodes", node),
                    f"has the name of {owner}",
                    f"both nodes would have a record of this name in {zone.name}",
                    "rename one of the nodes, or give each cluster its own zone",
                    value=node,
                    at_key=True,
                )


def node_addresses(environment: Environment) -> Iterator[Problem]:
    """Existing instances should have an `address` for their DNS name; created nodes must not."""
    for name, cluster in environment.clusters.items():
        for node_name, node in cluster.nodes.items():
            path: Path = ("clusters", name, "nodes", node_name)
            if node.instance_id is None and node.address is not None:
                yield Problem(
                    (*path, "address"),
                    "is not allowed for a created node",
                    "a created node gets an address from its subnet, and its DNS record is "
                    "updated automatically",
                    "remove address",
                    value=node.address,
                )
            elif node.address is not None:
                yield from _impossible_address(name, cluster, node_name, node.address)
            elif node.instance_id is not None:
                yield Problem(
                    path,
                    f"has no DNS name in {node_names.zone_name(environment, name)}",
                    "CloudFormation does not know the address of an existing instance",
                    "add address: with the instance's private address",
                    severity=Severity.NOTE,
                    rule="node-without-name",
                )


def _impossible_address(
    name: str, cluster: Cluster, node_name: str, address: str
) -> Iterator[Problem]:
    """Yield a problem if an address is not in the cluster's network, or is another node's."""
    path: Path = ("clusters", name, "nodes", node_name, "address")
    cidr = cluster.network.cidr
    if cidr and IPv4Address(address) not in IPv4Network(cidr):
        yield Problem(
            path,
            f"is not in the cluster's network {cidr}",
            "the balancer connects to the node in the cluster's network",
            "write the instance's private address",
            value=address,
        )
    first = next(other for other, node in cluster.nodes.items() if node.address == address)
    if first != node_name:
        yield Problem(
            path,
            f"is the address of {first} too",
            "two nodes cannot be the same server",
            "write the instance's own private address",
            value=address,
        )


RULES = (
    reserved_cluster_names,
    node_names_differ,
    tag_keys,
    existing_node_zone,
    node_zone_vpcs_unique,
    node_zone_vpcs_accounts,
    host_names_valid,
    host_names_unique,
    node_addresses,
)
