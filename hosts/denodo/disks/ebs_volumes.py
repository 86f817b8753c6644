"""EBS volumes that are attached to this machine, with their device names in EC2's mapping.

The kernel numbers NVMe disks in the order in which they answer, so the name of a disk may differ
after each boot. The NVMe controller of an EBS volume returns the device name of the block device
mapping in its vendor-specific data, and the id of the volume as serial number (AWS, Amazon EBS User
Guide, "Map Amazon EBS volumes to NVMe device names"). On Xen instances, a disk has the device name
of the mapping or the same name with xvd: /dev/sdf, or /dev/xvdf (AWS, Amazon EC2 User Guide,
"Device names for volumes on Amazon EC2 instances").
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "Amazon Elastic Block Store"
_ATTRIBUTE_LIMIT = 4096
_IDENTIFY_BYTES = 4096
_DEVICE_NAME = slice(3072, 3104)
"""Position of the device name in a disk's answer to the NVMe command `Identify` (AWS,
amazon-ec2-utils, ebsnvme-id)."""
_ADMIN_COMMAND = 0xC0484E41
"""`NVME_IOCTL_ADMIN_CMD` (Linux, nvme_ioctl.h)."""
_IDENTIFY = 0x06
_CONTROLLER = 1


@dataclass(frozen=True)
class Volume:
    """EBS volume on a Nitro instance.

    Attributes:
        id: id of the volume.
        path: device file of the volume, such as /dev/nvme1n1.
        device: device name of EC2's mapping, such as /dev/sdf; empty if it cannot be read.
    """

    id: str
    path: Path
    device: str


@dataclass(frozen=True)
class Disks:
    """The disks of the machine, read from files of the kernel (in tests: from other folders).

    Attributes:
        devices: folder of the device files.
        system: folder of the kernel's descriptions of devices.
        mounts: list of the mounted file systems.
        identify: returns the answer of a disk's controller to the NVMe command `Identify`.
    """

    devices: Path = Path("/dev")
    system: Path = Path("/sys")
    mounts: Path = Path("/proc/self/mountinfo")
    identify: Callable[[Path], bytes] | None = None

    def volumes(self) -> Iterator[Volume]:
        """Yield the EBS volumes that are NVMe disks."""
        for block in sorted((self.system / "block").glob("nvme*")):
            if _attribute(block / "device/model") == MODEL:
                path = self.devices / block.name
                # The disk's serial number is the volume's id without the hyphen, such as vol0123.
                id_ = _attribute(block / "device/serial").replace("vol", "vol-", 1)
                yield Volume(id_, path, self._device(path))

    def attached_as(self, device: str) -> Path | None:
        """Return the disk of the volume that EC2 has attached under a device name.

        Args:
            device: device name of the mapping, such as /dev/sdf.
        """
        for volume in self.volumes():
            if volume.device == device:
                return volume.path
        name = device.rpartition("/")[2]
        for path in (self.devices / name, self.devices / name.replace("sd", "xvd", 1)):
            if path.exists():  # on Xen, or a symbolic link of the image's udev rules
                return path.resolve()
        return None

    def root(self) -> Volume | None:
        """Return the volume with the root file system; None if the volume is not known."""
        for line in self._mount_lines():
            if line[4] == "/":
                # `/sys/dev/block/259:1` leads to `…/nvme0n1/nvme0n1p1`, or `…/nvme0n1`.
                names = (self.system / "dev/block" / line[2]).resolve().parts
                return next((each for each in self.volumes() if each.path.name in names), None)
        return None

    def is_mounted(self, path: Path) -> bool:
        """Return whether a file system is mounted on a folder."""
        return any(line[4] == str(path) for line in self._mount_lines())

    def _mount_lines(self) -> Iterator[list[str]]:
        text = files.read(self.mounts).decode(errors="replace")
        for line in text.splitlines():
            if len(parts := line.split()) > 4:
                yield parts

    def _device(self, path: Path) -> str:
        try:
            data = (self.identify or _identify)(path)
        except OSError:
            return ""
        name = data[_DEVICE_NAME].split(b"\0", 1)[0].decode("ascii", "replace").strip()
        return f"/dev/{name.rpartition('/')[2]}" if name else ""


def _attribute(path: Path) -> str:
    try:
        return files.read(path, limit=_ATTRIBUTE_LIMIT).decode(errors="replace").strip()
    except OSError:
        return ""


def _identify(path: Path) -> bytes:
    """Return the answer of an NVMe disk's controller to the command `Identify`, as root.

    Raises:
        OSError: The device is not an NVMe disk, or this process may not send the command.
    """
    data = ctypes.create_string_buffer(_IDENTIFY_BYTES)
    command = struct.pack(
        "<BBHIIIQQIIIIIIIIII",
        *(_IDENTIFY, 0, 0, 0, 0, 0),
        *(0, ctypes.addressof(data), 0, _IDENTIFY_BYTES),
        *(_CONTROLLER, 0, 0, 0, 0, 0),
        *(0, 0),
    )
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _ADMIN_COMMAND, bytearray(command))
    finally:
        os.close(descriptor)
    return data.raw
