"""DNS part of `denodo-ha status`: the cluster to which the failover's name resolves."""

from collections.abc import Callable

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import CommandError, ExpiredCredentials, NoCredentials
from denodo_ha.deployed.environment_locator import EnvironmentLocation, StackLocation
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover import sides as failover_sides
from denodo_ha.deployed.failover.dns_answer import Lookup
from denodo_ha.deployed.failover.location import FailoverLocation, Role, failover_of
from denodo_ha.deployed.failover.sides import ClusterTargets, ReadTargets, Sides
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.status.aws_state import AwsState
from denodo_ha.status.model import Dns, Side

KnownOf = Callable[[StackLocation], AwsState | None]
"""Function that waits until a cluster has been read, and returns its AWS state; None if the cluster
is not being read."""


def read_dns(aws: Aws, site: EnvironmentLocation, known_of: KnownOf) -> Dns | None:
    """Return the cluster to which the failover name resolves, or None if there is no failover.

    Args:
        aws: the credentials.
        site: the environment.
        known_of: waits for the AWS state of a cluster that is being read, so that the cluster is
            not read twice.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    if site.failover is None:
        return None
    if site.failover.unreachable:
        return Dns("", "", "", "", (), site.failover.unreachable, reached=False)
    try:
        with deadline.limited(deadline.LOOK_S):
            failover = failover_of(aws, site)
            if failover is None:
                return None
            # The machine's resolver may take seconds, so the lookup runs while AWS is read.
            look = dns_answer.lookup_ahead(failover.endpoint)
            sides = failover_sides.read_sides(aws, failover, _targets_of(known_of))
        return _dns(aws, failover, sides, look)
    except (NoCredentials, ExpiredCredentials):
        raise
    except CommandError as error:
        return Dns("", "", "", "", (), str(error))


def _targets_of(known_of: KnownOf) -> ReadTargets:
    """Return a function that waits until a cluster has been read and returns its targets."""

    def targets_of(location: StackLocation) -> ClusterTargets:
        known = known_of(location)
        if known is None or not known.readable:
            return (), "", f"the targets of {location.name} are unknown"
        (cluster,) = known.readable
        healths = [known.groups[group.arn] for group in cluster.groups]
        counted = failover_sides.count_targets(
            health for health in healths if isinstance(health, GroupHealth)
        )
        return counted, failover_sides.record_target(cluster), ""

    return targets_of


def _dns(aws: Aws, site: FailoverLocation, sides: Sides, look: Lookup) -> Dns:
    answer = dns_answer.best(aws, site, sides, look)
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
