"""Machines of adopted instances, which their owner has set up: servers, ports, things to try."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from tests.support.assembly import ROOT
from tools.local_aws.living.denodo import installation
from tools.local_aws.living.machine import Machine
from tools.local_aws.living.machine_files import Settings
from tools.local_aws.living.machine_root import MachineRoot
from tools.local_aws.prerequisites import prerequisites_of
from tools.local_aws.things_to_try import things_to_try

_CONFIG = ROOT / "config/examples/adopted.yaml"
_SCRIPT = '#!/bin/sh\nsleep 600 &\necho "$!" >>{pids}\n'


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """Return a file for the ids of processes, which are killed at the end of the test."""
    file = tmp_path / "pids"
    yield file
    for pid in file.read_text().split() if file.exists() else []:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)


def test_all_servers_start_though_each_keeps_its_output_open(tmp_path: Path, pids: Path) -> None:
    """The machine starts each server without waiting until an earlier server closes its output."""
    root = tmp_path / "root"
    for folder in ("opt/denodo/bin", "var/log"):
        (root / folder).mkdir(parents=True)
    names = ("regenerateFiles.sh", "vqlserver_startup.sh", "datacatalog_startup.sh")
    for name in names:
        script = root / "opt/denodo/bin" / name
        script.write_text(_SCRIPT.format(pids=pids))
        script.chmod(0o755)
    settings = Settings(
        id="i-1",
        folder=tmp_path,
        address="127.9.0.1",
        private_ip="10.0.0.1",
        endpoint="http://127.0.0.1:1",
        account="111122223333",
        region="eu-west-1",
        denodo={"home": "/opt/denodo"},
    )
    machine = Machine(settings, MachineRoot(root), is_new=True, denodo_uid=os.geteuid())
    machine.run_user_data()
    assert len(pids.read_text().split()) == len(names)


def test_each_has_the_auxiliary_port_of_its_node(tmp_path: Path) -> None:
    requests = [item.request for item in prerequisites_of(load(_CONFIG))]
    instances = [request for request in requests if request["kind"] == "instance"]
    assert len({request["image"] for request in instances}) == len(instances) == 2
    ports = [request["contents"]["auxiliary_port"] for request in instances]
    assert ports == [19997, 29997]
    installation.install(
        tmp_path,
        at=str(tmp_path),
        version="7.0",
        node="i-1",
        address="127.9.0.1",
        python="python3",
        folder=str(tmp_path),
        extras=installation.Extras(auxiliary_port=ports[0]),
    )
    last = (tmp_path / installation.VDP).read_text().splitlines()[-1]
    assert last.endswith(".factoryPort=19997")


def test_nodes_without_a_program_are_not_enabled() -> None:
    things = things_to_try(load(_CONFIG).environment, "adopted", "name")
    assert any("for node in main:vdp.node03; do" in thing.command for thing in things)
