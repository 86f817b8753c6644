"""Pins beside a configuration determine the machines of existing nodes."""

from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError, Problem, Severity
from denodo_ha.environment.model.pins import (
    MACHINE_KEYS,
    NO_PINS,
    Pins,
    configured_machine,
    pinned_machine,
    pins_file,
)
from tests.support.configurations import (
    IMAGE,
    UUID,
    Data,
    changed,
    findings,
    given_network,
    loaded,
    minimal,
    write,
)

OLD = "ami-0fedcba9876543210"
PIN: Data = {"image": IMAGE, "type": "m5.xlarge", "disk_gib": 100}
BOTH: Data = {"main": {"node1": PIN, "node2": PIN}}
DIFFERENCES: tuple[tuple[str, object, str], ...] = (
    ("image", OLD, f"image {OLD} -> {IMAGE}"),
    ("type", "m5.large", "type m5.large -> m5.xlarge"),
    ("disk_gib", 50, "disk_gib 50 -> 100"),
    ("root_device", "/dev/sda1", "root_device /dev/sda1 -> /dev/xvda"),
    ("data_disk_gib", 50, "data_disk_gib 50 -> none"),
    ("key", "denodo", "key denodo -> none"),
    (
        "kms_key",
        f"arn:aws:kms:eu-west-1:111122223333:key/{UUID}",
        f"kms_key arn:aws:kms:eu-west-1:111122223333:key/{UUID} -> none",
    ),
)
"""A key of a pin, a value that differs from the configuration's value, and the text about it in the
note."""


def told(folder: Path, data: Data, pins: Any) -> list[Problem]:
    """Return the findings of the rules `no-pins`, `stale-pin` and `waiting-for-rollout`."""
    rules = ("no-pins", "stale-pin", "waiting-for-rollout")
    return [finding for finding in findings(folder, data, pins=pins) if finding.rule in rules]


def refused(folder: Path, pins: Any) -> list[str]:
    """Return the errors of a pins file, without the path of the file's folder."""
    with pytest.raises(ConfigError) as caught:
        load(write(folder, minimal(), pins=pins))
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


class TestFile:
    """Location of the pins file, and its allowed content."""

    def test_lies_beside_the_configuration(self) -> None:
        assert pins_file(Path("config/prod.yaml")) == Path("config/prod.pins.yaml")
        assert pins_file(Path("prod.eu.yml")) == Path("prod.eu.pins.yaml")

    def test_none_is_warned_about(self, tmp_path: Path) -> None:
        (problem,) = told(tmp_path, minimal(), None)
        assert (problem.rule, problem.severity) == ("no-pins", Severity.WARNING)
        assert str(problem).endswith(
            "clusters: has no pins file beside this configuration file; a change of type, image or "
            "disk would replace or restart every node in one deploy, which takes the cluster down; "
            "after the first deploy, write the values of the nodes to NAME.pins.yaml beside this "
            "file (see docs/reference/pins.md), and commit the pins file"
        )
        assert loaded(tmp_path, minimal()).pins == NO_PINS

    def test_none_is_fine_where_nothing_is_created(self, tmp_path: Path) -> None:
        node = {"zone": "eu-west-1a", "instance_id": "i-01234567"}
        data = changed(
            minimal(),
            {
                "clusters/main/network": {**given_network(), "cidr": "10.0.0.0/16"},
                "clusters/main/nodes": {"node1": node},
            },
        )
        assert told(tmp_path, data, None) == []

    @pytest.mark.parametrize("content", ["", "# no pins yet\n", "{}\n", "null\n", "main: {}\n"])
    def test_empty_one_is_fine(self, tmp_path: Path, content: str) -> None:
        assert told(tmp_path, minimal(), content) == []
        assert loaded(tmp_path, minimal(), pins=content).pins.of("main", "node1") is None

    def test_order_of_keys_is_nothing(self, tmp_path: Path) -> None:
        turned = {
            "main": {name: dict(reversed(PIN.items())) for name in ("node2", "node1")},
        }
        assert loaded(tmp_path, minimal(), pins=turned).pins == (
            loaded(tmp_path, minimal(), pins=BOTH).pins
        )


