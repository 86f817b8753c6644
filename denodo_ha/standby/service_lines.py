"""Lines 1 and 2: the standby's targets, and its record and health check in Route 53."""

from collections.abc import Iterator
from dataclasses import dataclass

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import Failed
from denodo_ha.deployed import target_health
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.failover import health_checks
from denodo_ha.deployed.failover.health_checks import HEALTHY, UNHEALTHY, Route53Check
from denodo_ha.deployed.failover.location import FailoverLocation, Role
from denodo_ha.deployed.failover.sides import read_records, record_name, record_target
from denodo_ha.environment.full_command import full_command
from denodo_ha.standby.check_line import (
    NO,
    OK,
    UNKNOWN,
    CheckLine,
    Finding,
    State,
    Unknown,
    line,
    unknown,
)


@dataclass(frozen=True)
class TargetCount:
    """The number of healthy targets, and of targets in the template, of a target group."""

    group: str
    healthy: int
    wanted: int


@dataclass(frozen=True)
class Record:
    """The standby's failover record.

    Attributes:
        target: the DNS name or address with which DNS answers.
        check: the record's health check, without the switch; None without a health check.
    """

    target: str
    check: Route53Check | None


def read_targets(aws: Aws, cluster: Cluster) -> tuple[TargetCount, ...]:
    """Read the healthy targets of each target group, and the number of targets in the template."""
    return tuple(
        TargetCount(
            health.group.key,
            len(health.healthy),
            max(len(health.group.targets), len(health.targets)),
        )
        for health in target_health.read_groups_health(aws, cluster.groups)
    )


def read_record(aws: Aws, site: FailoverLocation, role: Role) -> Record:
    """Read the failover record of a role, and its health check.

    Raises:
        Failed: The role has no failover record.
        AwsError: AWS did not answer, or denied a call.
    """
    record = read_records(aws, site).get(role)
    if record is None:
        message = (
            f"hosted zone {site.zone_id} has no failover record {site.endpoint} of the "
            f"{role.lower()}"
        )
        raise Failed(message)
    check = None
    if id_ := record.get("HealthCheckId"):
        # Read alarms only in the standby's region: the switch's alarm may be in the active
        # cluster's region.
        own = site.clusters[role].region
        check = health_checks.read_check(aws, id_, site.region, alarms_in=own).without("switch")
    return Record(record_name(record), check)


def targets_line(targets: tuple[TargetCount, ...] | Unknown) -> CheckLine:
    """Judge whether all of the standby's targets in the template are healthy, not only one."""
    return line(1, "healthy targets", _targets(targets))


def _targets(targets: tuple[TargetCount, ...] | Unknown) -> Iterator[Finding]:
    limit = "all targets of the cluster are healthy"
    if isinstance(targets, Unknown):
        yield unknown(targets, "targets", limit)
        return
    if not targets:
        yield Finding(UNKNOWN, "the cluster has no target group", limit=limit)
    for count in targets:
        seen = f"{count.group} {count.healthy} of {count.wanted}"
        if count.wanted and count.healthy >= count.wanted:
            yield Finding(OK, seen, limit=limit)
        else:
            remedy = f"`{full_command('status')}` shows which targets are not healthy, and why"
            yield Finding(NO, seen, limit=limit, remedy=remedy)


def dns_line(record: Record | Unknown, cluster: Cluster | Unknown) -> CheckLine:
    """Judge whether the standby's record has a healthy health check and a deployed target."""
    return line(2, "health check and record", _dns(record, cluster))


def _dns(record: Record | Unknown, cluster: Cluster | Unknown) -> Iterator[Finding]:
    limit = "the health check is healthy, and the record names the current load balancer"
    if isinstance(record, Unknown):
        yield unknown(record, "record", limit)
        return
    if record.check is None:
        yield Finding(OK, "the record has no health check of the cluster", limit=limit)
    elif record.check.state == HEALTHY:
        yield Finding(OK, f"health check: {record.check.reason}", limit=limit)
    else:
        state: State = NO if record.check.state == UNHEALTHY else UNKNOWN
        seen = f"health check {record.check.state}: {record.check.reason}"
        remedy = f"`{full_command('failover status')}` shows every health check"
        yield Finding(state, seen, limit=limit, remedy=remedy)
    if isinstance(cluster, Unknown):
        yield unknown(cluster, "load balancer", limit)
        return
    name = record_target(cluster)
    if not name:
        yield Finding(UNKNOWN, "the cluster's stack names no load balancer", limit=limit)
    elif record.target == name:
        yield Finding(OK, "the record names the current load balancer", limit=limit)
    else:
        target = record.target or "no load balancer"
        seen = f"the record names {target}, but the current load balancer is {name}"
        remedy = "deploy the failover stack again"
        yield Finding(NO, seen, limit=limit, remedy=remedy)
