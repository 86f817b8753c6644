"""Failover task: the state before a failover, and the refusal of an impossible failover."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import begin
from denodo_ha.cli.errors import Refused
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.dns_answer import DnsAnswer, Lookup
from denodo_ha.deployed.failover.health_checks import HEALTHY, UNHEALTHY, UNKNOWN
from denodo_ha.deployed.failover.location import (
    PRIMARY,
    SECONDARY,
    FailoverLocation,
    Role,
    require_account,
    with_deployed_switch,
)
from denodo_ha.deployed.failover.sides import Sides, read_sides
from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.full_command import full_command

LOOK_S: Final = 3.0
"""Project default: seconds to read the state before the switch is thrown. A state that is not read
in this time is unknown, so that a failover away from an unavailable region does not wait longer."""
ANSWER_S: Final = 1.0
"""Project default: seconds to resolve the DNS names after the state of clusters and switch was
read."""

VALUES: Final = {PRIMARY: 0.0, SECONDARY: 1.0}
"""Value of the switch's metric for each role to which the switch can be set."""
SWITCH_STATES: Final = {PRIMARY: HEALTHY, SECONDARY: UNHEALTHY}
"""State of the switch's health check for each role."""


@dataclass(frozen=True)
class FailoverTask:
    """A failover to the cluster of a role, with the state before the failover.

    Attributes:
        site: the failover's location.
        role: the role to fail over to.
        sides: the state of both clusters before the failover.
        answer: the DNS answer before the failover.
    """

    site: FailoverLocation
    role: Role
    sides: Sides
    answer: DnsAnswer

    @property
    def cluster(self) -> str:
        """Return the name of the cluster to fail over to."""
        return self.site.clusters[self.role].name

    @property
    def is_thrown(self) -> bool:
        """Return True if the switch is already set to the role."""
        return self.sides.switched_to == self.role

    @property
    def is_done(self) -> bool:
        """Return True if the switch is set and DNS answers with the cluster."""
        return self.is_thrown and self.answer.role == self.role

    @property
    def datapoint(self) -> str:
        """Return a description of the datapoint: value, metric, namespace and region."""
        return (
            f"{failover_plan.SWITCH_METRIC} = {VALUES[self.role]:.0f} "
            f"({failover_plan.SWITCH_DIMENSION} {self.site.environment}) in namespace "
            f"{self.site.switch_namespace}, {self.site.region}"
        )


def read_task(
    aws: Aws, site: FailoverLocation, role: Role, look: Lookup = dns_answer.lookup
) -> FailoverTask:
    """Read the state before a failover: clusters and switch in `LOOK_S`, then DNS in `ANSWER_S`.

    Raises:
        Refused: The credentials belong to another account. Nothing was changed.
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    with deadline.limited(LOOK_S):
        site, sides = read_failover(aws, site)
    with deadline.limited(ANSWER_S):
        return FailoverTask(site, role, sides, dns_answer.best(aws, site, sides, look))


def read_failover(aws: Aws, site: FailoverLocation) -> tuple[FailoverLocation, Sides]:
    """Read the account, the switch and the state of both clusters in parallel.

    Raises:
        Refused: The credentials belong to another account. Nothing was changed.
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    pool = ThreadPoolExecutor(max_workers=2)
    try:
        account = begin(pool, lambda location: require_account(aws, location), site)
        deployed = begin(pool, lambda location: with_deployed_switch(aws, location), site)
        sides = read_sides(aws, site)
        account.result()
        return deployed.result(), sides
    finally:
        pool.shutdown(wait=False)


def require_possible(task: FailoverTask) -> None:
    """Check that Route 53 would answer with a healthy cluster after the switch is thrown.

    Raises:
        Refused: The cluster is not healthy.
    """
    side = task.sides.of(task.role)
    if side.state != UNHEALTHY:
        return
    (other,) = [each for each in task.sides.both if each is not side]
    if not side.checked:
        reason = (
            f"Route 53 has no health check of {side.cluster}, and after a failover it would answer "
            f"with {side.cluster}, which serves no client"
        )
    elif task.role == SECONDARY:
        reason = (
            "no option can force the failover: if the switch is thrown, neither cluster is healthy "
            f"for Route 53, which then answers with the primary, {other.cluster}"
        )
    else:
        reason = (
            f"no option can force the failover: Route 53 answers with {side.cluster} only if its "
            f"health checks pass, or if neither cluster is healthy; for Route 53, {other.cluster} "
            f"is {other.counts_as}"
        )
    message = (
        f"{side.cluster} is not healthy ({side.reason}); {reason}. Nothing was changed. Repair "
        f"{side.cluster}; `{full_command('failover status')}` shows every health check"
    )
    raise Refused(message)


def unknown_state_warning(task: FailoverTask) -> str:
    """Return a warning if the state of the target cluster is unknown, else an empty text."""
    side = task.sides.of(task.role)
    if side.state != UNKNOWN:
        return ""
    reason = side.reason or "the cluster has no health check"
    return (
        f"it is not known whether {side.cluster} is healthy ({reason}); the failover continues: "
        f"Route 53 answers with {side.cluster} only if it finds the cluster healthy"
    )
