"""The two sides of a failover: what decides whether Route 53 answers with each, and why.

What cannot be read is unknown, with the reason: this is used when a region is lost.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import AwsError, ExpiredCredentials, NoCredentials
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import target_health
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.failover import health_checks
from denodo_ha.deployed.failover.health_checks import (
    HEALTHY,
    UNHEALTHY,
    UNKNOWN,
    Route53Check,
    combined_state,
)
from denodo_ha.deployed.failover.location import PRIMARY, SECONDARY, FailoverLocation, Role
from denodo_ha.environment import names


@dataclass(frozen=True)
class GroupCount:
    """What a cluster's balancer sees of a group.

    Attributes:
        group: the service, or the node of an auxiliary port.
        shared: whether every node is in it.
        healthy: how many targets are.
        all: how many there are.
        alb: the service whose second balancer is the only target; empty for other groups.
        attached: whether it hangs on the balancer that Route 53 knows, and not on a second one.
    """

    group: str
    shared: bool
    healthy: int
    all: int
    alb: str = ""
    attached: bool = True


ClusterTargets = tuple[tuple[GroupCount, ...], str, str]
"""The groups of a cluster, its name or address, and what could not be read."""
ReadTargets = Callable[[StackLocation], ClusterTargets]


@dataclass(frozen=True)
class Side:
    """One of the two records, and the cluster behind it.

    Attributes:
        role: PRIMARY or SECONDARY.
        cluster: the cluster's name.
        target: the name or address that the record answers with; empty if unknown.
        alias: whether it is an alias, whose targets Route 53 evaluates, too.
        check: the record's health check; None if it has none, or that is not known.
        targets: the groups of its balancer.
        read: whether the record could be read.
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
        """Whether Route 53 looks at the cluster at all, beside the switch."""
        return self.alias or (self.check is not None and self._own is not None)

    @property
    def state(self) -> str:
        """Whether the cluster is well by what Route 53 looks at; else by its targets."""
        if not self.read:
            return UNKNOWN
        own = [self._own.state] if self._own else []
        if self.alias or not own:
            own.append(self._targets_state())
        return combined_state(own)

    @property
    def counts_as(self) -> str:
        """What Route 53 takes the record for: with the switch, and healthy where nothing looks."""
        if not self.read:
            return UNKNOWN
        states = [self.check.state] if self.check else []
        return combined_state([*states, *([self._targets_state()] if self.alias else [])])

    @property
    def reason(self) -> str:
        """Why the cluster is as it is."""
        parts = [self._own.reason] if self._own and self._own.state == self.state else []
        if self.alias or not self._own:
            if not self._own and not self.alias and self.read:
                parts.append("no health check looks at it")
            parts += [
                f"{one.group}: {one.healthy} of {one.all} targets healthy" for one in self._dead()
            ]
        if self.state == UNKNOWN:
            parts += self.problems
        return "; ".join(dict.fromkeys(parts))

    @property
    def _own(self) -> Route53Check | None:
        return self.check.without("switch") if self.check else None

    def _dead(self) -> list[GroupCount]:
        """An alias needs every group (AWS, Route 53 API, AliasTarget), people every service.

        The alias does not see behind a second balancer.
        """
        dead = [one for one in self.targets if not one.healthy]
        return [one for one in dead if (one.attached if self.alias else one.shared)]

    def _targets_state(self) -> str:
        if not self.targets:
            return UNKNOWN
        return UNHEALTHY if self._dead() else HEALTHY


@dataclass(frozen=True)
class Sides:
    """Both sides and the switch between them."""

    primary: Side
    secondary: Side

    def of(self, role: Role) -> Side:
        """The side of a role."""
        return self.primary if role == PRIMARY else self.secondary

    @property
    def both(self) -> tuple[Side, Side]:
        """Primary, then secondary."""
        return self.primary, self.secondary

    @property
    def switch(self) -> Route53Check | None:
        """The switch's check; None if it could not be read."""
        return self.primary.check.find("switch") if self.primary.check else None

    @property
    def switched_to(self) -> Role | None:
        """Which side the switch is at; None if that is not known."""
        state = self.switch.state if self.switch else UNKNOWN
        if state == HEALTHY:
            return PRIMARY
        return SECONDARY if state == UNHEALTHY else None

    @property
    def answered(self) -> Role | None:
        """Which side Route 53 answers with by its rules; None if that is not known.

        PRIMARY while it is healthy, else SECONDARY while that is, else PRIMARY (AWS, How Amazon
        Route 53 chooses records when health checking is configured).
        """
        primary, secondary = self.primary.counts_as, self.secondary.counts_as
        if primary == HEALTHY or secondary == UNHEALTHY:
            return PRIMARY
        return SECONDARY if (primary, secondary) == (UNHEALTHY, HEALTHY) else None


