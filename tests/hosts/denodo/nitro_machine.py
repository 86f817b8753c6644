"""A Nitro instance for tests: a folder with its devices and the kernel's descriptions of them."""

import os
import subprocess
from pathlib import Path

import pytest

from hosts.denodo.disks.data_disk import Mount
from hosts.denodo.disks.ebs_volumes import MODEL, Disks
from hosts.denodo.privileges import Account
from hosts.denodo.state import DataDisk

ACCOUNT = Account("denodo", 4711, 4712, "/home/denodo")
ROOT_VOLUME, DATA_VOLUME = "vol-0aaaaaaaaaaaaaaaa", "vol-0bbbbbbbbbbbbbbbb"
SIZE = 16 * 2**20
_RECORDS = """\
#!/bin/sh
echo "$@" >> {log}
[ "$1" != "{fails}" ] || {{ echo "Job failed" >&2; exit 1; }}
"""


class Machine:
    """A Nitro instance with two NVMe disks of EBS: the data disk, which is first, and the root."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self._monkeypatch = folder, monkeypatch
        self.names = {"nvme0n1": "sdf", "nvme1n1": "/dev/xvda"}
        for name, volume in (("nvme0n1", DATA_VOLUME), ("nvme1n1", ROOT_VOLUME)):
            self._add(name, MODEL, volume.replace("-", ""))
        # Instance stores are never data disks, whatever their names are.
        self._add("nvme2n1", "Amazon EC2 NVMe Instance Storage", "AWS0123")
        self.disk = folder / "dev/nvme0n1"
        with self.disk.open("wb") as file:
            file.truncate(SIZE)
        partition = folder / "sys/devices/pci/nvme/nvme1/nvme1n1/nvme1n1p1"
        partition.mkdir(parents=True)
        numbers = folder / "sys/dev/block"
        numbers.mkdir(parents=True)
        (numbers / "259:1").symlink_to(partition)
        self.mounts = folder / "mountinfo"
        self.mounts.write_text("22 1 259:1 / / rw,relatime shared:1 - xfs /dev/nvme1n1p1 rw\n")
        (folder / "units").mkdir()
        self.path = folder / "data"
        self.systemctl()

    def _add(self, name: str, model: str, serial: str) -> None:
        device = self.folder / "sys/block" / name / "device"
        device.mkdir(parents=True)
        (device / "model").write_text(f"{model:<40}\n")
        (device / "serial").write_text(f"{serial}\n")
        (self.folder / "dev").mkdir(exist_ok=True)
        (self.folder / "dev" / name).touch()

    def systemctl(self, *, fails: str = "never") -> None:
        """Replace systemctl by a program that records its arguments, and may fail."""
        folder = self.folder / "bin"
        folder.mkdir(exist_ok=True)
        program = folder / "systemctl"
        program.write_text(_RECORDS.format(log=self.folder / "systemctl", fails=fails))
        program.chmod(0o755)
        path = os.environ["PATH"].removeprefix(f"{folder}:")
        self._monkeypatch.setenv("PATH", f"{folder}:{path}")

    def _identify(self, path: Path) -> bytes:
        data = bytearray(4096)
        name = self.names.get(path.name, "").encode()
        data[3072 : 3072 + 32] = name.ljust(32)
        return bytes(data)

    @property
    def disks(self) -> Disks:
        return Disks(self.folder / "dev", self.folder / "sys", self.mounts, self._identify)

    def mount(self, path: Path | None = None, device: str = "/dev/sdf") -> None:
        disk = DataDisk(path or self.path, device)
        Mount(disk, ACCOUNT, disks=self.disks, units=self.folder / "units").make()

    @property
    def signature(self) -> dict[str, str]:
        """Output of `blkid` for the data disk."""
        done = subprocess.run(
            ["blkid", "-p", "-o", "export", self.disk],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    def calls(self) -> list[str]:
        log = self.folder / "systemctl"
        return log.read_text().splitlines() if log.exists() else []

    def units(self) -> dict[str, str]:
        return {unit.name: unit.read_text() for unit in (self.folder / "units").iterdir()}
