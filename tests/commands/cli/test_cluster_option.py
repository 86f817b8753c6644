"""A command with --cluster calls only that cluster's region: the other region may be lost."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from denodo_ha.cli.options import Cluster
from denodo_ha.environment.loading.loader import load
from tests.commands.account.cloud import Cloud, deployed_cloud
from tests.commands.conftest import Run
from tests.faults import cases
from tests.support.assembly import ROOT, Template
from tests.support.program_commands import WITHOUT_AWS, command_functions

CLUSTERS = {"active": "eu-west-1", "passive": "eu-central-1"}
MORE = (("pin", "--dry-run", "--cluster", "active"),)
"""Command lines with --cluster that have no row in the fault matrix."""


@pytest.fixture(scope="module")
def shared(templates_of: Callable[[Path], Mapping[str, Template]]) -> Iterator[Cloud]:
    file = ROOT / "config/examples/active-passive.yaml"
    with deployed_cloud(load(file).environment, templates_of(file)) as cloud:
        yield cloud


def rows() -> list[tuple[str, ...]]:
    """Return each command line that has the option --cluster, without this option and its value."""
    lines = [*cases.rows(), *MORE]
    found = []
    for line in lines:
        if "--cluster" in line:
            at = line.index("--cluster")
            found.append((*line[:at], *line[at + 2 :]))
    return found


def test_every_command_with_the_option_has_a_row() -> None:
    with_option = {
        name
        for name, function in command_functions()
        if function.__annotations__.get("cluster") == Cluster and name not in WITHOUT_AWS
    }
    assert with_option
    lines = [" ".join(row) for row in rows()]
    assert not [name for name in with_option if not any(line.startswith(name) for line in lines)]


@pytest.mark.parametrize("row", rows(), ids=" ".join)
def test_only_the_cluster_s_region_is_called(
    shared: Cloud, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch, row: tuple[str, ...]
) -> None:
    monkeypatch.setattr("denodo_ha.aws.polling.time.sleep", lambda _: None)
    shared.calls.forget()
    shared.faults.deny("SendCommand")
    shared.faults.deny("PutParameter")
    done = denodo_ha(*row, "--cluster", "passive", "-c", "active-passive")
    shared.faults.heal()
    assert shared.calls.made, done.output
    assert {call.region for call in shared.calls.made} == {CLUSTERS["passive"]}, done.output
