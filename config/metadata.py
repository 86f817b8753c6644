"""A cluster's metadata as it comes out of the configuration: who shares it, and under what names.

The cluster's stack and the one that keeps the metadata each need names of the other's things.
Names that follow from the configuration let both be deployed without asking each other.
"""

import hashlib

from config.catalog import Component
from config.cluster import Cluster, Node
from config.model import Environment

STACK_ENDING = "-catalog"
"""What the stack of a cluster's metadata is called after the cluster's (reserved for clusters)."""

_SERVERS: dict[str, Component] = {"scheduler": "scheduler", "data-catalog": "data-catalog"}
"""Servers that must share their metadata in a cluster, with the component that they are."""


def has_stack(cluster: Cluster) -> bool:
    """Whether the cluster has a stack that keeps its metadata."""
    return cluster.catalog is not None or cluster.exports is not None


def makes_database(cluster: Cluster) -> bool:
    """Whether a database is made for the cluster."""
    return cluster.catalog is not None and cluster.catalog.existing is None


def database(cluster: Cluster, component: Component) -> str:
    """Name of a component's database, and of the role that owns it."""
    existing = cluster.catalog.existing if cluster.catalog else None
    return f"{existing.prefix if existing else ''}{component.replace('-', '_')}"


def secret_name(environment: str, cluster: str, component: Component) -> str:
    """Name of the secret with a component's login.

    It ends in no hyphen and six characters, so that Secrets Manager finds it by the ARN without
    its random ending (AWS, Secrets Manager, What's in a secret).
    """
    return f"denodo/{environment}/{cluster}/catalog/{component}"


def bucket_name(environment: Environment, cluster: str) -> str:
    """Name of the bucket of a cluster's exports, at most 58 characters.

    Bucket names are one space for all accounts, hence the hash.
    """
    of = environment.clusters[cluster]
    told = f"{environment.name}/{cluster}/{of.account}/{of.region}"
    return f"{environment.name}-{cluster}-{hashlib.sha256(told.encode()).hexdigest()[:8]}-exports"


def export_key(cluster: str, node: str) -> str:
    """Key of the manifest of a node's exports; every export is a version of it."""
    return f"{cluster}/{node}/export.json"


def source(cluster: Cluster) -> str:
    """Where a node's Virtual DataPort has its metadata from: `catalog`, `export` or `manual`."""
    if cluster.catalog is not None and "vdp" in cluster.catalog.components:
        return "catalog"
    if cluster.exports is not None and cluster.exports.restore:
        return "export"
    return "manual"


def chosen_servers(environment: Environment) -> tuple[str, ...]:
    """The servers that the configuration names for the nodes; empty where it names none."""
    denodo = environment.denodo
    named = getattr(denodo, "servers", ()) if "servers" in denodo.model_fields_set else ()
    return tuple(named)


def must_share(environment: Environment) -> tuple[tuple[str, Component], ...]:
    """The named servers that must share their metadata where there are several nodes."""
    return tuple((one, _SERVERS[one]) for one in chosen_servers(environment) if one in _SERVERS)


def own_nodes(cluster: Cluster) -> dict[str, Node]:
    """The nodes that are made here, by name."""
    return {name: node for name, node in cluster.nodes.items() if node.instance_id is None}
