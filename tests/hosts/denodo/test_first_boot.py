"""First boot by the user data of the stacks, with stand-ins for commands; program updates."""

import getpass
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hosts import archive
from hosts.common.errors import AwsError
from hosts.denodo import installation
from hosts.denodo.errors import StateError, SystemRefusedError
from hosts.denodo.state import parse
from hosts.denodo.system import System
from stacks.nodes.first_boot import first_boot_script
from tests.hosts.denodo.home import Home

_PARAMETER = "/denodo/denodo/active/node1"
_SIGNAL = {"stack": "denodo-active", "resource": "Node1", "when": "ready"}

_AWS = """\
#!{python} -SE
import json, shutil, sys
from pathlib import Path
here, arguments = Path({here!r}), sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(arguments) + chr(10))
failures = here / ("fail-" + arguments[0])
if failures.exists() and (left := int(failures.read_text())):
    failures.write_text(str(left - 1))
    sys.exit("An error occurred: no way out")
if arguments[0] == "ssm":
    state = (here / "state.json").read_text()
    parameter = {{"Parameter": {{"Value": state}}}}
    print(state if "--query" in arguments else json.dumps(parameter))
elif arguments[0] == "s3":
    shutil.copy(here / arguments[-2].rsplit("/", 1)[1], arguments[-1])
"""
_SYSTEMCTL = """\
#!/bin/sh
echo "$@" >> {here}/systemctl
"""
# Runs the real program, with its files in a folder.
_PYTHON = """\
#!/bin/sh
if [ "$*" != "${{*#-m node}}" ]; then
    shift 2
    exec {python} -m node --folder={here}/var "$@" --root={here}/root
fi
exec {python} "$@"
"""


