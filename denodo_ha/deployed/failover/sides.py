"""The two sides of a failover: the record and the state of the primary and the secondary cluster.

A side is one of the two Route 53 failover records with the cluster that it points to. Together the
two sides decide which cluster Route 53 answers with. A state that cannot be read is "unknown",
with the reason, because this module is used while a region is unavailable.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import begin, map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, CommandError, ExpiredCredentials, NoCredentials
from denodo_ha.deployed import target_health
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.failover import health_checks
from denodo_ha.deployed.failover.health_checks import (
    HEALTHY,
    UNHEALTHY,
    UNKNOWN,
    Route53Check,
    combined_state,
)
from denodo_ha.deployed.failover.location import (
    PRIMARY,
    ROLES,
    SECONDARY,
    FailoverLocation,
    Role,
)
from denodo_ha.environment import names


@dataclass(frozen=True)
class GroupCount:
    """The number of healthy targets in a target group.

    Attributes:
        group: the service, or the node of an auxiliary port.
        shared: True if every node is registered in the target group.
        healthy: number of healthy targets.
        all: number of targets.
        alb: the service whose Application Load Balancer is the only target; empty for other target
            groups.
        attached: True if the target group is directly behind the load balancer that Route 53
            evaluates; False if it is behind an Application Load Balancer in between.
    """

    group: str
    shared: bool
    healthy: int
    all: int
    alb: str = ""
    attached: bool = True


ClusterTargets = tuple[tuple[GroupCount, ...], str, str]
"""A cluster's target groups, its DNS name or address, and an error text (empty without one)."""
ReadTargets = Callable[[StackLocation], ClusterTargets]


@dataclass(frozen=True)
class Side:
    """One of the two failover records, and the cluster that the record answers with.

    Attributes:
        role: PRIMARY or SECONDARY.
        cluster: the cluster's name.
        target: the DNS name or address that the record answers with; empty if unknown.
        alias: True for an alias record; Route 53 then also evaluates the health of the load
            balancer.
        check: the record's health check; None if the record has no health check, or if the health
            check is not known.
        targets: the target groups of the cluster's load balancer.
        read: True if the record could be read.
        problems: what could not be read, and why.
    """

    role: Role
    cluster: str
    target: str
    alias: bool
    check: Route53Check | None
    targets: tuple[GroupCount, ...]
    read: bool
    problems: tuple[str, ...] = ()

    @property
    def checked(self) -> bool:
        """Return True if Route 53 evaluates the health of the cluster, and not only the switch."""
        return self.alias or (self.check is not None and self._own is not None)

    @property
    def state(self) -> str:
        """Return the cluster's state, from its health check and from its targets.

        The targets count for an alias record, and for a record whose health check does not check
        the cluster.
        """
        if not self.read:
            return UNKNOWN
        own = [self._own.state] if self._own else []
        if self.alias or not own:
            own.append(self._targets_state())
        return combined_state(own)

    @property
    def counts_as(self) -> str:
        """Return the state that Route 53 uses for the record; healthy without health checks."""
        if not self.read:
            return UNKNOWN
        states = [self.check.state] if self.check else []
        return combined_state([*states, *([self._targets_state()] if self.alias else [])])

    @property
    def reason(self) -> str:
        """Return the reason for the cluster's state."""
        parts = [self._own.reason] if self._own and self._own.state == self.state else []
        if self.alias or not self._own:
            if not self._own and not self.alias and self.read:
                parts.append("the record has no health check")
            parts += [
                f"{group.group}: {group.healthy} of {group.all} targets healthy"
                for group in self._without_healthy_target()
            ]
        if self.state == UNKNOWN:
            parts += self.problems
        return "; ".join(dict.fromkeys(parts))

    @property
    def _own(self) -> Route53Check | None:
        return self.check.without("switch") if self.check else None

    def _without_healthy_target(self) -> list[GroupCount]:
        """Return the required target groups without a healthy target.

        For an alias record, Route 53 requires a healthy target in every target group of the load
        balancer (AWS, Route 53 API, AliasTarget); it does not evaluate target groups behind a
        second load balancer. For other records, every service is required.
        """
        required = [
            group for group in self.targets if (group.attached if self.alias else group.shared)
        ]
        return [group for group in required if not group.healthy]

    def _targets_state(self) -> str:
        if not self.targets:
            return UNKNOWN
        return UNHEALTHY if self._without_healthy_target() else HEALTHY


@dataclass(frozen=True)
class Sides:
    """Both sides of a failover, and the switch that selects one of them."""

    primary: Side
    secondary: Side

    def of(self, role: Role) -> Side:
        """Return the side with a role, primary or secondary."""
        return self.primary if role == PRIMARY else self.secondary

    @property
    def both(self) -> tuple[Side, Side]:
        """Return the primary and the secondary side."""
        return self.primary, self.secondary

    @property
    def switch(self) -> Route53Check | None:
        """Return the switch's health check; None if the health check could not be read."""
        return self.primary.check.find("switch") if self.primary.check else None

    @property
    def switched_to(self) -> Role | None:
        """Return the role that the switch is set to; None if it is not known."""
        state = self.switch.state if self.switch else UNKNOWN
        if state == HEALTHY:
            return PRIMARY
        return SECONDARY if state == UNHEALTHY else None

    @property
    def answered(self) -> Role | None:
        """Return the role that Route 53 answers with by its rules; None if the role is not known.

        This is PRIMARY while the primary is healthy, else SECONDARY while the secondary is healthy,
        else PRIMARY (AWS, How Amazon Route 53 chooses records when health checking is configured).
        """
        primary, secondary = self.primary.counts_as, self.secondary.counts_as
        if primary == HEALTHY or secondary == UNHEALTHY:
            return PRIMARY
        return SECONDARY if (primary, secondary) == (UNHEALTHY, HEALTHY) else None


