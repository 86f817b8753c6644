"""DNS part of `denodo-ha status`: the cluster to which the failover's name resolves."""

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import CommandError, ExpiredCredentials, NoCredentials
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover import sides as failover_sides
from denodo_ha.deployed.failover.location import FailoverLocation, Role, failover_of
from denodo_ha.deployed.failover.sides import ClusterTargets
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.status.model import Dns, Side
from denodo_ha.status.reader import AwsState


def read_dns(aws: Aws, site: EnvironmentLocation, known: AwsState) -> Dns | None:
    """Return the cluster to which the name resolves, or None if there is no failover.

    Args:
        aws: the credentials.
        site: the environment.
        known: the AWS state of the clusters, so that nothing is read twice.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials are not valid any more.
    """
    if site.failover is None:
        return None
    if site.failover.unreachable:
        return Dns("", "", "", "", (), site.failover.unreachable, reached=False)
    try:
        failover = failover_of(aws, site)
        return _read(aws, failover, known) if failover else None
    except (NoCredentials, ExpiredCredentials):
        raise
    except CommandError as error:
        return Dns("", "", "", "", (), str(error))


def _read(aws: Aws, site: FailoverLocation, known: AwsState) -> Dns:
    clusters = {cluster.location.stack: cluster for cluster in known.readable}

    def targets_of(location: StackLocation) -> ClusterTargets:
        cluster = clusters.get(location.stack)
        if cluster is None:
            return (), "", f"the targets of {location.name} are unknown"
        healths = [known.groups[group.arn] for group in cluster.groups]
        counted = failover_sides.count_targets(
            health for health in healths if isinstance(health, GroupHealth)
        )
        return counted, failover_sides.record_target(cluster), ""

    sides = failover_sides.read_sides(aws, site, targets_of)
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


def _name(site: FailoverLocation, role: Role | None) -> str:
    return site.clusters[role].name if role else ""
