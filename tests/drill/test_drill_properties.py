"""What holds for every configuration that leaves the choice of health to `auto`."""

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, assume, given, settings

from config.load import load
from ops.drill.drilled import drill_paths
from ops.drill.policies import judge
from tests import shapes
from tests.assembly import synthesise
from tests.configurations import Data

_SYNTH = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    # To make a failure smaller takes a synth for every step.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@_SYNTH
@given(data=shapes.environments())
def test_with_auto_the_policies_hold_for_two_nodes_in_two_zones(data: Data) -> None:
    assume(data.get("failover", {}).get("health", "auto") == "auto")
    for cluster in data["clusters"].values():
        assume(len({node["zone"] for node in cluster["nodes"].values()}) > 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "environment.yaml"
        file.write_text(json.dumps(data, indent=1))
        synthesise(load(file), Path(folder) / "out")
        found = drill_paths([Path(folder) / "out"])
    verdicts = judge(found, max_recovery=None, min_secondary=1)
    assert {one.policy.id: one.broken_by for one in verdicts if not one.holds} == {}
    # A balancer behind a balancer is in no zone of its own.
    nodes = [one for one in found.model.nodes.values() if one.kind == "node"]
    assert all(None not in (node.zone, node.name) for node in nodes)
