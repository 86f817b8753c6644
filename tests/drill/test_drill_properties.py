"""What holds for every configuration that leaves the choice of health to `auto`."""

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, settings

from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.drill.policies import apply_policies
from denodo_ha.environment.derived.node_metadata import services_using_database
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.model.environment import Environment
from tests.strategies import environments
from tests.support.assembly import synthesise
from tests.support.configurations import Data

_SYNTH = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    # To make a failure smaller takes a synth for every step.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def without_standby(environment: Environment) -> bool:
    """Whether services need a database that has none."""
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
        found = drill_paths([Path(folder) / "out"])
    verdicts = apply_policies(found, max_recovery=None, min_secondary=1)
    broken = {one.policy.id: one.violations for one in verdicts if not one.holds}
    # Who has a database without a standby has chosen what breaks these.
    alone = {"database-alone", "zone-unreachable"} if without_standby(loaded.environment) else set()
    assert broken.keys() == alone, broken
    # A balancer behind a balancer is in no zone of its own.
    nodes = [one for one in found.model.machines.values() if one.kind == "node"]
    assert [one for one in nodes if one.zone is None] == []
