"""The DNS side of `denodo-ha status`: where the failover's name leads."""

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import Expired, NoCredentials, OpsError
from denodo_ha.deployed.environment_locator import Place, Places
from denodo_ha.deployed.failover import dns_answer, location
from denodo_ha.deployed.failover import sides as failover_sides
from denodo_ha.deployed.failover.location import Role, Site
from denodo_ha.deployed.failover.sides import Known
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.status.model import Dns, Side
from denodo_ha.status.reader import Raw


def read(aws: Aws, site: Places, config: str | None, known: Raw) -> Dns | None:
    """Where the name leads; None where there is no failover.

    Args:
        aws: the credentials.
        site: the environment.
        config: its configuration's path or name; None where it was found by its tags.
        known: what is known of the clusters, so that nothing is asked twice.

    Raises:
        NoCredentials: there are none.
        Expired: they are no longer valid.
    """
    if site.failover is None:
        return None
    if site.failover.unreachable:
        return Dns("", "", "", "", (), site.failover.unreachable, reached=False)
    environment = site.environment if config is None else None
    regions = [site.failover.region] if config is None else None
    try:
        found = location.find(aws, config=config, environment=environment, regions=regions)
        return _read(aws, found, known)
    except (NoCredentials, Expired):
        raise
    except OpsError as error:
        return Dns("", "", "", "", (), str(error))


def _read(aws: Aws, site: Site, known: Raw) -> Dns:
    there = {cluster.place.stack: cluster for cluster in known.read}

    def targets_of(place: Place) -> Known:
        cluster = there.get(place.stack)
        if cluster is None:
            return (), "", f"the targets of {place.name} are unknown"
        seen = [known.groups[group.arn] for group in cluster.groups]
        counted = failover_sides.counted(one for one in seen if isinstance(one, GroupHealth))
        return counted, failover_sides.address_of(cluster), ""

    sides = failover_sides.read(aws, site, targets_of)
    answer = dns_answer.best(aws, site, sides, dns_answer.lookup)
    return Dns(
        endpoint=site.endpoint,
        answers=_name(site, answer.role),
        by=answer.by,
        switch=_name(site, sides.switched_to),
        sides=tuple(
            Side(side.cluster, side.role.lower(), side.state, side.reason) for side in sides.both
        ),
    )


def _name(site: Site, role: Role | None) -> str:
    return site.clusters[role].name if role else ""