class Machine:
    """A new instance: its commands, the answers of AWS, and its folder."""

    def __init__(self, home: Home, folder: Path) -> None:
        self.home, self.here = home, folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name, text in (("aws", _AWS), ("systemctl", _SYSTEMCTL), ("python3", _PYTHON)):
            program = self.bin / name
            program.write_text(text.format(python=sys.executable, here=str(folder)))
            program.chmod(0o755)
        for name in ["sh", "tr", "cut", "sleep", "mkdir", "basename", "rm", "mv", "ln"]:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.publish("one")
        self.desire(program="s3://bucket/one.zip")

    def publish(self, name: str) -> None:
        """Publish an archive of the program in the bucket."""
        archive.write("denodo", self.here / f"{name}.zip")

    def desire(self, **changes: Any) -> None:
        """Write the parameter."""
        # Root is refused as the Denodo user at first boot.
        user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        state = self.home.data(**{"signal": _SIGNAL, "denodo__user": user, **changes})
        (self.here / "state.json").write_text(json.dumps(state))

    def boot(self) -> subprocess.CompletedProcess[str]:
        """Run the user data."""
        text = first_boot_script(
            parameter=_PARAMETER, region="eu-west-1", folder=f"{self.here}/opt", pause="0"
        )
        text = text.replace("PATH=/usr/local/sbin:", f"PATH={self.bin}:/none:", 1)
        text = text.replace(":/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "", 1)
        return subprocess.run(
            [str(self.bin / "sh"), "-c", text],
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            env={"HOME": str(self.here)},
        )

    def signals(self) -> list[tuple[str, str]]:
        """Return the signals to CloudFormation: status and message."""
        calls = [json.loads(line) for line in (self.here / "calls").read_text().splitlines()]
        statuses = []
        for call in calls:
            if call[0] == "cloudformation":
                assert call[call.index("--stack-name") + 1] == "denodo-active"
                assert call[call.index("--logical-resource-id") + 1] == "Node1"
                statuses.append(
                    (call[call.index("--status") + 1], call[call.index("--unique-id") + 1])
                )
        return statuses


@pytest.fixture
def machine(home: Home, tmp_path: Path) -> Machine:
    folder = tmp_path / "machine"
    folder.mkdir()
    return Machine(home, folder)


def test_installs_the_program_and_starts_it(machine: Machine) -> None:
    done = machine.boot()
    assert done.returncode == 0, done.stdout + done.stderr
    current = machine.here / "opt/current"
    assert current.resolve() == machine.here / "opt/releases/one"
    assert (current / "node/hosts/common/aws_cli.py").is_file()
    assert sorted(one.name for one in (machine.here / "opt").iterdir()) == ["current", "releases"]
    units = machine.here / "root/etc/systemd/system"
    assert f"WorkingDirectory={current.resolve()}" in (units / "denodo-node.service").read_text()
    environment = (machine.here / "root/etc/denodo-node/environment").read_text()
    assert environment.startswith(
        f"DENODO_NODE_PARAMETER={_PARAMETER}\nAWS_DEFAULT_REGION=eu-west-1\nDENODO_NODE_USER="
    )
    started = (machine.here / "systemctl").read_text()
    assert started == "start --no-block denodo-node denodo-node-ready\n"
    assert machine.signals() == []


def test_again_gives_the_same(machine: Machine) -> None:
    assert machine.boot().returncode == 0
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert [one.name for one in (machine.here / "opt/releases").iterdir()] == ["one"]


@pytest.mark.parametrize("service", ["ssm", "s3"])
def test_waits_for_a_way_out(machine: Machine, service: str) -> None:
    """A route or a public address may be created after the instance."""
    (machine.here / f"fail-{service}").write_text("3")
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert machine.signals() == []


def test_a_parameter_that_cannot_be_read_leaves_nobody_to_tell(machine: Machine) -> None:
    (machine.here / "fail-ssm").write_text("99")
    done = machine.boot()
    assert done.returncode == 1
    assert f"the parameter {_PARAMETER} cannot be read" in done.stderr
    assert machine.signals() == []


def test_a_program_that_cannot_be_fetched_is_told(machine: Machine) -> None:
    machine.desire(program="s3://bucket/gone.zip")
    assert machine.boot().returncode == 1
    assert machine.signals() == [("FAILURE", "the program s3://bucket/gone.zip cannot be fetched")]


def test_a_program_that_is_none_is_told(machine: Machine) -> None:
    (machine.here / "one.zip").write_text("<html>")
    assert machine.boot().returncode == 1
    assert machine.signals()[0][1].endswith("one.zip cannot be unpacked")


def test_an_image_without_denodo_is_told(machine: Machine) -> None:
    shutil.rmtree(machine.home.path)
    done = machine.boot()
    assert done.returncode == 1
    ((status, message),) = machine.signals()
    assert status == "FAILURE"
    assert "the image cannot be a node" in message
    assert len(message) <= 64
    assert "install Denodo" in done.stderr
    assert not (machine.here / "systemctl").exists()


@pytest.mark.parametrize("command", ["aws", "systemctl", "python3"])
def test_an_image_that_lacks_a_command_says_which(machine: Machine, command: str) -> None:
    (machine.bin / command).unlink()
    done = machine.boot()
    assert done.returncode == 1
    assert f"the image lacks {command} (see docs/node.md)" in done.stderr


def test_an_old_python_is_said(machine: Machine) -> None:
    (machine.bin / "python3").write_text("#!/bin/sh\nexit 1\n")
    done = machine.boot()
    assert done.returncode == 1
    assert "Python 3.9 or later" in done.stderr


class TestUpdate:
    """Updates to the program that the state names."""

    @pytest.fixture
    def system(self, machine: Machine) -> System:
        assert machine.boot().returncode == 0
        (machine.here / "calls").unlink()
        return System(aws=str(machine.bin / "aws"), folder=machine.here / "var")

    def update(self, machine: Machine, system: System) -> bool:
        state = machine.here / "state.json"
        given = [f"--state={state}", f"--root={machine.here / 'root'}"]
        return installation.update(system, parse(state.read_text()), machine.here / "opt", given)

    def current(self, machine: Machine) -> str:
        return (machine.here / "opt/current").resolve().name

    def test_the_same_program_is_not_fetched(self, machine: Machine, system: System) -> None:
        assert not self.update(machine, system)
        assert not (machine.here / "calls").exists()

    def test_another_one_takes_its_place(self, machine: Machine, system: System) -> None:
        for name in ("two", "three"):
            machine.publish(name)
            machine.desire(program=f"s3://bucket/{name}.zip")
            assert self.update(machine, system)
            assert self.current(machine) == name
            unit = machine.here / "root/etc/systemd/system/denodo-node.service"
            assert f"WorkingDirectory={machine.here}/opt/releases/{name}\n" in unit.read_text()
        assert [one.name for one in (machine.here / "opt/releases").iterdir()] == ["three"]
        assert sorted(one.name for one in (machine.here / "opt").iterdir()) == [
            "current",
            "releases",
        ]

    def test_what_cannot_be_fetched_leaves_the_old_one(
        self, machine: Machine, system: System
    ) -> None:
        machine.desire(program="s3://bucket/gone.zip")
        with pytest.raises(AwsError):
            self.update(machine, system)
        assert self.current(machine) == "one"
        assert [one.name for one in (machine.here / "opt/releases").iterdir()] == ["one"]

    def test_what_is_no_program_leaves_the_old_one(self, machine: Machine, system: System) -> None:
        (machine.here / "bad.zip").write_text("<html>")
        machine.desire(program="s3://bucket/bad.zip")
        with pytest.raises(SystemRefusedError, match="is not an archive of the program"):
            self.update(machine, system)
        assert self.current(machine) == "one"

    def test_what_does_not_install_leaves_the_old_one(
        self, machine: Machine, system: System
    ) -> None:
        machine.publish("two")
        machine.desire(program="s3://bucket/two.zip", denodo__home="/none")
        with pytest.raises(SystemRefusedError, match="of the program two failed"):
            self.update(machine, system)
        assert self.current(machine) == "one"

    def test_a_killed_run_is_finished_by_the_next(
        self, machine: Machine, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        machine.publish("two")
        machine.desire(program="s3://bucket/two.zip")

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(installation, "_run_install", killed)
            with pytest.raises(KeyboardInterrupt):
                self.update(machine, system)
        assert self.current(machine) == "one"
        assert self.update(machine, system)
        assert self.current(machine) == "two"

    def test_a_state_without_program(self, machine: Machine, system: System) -> None:
        machine.desire(program=None)
        with pytest.raises(StateError, match="program: is missing"):
            self.update(machine, system)
