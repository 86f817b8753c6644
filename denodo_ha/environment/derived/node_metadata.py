"""Node metadata: the metadata database and the metadata exports of a cluster, and their names.

The cluster stack and the metadata stack use names of each other's resources. These names are
derived from the configuration, so that neither stack needs a reference to the other stack.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Final

from denodo_ha.environment.derived import failover_plan, readiness
from denodo_ha.environment.derived.readiness import ProbeKind
from denodo_ha.environment.model.catalog import Component
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

EXPORT_MANIFEST: Final = "export.json"
EXPORT_METADATA: Final = "metadata.vql"
"""Names of the two objects of a node's export: the manifest (`EXPORT_MANIFEST`) and the metadata.
An object's key in the bucket is `NODE/NAME`."""
HISTORY_PREFIX: Final = ".history/"
"""Prefix of the keys of the history in the bucket of exports. No node can have a name that begins
with a dot."""

_SHARING_SERVERS: Final[Mapping[str, Component]] = {
    "scheduler": "scheduler",
    "data-catalog": "data-catalog",
}
"""Servers whose metadata must be equal on all nodes of a cluster, each with its component in
`catalog.components`."""

_PROBES_OF_COMPONENT: Final[Mapping[Component, frozenset[ProbeKind]]] = {
    "scheduler": frozenset({"scheduler"}),
    "data-catalog": frozenset({"web"}),
    "vdp": frozenset({"vdp", "odbc"}),
}
"""For each component, the kinds of readiness probes of the services that need the component. The
Data Catalog runs in the web container."""


def has_stack(cluster: Cluster) -> bool:
    """Return whether the cluster has a metadata stack."""
    return cluster.catalog is not None or cluster.exports is not None


def creates_database(cluster: Cluster) -> bool:
    """Return whether a metadata database is created on RDS for the cluster."""
    return cluster.catalog is not None and cluster.catalog.existing is None


def copied_databases(environment: Environment, target: str) -> tuple[str, ...]:
    """Return the clusters whose `catalog.copy` keeps a database copy in the region of `target`."""
    return tuple(
        name
        for name, cluster in sorted(environment.clusters.items())
        if cluster.catalog is not None
        and cluster.catalog.copy is not None
        and cluster.catalog.copy.to == target
    )


def restored_database_name(environment: str, cluster: str) -> str:
    """Return the identifier of the database that `restore-database` creates for a cluster."""
    return re.sub(r"-+", "-", f"{environment}-{cluster}-restored".lower())


def database_subnets(cluster: Cluster) -> dict[str, str | None]:
    """Return the database's subnet in each zone; None for a subnet that the stack creates."""
    catalog, network = cluster.catalog, cluster.network
    given = catalog.subnets if catalog else {}
    if network.vpc is None:
        return dict.fromkeys(network.zones)
    subnets = {zone: given.get(zone, of.nodes) for zone, of in network.zones.items()}
    return {zone: subnet for zone, subnet in subnets.items() if subnet is not None}


def database_name(cluster: Cluster, component: Component) -> str:
    """Return the name of a component's database; the role that owns it has the same name."""
    existing = cluster.catalog.existing if cluster.catalog else None
    prefix = (existing.prefix or "") if existing else ""
    return f"{prefix}{component.replace('-', '_')}"


def database_users(database: str) -> tuple[str, str]:
    """Return the two users of a component's database, of which one is in use.

    The other user gets a new password at the next rotation, and is used from then on.
    """
    return f"{database}_a", f"{database}_b"


def services_using_database(environment: Environment, cluster: Cluster) -> Mapping[str, int]:
    """Return the services that fail if the metadata database fails, each with its clients' port.

    A service's component is determined by the service's name or node port, as for readiness.
    """
    components = cluster.catalog.components if cluster.catalog else ()
    kinds = {kind for component in components for kind in _PROBES_OF_COMPONENT[component]}
    return {
        name: service.port
        for name, service in sorted(environment.services.items())
        if readiness.service_probe(environment, name, service).kind in kinds
    }


def secret_name(environment: str, cluster: str, component: Component) -> str:
    """Return the name of the secret that contains a component's database login.

    The name does not end in a hyphen and six characters, so Secrets Manager finds the secret by its
    ARN without the random suffix (AWS, Secrets Manager, What's in a secret).
    """
    return f"denodo/{environment}/{cluster}/catalog/{component}"


def secret_arn(environment: Environment, cluster_name: str, component: Component) -> str:
    """Return the ARN of the secret of a component's database login, without the random suffix."""
    cluster = environment.clusters[cluster_name]
    service = f"{partition(cluster.region)}:secretsmanager:{cluster.region}:{cluster.account}"
    return f"arn:{service}:secret:{secret_name(environment.name, cluster_name, component)}"


def partition(region: str) -> str:
    """Return the AWS partition of a region (AWS, IAM, Amazon Resource Names)."""
    partitions = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
    return next((name for prefix, name in partitions.items() if region.startswith(prefix)), "aws")


def export_bucket_name(environment: Environment, cluster_name: str) -> str:
    """Return the name of the bucket with a cluster's metadata exports, at most 58 characters.

    Bucket names are unique across all accounts, so the name contains a hash.
    """
    cluster = environment.clusters[cluster_name]
    return export_bucket(environment.name, cluster_name, cluster.account, cluster.region)


