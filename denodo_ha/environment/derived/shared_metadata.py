"""A cluster's metadata as it comes out of the configuration: who shares it, and under what names.

The cluster's stack and the one that keeps the metadata each need names of the other's things.
Names that follow from the configuration let both be deployed without asking each other.
"""

import hashlib

from denodo_ha.environment.model.catalog import Component
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

EXPORT_MANIFEST = "export.json"
EXPORT_METADATA = "metadata.vql"
"""What the two objects of a node's export are called, after the node's name and a slash."""

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
    prefix = (existing.prefix or "") if existing else ""
    return f"{prefix}{component.replace('-', '_')}"


def logins(database: str) -> tuple[str, str]:
    """The two users of a database: while one is used, the other can get a new password."""
    return f"{database}_a", f"{database}_b"


def secret_name(environment: str, cluster: str, component: Component) -> str:
    """Name of the secret with a component's login.

    It ends in no hyphen and six characters, so that Secrets Manager finds it by the ARN without
    its random ending (AWS, Secrets Manager, What's in a secret).
    """
    return f"denodo/{environment}/{cluster}/catalog/{component}"


def secret_arn(environment: Environment, cluster: str, component: Component) -> str:
    """ARN of the same secret, without its random ending."""
    of = environment.clusters[cluster]
    where = f"{partition(of.region)}:secretsmanager:{of.region}:{of.account}"
    return f"arn:{where}:secret:{secret_name(environment.name, cluster, component)}"


def partition(region: str) -> str:
    """The partition that a region is in (AWS, IAM, Amazon Resource Names)."""
    prefixes = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((one for prefix, one in prefixes.items() if region.startswith(prefix)), "aws")


def bucket_name(environment: Environment, cluster: str) -> str:
    """Name of the bucket of a cluster's exports, at most 58 characters.

    Bucket names are one space for all accounts, hence the hash.
    """
    of = environment.clusters[cluster]
    told = f"{environment.name}/{cluster}/{of.account}/{of.region}"
    return f"{environment.name}-{cluster}-{hashlib.sha256(told.encode()).hexdigest()[:8]}-exports"


def export_keys(node: str) -> tuple[str, str]:
    """Keys of a node's export in the bucket of its cluster: what tells of it, and the metadata.

    Every export is a new version of the two.
    """
    return f"{node}/{EXPORT_MANIFEST}", f"{node}/{EXPORT_METADATA}"


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
    return denodo.servers if "servers" in denodo.model_fields_set else ()


def must_share(environment: Environment) -> tuple[tuple[str, Component], ...]:
    """The named servers that must share their metadata where there are several nodes."""
    return tuple((one, _SERVERS[one]) for one in chosen_servers(environment) if one in _SERVERS)
