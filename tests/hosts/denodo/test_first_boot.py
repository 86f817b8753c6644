"""First boot by the user data of the stacks, with stand-ins for commands; program updates."""

import getpass
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from hosts import archive
from hosts.common import releases
from hosts.common.errors import AwsError, UnverifiedError
from hosts.common.releases import (
    MOST_ARCHIVE_BYTES,
    MOST_MEMBERS,
    MOST_UNPACKED_BYTES,
    Releases,
)
from hosts.denodo import program_update
from hosts.denodo.commands import main
from hosts.denodo.errors import StateError, SystemRefusedError
from hosts.denodo.system import System
from stacks.nodes import first_boot
from stacks.nodes.first_boot import first_boot_script
from stacks.nodes.first_boot_original import original_script
from tests.hosts.denodo.home import Home

_PARAMETER = "/denodo/denodo/active/node1"
_SIGNAL = {"stack": "denodo-active", "resource": "Node1", "when": "ready"}

_INSTANCE = "i-0123456789abcdef0"

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
text = " ".join(arguments).replace("=", " ").split()
if arguments[0] == "ssm":
    state = (here / "state.json").read_text()
    parameter = {{"Parameter": {{"Value": state}}}}
    print(state if "--query" in arguments else json.dumps(parameter))
elif arguments[:2] == ["s3", "cp"]:
    shutil.copy(here / arguments[-2].rsplit("/", 1)[1], arguments[-1])
elif arguments[:2] == ["s3api", "get-object"]:
    (target,) = [one for one in arguments if one.endswith("/node.zip")]
    last = int(text[text.index("--range") + 2].split("-")[1])
    content = (here / text[text.index("--key") + 1]).read_bytes()
    Path(target).write_bytes(content[:last + 1])
