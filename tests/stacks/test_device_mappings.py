"""The device mappings of instances that exist never change: EC2 would replace the instances."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from denodo_ha.deployed.node_pins import pin_of
from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.model.pins import (
    MACHINE_KEYS,
    Pin,
    configured_machine,
    pinned_machine,
    pins_file,
)
from denodo_ha.rollout import pins_file as pins_text
from tests.support.assembly import ROOT, Assembly, synthesise

Data = dict[str, Any]
_DISK = {"data_disk_gib": 40, "data_disk_path": "/data"}
_DEVICE_KEYS = ("root_device", "disk_gib", "data_disk_gib", "kms_key")
"""Keys of a machine from which the device mappings are made."""


def _data(example: str) -> Data:
    text = (ROOT / "config/examples" / f"{example}.yaml").read_text()
    return dict(YAML(typ="safe").load(text))


def _switched(data: Data, *, clusters: Callable[[str], bool]) -> Data:
    """Return a configuration in which some clusters have a data disk, and the others have none."""
    for name, cluster in data["clusters"].items():
        for owner in (cluster, *cluster["nodes"].values()):
            if machine := (owner or {}).get("instance"):
                machine.pop("data_disk_gib", None)
                machine.pop("data_disk_path", None)
        if cluster.get("instance") and clusters(name):
            cluster["instance"] |= _DISK
    return data


def _instances(assembly: Assembly) -> Iterator[tuple[str, str, Data]]:
    """Yield cluster, node and properties of each instance of a node."""
    for stack in assembly.templates:
        for properties in assembly.resources(stack, "AWS::EC2::Instance").values():
            node, cluster = (
                str(resource_tag(properties, tag)) for tag in (names.NODE_TAG, names.CLUSTER_TAG)
            )
            yield cluster, node, properties


def _pins(assembly: Assembly) -> dict[str, dict[str, Pin]]:
    pins: dict[str, dict[str, Pin]] = {}
    for cluster, node, properties in _instances(assembly):
        pins.setdefault(cluster, {})[node] = pin_of(node, properties)
    return pins


def _loaded(folder: Path, data: Data, pins: dict[str, dict[str, Pin]]) -> Loaded:
    file = folder / "environment.yaml"
    file.write_text(json.dumps(data))
    pins_text.write(pins_file(file), pins_text.changed("", pins))
    return load(file)


def _configured(loaded: Loaded) -> dict[str, dict[str, Pin]]:
    """Return the pins of nodes that were created with a configuration."""
    pins: dict[str, dict[str, Pin]] = {}
    for name, cluster in loaded.environment.clusters.items():
        for node, settings in cluster.nodes.items():
            machine = configured_machine(cluster.instance, settings)
            if machine is not None and settings.instance_id is None:
                values = {key: getattr(machine, key) for key in MACHINE_KEYS}
                pins.setdefault(name, {})[node] = Pin.model_validate(values)
    return pins


@pytest.mark.parametrize("was_on", [True, False])
def test_a_deployed_node_keeps_the_disks_that_it_has(
    example: str, tmp_path: Path, *, was_on: bool
) -> None:
    """Every example: no machine changes if the data disk is switched on or off."""
    before = _switched(_data(example), clusters=lambda _: was_on)
    deployed = _configured(_loaded(tmp_path, before, {}))
    after = _switched(before, clusters=lambda _: not was_on)
    loaded = _loaded(tmp_path, after, deployed)
    for cluster, pins in deployed.items():
        settings = loaded.environment.clusters[cluster]
        for node, pin in pins.items():
            configured = configured_machine(settings.instance, settings.nodes[node])
            assert configured is not None
            assert (configured.data_disk_gib is None) is was_on
            machine = pinned_machine(configured, loaded.pins.of(cluster, node))
            for key in _DEVICE_KEYS:
                assert getattr(machine, key) == getattr(pin, key), (cluster, node, key)


def test_the_templates_keep_the_mappings_of_instances_that_exist(tmp_path: Path) -> None:
    """No mapping changes if one cluster gets a data disk and the other one loses its own."""
    (before, after) = (tmp_path / "before", tmp_path / "after")
    before.mkdir()
    after.mkdir()
    data = _switched(_data("active-passive"), clusters=lambda name: name == "active")
    deployed = synthesise(_loaded(before, data, {}), before / "out")
    data = _switched(_data("active-passive"), clusters=lambda name: name != "active")
    synthesised = synthesise(_loaded(after, data, _pins(deployed)), after / "out")
    mappings = [
        {(cluster, node): one["BlockDeviceMappings"] for cluster, node, one in _instances(assembly)}
        for assembly in (deployed, synthesised)
    ]
    assert {len(mapping) for mapping in mappings[0].values()} == {1, 2}
    assert mappings[0] == mappings[1]
