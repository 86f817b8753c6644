"""Updates of the node program, by command and at a later boot."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hosts.common import releases
from hosts.common.errors import AwsError, UnverifiedError
from hosts.common.releases import (
    Releases,
)
from hosts.denodo import program_update
from hosts.denodo.commands import main
from hosts.denodo.errors import StateError, SystemRefusedError
from hosts.denodo.system import System
from tests.hosts.denodo.first_boot_machine import (
    HOSTILE,
    PARAMETER,
    Machine,
    release_name,
)


class TestUpdate:
    """Updates to the program version that the desired state names."""

    @pytest.fixture
    def system(self, machine: Machine) -> System:
        assert machine.boot().returncode == 0
        (machine.here / "calls").unlink()
        return System(aws=str(machine.bin / "aws"), folder=machine.here / "var")

    def update(self, machine: Machine, system: System) -> bool:
        uri = program_update.desired_program(system, PARAMETER)
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
            assert self.current(machine) == release_name(uri)
            unit = machine.here / "root/etc/systemd/system/denodo-node.service"
            folder = f"{machine.here}/opt/releases/{release_name(uri)}"
            assert f"WorkingDirectory={folder}\n" in unit.read_text()
        assert machine.releases() == [release_name(uri)]
        assert sorted(one.name for one in (machine.here / "opt").iterdir()) == [
            "current",
            "releases",
        ]

    def test_the_rest_of_the_state_is_not_read(self, machine: Machine, system: System) -> None:
        """Keys other than `program` may have values that only the new release can read."""
        uri = machine.publish("two")
        text = json.dumps({"program": uri, "a key of later": {}})
        (machine.here / "state.json").write_text(text)
        assert program_update.desired_program(system, PARAMETER) == uri

    def test_what_cannot_be_fetched_leaves_the_old_one(
        self, machine: Machine, system: System
    ) -> None:
        machine.desire(program="s3://bucket/gone.zip")
        with pytest.raises(AwsError):
            self.update(machine, system)
        assert self.current(machine) == release_name(machine.one)
        assert machine.releases() == [release_name(machine.one)]
        refused = self.refused(machine)
        assert refused is not None
        assert refused["program"] == "s3://bucket/gone.zip"
        machine.desire(program=machine.one)
        assert not self.update(machine, system)
        assert self.refused(machine) is None

    @pytest.mark.parametrize("form", HOSTILE)
    def test_what_is_no_program_leaves_the_old_one(
        self, machine: Machine, system: System, form: str
    ) -> None:
        machine.desire(program=machine.upload(HOSTILE[form]))
        with pytest.raises(UnverifiedError, match=r"is not an archive of the program|has "):
            self.update(machine, system)
        assert self.current(machine) == release_name(machine.one)
        assert machine.releases() == [release_name(machine.one)]

    @pytest.mark.parametrize("change", ["tampered", "cut", "a name of an older version"])
    def test_other_bytes_leave_the_old_one(
        self, machine: Machine, system: System, change: str
    ) -> None:
        uri = machine.publish("two")
        content = (machine.here / f"{release_name(uri)}.zip").read_bytes()
        if change == "a name of an older version":
            uri = f"s3://bucket/{'0123456789abcdef' * 2}.zip"
        machine.tamper(uri, {"tampered": content + b"0", "cut": content[:-1]}.get(change, content))
        machine.desire(program=uri)
        with pytest.raises(UnverifiedError, match="is not used: the SHA-256 of the object's"):
            self.update(machine, system)
        assert self.current(machine) == release_name(machine.one)
        assert machine.releases() == [release_name(machine.one)]

    def test_a_release_of_an_older_version_on_the_disk_is_used_again(
        self, machine: Machine, system: System
    ) -> None:
        """The parameter names the previous release again after the rollback of a deploy."""
        old = f"s3://bucket/{'0123456789abcdef' * 2}.zip"
        releases = machine.here / "opt/releases"
        (releases / release_name(machine.one)).rename(releases / release_name(old))
        machine.desire(program=old)
        assert self.update(machine, system)
        assert self.current(machine) == release_name(old)

    @pytest.mark.parametrize("name", ["..", "a b", ".zip", ""])
    def test_a_name_that_is_no_folder(self, machine: Machine, system: System, name: str) -> None:
        machine.desire(program=f"s3://bucket/{name}.zip")
        with pytest.raises((UnverifiedError, AwsError)):
            self.update(machine, system)
        assert self.current(machine) == release_name(machine.one)

    def test_a_folder_that_others_can_write(self, machine: Machine, system: System) -> None:
        machine.desire(program=machine.publish("two"))
        (machine.here / "opt/releases").chmod(0o775)
        with pytest.raises(UnverifiedError, match=r"chown root: .*/opt/releases && chmod go-w"):
            self.update(machine, system)
        assert self.current(machine) == release_name(machine.one)

    def test_what_does_not_install_leaves_the_old_one(
        self, machine: Machine, system: System
    ) -> None:
        uri = machine.publish("two")
        machine.desire(program=uri, denodo__home="/none")
        with pytest.raises(SystemRefusedError, match=f"of the program {release_name(uri)} failed"):
            self.update(machine, system)
        assert self.current(machine) == release_name(machine.one)

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
        assert self.current(machine) == release_name(machine.one)
        assert self.update(machine, system)
        assert self.current(machine) == release_name(uri)

    def test_a_state_without_program(self, machine: Machine, system: System) -> None:
        machine.desire(program=None)
        with pytest.raises(StateError, match="names no program"):
            self.update(machine, system)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root updates the program")
class TestLaterBoots:
    """A later boot runs the program that the state names; if that fails, the installed program."""

    @pytest.fixture
    def system(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> System:
        """Return a machine with the first release; `install` writes below the test's folder."""
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
        """Return the programs that replaced this process: folder and arguments of each."""
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
        program_update.hand_over_boot(system, PARAMETER)
        folder = str(machine.here / "opt/releases" / release_name(uri))
        assert started == [(folder, ["-m", "node", "boot"])]
        assert program_update.REPEAT not in os.environ

    @pytest.mark.usefixtures("started")
    def test_another_program_repeats_the_boot_where_systemd_cannot(
        self, machine: Machine, system: System, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Since pytest sets the variable first, it removes the variable at the end of the test.
        monkeypatch.setenv(program_update.REPEAT, "")
        monkeypatch.delenv(program_update.REPEAT)
        machine.desire(program=machine.publish("two"))
        program_update.hand_over_boot(system, PARAMETER, repeat=True)
        assert os.environ[program_update.REPEAT] == "yes"

    def test_the_same_program_is_not_fetched(
        self, machine: Machine, system: System, started: list[tuple[str, list[str]]]
    ) -> None:
        program_update.hand_over_boot(system, PARAMETER)
        assert started == []
        assert [call[0] for call in machine.calls()] == ["ssm"]

    def test_a_program_that_is_fetched_too_slowly_ends_no_boot(
        self,
        machine: Machine,
        system: System,
        started: list[tuple[str, list[str]]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The fetch of the program hangs, and its time limit ends only the fetch, not the boot."""
        machine.desire(program=machine.publish("two"))
        monkeypatch.setattr(program_update, "_COPY_SECONDS", 2)
        (machine.here / "hang-s3api").touch()
        program_update.hand_over_boot(system, PARAMETER)
        assert started == []
        assert (machine.here / "opt/current").resolve().name == release_name(machine.one)

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
            (machine.here / f"{release_name(uri)}.zip").unlink()
        elif change == "tampered":
            machine.tamper(uri, b"other bytes")
        else:
            (machine.here / "fail-ssm").write_text("9")
        program_update.hand_over_boot(system, PARAMETER)
        assert started == []
        assert "the boot continues with the node's present program" in capsys.readouterr().out
        assert (machine.here / "opt/current").resolve().name == release_name(machine.one)
        arguments = [item for item in machine.home.arguments if not item.startswith("--aws=")]
        main([*arguments, "status"])
        status = json.loads(capsys.readouterr().out)
        if change == "no parameter":
            assert "program_refused" not in status
        else:
            assert status["program_refused"]["program"] == uri
