"""What the program needs of the machine, in one place, so that it runs in a folder, too."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def release_folder() -> Path:
    """Return the folder in which the running program was unpacked, as the package `node`."""
    return Path(__file__).resolve().parents[3]


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class System:
    """The machine.

    Attributes:
        folder: where the program keeps what it knows.
        hosts: the hosts file.
        local: where the node's own servers are reached from the node.
        address: the node's own private address; empty: found out.
        aws: the AWS CLI.
        poll: seconds between two looks at something that takes time.
        settle: seconds that a stopped server's Java may still run before that is warned about.
        machine: a file that tells one machine from another.
        processes: where the kernel shows processes.
        now: the clock, for records only; no wait depends on it.
    """

    folder: Path = Path("/var/lib/denodo-node")
    hosts: Path = Path("/etc/hosts")
    local: str = "localhost"
    address: str = ""
    aws: str = "aws"
    poll: float = 2.0
    settle: float = 60.0
    # On EC2 the instance's id (AWS, "Identify EC2 instances"; Nitro only).
    machine: Path = Path("/sys/devices/virtual/dmi/id/board_asset_tag")
    processes: Path = Path("/proc")
    now: Callable[[], datetime] = _now

    @property
    def time(self) -> str:
        """The time as records have it."""
        return self.now().isoformat(timespec="seconds")

    @property
    def machine_id(self) -> str:
        """What tells this machine from a copy of its disk, empty where nothing does."""
        try:
            return self.machine.read_text().strip()
        except OSError:
            return ""

    @property
    def own_address(self) -> str:
        """The private address that other machines reach this one at."""
        if self.address:
            return self.address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # Sends nothing: it only asks the kernel which address it would send from.
            probe.connect(("169.254.169.254", 80))
            return str(probe.getsockname()[0])
