"""Data disk of a node: the second EBS volume, mounted on a folder for Denodo.

    blank? ─yes▶ mkfs.ext4 ─▶ systemd mount unit (by UUID) ─▶ mounted now, and at every boot
       └───no──────────────────────┘

A disk on which `blkid` finds a signature, or whose beginning is not empty, is never formatted: its
existing file system is mounted. At each boot, systemd mounts the disk before Denodo starts. If the
disk is missing, Denodo starts without it after a time limit, and `status` has a warning.

Only root formats and mounts the disk: at first boot by `install`, later by the unit
`denodo-node-disk`.
"""

from __future__ import annotations

import os
import pkgutil
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.process import Result, run
from hosts.denodo import log
from hosts.denodo.disks.ebs_volumes import Disks
from hosts.denodo.errors import ImageError, SystemRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.privileges import Account
    from hosts.denodo.state import DataDisk, State

UNIT = "denodo-node-disk.service"
"""Unit that runs the command `mount`. The unit of Denodo's servers has limits that forbid a
mount."""
_PROGRAMS = ("blkid", "mkfs.ext4", "systemd-escape")
_PACKAGES = "install util-linux and e2fsprogs"
_LABEL = "denodo-data"
_BLANK_BYTES = 2**20
"""Size of the beginning of a disk that must contain only zeros before the program formats the disk.
A new EBS volume contains only zeros."""
_NOTHING_FOUND = 2
"""Exit status of `blkid` if the disk has no known signature (blkid(8))."""
_SECONDS = 60
_FORMAT_SECONDS = 600
_START_SECONDS = 180
"""Time limit of a mount; systemd waits 90 s for a disk (systemd-system.conf(5))."""
_TEMPLATE = "systemd/data-disk.mount"


def missing_programs(state: State) -> list[str]:
    """Return a message for each program that the data disk needs and the image lacks."""
    if state.data_disk is None:
        return []
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if not missing:
        return []
    return [f"{', '.join(missing)}: missing, but needed for data_disk_path; {_PACKAGES}"]


def warnings(state: State, disks: Disks | None = None) -> Iterator[str]:
    """Yield a warning if a state has a data disk, and the disk is not mounted."""
    disk = state.data_disk
    if disk is not None and not (disks or Disks()).is_mounted(disk.path):
        yield (
            f"the data disk is not mounted on {disk.path}: `journalctl -u {UNIT}` shows the reason;"
            f" correct the cause, then run `systemctl start {UNIT}`"
        )


def ensure(state: State) -> None:
    """Start the unit that mounts the data disk, if the disk is not mounted.

    An apply and a boot call this function as root on a real machine. A failure is only a warning,
    because a missing disk must neither keep Denodo from running nor end a roll.
    """
    if state.data_disk is None or Disks().is_mounted(state.data_disk.path):
        return
    try:
        run(["systemctl", "start", UNIT], seconds=_FORMAT_SECONDS + _START_SECONDS)
    except OSError as error:
        log.warning(f"{UNIT} cannot be started: {error}")
    for warning in warnings(state):
        log.warning(warning)