def read_sides(aws: Aws, site: FailoverLocation, targets_of: ReadTargets | None = None) -> Sides:
    """Read the primary and the secondary side of a failover from AWS.

    Args:
        aws: the credentials.
        site: location of the failover.
        targets_of: returns a cluster's target groups; None: read them from AWS.

    Raises:
        NoCredentials: There are no credentials.
        ExpiredCredentials: The credentials have expired.
    """
    look = targets_of or (lambda location: _targets(aws, location))
    pool = ThreadPoolExecutor(max_workers=len(ROLES))
    try:
        # Read the target groups in parallel with Route 53: an unavailable region must not delay the
        # calls to Route 53.
        known = {role: begin(pool, look, site.clusters[role]) for role in ROLES}
        records, problem = _records(aws, site)
        checks = dict(zip(ROLES, map_concurrently(_check(aws, site, records), ROLES), strict=True))
        primary, secondary = (
            _side(site, role, (records.get(role), checks[role], problem), known[role].result())
            for role in ROLES
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return Sides(primary, secondary)


def read_records(aws: Aws, site: FailoverLocation) -> Mapping[str, Any]:
    """Return the failover records by role, as Route 53 answers them.

    Raises:
        AwsError: AWS did not answer, or denied the call.
    """
    name = f"{site.endpoint}.".lower()
    with translated_errors():
        answer = aws.client("route53", site.region).list_resource_record_sets(
            HostedZoneId=site.zone_id, StartRecordName=site.endpoint
        )
        return {
            record["Failover"]: record
            for record in answer["ResourceRecordSets"]
            if record["Name"] == name and "Failover" in record
        }


def _records(aws: Aws, site: FailoverLocation) -> tuple[Mapping[str, Any], str]:
    """Return the failover records by role, and the reason if they cannot be read."""
    try:
        records = read_records(aws, site)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return {}, f"the records are unknown: {error}"
    if not records:
        return {}, f"there are no failover records {site.endpoint} in hosted zone {site.zone_id}"
    return records, ""


def _check(
    aws: Aws, site: FailoverLocation, records: Mapping[str, Any]
) -> Callable[[Role], Route53Check | None]:
    """Return a function that reads the health check of a role's record."""

    def read(role: Role) -> Route53Check | None:
        id_ = records.get(role, {}).get("HealthCheckId")
        return health_checks.read_check(aws, id_, site.region) if id_ else None

    return read


def _side(
    site: FailoverLocation,
    role: Role,
    read: tuple[Any, Route53Check | None, str],
    known: ClusterTargets,
) -> Side:
    location, (record, check, problem) = site.clusters[role], read
    problems = [problem] if problem else []
    targets, address, unseen = known
    if unseen:
        problems.append(unseen)
    return Side(
        role=role,
        cluster=location.name,
        target=record_name(record) or address,
        alias=bool(record and "AliasTarget" in record),
        check=check,
        targets=targets,
        read=record is not None,
        problems=tuple(problems),
    )


def record_name(record: Any) -> str:
    """Return the DNS name or address that a record answers with; empty without a record."""
    if not record:
        return ""
    if "AliasTarget" in record:
        name = str(record["AliasTarget"]["DNSName"])
    else:
        name = str(record["ResourceRecords"][0]["Value"])
    return name.rstrip(".").lower().removeprefix("dualstack.")


def _targets(aws: Aws, location: StackLocation) -> ClusterTargets:
    """Read the target groups of a cluster."""
    if location.unreachable:
        return (), "", f"the targets of {location.name} are unknown: {location.unreachable}"
    address = ""
    try:
        cluster = read_cluster(aws, location)
        address = record_target(cluster)
        seen = count_targets(target_health.read_groups_health(aws, cluster.groups))
    except (NoCredentials, ExpiredCredentials):
        raise
    except CommandError as error:
        return (), address, f"the targets of {location.name} are unknown: {error}"
    return seen, address, ""


def record_target(cluster: Cluster) -> str:
    """Return the value of a cluster's record: the load balancer's DNS name, or a node's address."""
    outputs = cluster.stack.outputs
    name = outputs.get(names.BALANCER_DNS_NAME) or outputs.get(names.NODE_ADDRESS, "")
    return name.lower()


def count_targets(groups: Iterable[target_health.GroupHealth]) -> tuple[GroupCount, ...]:
    """Count the healthy targets of each target group."""
    groups = tuple(groups)
    behind = {health.group.alb for health in groups} - {None}
    return tuple(
        GroupCount(
            health.group.key,
            health.group.service is not None,
            len(health.healthy),
            len(health.targets),
            alb=health.group.alb or "",
            attached=health.group.service is None or health.group.service not in behind,
        )
        for health in groups
    )
