"""The policies hold for every configuration with the setting `health: auto`."""

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, settings

from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.environment.derived.node_metadata import services_using_database
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.environment import Environment
from tests.drill.sample_templates import violations
from tests.strategies import environments
from tests.support.assembly import synthesise
from tests.support.configurations import Data

_SYNTH = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    # Failing examples are not shrunk, because every attempt would need a synthesis.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def uses_database_without_standby(environment: Environment) -> bool:
    return any(
        not cluster.catalog.multi_az and services_using_database(environment, cluster)
        for cluster in environment.clusters.values()
        if cluster.catalog is not None and cluster.catalog.existing is None
    )


@_SYNTH
@given(data=environments.environments())
def test_with_auto_the_policies_hold_for_two_nodes_in_two_zones(data: Data) -> None:
    assume(data.get("failover", {}).get("health", "auto") == "auto")
    for cluster in data["clusters"].values():
        assume(len({node["zone"] for node in cluster["nodes"].values()}) > 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "environment.yaml"
        file.write_text(json.dumps(data, indent=1))
        loaded = load(file)
        synthesise(loaded, Path(folder) / "out")
        result = drill_paths([Path(folder) / "out"])
    broken = violations(result)
    # A database without a standby, which users may choose, breaks these policies.
    chosen = uses_database_without_standby(loaded.environment)
    assert set(broken) == ({"database-alone", "zone-unreachable"} if chosen else set()), broken
    # Only nodes are checked: a load balancer behind another load balancer has no single zone.
    nodes = [machine for machine in result.model.machines.values() if machine.kind == "node"]
    assert [node for node in nodes if node.zone is None] == []
