"""Capacity Reservations of a deployed environment: new resources, counts that change in place."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError
from denodo_ha.environment.rules.quotas import max_resources
from denodo_ha.plan.node_changes import changes
from tests.support.assembly import Template, synthesise
from tests.support.configurations import IMAGE, Data, changed, minimal

KIND = "AWS::EC2::CapacityReservation"
CAPACITY = "clusters/main/capacity"
MACHINE = {"image": IMAGE, "type": "m5.xlarge", "disk_gib": 100, "first_boot": 2}


def template_of(folder: Path, data: Data, *, node2: dict[str, Any] | None = None) -> Template:
    folder.mkdir()
    file = folder / "environment.yaml"
    file.write_text(json.dumps(data))
    pins = {"main": {"node1": MACHINE, "node2": {**MACHINE, **(node2 or {})}}}
    (folder / "environment.pins.yaml").write_text(json.dumps(pins))
    loaded = load(file)
    template = synthesise(loaded, folder / "out").templates["test-main"]
    assert len(template["Resources"]) <= max_resources(loaded.environment, "main")
    return template


def places(template: Template) -> dict[str, tuple[str, str, int]]:
    """Return zone, instance type and count of each Capacity Reservation, by logical id."""
    return {
        id_: (
            resource["Properties"]["AvailabilityZone"],
            resource["Properties"]["InstanceType"],
            resource["Properties"]["InstanceCount"],
        )
        for id_, resource in template["Resources"].items()
        if resource["Type"] == KIND
    }


def test_a_deployed_environment_gets_new_resources_only(tmp_path: Path) -> None:
    without = template_of(tmp_path / "without", {**minimal(), "alarms": "none"})
    reserving = {**changed(minimal(), {CAPACITY: {"reserve": "running"}}), "alarms": "none"}
    running = template_of(tmp_path / "running", reserving)
    new = places(running)
    assert sorted(new.values()) == [("eu-west-1a", "m5.xlarge", 1), ("eu-west-1b", "m5.xlarge", 1)]
    for id_, resource in running["Resources"].items():
        if id_ not in new:
            before = without["Resources"][id_]
            assert {**resource, "DependsOn": None} == {**before, "DependsOn": None}
    assert {change.effect for change in changes(without, running)} == {Effect.NOTHING}

    # The count of a reservation changes in place. The pinned instance type of a node decides in
    # which reservation the node counts, as during a rollout.
    three = changed(reserving, {f"{CAPACITY}/reserve": 3})
    after = places(template_of(tmp_path / "three", three, node2={"type": "m7i.large"}))
    kept = new.keys() & after.keys()
    assert {after[id_] for id_ in kept} == {("eu-west-1a", "m5.xlarge", 3)}
    assert {after[id_] for id_ in after.keys() - kept} == {("eu-west-1b", "m7i.large", 3)}


@pytest.mark.parametrize("value", ["all", 0, 1001, True, 1.5, None, ["running"], {"count": 1}])
def test_other_values_have_one_error_with_the_remedy(tmp_path: Path, value: object) -> None:
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(changed(minimal(), {CAPACITY: {"reserve": value}})))
    with pytest.raises(ConfigError) as error:
        load(file)
    (problem,) = error.value.problems
    assert problem.path == ("clusters", "main", "capacity", "reserve")
    assert "write running, or a number from 1 to 1000" in str(problem)
