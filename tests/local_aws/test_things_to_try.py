"""The things to try after `make local`, and what `make local` refuses."""

import os
import signal
import sys
from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from hosts.denodo.metadata.metadata_export import digest
from tools.local_aws import __main__
from tools.local_aws.living.denodo import installation
from tools.local_aws.paths import ROOT, Paths
from tools.local_aws.shell_environment import write_commands
from tools.local_aws.things_to_try import things_to_try


def test_users_of_a_database_are_created_before_its_nodes_are_enabled() -> None:
    environment = load(ROOT / "config/examples/shared-catalog.yaml").environment
    without = things_to_try(environment, "shared-catalog", "example")
    init = "denodo-ha catalog init --cluster main"
    things = things_to_try(environment, "shared-catalog", "example", init=[init])
    assert len(things) == len(without) == 5
    assert not any("catalog init" in thing.command for thing in without)
    commands = [thing.command for thing in things]
    assert init in commands[1]
    assert "aws ec2 reboot-instances --region eu-west-1" in commands[1]
    assert "denodo-ha enable" in commands[2]


@pytest.mark.parametrize(
    ("example", "last"), [("web-cookies", "DO=start"), ("active-active", "denodo-ha drain node3")]
)
def test_the_last_of_two_nodes_is_not_drained(example: str, last: str) -> None:
    """An earlier thing to try kills the other node, so `drain` would refuse the last node."""
    environment = load(ROOT / f"config/examples/{example}.yaml").environment
    things = things_to_try(environment, example, "name")
    assert len(things) == 5
    assert last in things[-1].command


@pytest.mark.parametrize("shares_scheduler", [True, False])
def test_a_machine_has_the_files_in_which_components_find_their_database(
    tmp_path: Path, *, shares_scheduler: bool
) -> None:
    installation.install(
        tmp_path,
        at=str(tmp_path),
        version="8.0",
        node="i-1",
        address="127.0.0.1",
        python=sys.executable,
        folder=str(tmp_path),
        extras=installation.Extras(shares_scheduler=shares_scheduler),
    )
    assert "spring.datasource.url" in (tmp_path / installation.DATA_CATALOG).read_text()
    # The metadata export has an element: an export without elements counts as failed.
    assert digest((tmp_path / "metadata").read_bytes()) != digest(b"")
    # The node program refuses a Scheduler whose file names both PostgreSQL and Derby.
    scheduler = (tmp_path / installation.SCHEDULER).read_text()
    assert ("IDENTITY_VAL_LOCAL" not in scheduler) == shares_scheduler
    assert ("DerbyJobReportRepositoryImpl" not in scheduler) == shares_scheduler


def test_unknown_servers_of_nodes_are_refused_with_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["local_aws", "up", "--nodes", "x", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert __main__.main() == 1
    message = (
        "make local: NODES=x is not a kind of servers for nodes: write one of light, jvm, none"
    )
    assert capsys.readouterr().err.strip() == message


def test_a_command_that_runs_is_written_again_beside_it(tmp_path: Path) -> None:
    """A new file replaces the file of a command that runs.

    The kernel refuses to execute a file that is open for writing ("text file busy").
    """
    file = write_commands(Paths(folder=tmp_path)) / "java-client"
    with file.open() as executed:
        text, inode = executed.read(), os.fstat(executed.fileno()).st_ino
        write_commands(Paths(folder=tmp_path))
        assert (file.read_text(), os.access(file, os.X_OK)) == (text, True)
        assert file.stat().st_ino != inode
    assert not [item for item in file.parent.iterdir() if item.name.startswith(".")]
