"""Buckets of the history: where the commands that change a cluster leave their entries.

An entry of a change of a cluster is written to the bucket of the other cluster, so that the history
can be read while the changed cluster's region is lost; if the other cluster has no bucket, the
entry is written to the changed cluster's own bucket. The names of the buckets are derived from the
names, accounts and regions of the clusters, so that no region is called to find the buckets.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.model.environment import Environment


@dataclass(frozen=True)
class HistoryBucket:
    """A bucket that may contain history.

    Attributes:
        name: name of the bucket.
        region: its region.
        account: its account; a bucket of another owner is never used.
    """

    name: str
    region: str
    account: str


def standby_buckets(environment: Environment, cluster: str) -> Iterator[HistoryBucket]:
    """Yield the buckets in a cluster's region: of its own exports, and of copied exports."""
    settings = environment.clusters[cluster]
    for name in node_metadata.readable_export_buckets(environment, cluster):
        yield HistoryBucket(name, settings.region, settings.account)


def history_buckets(
    environment: str, clusters: Iterable[StackLocation], configured: Environment | None
) -> Iterator[HistoryBucket]:
    """Yield the buckets of clusters that the credentials can access, in the clusters' order.

    Args:
        environment: name of the environment.
        clusters: the clusters.
        configured: the configuration; without it, it is not known which clusters have a bucket, and
            the bucket of every cluster is yielded.
    """
    for cluster in clusters:
        if cluster.unreachable:
            continue
        if configured is not None and cluster.name in configured.clusters:
            yield from standby_buckets(configured, cluster.name)
            continue
        name = node_metadata.export_bucket(
            environment, cluster.name, cluster.account, cluster.region
        )
        yield HistoryBucket(name, cluster.region, cluster.account)
