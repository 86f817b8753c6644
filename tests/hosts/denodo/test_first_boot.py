"""First boot with the stacks' user data, and stand-ins for the commands of the machine."""

import hashlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from hosts import archive
from hosts.common.releases import (
    MOST_ARCHIVE_BYTES,
    MOST_MEMBERS,
    MOST_UNPACKED_BYTES,
)
from stacks.nodes import first_boot
from stacks.nodes.first_boot import first_boot_script
from tests.hosts.denodo.first_boot_machine import (
    HOSTILE,
    INSTANCE,
    PARAMETER,
    Machine,
    release_name,
)


@pytest.mark.parametrize("original", [False, True])
def test_installs_the_program_and_starts_it(machine: Machine, *, original: bool) -> None:
    """A node with the first version's user data installs and starts the same program."""
    done = machine.boot(original=original)
    assert done.returncode == 0, done.stdout + done.stderr
    current = machine.here / "opt/current"
    assert current.resolve() == machine.here / "opt/releases" / release_name(machine.one)
    assert (current / "node/hosts/common/aws_cli.py").is_file()
    assert sorted(one.name for one in (machine.here / "opt").iterdir()) == ["current", "releases"]
    units = machine.here / "root/etc/systemd/system"
    assert f"WorkingDirectory={current.resolve()}" in (units / "denodo-node.service").read_text()
    environment = (machine.here / "root/etc/denodo-node/environment").read_text()
    assert environment.startswith(
        f"DENODO_NODE_PARAMETER={PARAMETER}\nAWS_DEFAULT_REGION=eu-west-1\nDENODO_NODE_USER="
    )
    started = (machine.here / "systemctl").read_text()
    assert started == "start --no-block denodo-node denodo-node-ready\n"
    assert machine.signals() == []


def test_again_gives_the_same(machine: Machine) -> None:
    assert machine.boot().returncode == 0
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert machine.releases() == [release_name(machine.one)]


@pytest.mark.parametrize("service", ["ssm", "s3api"])
def test_waits_for_a_way_out(machine: Machine, service: str) -> None:
    """First boot repeats AWS calls, which fail until there is a route or public address."""
    (machine.here / f"fail-{service}").write_text("3")
    done = machine.boot()
    assert done.returncode == 0, done.stderr
    assert machine.signals() == []


def test_pauses_grow_to_a_minute() -> None:
    text = first_boot_script(parameter=PARAMETER, region="eu-west-1")
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
    assert f"the parameter {PARAMETER} cannot be read" in done.stderr
    assert machine.signals() == []


def _failure(reason: str) -> list[tuple[str, str]]:
    return [("FAILURE", f"{INSTANCE}: {reason}"[:64])]


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


class TestVerification:
    """An archive that differs from the published one is never run."""

    def unchanged(self, machine: Machine) -> None:
        assert not (machine.here / "systemctl").exists()
        assert not (machine.here / "root").exists()
        assert machine.releases() == []
        assert [path.name for path in (machine.here / "opt").iterdir()] == ["releases"]

    @pytest.mark.parametrize("change", ["tampered", "cut", "empty"])
    def test_other_bytes(self, machine: Machine, change: str) -> None:
        content = (machine.here / f"{release_name(machine.one)}.zip").read_bytes()
        changed = {"tampered": content + b"\0", "cut": content[:-1], "empty": b""}[change]
        machine.tamper(machine.one, changed)
        done = machine.boot()
        assert done.returncode == 1
        assert machine.signals() == _failure(f"{_WRONG}: {machine.one}")
        assert f"its SHA-256 is {hashlib.sha256(changed).hexdigest()}" in done.stderr
        self.unchanged(machine)

    @pytest.mark.parametrize("form", HOSTILE)
    def test_a_member_that_has_no_business_there(self, machine: Machine, form: str) -> None:
        """An archive with an unsafe member is refused, even if its name contains the right hash."""
        uri = machine.upload(HOSTILE[form])
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
    assert message.startswith(f"{INSTANCE}: ")
    assert len(message) <= 64
    assert "the image cannot be used for a node" in done.stderr
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
