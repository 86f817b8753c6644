"""The generation of a pin changes the logical id of one instance, and nothing else."""

import json
from pathlib import Path

from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.names import generation_of_instance, instance_of_generation
from denodo_ha.plan.node_changes import changes
from tests.support.assembly import ROOT, Template, synthesise

EXAMPLE = ROOT / "config/examples/active-passive.yaml"
STACK = "denodo70-active"
MACHINE = {"image": "ami-0123456789abcdef0", "type": "m5.xlarge", "disk_gib": 100, "first_boot": 2}


def template_of(folder: Path, *, node2: dict[str, object]) -> Template:
    folder.mkdir()
    file = folder / "environment.yaml"
    file.write_text(EXAMPLE.read_text())
    pins = {"active": {"node1": MACHINE, "node2": {**MACHINE, **node2}}}
    (folder / "environment.pins.yaml").write_text(json.dumps(pins))
    return synthesise(load(file), folder / "out").templates[STACK]


def test_only_the_logical_id_of_this_instance_changes(tmp_path: Path) -> None:
    before = template_of(tmp_path / "first", node2={})
    after = template_of(tmp_path / "third", node2={"generation": 3})
    old = before["Outputs"]["NodeIdnode2"]["Value"]["Ref"]
    new = after["Outputs"]["NodeIdnode2"]["Value"]["Ref"]
    assert new == f"{old}G3"
    assert after["Resources"][new]["Properties"] == before["Resources"][old]["Properties"]
    # The instance signals its creation by its logical id, which is in the node's desired state.
    assert json.dumps(after) == json.dumps(before).replace(old, new)
    effects = {change.node: (change.effect, change.why) for change in changes(before, after)}
    assert effects["node1"] == (Effect.NOTHING, ())
    effect, why = effects["node2"]
    assert (effect, why[0]) == (Effect.REPLACEMENT, "generation 1 -> 3")


def test_a_generation_is_read_from_the_logical_id() -> None:
    for id_, generation in (
        ("nodenode1InstanceAB12CD34", 1),
        ("nodenodeG7Instance1234ABCD", 1),
        ("nodenode1InstanceAB12CD34G2", 2),
        ("nodenode1InstanceAB12CD34G9999", 9999),
    ):
        assert generation_of_instance(id_) == generation
        first = id_.removesuffix(f"G{generation}")
        assert instance_of_generation(first, generation) == id_