def read_sides(aws: Aws, site: FailoverLocation, targets_of: ReadTargets | None = None) -> Sides:
    """Both sides as they are now.

    Args:
        aws: the credentials.
        site: the failover.
        targets_of: gives a cluster's groups where they were read already.

    Raises:
        NoCredentials: there are none.
        Expired: they are no longer valid.
    """
    problem = ""
    records: Mapping[str, Any] = {}
    try:
        records = _records(aws, site)
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        problem = f"the records are unknown: {error}"
    if not problem and not records:
        problem = f"there are no failover records {site.endpoint} in zone {site.zone_id}"

    def look(place: StackLocation) -> ClusterTargets:
        return _targets(aws, place)

    def side(role: Role) -> Side:
        known = (targets_of or look)(site.clusters[role])
        return _side(aws, site, role, (records.get(role), problem), known)

    roles: tuple[Role, Role] = (PRIMARY, SECONDARY)
    primary, secondary = map_concurrently(side, roles)
    return Sides(primary, secondary)


def _records(aws: Aws, site: FailoverLocation) -> dict[str, Any]:
    """The failover records by role."""
    with translated_errors():
        shown = aws.client("route53", site.region).list_resource_record_sets(
            HostedZoneId=site.zone_id, StartRecordName=site.endpoint
        )["ResourceRecordSets"]
    name = f"{site.endpoint}.".lower()
    return {one["Failover"]: one for one in shown if one["Name"] == name and "Failover" in one}


def _side(
    aws: Aws, site: FailoverLocation, role: Role, read: tuple[Any, str], known: ClusterTargets
) -> Side:
    place, (record, problem) = site.clusters[role], read
    problems = [problem] if problem else []
    check = None
    if record and "HealthCheckId" in record:
        check = health_checks.read_check(aws, record["HealthCheckId"], site.region)
    targets, address, unseen = known
    if unseen:
        problems.append(unseen)
    return Side(
        role=role,
        cluster=place.name,
        target=_target(record) or address,
        alias=bool(record and "AliasTarget" in record),
        check=check,
        targets=targets,
        read=record is not None,
        problems=tuple(problems),
    )


def _target(record: Any) -> str:
    if not record:
        return ""
    if "AliasTarget" in record:
        name = str(record["AliasTarget"]["DNSName"])
    else:
        name = str(record["ResourceRecords"][0]["Value"])
    return name.rstrip(".").lower().removeprefix("dualstack.")


def _targets(aws: Aws, place: StackLocation) -> ClusterTargets:
    """What is known of a cluster; asks AWS."""
    if place.unreachable:
        return (), "", f"the targets of {place.name} are unknown: {place.unreachable}"
    address = ""
    try:
        cluster = found.read_cluster(aws, place)
        address = record_target(cluster)
        seen = count_targets(target_health.read_groups_health(aws, cluster.groups))
    except (NoCredentials, ExpiredCredentials):
        raise
    except AwsError as error:
        return (), address, f"the targets of {place.name} are unknown: {error}"
    return seen, address, ""


def record_target(cluster: found.Cluster) -> str:
    """What a record of a cluster answers with: its balancer's name, or its node's address."""
    outputs = cluster.stack.outputs
    found_ = outputs.get(names.BALANCER_DNS_NAME) or outputs.get(names.NODE_ADDRESS, "")
    return found_.lower()


def count_targets(groups: Iterable[target_health.GroupHealth]) -> tuple[GroupCount, ...]:
    """How many targets of each group are healthy; some services are served by a second balancer."""
    groups = tuple(groups)
    behind = {one.group.alb for one in groups} - {None}
    return tuple(
        GroupCount(
            one.group.key,
            one.group.service is not None,
            len(one.healthy),
            len(one.targets),
            alb=one.group.alb or "",
            attached=one.group.service is None or one.group.service not in behind,
        )
        for one in groups
    )
