"""The data disk: found by its device name, formatted only if it is blank, mounted by its UUID.

`blkid` and `mkfs.ext4` are the real programs, on a file; where the machine has loop devices, the
file system is mounted, too. systemd is a stand-in: a program that records its arguments.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hosts.denodo import installation, node_warnings
from hosts.denodo.apply import apply
from hosts.denodo.commands import main
from hosts.denodo.disks import data_disk
from hosts.denodo.disks.ebs_volumes import Disks
from hosts.denodo.errors import ImageError, SystemRefusedError
from hosts.denodo.record import Record
from tests.hosts.denodo.home import Home
from tests.hosts.denodo.nitro_machine import ACCOUNT, DATA_VOLUME, ROOT_VOLUME, SIZE, Machine

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root formats and mounts disks")


@pytest.fixture
def nitro(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path / "nitro", monkeypatch)


def test_volumes_have_their_ids_and_the_names_of_the_mapping(nitro: Machine) -> None:
    found = [(each.id, each.path.name, each.device) for each in nitro.disks.volumes()]
    assert found == [
        (DATA_VOLUME, "nvme0n1", "/dev/sdf"),
        (ROOT_VOLUME, "nvme1n1", "/dev/xvda"),
    ]
    root = nitro.disks.root()
    assert root is not None
    assert root.id == ROOT_VOLUME


@pytest.mark.parametrize("name", ["sdf", "xvdf"])
def test_a_xen_disk_has_the_name_of_the_mapping(nitro: Machine, name: str) -> None:
    nitro.names.clear()
    assert nitro.disks.attached_as("/dev/sdf") is None
    (nitro.folder / "dev" / name).touch()
    assert nitro.disks.attached_as("/dev/sdf") == nitro.folder / "dev" / name


def test_a_blank_disk_is_formatted_for_denodo_and_mounted_by_its_uuid(nitro: Machine) -> None:
    nitro.mount()
    signature = nitro.signature
    assert (signature["TYPE"], signature["LABEL"]) == ("ext4", "denodo-data")
    shown = subprocess.run(
        ["debugfs", "-R", "stat /", nitro.disk],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert re.search(r"User:\s+4711\s+Group:\s+4712", shown)
    (name,) = nitro.units()
    text = nitro.units()[name]
    assert f"What=/dev/disk/by-uuid/{signature['UUID']}\nWhere={nitro.path}\nType=ext4\n" in text
    assert "@" not in text
    assert nitro.calls() == ["daemon-reload", f"enable {name}", f"start {name}"]
    assert (nitro.path.stat().st_uid, nitro.path.stat().st_mode & 0o777) == (0, 0o755)


def test_a_second_run_formats_nothing_and_a_mounted_disk_is_left_alone(nitro: Machine) -> None:
    nitro.mount()
    before = nitro.disk.read_bytes()
    nitro.mount()
    assert nitro.disk.read_bytes() == before
    calls = nitro.calls()
    assert not [call for call in calls if call.startswith("disable")]
    line = f"23 22 259:2 / {nitro.path} rw - ext4 /dev/nvme0n1 rw\n"
    nitro.mounts.write_text(nitro.mounts.read_text() + line)
    nitro.mount()
    assert nitro.calls() == calls


def _ext4(disk: Path) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-L", "mine", disk], check=True, timeout=60)


def _swap(disk: Path) -> None:
    subprocess.run(["mkswap", disk], check=True, timeout=60, stdout=subprocess.DEVNULL)


def _write(position: int, content: bytes) -> Callable[[Path], None]:
    def write(disk: Path) -> None:
        with disk.open("r+b") as file:
            file.seek(position)
            file.write(content)

    return write


_PARTITION = bytes([0, 0, 2, 0, 0x83, 0xFF, 0xFF, 0xFF, 0, 8, 0, 0, 0, 0x40, 0, 0])
_SIGNATURES: dict[str, tuple[Callable[[Path], None], str]] = {
    "swap": (_swap, "`blkid` finds swap on the disk, but no file system"),
    "partitions": (
        _write(446, _PARTITION + bytes(48) + b"\x55\xaa"),
        "finds dos on the disk, but no",
    ),
    "lvm": (_write(512, b"LABELONE" + bytes(16) + b"LVM2 001"), "not formatted"),
    "unknown data": (
        _write(4096, b"a database of its own"),
        "contains data, although `blkid` finds",
    ),
}


@pytest.mark.parametrize("kind", _SIGNATURES)
def test_a_disk_with_something_on_it_is_never_formatted(nitro: Machine, kind: str) -> None:
    write, message = _SIGNATURES[kind]
    write(nitro.disk)
    before = nitro.disk.read_bytes()
    with pytest.raises(ImageError, match=message):
        nitro.mount()
    assert nitro.disk.read_bytes() == before
    assert (nitro.calls(), nitro.units()) == ([], {})


def test_a_file_system_of_its_own_is_mounted_as_it_is(nitro: Machine) -> None:
    _ext4(nitro.disk)
    before = nitro.disk.read_bytes()
    nitro.mount()
    assert nitro.disk.read_bytes() == before
    assert nitro.signature["LABEL"] == "mine"
    assert nitro.signature["UUID"] in "".join(nitro.units().values())


@pytest.mark.parametrize("status", [4, 8, 127])
def test_what_blkid_cannot_judge_is_not_formatted(nitro: Machine, status: int) -> None:
    blkid = nitro.folder / "bin/blkid"
    blkid.write_text(f"#!/bin/sh\nexit {status}\n")
    blkid.chmod(0o755)
    with pytest.raises(ImageError, match="is not formatted, because `blkid` ended with"):
        nitro.mount()
    assert not any(nitro.disk.read_bytes())


def test_a_disk_that_is_missing_is_named(nitro: Machine) -> None:
    with pytest.raises(ImageError, match="no EBS volume is attached as /dev/sdg"):
        nitro.mount(device="/dev/sdg")


def test_the_disk_hides_no_files(nitro: Machine) -> None:
    nitro.path.mkdir()
    (nitro.path / "file").touch()
    with pytest.raises(ImageError, match=f"{nitro.path} contains files, which the data disk would"):
        nitro.mount()
    assert not any(nitro.disk.read_bytes())


def test_no_disk_is_mounted_where_another_user_leads_root(nitro: Machine) -> None:
    folder = nitro.folder / "home"
    folder.mkdir()
    os.chown(folder, ACCOUNT.uid, ACCOUNT.gid)
    with pytest.raises(SystemRefusedError, match="users other than root can write"):
        nitro.mount(folder / "below/data")
    assert list(folder.iterdir()) == []
    nitro.path.symlink_to(folder)
    with pytest.raises(ImageError, match="is not a folder"):
        nitro.mount()
    assert not any(nitro.disk.read_bytes())


def test_a_mount_that_fails_is_explained(nitro: Machine) -> None:
    nitro.systemctl(fails="start")
    with pytest.raises(SystemRefusedError, match=r"is not mounted on .*: systemctl .*Job failed"):
        nitro.mount()


def test_the_unit_of_an_earlier_folder_is_disabled(nitro: Machine) -> None:
    nitro.mount()
    (first,) = nitro.units()
    (nitro.folder / "units/srv.mount").write_text("# A mount of somebody else\n")
    nitro.mount(nitro.folder / "other")
    assert [call for call in nitro.calls() if call.startswith("disable")] == [f"disable {first}"]


def test_the_command_is_roots_and_needs_a_data_disk(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "state.json"
    file.write_text(json.dumps(home.data()))
    assert main([*home.arguments, "mount", f"--state={file}"]) == 0
    data = {"path": str(tmp_path / "data"), "device": "/dev/none"}
    file.write_text(json.dumps(home.data(data_disk=data)))
    assert main([*home.arguments, "mount", f"--state={file}"]) == ImageError.code
    assert "no EBS volume is attached as /dev/none" in capsys.readouterr().out


def test_a_first_boot_needs_the_disk_and_an_installed_node_only_warns(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = {"path": str(tmp_path / "data"), "device": "/dev/none"}
    state = home.state(data_disk=data)
    with pytest.raises(ImageError, match="no EBS volume is attached"):
        installation.mount_data_disk(state, is_installed=False)
    installation.mount_data_disk(state, is_installed=True)
    assert "no EBS volume is attached" in capsys.readouterr().out
    apply(home.system, state)
    (warning,) = node_warnings.warnings(home.system, Record(home.system))
    assert "the data disk is not mounted on" in warning
    apply(home.system, home.state(data_disk={**data, "path": "/proc"}))
    assert [*node_warnings.warnings(home.system, Record(home.system))] == []


def test_an_apply_starts_the_unit_and_never_fails(home: Home, nitro: Machine) -> None:
    data = {"path": str(nitro.path), "device": "/dev/sdf"}
    data_disk.ensure(home.state())
    data_disk.ensure(home.state(data_disk={**data, "path": "/proc"}))
    assert nitro.calls() == []
    nitro.systemctl(fails="start")
    data_disk.ensure(home.state(data_disk=data))
    assert nitro.calls() == [f"start {data_disk.UNIT}"]


def test_programs_that_the_image_lacks_are_named(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = home.state(data_disk={"path": "/data", "device": "/dev/sdf"})
    assert data_disk.missing_programs(state) == []
    monkeypatch.setenv("PATH", "/none")
    (message,) = data_disk.missing_programs(state)
    assert "blkid, mkfs.ext4, systemd-escape: missing" in message
    assert data_disk.missing_programs(home.state()) == []


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    """Return a loop device of a blank file."""
    file = tmp_path / "disk"
    with file.open("wb") as disk:
        disk.truncate(SIZE)
    done = subprocess.run(
        ["losetup", "--find", "--show", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        pytest.skip(f"this machine has no loop devices: {done.stderr.strip()}")
    device = Path(done.stdout.strip())
    yield device
    subprocess.run(["losetup", "--detach", device], check=True, timeout=60)


def test_the_file_system_of_a_real_device_belongs_to_denodo(nitro: Machine, loop: Path) -> None:
    """The test calls `mount`, which systemd does on a node by the program's mount unit."""
    nitro.names = {loop.name: "sdf"}
    (nitro.folder / "dev" / loop.name).symlink_to(loop)
    (nitro.folder / "dev/sdf").symlink_to(loop)
    nitro.mount()
    (text,) = nitro.units().values()
    unit = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert nitro.disks.attached_as("/dev/sdf") == loop
    command = ["mount", "-t", unit["Type"], "-o", unit["Options"], str(loop), unit["Where"]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        pytest.skip(f"this machine mounts no loop devices: {done.stderr.strip()}")
    try:
        status = nitro.path.stat()
        assert (status.st_uid, status.st_gid) == (ACCOUNT.uid, ACCOUNT.gid)
        assert Disks().is_mounted(nitro.path)
        nitro.mounts.write_text(Path("/proc/self/mountinfo").read_text())
        calls = nitro.calls()
        nitro.mount()
        assert nitro.calls() == calls
    finally:
        subprocess.run(["umount", nitro.path], check=True, timeout=60)
