"""`denodo-ha failover` with other records: aliases, and a failover by operators only."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import Result

from denodo_ha.cli import exit_codes
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import Route53
from tests.commands.account.targets import UNHEALTHY
from tests.support.assembly import ROOT

Go = Callable[..., Result]


@pytest.fixture
def go(denodo_ha: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Go:
    """Return a function that runs `denodo-ha failover …`."""

    def go(world: Route53, *arguments: str, config: str) -> Result:
        world.begin(monkeypatch)
        return denodo_ha("failover", *arguments, "-c", config)

    return go


def changed(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Write the active-passive example with a change; return the path of the written file."""
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    data = YAML(typ="safe").load(text)
    change(data)
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(data))
    return str(file)


def to_version_eight(data: dict[str, Any]) -> None:
    """Set version 8.0 and remove the auxiliary ports: alias records then evaluate target health."""
    data["denodo"]["version"] = "8.0"
    for cluster in data["clusters"].values():
        for node in cluster["nodes"].values():
            del node["auxiliary_port"]


def by_operators(data: dict[str, Any]) -> None:
    data["failover"]["control"] = "operator"


class TestAlias:
    """Alias records evaluate the health of targets, and have the switch as health check."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> str:
        return changed(tmp_path, to_version_eight)

    @pytest.fixture
    def world(self, clouds: Callable[[str], Cloud], config: str) -> Route53:
        return Route53(clouds(config))

    def test_moves(self, world: Route53, go: Go, config: str) -> None:
        shown = go(world, "status", config=config)
        assert shown.exit_code == exit_codes.DONE, shown.output
        assert "the alias record evaluates the health of" in shown.stdout
        assert go(world, "to", "passive", config=config).exit_code == exit_codes.DONE
        assert world.thrown == [1.0]

    def test_refuses_where_a_group_is_dead(self, world: Route53, go: Go, config: str) -> None:
        for node in ("node1", "node2"):
            world.cloud.become("passive", node, UNHEALTHY, "web")
        done = go(world, "to", "passive", config=config)
        assert done.exit_code == exit_codes.REFUSED
        assert "passive is not healthy (web: 0 of 2 targets healthy)" in done.stderr
        assert world.thrown == []


class TestOperators:
    """Failover by operators only: the switch is the only health check of the primary."""

    @pytest.fixture
    def config(self, tmp_path: Path) -> str:
        return changed(tmp_path, by_operators)

    @pytest.fixture
    def world(self, clouds: Callable[[str], Cloud], config: str) -> Route53:
        return Route53(clouds(config))

    def test_moves(self, world: Route53, go: Go, config: str) -> None:
        assert go(world, "to", "passive", config=config).exit_code == exit_codes.DONE
        assert go(world, "back", config=config).exit_code == exit_codes.DONE
        assert world.thrown == [1.0, 0.0]

    def test_refuses_a_primary_that_serves_nobody(
        self, world: Route53, go: Go, config: str
    ) -> None:
        assert go(world, "to", "passive", config=config).exit_code == exit_codes.DONE
        for node in ("node1", "node2"):
            world.cloud.become("active", node, UNHEALTHY, "jdbc")
        done = go(world, "back", config=config)
        assert done.exit_code == exit_codes.REFUSED
        assert "jdbc: 0 of 2 targets healthy" in done.stderr
        assert "Route 53 has no health check of active" in done.stderr
        assert world.thrown == [1.0]
