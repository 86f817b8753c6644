"""Old and new commands work on old and new stacks, also after commands of the other revision."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.drain import command as drain_command
from denodo_ha.environment.loading.loader import load
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Run
from tests.upgrade.conftest import NewTemplates
from tests.upgrade.revision import Revision

EXAMPLE, CLUSTER = "active-passive", "active"
SHARED = ("jdbc", "odbc", "web")
_OLD_PACKAGES = ("config", "node", "ops")

Runs = dict[str, Run]
Clouds = Callable[[str], Cloud]


@pytest.fixture
def file(revision: Revision, tmp_path: Path) -> Path:
    """Copy the example's configuration file to the test's folder."""
    return Path(shutil.copy(revision.configuration(EXAMPLE), tmp_path / "environment.yaml"))


@pytest.fixture
def clouds(
    revision: Revision, new_templates: NewTemplates, file: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clouds]:
    """Yield a function that creates an account with the active cluster's old or new stack."""
    with mock_aws():

        def make(stack: str) -> Cloud:
            old = stack == "old"
            templates = revision.templates(EXAMPLE) if old else new_templates(revision, EXAMPLE)
            cloud = Cloud(load(file).environment, templates)
            cloud.install(monkeypatch)
            cloud.targets.hurry(30)
            cloud.deploy(CLUSTER)
            monkeypatch.setattr(drain_command, "real_clock", lambda: cloud.clock)
            monkeypatch.setattr(
                importlib.import_module("ops.drain"), "real_clock", lambda: cloud.clock
            )
            return cloud

        yield make


@pytest.fixture
def commands(
    revision: Revision, file: Path, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runs]:
    """Yield functions that run a command of the old or new revision in this process."""
    if revision.command != "ops":
        pytest.skip("the commands of this revision have the names of the working tree's modules")
    monkeypatch.syspath_prepend(revision.code)
    cli: Any = importlib.import_module("ops.cli")

    def old(*arguments: str, **_: Any) -> Result:
        return CliRunner().invoke(cli.build(cli.COMMANDS), [*arguments, "-c", str(file)])

    def new(*arguments: str, **_: Any) -> Result:
        return denodo_ha(*arguments, "-c", str(file))

    yield {"old": old, "new": new}
    for name in [name for name in sys.modules if name.split(".")[0] in _OLD_PACKAGES]:
        del sys.modules[name]


def _registered(cloud: Cloud) -> list[bool]:
    return ["node1" in cloud.registered(CLUSTER, group) for group in SHARED]


def _status(run: Run) -> dict[str, Any]:
    done = run("status", "--no-ask", "--format", "json")
    status: dict[str, Any] = json.loads(done.stdout)
    (cluster,) = [item for item in status["clusters"] if item["name"] == CLUSTER]
    return dict(cluster)


def _without_sentences(value: Any) -> Any:
    """Return the output of `status` without messages, whose wording differs between revisions."""
    if isinstance(value, list):
        return [_without_sentences(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: sorted(item) if key == "unready" else _without_sentences(item)
        for key, item in value.items()
        if key not in {"notes", "problem", "problems", "unasked", "why"}
    }


@pytest.mark.parametrize("stack", ["old", "new"])
@pytest.mark.parametrize(("first", "second"), [("old", "new"), ("new", "old")])
def test_one_drains_and_the_other_enables(
    commands: Runs, clouds: Clouds, stack: str, first: str, second: str
) -> None:
    """Each revision understands the drain tag and the lock of the other revision."""
    cloud = clouds(stack)
    drained = commands[first]("drain", "node1", "--cluster", CLUSTER)
    assert drained.exit_code == exit_codes.DONE, drained.output
    assert _registered(cloud) == [False] * 3
    states = {name: _status(commands[name]) for name in ("old", "new")}
    for node in states["new"]["nodes"]:
        # The status of older versions has no keys `warnings` and `remedy`. The nodes do not answer,
        # so the new status has no warnings.
        assert node.pop("warnings") == []
        assert node.pop("remedy") == ""
    assert states["new"].pop("paused") is None  # older versions cannot pause a cluster
    assert _without_sentences(states["old"]) == _without_sentences(states["new"])
    (node1, node2) = sorted(states["new"]["nodes"], key=lambda node: str(node["name"]))
    assert node1["drained"]
    assert not node2["drained"]
    enabled = commands[second]("enable", "node1", "--cluster", CLUSTER)
    assert enabled.exit_code == exit_codes.DONE, enabled.output
    assert _registered(cloud) == [True] * 3
    assert cloud.mark(CLUSTER, "node1") is None


@pytest.mark.parametrize("stack", ["old", "new"])
def test_pins_of_the_old_command_are_those_of_the_new_one(
    commands: Runs, clouds: Clouds, file: Path, stack: str
) -> None:
    clouds(stack)
    pins_file = file.with_name("environment.pins.yaml")
    assert commands["old"]("pin", "--cluster", CLUSTER).exit_code == exit_codes.DONE
    text = pins_file.read_text()
    assert load(file).pins.of(CLUSTER, "node2") is not None
    assert commands["new"]("pin", "--cluster", CLUSTER).exit_code == exit_codes.DONE
    pinned = pins_file.read_text()
    # New stacks have an alarm that stacks of older versions lack (CHANGELOG, Upgrade).
    assert ("minutes_without_data" in pinned) == (stack == "new")
    assert pinned.replace(", minutes_without_data: 3", "") == text
