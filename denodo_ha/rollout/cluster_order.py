"""Order in which clusters are rolled."""

from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation


def cluster_order(site: EnvironmentLocation, cluster: str | None) -> list[StackLocation]:
    """Return the clusters to change: the named cluster, or all, with the failover's primary last.

    A faulty change then first affects a cluster that serves no clients.

    Raises:
        UsageError: There is no such cluster.
    """
    if cluster is not None:
        return [site.cluster(cluster)]
    failover = site.loaded.environment.failover if site.loaded else None
    primary = failover.primary if failover else None
    return sorted(site.clusters, key=lambda location: (location.name == primary, location.name))
