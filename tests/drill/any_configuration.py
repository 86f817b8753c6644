"""Drill policies hold for every configuration with `health: auto` and two zones per cluster."""

from pathlib import Path

from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.environment.derived.node_metadata import services_using_database
from denodo_ha.environment.model.environment import Environment
from tests.drill.sample_templates import violations
from tests.support.configurations import Data


def has_redundant_zones(data: Data) -> bool:
    """Return whether a configuration has `health: auto`, and nodes in two zones of each cluster."""
    return data.get("failover", {}).get("health", "auto") == "auto" and all(
        len({node["zone"] for node in cluster["nodes"].values()}) > 1
        for cluster in data["clusters"].values()
    )


def assert_policies_hold(environment: Environment, assembly: Path) -> None:
    """Assert that the drill of a cloud assembly finds no single failure that breaks a policy."""
    result = drill_paths([assembly])
    broken = violations(result)
    # A database without a standby, which users may choose, breaks `database-alone` and
    # `zone-unreachable`.
    chosen = _uses_database_without_standby(environment)
    assert set(broken) == ({"database-alone", "zone-unreachable"} if chosen else set()), broken
    # Each node has a zone. Other machines are not checked: a load balancer behind another load
    # balancer has no single zone.
    nodes = [machine for machine in result.model.machines.values() if machine.kind == "node"]
    assert [node for node in nodes if node.zone is None] == []


def _uses_database_without_standby(environment: Environment) -> bool:
    return any(
        not cluster.catalog.multi_az and services_using_database(environment, cluster)
        for cluster in environment.clusters.values()
        if cluster.catalog is not None and cluster.catalog.existing is None
    )
