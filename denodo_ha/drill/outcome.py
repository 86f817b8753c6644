"""The outcome of a failure as plain values: reachability, DNS changes, steps of recovery."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from denodo_ha.drill.model.notifications import SentNotification


class Reach(Enum):
    """The reach of a port: the share of new connections to it that succeed."""

    ALL = "all"
    SOME = "some"
    NONE = "none"
    UNKNOWN = "unknown"


def reach_of_alternatives(parts: Iterable[Reach]) -> Reach:
    """Return the reach of connections that are spread over several paths; `NONE` without a path."""
    first, mixed, unknown = None, False, False
    for part in parts:
        first = first or part
        mixed |= part is not first
        unknown |= part is Reach.UNKNOWN
    if unknown and mixed:
        return Reach.UNKNOWN
    return Reach.SOME if mixed else first or Reach.NONE


def reach_of_chain(first: Reach, second: Reach) -> Reach:
    """Return the reach of a connection that succeeds only if a second connection succeeds."""
    for worst in (Reach.NONE, Reach.UNKNOWN, Reach.SOME):
        if worst in (first, second):
            return worst
    return Reach.ALL


@dataclass(frozen=True)
class RecoveryStep:
    """One step of a recovery.

    Attributes:
        text: the name of the step.
        seconds: its longest duration.
        certain: its shortest duration; 0 if the step may end at once.
    """

    text: str
    seconds: int
    certain: int = field(default=0, compare=False)


RecoverySteps = tuple[RecoveryStep, ...]


def total_seconds(steps: Sequence[RecoveryStep]) -> int:
    """Return the sum of the seconds of steps."""
    return sum(step.seconds for step in steps)


def certain_seconds(steps: Sequence[RecoveryStep]) -> int:
    """Return the sum of the shortest durations of steps."""
    return sum(step.certain for step in steps)


def longest_steps(alternatives: Iterable[RecoverySteps]) -> RecoverySteps:
    """Return the alternative with the longest total time; the first one if several are equal."""
    return max(alternatives, key=total_seconds, default=())


@dataclass(frozen=True)
class Failure:
    """A failure.

    Attributes:
        kind: the kind of the failure, a key of `scenarios.FAILURE_KINDS`.
        cluster: the cluster, or clusters joined by commas; empty if the failure is in no cluster.
        name: the part of the cluster that fails.
    """

    kind: str
    cluster: str
    name: str

    def __str__(self) -> str:
        """Return the failure in the form that the verdicts on policies contain."""
        return " ".join(part for part in (self.kind, self.cluster, self.name) if part)

    @property
    def clusters(self) -> list[str]:
        """Names of the clusters in which the failure is; empty for a failure outside clusters."""
        return [name for name in self.cluster.split(", ") if name]


@dataclass(frozen=True)
class ReachGap:
    """A port that some or all new connections do not reach, at one address of a name.

    Attributes:
        through: a failover name, or the name of a cluster whose balancer or node clients use
            directly.
        port: the service's port.
        address: the zone of the balancer's address, empty where DNS has no address.
        reach: the share of the connections that succeed.
    """

    through: str
    port: int
    address: str
    reach: Reach


@dataclass(frozen=True)
class DnsChange:
    """The clusters to which a failover name resolves before and after a failure.

    Attributes:
        name: the failover name.
        before: the cluster before the failure.
        after: the cluster after the failure.
        standby: whether the cluster to which DNS does not resolve is healthy, so that DNS could
            fail over to it.
    """

    name: str
    before: str
    after: str
    standby: bool = True


@dataclass(frozen=True)
class Outcome:
    """The outcome of a failure, under the worst assumptions about the open points.

    Attributes:
        failure: the failure.
        dns_changes: the DNS answers for the affected failover names.
        unreachable: ports that no new connection reaches through the names that clients use.
        partial: ports that only some new connections reach.
        unknown: ports whose reach cannot be determined from the templates.
        gaps: the ports that some or all connections do not reach: one entry for each name and
            address.
        recovery: seconds until all new connections succeed; None if some connections fail until
            a repair.
        steps: the steps of which `recovery` is the sum.
        after_repair: a sentence that says what happens after the repair.
        interpretations: texts on assumptions about open points that lead to another outcome.
        interrupted: ports that are not served while a shared database fails over.
        notifications: the notifications that operators get, which are not an effect on clients.
        load_percent: the highest load of a serving node, in percent of its load without the
            failure.
    """

    failure: Failure
    dns_changes: tuple[DnsChange, ...] = ()
    unreachable: tuple[int, ...] = ()
    partial: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    gaps: tuple[ReachGap, ...] = ()
    recovery: int | None = 0
    steps: RecoverySteps = ()
    after_repair: str = ""
    interpretations: tuple[str, ...] = ()
    interrupted: tuple[int, ...] = ()
    load_percent: int = 100
    notifications: tuple[SentNotification, ...] = field(default=(), compare=False)

    @property
    def takes_redundancy(self) -> bool:
        """Return whether clients notice the failure, a node has more load, or a standby fails."""
        changes_clients = self.unreachable or self.partial or self.interrupted or self.moves_site
        standby_lost = any(not change.standby for change in self.dns_changes)
        return bool(
            changes_clients or self.recovery != 0 or self.load_percent > 100 or standby_lost
        )

    @property
    def moves_site(self) -> bool:
        """Return whether a failover name now resolves to a different cluster."""
        return any(change.before != change.after for change in self.dns_changes)

    @property
    def severity(self) -> tuple[int, bool, int, int, float]:
        """The severity as a sort key: greater means more severe."""
        return (
            len(self.unreachable),
            self.moves_site,
            len(self.partial),
            len(self.unknown),
            float("inf") if self.recovery is None else self.recovery,
        )

    @property
    def effect(self) -> "Outcome":
        """This outcome without its failure: equal for all failures that have the same effect."""
        return replace(self, failure=Failure("", "", ""))

    @property
    def summary(self) -> str:
        """A short description of the outcome, for the texts in `interpretations`."""
        parts = []
        if self.moves_site:
            parts.append(", ".join(f"DNS moves to {change.after}" for change in self.dns_changes))
        elif self.dns_changes:
            parts.append("DNS does not fail over")
        if self.unreachable:
            parts.append(f"{', '.join(map(str, self.unreachable))} unreachable")
        if self.recovery is not None:
            parts.append(f"{self.recovery} s")
        return ", ".join(parts) or "the same"
