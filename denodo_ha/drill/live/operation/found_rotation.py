"""Rotation of nodes of a found cluster: drain records replace the data of a stack."""

from dataclasses import dataclass

from denodo_ha.deployed import target_health
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.rotation import Entrance
from denodo_ha.deployed.rotation.target_group_rotation import (
    TargetGroupRotation,
    is_registered,
    shared_groups,
)
from denodo_ha.deployed.target_health import GroupHealth
from denodo_ha.drill.live.operation.drain_record import (
    DrainRecord,
    remove_record,
    write_record,
)
from denodo_ha.drill.live.operation.found_site import FoundCluster
from denodo_ha.environment.names import DRAINED_FROM_TAG_PREFIX

_NOT_IN_USE = "Target.NotInUse"


@dataclass(frozen=True)
class FoundRotation(TargetGroupRotation):
    """Rotation of the nodes of a found cluster.

    Attributes:
        found: the cluster with the drain records of its nodes.
    """

    found: FoundCluster

    def missing_entrances(self, node: str) -> tuple[Entrance, ...]:
        """Return the target groups in which a registration of a node is missing."""
        groups = self.cluster.groups_of(node)
        return tuple(
            Entrance(health.group.arn, health.group.key)
            for health in target_health.read_groups_health(self.aws, groups)
            if not self._expected(health, node)
            <= {(target.id, target.port) for target in health.targets if is_registered(target)}
        )

    def write_drain_tag(self, node: str, tag: DrainTag) -> None:
        """Write the drain tag and the drain record of a node, before it is taken out of service."""
        ports = {
            group.logical_id: [target.port for target in group.targets if target.node == node]
            for group in shared_groups(self.cluster, node)
        }
        region, instance_id = self._instance(node)
        outdated = self._record(node).keys
        write_record(self.aws, region, instance_id, tag, ports, outdated=outdated)

    def remove_drain_tag(self, node: str) -> None:
        """Remove the drain tag and the drain record of a node."""
        region, instance_id = self._instance(node)
        keys = {
            f"{DRAINED_FROM_TAG_PREFIX}{group.logical_id}"
            for group in shared_groups(self.cluster, node)
        }
        remove_record(self.aws, region, instance_id, keys | self._record(node).keys)

    def hold_watchdog(self, node: str, tag: DrainTag) -> None:
        """Do nothing: the nodes of a found cluster have no watchdog of this project."""

    def release_watchdog(self, node: str) -> None:
        """Do nothing: the nodes of a found cluster have no watchdog of this project."""

    def _is_healthy(self, group: GroupHealth, node: str) -> bool:
        """Return whether a node's registrations in a target group are healthy or need no check.

        A target group that no listener uses has no health checks.
        """
        healthy = {
            (target.id, target.port)
            for target in group.targets
            if target.state == target_health.HEALTHY or target.reason == _NOT_IN_USE
        }
        return self._expected(group, node) <= healthy

    def _expected(self, group: GroupHealth, node: str) -> set[tuple[str, int]]:
        targets = group.group.targets
        return {(target.id, target.port) for target in targets if target.node == node}

    def _instance(self, node: str) -> tuple[str, str]:
        return self.cluster.location.region, self.cluster.node(node).instance_id

    def _record(self, node: str) -> DrainRecord:
        return self.found.record(self.cluster.node(node).instance_id)