"""
_SYSTEMCTL = """\
#!/bin/sh
[ "$1" = --version ] || echo "$@" >> {here}/systemctl
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
        for name in [
            "sh",
            "tr",
            "cut",
            "cat",
            "sleep",
            "mkdir",
            "basename",
            "rm",
            "mv",
            "ln",
            "sync",
        ]:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        (folder / "instance").write_text(f"{_INSTANCE}\n")
        self.one = self.publish("one")
        self.desire(program=self.one)

    def publish(self, text: str) -> str:
        """Publish an archive of the program with one more member; return its S3 URL."""
        file = archive.write("denodo", self.here / "archive.zip")
        with zipfile.ZipFile(file, "a") as packed:
            packed.writestr("text", text)
        return self.upload(file.read_bytes())

    def upload(self, content: bytes) -> str:
        """Put an object into the bucket as a deploy does; return its S3 URL."""
        key = f"{hashlib.sha256(content).hexdigest()}.zip"
        (self.here / key).write_bytes(content)
        return f"s3://bucket/{key}"

    def tamper(self, uri: str, content: bytes) -> None:
        """Replace an object and keep its key."""
        (self.here / uri.rsplit("/", 1)[1]).write_bytes(content)

    def desire(self, **changes: Any) -> None:
        """Write the parameter."""
        # Root is refused as the Denodo user at first boot.
        user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        state = self.home.data(**{"signal": _SIGNAL, "denodo__user": user, **changes})
        (self.here / "state.json").write_text(json.dumps(state))

    def boot(self, *, original: bool = False) -> subprocess.CompletedProcess[str]:
        """Run the user data: the present text or the original one."""
        if original:
            text = original_script(parameter=_PARAMETER, region="eu-west-1")
            text = text.replace("/opt/denodo-node", f"{self.here}/opt").replace(
                "sleep 15", "sleep 0"
            )
        else:
            text = first_boot_script(
                parameter=_PARAMETER,
                region="eu-west-1",
                folder=f"{self.here}/opt",
                pause="0",
                instance=f"{self.here}/instance",
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

    def releases(self) -> list[str]:
        """Return the names of the releases."""
        return sorted(release.name for release in (self.here / "opt/releases").iterdir())

    def calls(self) -> list[list[str]]:
        """Return the arguments of the calls of AWS."""
        return [json.loads(line) for line in (self.here / "calls").read_text().splitlines()]

    def signals(self) -> list[tuple[str, str]]:
        """Return the signals to CloudFormation: status and id."""
        statuses = []
        for call in self.calls():
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


def _name(uri: str) -> str:
    return PurePosixPath(uri).stem


@pytest.mark.parametrize("original", [False, True])
def test_installs_the_program_and_starts_it(machine: Machine, *, original: bool) -> None:
    """Nodes that were made with the original text run the same program."""
    done = machine.boot(original=original)
    assert done.returncode == 0, done.stdout + done.stderr
    current = machine.here / "opt/current"
    assert current.resolve() == machine.here / "opt/releases" / _name(machine.one)
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
    assert machine.releases() == [_name(machine.one)]


@pytest.mark.parametrize("service", ["ssm", "s3api"])
def test_waits_for_a_way_out(machine: Machine, service: str) -> None:
    """A route or a public address may be created after the instance."""
    (machine.here / f"fail-{service}").write_text("3")
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert machine.signals() == []


def test_pauses_grow_to_a_minute() -> None:
    text = first_boot_script(parameter=_PARAMETER, region="eu-west-1")
    function = text[text.index("tried() {") : text.index("# signal STATUS")]
    script = f"sleep() {{ echo $1; }}\nfinal=\n{function}\ntried 14 false || echo end\n"
    done = subprocess.run(
        ["sh", "-uc", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.split() == ["2", "4", "8", "16", "32", *["60"] * 8, "end"]


def test_a_parameter_that_cannot_be_read_leaves_nobody_to_tell(machine: Machine) -> None:
    (machine.here / "fail-ssm").write_text("99")
    done = machine.boot()
    assert done.returncode == 1
    assert f"the parameter {_PARAMETER} cannot be read" in done.stderr
    assert machine.signals() == []


def _failure(reason: str) -> list[tuple[str, str]]:
    return [("FAILURE", f"{_INSTANCE}: {reason}"[:64])]


def test_a_program_that_cannot_be_fetched_is_told(machine: Machine) -> None:
    machine.desire(program="s3://bucket/gone.zip")
    assert machine.boot().returncode == 1
    assert machine.signals() == _failure("the program s3://bucket/gone.zip cannot be fetched")


def test_a_failure_signal_is_retried(machine: Machine) -> None:
    (machine.here / "fail-cloudformation").write_text("3")
    machine.desire(program="s3://bucket/gone.zip")
    assert machine.boot().returncode == 1
    assert len(machine.signals()) == 4


_WRONG = "the program is not what its name says"


def _zipped(name: str, *, mode: int = 0o100644, content: str = "print('never run')") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        packed.writestr(member, content)
    return stream.getvalue()


_HOSTILE = {
    "no archive": b"<html>",
    "a member above": _zipped("../../evil.py"),
    "an absolute name": _zipped("/tmp/evil.py"),
    "a link": _zipped("node", mode=0o120777, content="/etc"),
    "too large": _zipped("zeros", content="0" * (MOST_UNPACKED_BYTES + 1)),
}


class TestVerification:
    """An archive that is not what the deploy has published is never run."""

    def unchanged(self, machine: Machine) -> None:
        assert not (machine.here / "systemctl").exists()
        assert not (machine.here / "root").exists()
        assert machine.releases() == []
        assert [path.name for path in (machine.here / "opt").iterdir()] == ["releases"]

    @pytest.mark.parametrize("change", ["tampered", "cut", "empty"])
    def test_other_bytes(self, machine: Machine, change: str) -> None:
        content = (machine.here / f"{_name(machine.one)}.zip").read_bytes()
        changed = {"tampered": content + b"\0", "cut": content[:-1], "empty": b""}[change]
        machine.tamper(machine.one, changed)
        done = machine.boot()
        assert done.returncode == 1
        assert machine.signals() == _failure(f"{_WRONG}: {machine.one}")
        assert f"its SHA-256 is {hashlib.sha256(changed).hexdigest()}" in done.stderr
        self.unchanged(machine)

    @pytest.mark.parametrize("form", _HOSTILE)
    def test_a_member_that_has_no_business_there(self, machine: Machine, form: str) -> None:
        """Also if someone who may deploy has published the archive."""
        uri = machine.upload(_HOSTILE[form])
        machine.desire(program=uri)
        assert machine.boot().returncode == 1
        assert machine.signals() == _failure(f"{_WRONG}: {uri}")
        self.unchanged(machine)

    def test_an_archive_that_would_fill_the_disk_is_cut(self, machine: Machine) -> None:
        machine.tamper(machine.one, b"0" * (2 * MOST_ARCHIVE_BYTES))
        assert machine.boot().returncode == 1
        (call,) = [call for call in machine.calls() if call[0] == "s3api"]
        assert f"bytes=0-{MOST_ARCHIVE_BYTES}" in call
        self.unchanged(machine)

    def test_a_folder_that_others_can_write(self, machine: Machine) -> None:
        (machine.here / "opt").mkdir()
        (machine.here / "opt").chmod(0o777)
        done = machine.boot()
        assert done.returncode == 1
        assert machine.signals() == _failure(f"another user can write {machine.here}/opt")
        assert not (machine.here / "systemctl").exists()


def test_an_image_without_denodo_is_told(machine: Machine) -> None:
    shutil.rmtree(machine.home.path)
    done = machine.boot()
    assert done.returncode == 1
    ((status, message),) = machine.signals()
    assert status == "FAILURE"
    assert message.startswith(f"{_INSTANCE}: ")
    assert len(message) <= 64
    assert "the image cannot be a node" in done.stderr
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
        uri = program_update.desired_program(system, _PARAMETER)
        install = [f"--state={machine.here / 'state.json'}", f"--root={machine.here / 'root'}"]
        return program_update.update(system, uri, machine.here / "opt", install)

    def current(self, machine: Machine) -> str:
        return (machine.here / "opt/current").resolve().name

    def refused(self, machine: Machine) -> dict[str, str] | None:
        return Releases(machine.here / "opt", "node").refused

    def test_the_same_program_is_not_fetched(self, machine: Machine, system: System) -> None:
        assert not self.update(machine, system)
        assert [call[0] for call in machine.calls()] == ["ssm"]

    def test_another_one_takes_its_place(self, machine: Machine, system: System) -> None:
        for text in ("two", "three"):
            uri = machine.publish(text)
            machine.desire(program=uri)
            assert self.update(machine, system)
            assert self.current(machine) == _name(uri)
            unit = machine.here / "root/etc/systemd/system/denodo-node.service"
            folder = f"{machine.here}/opt/releases/{_name(uri)}"
            assert f"WorkingDirectory={folder}\n" in unit.read_text()
        assert machine.releases() == [_name(uri)]
        assert sorted(one.name for one in (machine.here / "opt").iterdir()) == [
            "current",
            "releases",
        ]

    def test_the_rest_of_the_state_is_not_read(self, machine: Machine, system: System) -> None:
        """It may be for the new release only."""
        uri = machine.publish("two")
        text = json.dumps({"program": uri, "a key of later": {}})
        (machine.here / "state.json").write_text(text)
        assert program_update.desired_program(system, _PARAMETER) == uri

    def test_what_cannot_be_fetched_leaves_the_old_one(
        self, machine: Machine, system: System
    ) -> None:
        machine.desire(program="s3://bucket/gone.zip")
        with pytest.raises(AwsError):
            self.update(machine, system)
        assert self.current(machine) == _name(machine.one)
        assert machine.releases() == [_name(machine.one)]
        refused = self.refused(machine)
        assert refused is not None
        assert refused["program"] == "s3://bucket/gone.zip"
        machine.desire(program=machine.one)
        assert not self.update(machine, system)
        assert self.refused(machine) is None

    @pytest.mark.parametrize("form", _HOSTILE)
    def test_what_is_no_program_leaves_the_old_one(
        self, machine: Machine, system: System, form: str
    ) -> None:
        machine.desire(program=machine.upload(_HOSTILE[form]))
        with pytest.raises(UnverifiedError, match=r"is not an archive of the program|has "):
            self.update(machine, system)
        assert self.current(machine) == _name(machine.one)
        assert machine.releases() == [_name(machine.one)]

    @pytest.mark.parametrize("change", ["tampered", "cut", "a name of an older version"])
    def test_other_bytes_leave_the_old_one(
        self, machine: Machine, system: System, change: str
    ) -> None:
        uri = machine.publish("two")
        content = (machine.here / f"{_name(uri)}.zip").read_bytes()
        if change == "a name of an older version":
            uri = f"s3://bucket/{'0123456789abcdef' * 2}.zip"
        machine.tamper(uri, {"tampered": content + b"0", "cut": content[:-1]}.get(change, content))
        machine.desire(program=uri)
        with pytest.raises(UnverifiedError, match="is not used: the SHA-256 of its"):
            self.update(machine, system)
        assert self.current(machine) == _name(machine.one)
        assert machine.releases() == [_name(machine.one)]

    def test_a_release_of_an_older_version_on_the_disk_is_used_again(
        self, machine: Machine, system: System
    ) -> None:
        """After the rollback of a deploy the parameter names the release before."""
        old = f"s3://bucket/{'0123456789abcdef' * 2}.zip"
        releases = machine.here / "opt/releases"
        (releases / _name(machine.one)).rename(releases / _name(old))
        machine.desire(program=old)
        assert self.update(machine, system)
        assert self.current(machine) == _name(old)

    @pytest.mark.parametrize("name", ["..", "a b", ".zip", ""])
    def test_a_name_that_is_no_folder(self, machine: Machine, system: System, name: str) -> None:
        machine.desire(program=f"s3://bucket/{name}.zip")
        with pytest.raises((UnverifiedError, AwsError)):
            self.update(machine, system)
        assert self.current(machine) == _name(machine.one)

    def test_a_folder_that_others_can_write(self, machine: Machine, system: System) -> None:
        machine.desire(program=machine.publish("two"))
        (machine.here / "opt/releases").chmod(0o775)
        with pytest.raises(UnverifiedError, match=r"chown root: .*/opt/releases && chmod go-w"):
            self.update(machine, system)
        assert self.current(machine) == _name(machine.one)

    def test_what_does_not_install_leaves_the_old_one(
        self, machine: Machine, system: System
    ) -> None:
        uri = machine.publish("two")
        machine.desire(program=uri, denodo__home="/none")
        with pytest.raises(SystemRefusedError, match=f"of the program {_name(uri)} failed"):
            self.update(machine, system)
        assert self.current(machine) == _name(machine.one)

    def test_a_killed_run_is_finished_by_the_next(
        self, machine: Machine, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        uri = machine.publish("two")
        machine.desire(program=uri)

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(program_update, "_run_install", killed)
            with pytest.raises(KeyboardInterrupt):
                self.update(machine, system)
        assert self.current(machine) == _name(machine.one)
        assert self.update(machine, system)
        assert self.current(machine) == _name(uri)

    def test_a_state_without_program(self, machine: Machine, system: System) -> None:
        machine.desire(program=None)
        with pytest.raises(StateError, match="names no program"):
            self.update(machine, system)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root updates the program")
class TestLaterBoots:
    """A later boot continues with the program that the state names, or with the one it has."""

    @pytest.fixture
    def system(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> System:
        """A machine on which the first release runs; its `install` writes below a folder."""
        assert machine.boot().returncode == 0
        (machine.here / "calls").unlink()
        release = (machine.here / "opt/current").resolve()
        monkeypatch.setattr(releases, "running_release", lambda: release)
        real = program_update.update

        def update(system: System, uri: str, folder: Path, _install: object) -> bool:
            state, root = machine.here / "state.json", machine.here / "root"
            return real(system, uri, folder, [f"--state={state}", f"--root={root}"])

        monkeypatch.setattr(program_update, "update", update)
        return replace(machine.home.system, aws=str(machine.bin / "aws"))

    @pytest.fixture
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
        """Programs that replaced the process: folder and arguments."""
        calls: list[tuple[str, list[str]]] = []

        def execv(_program: str, arguments: list[str]) -> None:
            calls.append((str(Path.cwd()), arguments[1:]))

        monkeypatch.chdir("/")
        monkeypatch.setattr(os, "execv", execv)
        return calls

    def test_another_program_continues(
        self, machine: Machine, system: System, started: list[tuple[str, list[str]]]
    ) -> None:
        uri = machine.publish("two")
        machine.desire(program=uri)
        program_update.hand_over_boot(system, _PARAMETER)
        folder = str(machine.here / "opt/releases" / _name(uri))
        assert started == [(folder, ["-m", "node", "boot"])]

    def test_the_same_program_is_not_fetched(
        self, machine: Machine, system: System, started: list[tuple[str, list[str]]]
    ) -> None:
        program_update.hand_over_boot(system, _PARAMETER)
        assert started == []
        assert [call[0] for call in machine.calls()] == ["ssm"]

    @pytest.mark.parametrize("change", ["gone", "tampered", "no parameter"])
    def test_a_program_that_cannot_be_used_ends_no_boot(
        self,
        machine: Machine,
        system: System,
        started: list[tuple[str, list[str]]],
        capsys: pytest.CaptureFixture[str],
        change: str,
    ) -> None:
        uri = machine.publish("two")
        machine.desire(program=uri)
        if change == "gone":
            (machine.here / f"{_name(uri)}.zip").unlink()
        elif change == "tampered":
            machine.tamper(uri, b"other bytes")
        else:
            (machine.here / "fail-ssm").write_text("9")
        program_update.hand_over_boot(system, _PARAMETER)
        assert started == []
        assert "the boot continues with the program that the node has" in capsys.readouterr().out
        assert (machine.here / "opt/current").resolve().name == _name(machine.one)
        arguments = [item for item in machine.home.arguments if not item.startswith("--aws=")]
        main([*arguments, "status"])
        status = json.loads(capsys.readouterr().out)
        if change == "no parameter":
            assert "program_refused" not in status
        else:
            assert status["program_refused"]["program"] == uri


def test_the_archives_are_far_smaller_than_their_limits(tmp_path: Path) -> None:
    for program in archive.PACKAGES:
        file = archive.write(program, tmp_path / f"{program}.zip")
        assert 10 * file.stat().st_size < MOST_ARCHIVE_BYTES
        with zipfile.ZipFile(file) as packed:
            assert 4 * len(packed.infolist()) < MOST_MEMBERS
    assert (first_boot.MOST_ARCHIVE_BYTES, first_boot.MOST_UNPACKED_BYTES) == (
        MOST_ARCHIVE_BYTES,
        MOST_UNPACKED_BYTES,
    )