def export_bucket(environment: str, cluster: str, account: str, region: str) -> str:
    """Return the name of the bucket with a cluster's exports, without reading a configuration."""
    return f"{_bucket_name(environment, cluster, account, region)}-exports"


def export_copy_bucket_name(environment: Environment, cluster_name: str) -> str:
    """Return the name of the bucket with the copies of a cluster's metadata exports."""
    target = export_copy_target(environment, cluster_name)
    assert target is not None
    other = environment.clusters[target]
    return f"{_bucket_name(environment.name, cluster_name, other.account, other.region)}-copy"


def _bucket_name(environment: str, cluster: str, account: str, region: str) -> str:
    identity = f"{environment}/{cluster}/{account}/{region}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    return f"{environment}-{cluster}-{digest}"


def export_copy_target(environment: Environment, cluster_name: str) -> str | None:
    """Return the cluster to whose region a cluster's exports are copied; None without copies."""
    exports = environment.clusters[cluster_name].exports
    if exports is None or exports.copy is False or no_export_copy(environment, cluster_name):
        return None
    return _other_of_pair(environment, cluster_name)


def no_export_copy(environment: Environment, cluster_name: str) -> str:
    """Return why a cluster's exports cannot be copied; empty if the exports can be copied."""
    other_name = _other_of_pair(environment, cluster_name)
    if other_name is None:
        return "the cluster is not part of a failover"
    cluster, other = environment.clusters[cluster_name], environment.clusters[other_name]
    if cluster.region == other.region:
        return (
            f"{other_name} is in the same region, and losing the region would destroy both buckets"
        )
    if partition(cluster.region) != partition(other.region):
        return f"{other_name} is in another AWS partition, to which S3 does not replicate"
    return ""


def copied_clusters(environment: Environment, target: str) -> tuple[str, ...]:
    """Return the clusters whose metadata exports are copied to the region of `target`."""
    return tuple(
        name
        for name in sorted(environment.clusters)
        if export_copy_target(environment, name) == target
    )


def readable_export_buckets(environment: Environment, cluster_name: str) -> tuple[str, ...]:
    """Return the buckets of a cluster's exports, and of export copies in the cluster's region."""
    has_exports = environment.clusters[cluster_name].exports is not None
    own = (export_bucket_name(environment, cluster_name),) if has_exports else ()
    copied = copied_clusters(environment, cluster_name)
    return (*own, *(export_copy_bucket_name(environment, name) for name in copied))


def _other_of_pair(environment: Environment, cluster_name: str) -> str | None:
    pair = [name for name, _ in failover_plan.cluster_pair(environment)]
    if len(pair) != 2 or cluster_name not in pair:
        return None
    return pair[1 - pair.index(cluster_name)]


def history_clusters(environment: Environment, cluster_name: str) -> tuple[str, ...]:
    """Return the clusters whose buckets get a cluster's history; the cluster itself is the last.

    Before the cluster itself, the result contains the other cluster of the failover or, without
    failover, the only other cluster of the environment.
    """
    failover = environment.failover
    pair = {failover.primary, failover.secondary} if failover else set[str]()
    members = pair if cluster_name in pair else set(environment.clusters)
    others = sorted(members - {cluster_name})
    return (*(others if len(others) == 1 else ()), cluster_name)


def history_buckets(
    environment: Environment, clusters: Iterable[str], account: str
) -> tuple[str, ...]:
    """Return the names of the buckets for the history of commands.

    These are the buckets of exports, and of copies of exports, of the given clusters that are in
    the account.
    """
    return tuple(
        bucket
        for name in clusters
        if environment.clusters[name].account == account
        for bucket in readable_export_buckets(environment, name)
    )


def history_buckets_of(environment: Environment, cluster_name: str) -> tuple[str, ...]:
    """Return the names of the buckets to which commands write a cluster's history."""
    clusters = history_clusters(environment, cluster_name)
    return history_buckets(environment, clusters, environment.clusters[cluster_name].account)


def export_keys(node: str) -> tuple[str, str]:
    """Return the keys of a node's export in the bucket: its manifest and the metadata.

    Every export is a new version of these two objects.
    """
    return f"{node}/{EXPORT_MANIFEST}", f"{node}/{EXPORT_METADATA}"


def metadata_source(cluster: Cluster) -> str:
    """Return the source of Virtual DataPort's metadata: `catalog`, `export` or `manual`."""
    if cluster.catalog is not None and "vdp" in cluster.catalog.components:
        return "catalog"
    if cluster.exports is not None and cluster.exports.restore:
        return "export"
    return "manual"


def configured_servers(environment: Environment) -> tuple[str, ...]:
    """Return the servers that the configuration lists; empty without the key `denodo.servers`."""
    denodo = environment.denodo
    return denodo.servers if "servers" in denodo.model_fields_set else ()


def servers_sharing_metadata(environment: Environment) -> tuple[tuple[str, Component], ...]:
    """Return the configured servers whose metadata all nodes must share, with their components."""
    return tuple(
        (server, _SHARING_SERVERS[server])
        for server in configured_servers(environment)
        if server in _SHARING_SERVERS
    )