class Mount:
    """Formatting and mounting of a data disk, for which this process must be root.

    Args:
        disk: the data disk of the desired state.
        account: the user that runs Denodo's servers, who owns a new file system.
        disks: the disks of the machine.
        units: folder of systemd's units.
    """

    def __init__(
        self,
        disk: DataDisk,
        account: Account,
        *,
        disks: Disks | None = None,
        units: Path = Path("/etc/systemd/system"),
    ) -> None:
        self._disk, self._account = disk, account
        self._disks, self._units = disks or Disks(), units

    def make(self) -> None:
        """Mount the disk now and at every boot; format the disk first if it is blank.

        Raises:
            ImageError: The disk is missing, or is not usable; the message says what to do.
            SystemRefusedError: The operating system refused a step.
        """
        if self._disks.is_mounted(self._disk.path):
            return
        try:
            device = self._disks.attached_as(self._disk.device)
            if device is None:
                message = (
                    f"no EBS volume is attached as {self._disk.device}, so there is no data disk"
                    f" for {self._disk.path}; attach a volume under this device name, or remove"
                    " data_disk_path from the configuration"
                )
                raise ImageError(message)
            self._prepare_folder()
            values = self._signature(device)
            if values is None:
                self._format(device)
                values = self._signature(device) or {}
            self._write_unit(device, values)
        except OSError as error:
            message = f"the data disk cannot be mounted on {self._disk.path}: {error}"
            raise SystemRefusedError(message) from None
        log.info(f"{device} is mounted on {self._disk.path}")

    def _prepare_folder(self) -> None:
        """Create the folder to mount on; refuse a folder that contains files.

        A mounted disk would hide these files.
        """
        path = self._disk.path
        existing = next(parent for parent in path.parents if os.path.lexists(parent))
        with files.open_folder(existing, trusted=True):
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with files.open_folder(path.parent, trusted=True) as parent:
            if not os.path.lexists(path):
                # Make root the owner of the folder: if the data disk is missing, Denodo must not
                # fill the root disk.
                os.mkdir(path.name, 0o755, dir_fd=parent)
            status = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            message = f"{path} is not a folder, so no disk can be mounted there; remove {path}"
            raise ImageError(message)
        if any(path.iterdir()):
            message = (
                f"the folder {path} contains files, which the data disk would hide; move the files"
                " to another folder, or change data_disk_path in the configuration"
            )
            raise ImageError(message)

    def _signature(self, device: Path) -> dict[str, str] | None:
        """Return what `blkid` finds on a disk; None if the disk is blank."""
        result = self._run("blkid", "-p", "-o", "export", device)
        if result.status == 0:
            lines = (line.partition("=") for line in result.output.splitlines())
            return {name: value for name, _, value in lines}
        if result.status != _NOTHING_FOUND:
            message = f"{device} is not formatted, because `blkid` {result}"
            raise ImageError(message)
        with device.open("rb") as file:
            beginning = file.read(_BLANK_BYTES)
        if any(beginning):
            message = (
                f"{device} is not formatted: the disk contains data, although `blkid` finds no file"
                f" system. If the data is not needed, run `wipefs --all {device}; dd if=/dev/zero"
                f" of={device} bs=1M count=1`, then `systemctl start {UNIT}`"
            )
            raise ImageError(message)
        return None

    def _format(self, device: Path) -> None:
        log.info(f"{device} is blank, and is formatted with ext4")
        owner = f"root_owner={self._account.uid}:{self._account.gid}"
        command = ("mkfs.ext4", "-q", "-L", _LABEL, "-E", owner, device)
        result = self._run(*command, seconds=_FORMAT_SECONDS)
        if not result.succeeded:
            message = f"{device} cannot be formatted: mkfs.ext4 {result}"
            raise ImageError(message)

    def _write_unit(self, device: Path, values: dict[str, str]) -> None:
        """Write and start the systemd unit that mounts the disk."""
        if values.get("USAGE") != "filesystem" or not values.get("UUID"):
            found = values.get("TYPE") or values.get("PTTYPE") or "an unknown signature"
            message = (
                f"{device} is not formatted or mounted: `blkid` finds {found} on the disk, but no"
                " file system that covers the whole disk. Attach another volume, or if the data is"
                f" not needed, run `wipefs --all {device}; dd if=/dev/zero of={device} bs=1M"
                f" count=1`, then `systemctl start {UNIT}`"
            )
            raise ImageError(message)
        name = self._run("systemd-escape", "--path", "--suffix=mount", self._disk.path)
        if not name.succeeded:
            message = f"systemd-escape {name}"
            raise SystemRefusedError(message)
        unit = self._units / name.output.strip()
        template = pkgutil.get_data("hosts.denodo", _TEMPLATE)
        assert template is not None
        text = template.decode()
        for key, value in (
            ("UUID", values["UUID"]),
            ("TYPE", values["TYPE"]),
            ("FOLDER", str(self._disk.path)),
        ):
            text = text.replace(f"@{key}@", value)
        self._disable_others(unit, text.splitlines()[0])
        files.replace(unit, text.encode(), trusted=True)
        for arguments in (("daemon-reload",), ("enable", unit.name), ("start", unit.name)):
            result = self._run("systemctl", *arguments, seconds=_START_SECONDS)
            if not result.succeeded:
                message = f"{device} is not mounted on {self._disk.path}: systemctl {result}"
                raise SystemRefusedError(message)

    def _disable_others(self, unit: Path, first_line: str) -> None:
        """Disable the mount units of earlier values of `data_disk_path`, from the next boot on."""
        for other in sorted(self._units.glob("*.mount")):
            if other != unit and files.read(other).decode().startswith(first_line):
                self._run("systemctl", "disable", other.name)

    @staticmethod
    def _run(*command: str | Path, seconds: float = _SECONDS) -> Result:
        return run([*command], seconds=seconds)
