"""In which order clusters are changed."""

from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation


def ordered(site: EnvironmentLocation, cluster: str | None) -> list[StackLocation]:
    """The clusters to change: the one that is named, or all, the primary last.

    What goes wrong then goes wrong first where nobody is served from.

    Raises:
        UsageError: there is no such cluster.
    """
    if cluster is not None:
        return [site.cluster(cluster)]
    failover = site.loaded.environment.failover if site.loaded else None
    primary = failover.primary if failover else None
    return sorted(site.clusters, key=lambda place: (place.name == primary, place.name))