class TestErrors:
    """An error in the pins file is located in that file."""

    @pytest.mark.parametrize(
        ("pins", "message"),
        [
            (
                "main:\n  node1: {image: latest, type: m5.xlarge, disk_gib: 100}\n",
                "environment.pins.yaml:2:18: main.node1.image: is not the id of a machine image (l",
            ),
            (
                f"main:\n  node1:\n    image: {IMAGE}\n    type: m5.xlarge\n    disk: 100\n",
                "environment.pins.yaml:5:5: main.node1.disk: is an unknown key (100);",
            ),
            (
                f"main:\n  node1: {{image: {IMAGE}, type: m5.xlarge}}\n",
                "environment.pins.yaml:2:3: main.node1.disk_gib: is missing; size of the root disk",
            ),
            (
                f"main:\n  n_1: {{image: {IMAGE}, type: m5.xlarge, disk_gib: 100}}\n",
                "environment.pins.yaml:2:3: main.n_1: is not a name for a node (n_1);",
            ),
            ("- main\n", "environment.pins.yaml:1:1: is not a map (a list);"),
            ("main: 5\n", "environment.pins.yaml:1:7: main: is not a map (5);"),
            ("main: [\n", "environment.pins.yaml:2:1: the file is not YAML:"),
            ("main: {}\nmain: {}\n", "environment.pins.yaml:2:1: main: is a repeated key: the"),
            (b"\xff", "environment.pins.yaml:1:1: the file can't be read (byte 0 is not UTF-8);"),
        ],
    )
    def test_is_said_once_and_with_its_place(self, tmp_path: Path, pins: Any, message: str) -> None:
        (error,) = refused(tmp_path, pins)
        assert error.startswith(message)

    def test_folder_in_its_place(self, tmp_path: Path) -> None:
        file = write(tmp_path, minimal())
        pins_file(file).mkdir()
        with pytest.raises(ConfigError, match=r"pins.yaml:1:1: the file can't be read \(Is a dir"):
            load(file)

    def test_of_both_files_come_together(self, tmp_path: Path) -> None:
        data = changed(minimal(), {"name": "Upper", "clusters/main/balancer/kind": "haproxy"})
        with pytest.raises(ConfigError) as caught:
            load(write(tmp_path, data, pins={"main": {"node1": {**PIN, "image": "latest"}}}))
        assert [(Path(item.file).name, item.path) for item in caught.value.problems] == [
            ("environment.pins.yaml", ("main", "node1", "image")),
            ("environment.yaml", ("name",)),
            ("environment.yaml", ("clusters", "main", "balancer", "haproxy", "instance")),
        ]


class TestStale:
    """An unused pin causes a warning at its position in the pins file."""

    @pytest.mark.parametrize(
        ("pins", "message"),
        [
            ({**BOTH, "other": {}}, ":10:1: other: is not a cluster of the configuration (other);"),
            (
                {"main": {"node1": PIN, "gone": PIN}},
                ":6:3: main.gone: is not a node of the configuration (gone);",
            ),
        ],
    )
    def test_is_warned_about(self, tmp_path: Path, pins: Data, message: str) -> None:
        (problem,) = told(tmp_path, minimal(), pins)
        assert (problem.rule, problem.severity) == ("stale-pin", Severity.WARNING)
        assert str(problem).startswith(f"{tmp_path}/environment.pins.yaml{message}")
        assert "would apply to a new node with that name; remove the pin" in str(problem)

    def test_of_an_instance_that_exists_is_stale(self, tmp_path: Path) -> None:
        data = changed(
            minimal(),
            {
                "clusters/main/network": {**given_network(), "cidr": "10.0.0.0/16"},
                "clusters/main/nodes/node1/instance_id": "i-01234567",
            },
        )
        (problem,) = told(tmp_path, data, BOTH)
        assert problem.rule == "stale-pin"
        assert "main.node1: is an existing instance, which needs no pin (node1);" in str(problem)


