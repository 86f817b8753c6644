"""Situations: the failures that exist at the same time in clusters, alarms and health checks."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Final

from denodo_ha.drill.model.machines import Key


@dataclass(frozen=True)
class ClusterState:
    """The failures in one cluster; without arguments, nothing has failed.

    Attributes:
        lost_machines: machines that do not run.
        unready_nodes: nodes that run and are not ready.
        drained_nodes: nodes that are not registered with the shared target groups.
        closed_ports: ports of machines on which nothing listens.
        shifted_zones: zones from which a zonal shift moves traffic away, if a balancer allows it.
        lost_zones: Availability Zones that are lost.
        lost_balancers: balancers that are lost.
        region_lost: whether the region is lost.
        lost_databases: shared databases that do not answer until they are repaired.
        failing_over_databases: shared databases whose standby is taking over.
        license_manager_lost: whether the License Manager does not answer the nodes.
    """

    lost_machines: frozenset[Key] = frozenset()
    unready_nodes: frozenset[Key] = frozenset()
    drained_nodes: frozenset[Key] = frozenset()
    closed_ports: frozenset[tuple[Key, int]] = frozenset()
    shifted_zones: frozenset[str] = frozenset()
    lost_zones: frozenset[str] = frozenset()
    lost_balancers: frozenset[Key] = frozenset()
    region_lost: bool = False
    lost_databases: frozenset[Key] = frozenset()
    failing_over_databases: frozenset[Key] = frozenset()
    license_manager_lost: bool = False

    @cached_property
    def failed_machines(self) -> frozenset[Key]:
        """The machines that failed individually; machines in lost zones or regions are left out."""
        closed = frozenset(key for key, _ in self.closed_ports)
        return self.lost_machines | self.unready_nodes | self.drained_nodes | closed

    def __or__(self, other: "ClusterState") -> "ClusterState":
        """Return the failures of both states."""
        return ClusterState(
            **{
                field.name: getattr(self, field.name) | getattr(other, field.name)
                for field in fields(self)
            }
        )


NO_FAILURE: Final = ClusterState()


@dataclass(frozen=True)
class Situation:
    """The failures in all clusters, alarms and health checks; without arguments, no failure.

    Attributes:
        clusters: the state of each cluster with a failure.
        alarms_without_data: alarms whose metric has no data.
        thrown_switches: alarms of the switches that operators have thrown: each alarm has a
            datapoint beyond its threshold.
        unhealthy_checks: checks that report unhealthy, regardless of what they monitor.
        last_statuses: pairs of a health check and its last status before its alarm had no data.
    """

    clusters: tuple[tuple[str, ClusterState], ...] = ()
    alarms_without_data: frozenset[Key] = frozenset()
    thrown_switches: frozenset[Key] = frozenset()
    unhealthy_checks: frozenset[Key] = frozenset()
    last_statuses: tuple[tuple[Key, bool], ...] = ()

    def state_of(self, cluster: str) -> ClusterState:
        """Return the failures in a cluster."""
        return next((state for name, state in self.clusters if name == cluster), NO_FAILURE)

    def __or__(self, other: "Situation") -> "Situation":
        """Return the failures of both situations; last statuses of `other` take precedence."""
        names = dict.fromkeys(name for name, _ in (*self.clusters, *other.clusters))
        return Situation(
            tuple((name, self.state_of(name) | other.state_of(name)) for name in names),
            self.alarms_without_data | other.alarms_without_data,
            self.thrown_switches | other.thrown_switches,
            self.unhealthy_checks | other.unhealthy_checks,
            tuple({**dict(self.last_statuses), **dict(other.last_statuses)}.items()),
        )
