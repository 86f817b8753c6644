"""`denodo-ha catalog learn`: settings of Denodo's web form become a part of the configuration."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from denodo_ha.cli import exit_codes
from denodo_ha.environment.derived.node_state import Deployed, desired_state
from denodo_ha.environment.loading.loader import load
from tests.commands.account import catalog_cloud
from tests.commands.account.agents import Agents
from tests.commands.conftest import Clouds, Run
from tests.support.configurations import changed, write

ENTRIES: Mapping[str, str | None] = {
    "catalog.db.uri": "{url}",
    "catalog.db.query": "select 'a: #b' \u00e9\u202e",
    "spring.datasource.url": None,
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("learn"), catalog_cloud.configuration())


@pytest.fixture
def agents(clouds: Clouds, config: Path) -> Agents:
    return Agents(clouds(str(config)), "main")


def _settings(**components: Any) -> str:
    usual = {"configured": True, "entries": {}, "notes": []}
    return json.dumps(
        {
            name.replace("_", "-"): {"file": f"conf/{name}.properties", **usual, **changes}
            for name, changes in components.items()
        }
    )


def test_the_output_is_a_part_of_the_configuration(
    agents: Agents, config: Path, denodo_ha: Run, tmp_path: Path
) -> None:
    agents.nodes["node2"].settings = _settings(
        scheduler={}, data_catalog={"entries": ENTRIES, "notes": ["x.y is left out"]}
    )
    done = denodo_ha("catalog", "learn", "node2", "-c", str(config))
    assert done.exit_code == exit_codes.DONE, done.output
    assert done.stderr == "data-catalog: x.y is left out\n"
    assert done.stdout.isascii()
    learned = YAML(typ="safe").load(done.stdout)["catalog"]["settings"]
    assert learned == {"data-catalog": {"file": "conf/data_catalog.properties", "entries": ENTRIES}}
    data = changed(catalog_cloud.configuration(), {"clusters/main/catalog/settings": learned})
    environment = load(write(tmp_path, data)).environment
    deployed = Deployed(rmi_host="", stack="s", resource="r", program="p")
    machine = environment.clusters["main"].instance
    assert machine is not None
    state = desired_state(environment, "main", "node1", machine=machine, deployed=deployed)
    assert state["catalog"]["data-catalog"]["entries"] == ENTRIES


def test_one_component_and_settings_that_are_as_usual(
    agents: Agents, config: Path, denodo_ha: Run
) -> None:
    agents.nodes["node1"].settings = _settings(scheduler={}, data_catalog={"entries": ENTRIES})
    one = ("--component", "scheduler")
    done = denodo_ha("catalog", "learn", "node1", "-c", str(config), *one)
    assert (done.exit_code, done.stdout) == (exit_codes.DONE, "")
    assert "the default settings are right" in done.stderr
    done = denodo_ha("catalog", "learn", "node1", "-c", str(config), "--component", "vdp")
    assert done.exit_code == exit_codes.USAGE
    assert "components with a settings file: scheduler, data-catalog" in done.output


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("", "`denodo-ha roll --node node1 --cluster "),
        ("[]", "does not report its settings"),
        (_settings(**{"scheduler:\n\x1b[2J": {}}), "does not report its settings"),
        ('{"scheduler": {"file": "f", "configured": true, "entries": []}}', "does not report"),
        (
            _settings(scheduler={"configured": False, "notes": ["no JDBC URL of PostgreSQL"]}),
            "scheduler: no JDBC URL of PostgreSQL",
        ),
    ],
)
def test_a_node_without_settings(
    agents: Agents, config: Path, denodo_ha: Run, settings: str, says: str
) -> None:
    agents.nodes["node1"].settings = settings
    done = denodo_ha("catalog", "learn", "node1", "-c", str(config))
    assert done.exit_code == exit_codes.FAILED
    assert says in done.output
    assert done.stdout == ""


def test_there_is_no_such_node(agents: Agents, config: Path, denodo_ha: Run) -> None:
    assert agents.nodes
    done = denodo_ha("catalog", "learn", "node9", "-c", str(config))
    assert done.exit_code == exit_codes.USAGE
