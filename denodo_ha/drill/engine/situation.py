"""What has failed, and how AWS's open points are read."""

from dataclasses import dataclass, fields
from itertools import product
from typing import Final

from denodo_ha.drill.model import Key


@dataclass(frozen=True)
class ClusterState:
    """What has failed in one cluster; by default nothing.

    Attributes:
        dead: machines that are gone.
        promoting: nodes that are alive and not ready.
        drained: nodes out of the shared groups.
        closed: ports of machines on which nothing listens.
        zones: zones that are gone.
        balancers: balancers that are gone.
        region: whether the region is gone.
        databases: shared databases that don't answer until they are mended.
        failing_over: shared databases whose standby takes over.
    """

    dead: frozenset[Key] = frozenset()
    promoting: frozenset[Key] = frozenset()
    drained: frozenset[Key] = frozenset()
    closed: frozenset[tuple[Key, int]] = frozenset()
    zones: frozenset[str] = frozenset()
    balancers: frozenset[Key] = frozenset()
    region: bool = False
    databases: frozenset[Key] = frozenset()
    failing_over: frozenset[Key] = frozenset()

    def __or__(self, other: "ClusterState") -> "ClusterState":
        """Both at once."""
        return ClusterState(
            **{one.name: getattr(self, one.name) | getattr(other, one.name) for one in fields(self)}
        )


WELL: Final = ClusterState()


@dataclass(frozen=True)
class Situation:
    """What has failed everywhere; by default nothing.

    Attributes:
        clusters: what has failed, by cluster.
        silent: alarms whose metric reports nothing.
        thrown: alarms of switches with a datapoint beyond their threshold.
        unhealthy: checks that report unhealthy whatever they check.
        last: checks with the status that they had when there was data.
    """

    clusters: tuple[tuple[str, ClusterState], ...] = ()
    silent: frozenset[Key] = frozenset()
    thrown: frozenset[Key] = frozenset()
    unhealthy: frozenset[Key] = frozenset()
    last: tuple[tuple[Key, bool], ...] = ()

    def of(self, cluster: str) -> ClusterState:
        """What has failed in a cluster."""
        return next((state for name, state in self.clusters if name == cluster), WELL)

    def __or__(self, other: "Situation") -> "Situation":
        """Both at once; the other's last known status counts."""
        names = dict.fromkeys(name for name, _ in (*self.clusters, *other.clusters))
        return Situation(
            tuple((name, self.of(name) | other.of(name)) for name in names),
            self.silent | other.silent,
            self.thrown | other.thrown,
            self.unhealthy | other.unhealthy,
            tuple({**dict(self.last), **dict(other.last)}.items()),
        )


@dataclass(frozen=True)
class Reading:
    """How the points are read that AWS's documents leave open.

    Attributes:
        threshold_for_alias: an alias that evaluates health goes by a group's DNS thresholds, and
            not by "a healthy target in every group" alone.
        zones_count_all: with cross-zone on, each zone reports the healthy targets of all zones,
            and not those of its own.
        missing_by_alarm: without data a metric check goes by the alarm's TreatMissingData, and not
            by its own setting alone.
        some_is_healthy: an endpoint check is healthy when some of its connections succeed.
    """

    threshold_for_alias: bool = False
    zones_count_all: bool = False
    missing_by_alarm: bool = False
    some_is_healthy: bool = False


OPEN_POINTS: Final = {
    "threshold_for_alias": (
        "EvaluateTargetHealth counts a group whatever its dns_failover settings are",
        "EvaluateTargetHealth goes by a group's dns_failover settings",
    ),
    "zones_count_all": (
        "each zone's HealthyHostCount is of its own targets",
        "each zone's HealthyHostCount is of all targets",
    ),
    "missing_by_alarm": (
        "without data the health check's InsufficientDataHealthStatus counts",
        "without data the alarm's TreatMissingData counts",
    ),
    "some_is_healthy": (
        "an endpoint check fails when some connections do",
        "an endpoint check passes when some connections do",
    ),
}
"""Each open point's two readings, in words: first for False, then for True."""


def readings(points: frozenset[str]) -> tuple[Reading, ...]:
    """Every way to read the given open points."""
    names = sorted(points)
    return tuple(
        Reading(**dict(zip(names, chosen, strict=True)))
        for chosen in product((False, True), repeat=len(names))
    )
