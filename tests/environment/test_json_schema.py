"""The JSON schema for editors agrees with the configuration's model."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from denodo_ha.environment.loading import json_schema
from tests.environment.breakages.all_breakages import BREAKAGES
from tests.environment.breakages.breakage import BALANCER, Put, name_of, of_service
from tests.strategies import environments
from tests.support.assembly import EXAMPLES
from tests.support.configurations import GONE, Data, changed, errors, minimal, twins

SCHEMA: dict[str, Any] = json.loads(json_schema.FILE.read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


PARTS: dict[str, dict[str, Any]] = {"the file": SCHEMA, **SCHEMA["$defs"]}


def test_is_what_the_model_says() -> None:
    stale = json_schema.FILE.read_text() != json_schema.text()
    assert not stale, "config/schema.json is stale: make reference writes it"


def test_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", PARTS)
def test_every_key_has_a_description(name: str) -> None:
    assert PARTS[name]["description"].strip()
    for key, value in PARTS[name]["properties"].items():
        assert value.get("description", "").strip(), f"{name}: {key}"


@pytest.mark.parametrize("name", PARTS)
def test_no_map_takes_unknown_keys(name: str) -> None:
    assert PARTS[name]["additionalProperties"] is False


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_takes_every_example(example: Path) -> None:
    VALIDATOR.validate(YAML(typ="safe").load(example.read_text()))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_names_it(example: Path) -> None:
    first = example.read_text().splitlines()[0]
    found = first.removeprefix("# yaml-language-server: $schema=")
    assert (example.parent / found).resolve() == json_schema.FILE.resolve()


@settings(max_examples=30, derandomize=True, database=None)
@given(data=environments.environments())
def test_takes_every_valid_configuration(data: Data) -> None:
    VALIDATOR.validate(data)


@pytest.mark.parametrize(
    "path",
    [
        "colour",
        "denodo/colour",
        "clusters/main/colour",
        "clusters/main/network/colour",
        "clusters/main/instance/colour",
        "clusters/main/nodes/node1/colour",
        "clusters/main/balancer/colour",
        "clusters/main/balancer/health/colour",
        "failover/colour",
        "failover/zone/colour",
        "solution_manager/colour",
        "services/UPPER",
        "clusters/UPPER",
        "clusters/main/nodes/node_1",
    ],
)
def test_refuses_an_unknown_key(path: str) -> None:
    VALIDATOR.validate(twins())
    assert not VALIDATOR.is_valid(changed(twins(), {path: "green"}))


@pytest.mark.parametrize("key", ["name", "denodo", "clusters"])
def test_refuses_a_file_that_lacks_a_compulsory_key(key: str) -> None:
    assert not VALIDATOR.is_valid(changed(minimal(), {key: GONE}))


SINGLE_VALUES = [one for one in BREAKAGES if isinstance(one, Put) and not one.needs]
BY_RULE = (
    Put((*BALANCER, "clients"), ["10.0.0.1/8"]),
    Put(("tags",), {"aws:x": "y"}),
    Put(("tags",), {f"x{number}": "y" for number in range(47)}),
    of_service({"health": {"interval": 10, "timeout": 10}}),
)
"""Breakages of single values that the schema accepts and only rules detect: checks of several keys,
and of address ranges."""


@pytest.mark.parametrize("breakage", SINGLE_VALUES, ids=name_of)
def test_refuses_what_is_wrong_by_itself(breakage: Put, tmp_path: Path) -> None:
    data = changed(minimal(), {"clusters/c0": minimal()["clusters"]["main"]})
    VALIDATOR.validate(data)
    breakage(data)
    assert errors(tmp_path, data)
    assert VALIDATOR.is_valid(data) == (str(breakage) in map(str, BY_RULE))
