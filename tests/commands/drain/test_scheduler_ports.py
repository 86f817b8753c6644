"""Commands know the auxiliary ports of the Scheduler beside those of Virtual DataPort 7.0."""

import json
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from denodo_ha.drain import command
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Clouds, Run
from tests.support.configurations import changed, minimal, write

CHANGES = {
    "services/jobs": 8000,
    "denodo/servers": ["vdp", "scheduler"],
    "clusters/main/catalog": {"components": ["scheduler"]},
    "clusters/main/nodes/node1/scheduler_auxiliary_port": 17998,
    "clusters/main/nodes/node2/scheduler_auxiliary_port": 27998,
}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("config"), changed(minimal("7.0"), CHANGES))


@pytest.fixture
def cloud(clouds: Clouds, config: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = clouds(str(config), "main")
    cloud.targets.hurry(30)
    monkeypatch.setattr(command, "real_clock", lambda: cloud.clock)
    return cloud


def test_a_drained_node_keeps_both_ports(cloud: Cloud, config: Path, denodo_ha: Run) -> None:
    done = denodo_ha("drain", "node1", "--cluster", "main", "-c", str(config))
    assert done.exit_code == exit_codes.DONE, done.output
    assert (
        "node1 is out of jdbc, jobs; its auxiliary port 19997 stays registered; its auxiliary port "
        "17998 stays registered"
    ) in done.stdout
    asked = denodo_ha("status", "-c", str(config), "--format", "json")
    (main,) = json.loads(asked.stdout)["clusters"]
    groups = {
        (group["name"], group["kind"], group["port"]): [
            target["node"] for target in group["targets"] if target["state"] == "healthy"
        ]
        for group in main["groups"]
    }
    assert groups == {
        ("jdbc", "service", 9999): ["node2"],
        ("jobs", "service", 8000): ["node2"],
        ("node1", "auxiliary", 19997): ["node1"],
        ("node1 (jobs)", "auxiliary", 17998): ["node1"],
        ("node2", "auxiliary", 29997): ["node2"],
        ("node2 (jobs)", "auxiliary", 27998): ["node2"],
    }
    assert cloud.clock.monotonic() >= 30