class TestRollout:
    """A changed configuration has no effect on an existing node until a rollout moves its pin."""

    def test_nothing_waits_where_pins_and_configuration_agree(self, tmp_path: Path) -> None:
        assert told(tmp_path, minimal(), BOTH) == []

    @pytest.mark.parametrize(("key", "value", "difference"), DIFFERENCES)
    def test_difference_is_noted(
        self, tmp_path: Path, key: str, value: object, difference: str
    ) -> None:
        pins = {"main": {"node1": {**PIN, key: value}, "node2": PIN}}
        (problem,) = told(tmp_path, minimal(), pins)
        assert (problem.rule, problem.severity) == ("waiting-for-rollout", Severity.NOTE)
        assert str(problem) == (
            f"{tmp_path}/environment.yaml:19:7: clusters.main.nodes.node1: must be changed by "
            f"a rollout; the pin keeps the node's current values: {difference}; change the "
            "pins of one node at a time, and deploy after each change"
        )

    def test_every_key_of_a_machine_is_compared(self) -> None:
        assert {key for key, _, _ in DIFFERENCES} == set(MACHINE_KEYS)

    def test_several_differences_are_one_note(self, tmp_path: Path) -> None:
        pins = {"main": {"node1": {**PIN, "image": OLD, "type": "m5.large"}, "node2": PIN}}
        (problem,) = told(tmp_path, minimal(), pins)
        assert f"image {OLD} -> {IMAGE}, type m5.large -> m5.xlarge;" in str(problem)

    def test_override_of_a_node_is_what_is_wanted(self, tmp_path: Path) -> None:
        data = changed(minimal(), {"clusters/main/nodes/node1/instance": {"type": "m5.4xlarge"}})
        (problem,) = told(tmp_path, data, BOTH)
        assert "clusters.main.nodes.node1: must be changed by a rollout" in str(problem)
        assert "type m5.xlarge -> m5.4xlarge;" in str(problem)

    def test_new_node_waits_for_nothing(self, tmp_path: Path) -> None:
        assert told(tmp_path, minimal(), {"main": {"node1": PIN}}) == []


class TestMachine:
    """Instance of a synthesised node, whose properties come from its pin."""

    def test_pinned_node_keeps_what_it_runs(self, tmp_path: Path) -> None:
        data = changed(
            minimal(), {"clusters/main/instance/role_policies": ["arn:aws:iam::aws:policy/Read"]}
        )
        pins = {"main": {"node1": {**PIN, "image": OLD, "data_disk_gib": 7}}}
        result = loaded(tmp_path, data, pins=pins)
        cluster = result.environment.clusters["main"]
        machine = configured_machine(cluster.instance, cluster.nodes["node1"])
        assert machine is not None
        node1 = pinned_machine(machine, result.pins.of("main", "node1"))
        node2 = pinned_machine(machine, result.pins.of("main", "node2"))
        assert (node1.image, node1.data_disk_gib) == (OLD, 7)
        assert (node2.image, node2.data_disk_gib) == (IMAGE, None)
        # Policies of the role are changed in place, so they come from the configuration, not from
        # the pin.
        assert node1.role_policies == ("arn:aws:iam::aws:policy/Read",)

    def test_what_a_pin_leaves_out_the_node_does_not_have(self, tmp_path: Path) -> None:
        data = changed(minimal(), {"clusters/main/instance/data_disk_gib": 50})
        result = loaded(tmp_path, data, pins=BOTH)
        cluster = result.environment.clusters["main"]
        machine = configured_machine(cluster.instance, cluster.nodes["node1"])
        assert machine is not None
        assert machine.data_disk_gib == 50
        assert pinned_machine(machine, result.pins.of("main", "node1")).data_disk_gib is None

    def test_overrides_are_per_key(self, tmp_path: Path) -> None:
        data = changed(
            minimal(), {"clusters/main/nodes/node1/instance": {"disk_gib": 7, "role_policies": []}}
        )
        cluster = loaded(tmp_path, data).environment.clusters["main"]
        machine = configured_machine(cluster.instance, cluster.nodes["node1"])
        assert machine is not None
        assert (machine.disk_gib, machine.type, machine.role_policies) == (7, "m5.xlarge", ())

    def test_pins_of_unknown_names_are_none(self) -> None:
        pins = Pins.model_validate(BOTH)
        assert pins.of("main", "node3") is None
        assert pins.of("other", "node1") is None
