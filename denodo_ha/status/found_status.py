"""`denodo-ha status --live`: the status of a found site, which has no stack of this project.

The result has the model of `denodo-ha status`, without answers of nodes, and without a stack or
switch. DNS answers with the side to whose load balancer this machine's resolver leads.
"""

from collections.abc import Collection, Sequence

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock
from denodo_ha.cli.errors import AwsError
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.operation.found_site import FoundCluster, FoundSite, read_found_site
from denodo_ha.status import verdict
from denodo_ha.status.aws_state import AwsState
from denodo_ha.status.cluster_status import cluster_status
from denodo_ha.status.model import Dns, Environment
from denodo_ha.status.verdict import Part


def read_found_status(
    aws: Aws,
    regions: Sequence[str],
    locator: SiteLocator,
    *,
    clock: Clock,
    accepted: Collection[Part] = (),
) -> Environment:
    """Return the current status of a found site.

    Raises:
        UsageError: The locator names no site that can be shown.
        AwsError: A call that is needed to find the site gave no answer, or credentials are missing.
    """
    with deadline.limited(deadline.LOOK_S):
        site = read_found_site(aws, regions, locator)
    dns = _dns(site)
    clusters = tuple(
        cluster_status(found.cluster.location, _known(found), {}, accepted=accepted)
        for found in site.clusters
    )
    return Environment(
        name=site.name,
        at=clock.now(),
        state=verdict.environment_state(clusters, dns, site.unread, accepted=accepted),
        dns=dns,
        clusters=clusters,
        problems=site.unread,
    )


def _known(found: FoundCluster) -> AwsState:
    cluster = found.cluster
    unread = AwsError("the targets could not be read")
    return AwsState(
        clusters={cluster.location: cluster},
        groups={group.arn: found.health.get(group.arn, unread) for group in cluster.groups},
        instances=found.instances,
        lost={},
        balancers={found.balancer.arn: (found.balancer_state, "")},
    )


def _dns(site: FoundSite) -> Dns | None:
    """Return the cluster whose load balancer the failover record leads to; None without record."""
    if not site.record:
        return None
    answered = dns_answer.lookup(site.record)
    if answered is None:
        problem = f"{site.record} cannot be resolved on this machine"
        return Dns(site.record, "", "", "", (), problem)
    names = {found.cluster.name: found.balancer.dns_name for found in site.clusters}
    cluster = dns_answer.matching_role(answered, names)
    return Dns(site.record, cluster or "", dns_answer.RESOLVER, "", ())
