"""The machine that the program runs on; in tests, a folder contains all of its files."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files, lock, machine_id
from hosts.common.aws_cli import AwsCli
from hosts.denodo.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNTIME = Path("/run/denodo-node")
"""Folder in memory for temporary secrets; root makes the Denodo user its owner."""
CHANGES_LOCK = "lock"
"""File name of the lock that a run holds while it changes the node."""
_LOCK_MODE = 0o660
"""Permissions of lock files: user and group may read and write, because both root and the Denodo
user use the locks."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class System:
    """Machine that the program runs on: its files and clocks, and how to reach AWS."""

    folder: Path = Path("/var/lib/denodo-node")
    hosts: Path = Path("/etc/hosts")
    environment: Path = Path("/etc/denodo-node/environment")
    local: str = "localhost"
    address: str = ""
    aws: str = "aws"
    poll: float = 2.0
    settle: float = 60.0
    patience: float = 90.0
    machine: Path = machine_id.FILE
    processes: Path = Path("/proc")
    now: Callable[[], datetime] = _now
    call_seconds: float = 60.0

    @property
    def aws_cli(self) -> AwsCli:
        """Return the AWS CLI of the machine."""
        return AwsCli(self.aws, call_seconds=self.call_seconds)

    @property
    def time(self) -> str:
        """Return the current time in the format of records."""
        return self.now().isoformat(timespec="seconds")

    @property
    def machine_id(self) -> str:
        """Return this machine's id from the kernel, empty if unknown; no disk contains the id."""
        return machine_id.read(self.machine)

    @property
    def runtime(self) -> Path:
        """Return the folder of temporary files: `RUNTIME` if usable, otherwise a folder on disk."""
        if self.folder != System.folder:
            return self.folder / "run"
        return RUNTIME if os.access(RUNTIME, os.W_OK) else self.folder / "run"

    @contextmanager
    def temporary_folder(self, name: str) -> Iterator[Path]:
        """Create a private folder for temporary secrets, and remove the folder at the end.

        Args:
            name: name of the folder; the caller must hold a lock, so that no other run uses
                the folder.
        """
        self.remove_temporary_folder(name)
        folder = self.runtime / name
        folder.mkdir(mode=0o700, parents=True)
        try:
            yield folder
        finally:
            self.remove_temporary_folder(name)

    def remove_temporary_folder(self, name: str) -> None:
        """Remove a temporary folder that a killed run has left."""
        for folder in (self.runtime / name, self.folder / "run" / name):
            files.remove(folder)

    @property
    def own_address(self) -> str:
        """Return the private address at which other machines reach this machine."""
        if self.address:
            return self.address
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            # `connect` of a UDP socket sends no packet: the kernel only selects the source address.
            probe.connect(("169.254.169.254", 80))
            return str(probe.getsockname()[0])

    @contextmanager
    def locked(self, name: str = CHANGES_LOCK, *, seconds: float = 0) -> Iterator[None]:
        """Hold a lock of the node.

        Args:
            name: file name of the lock.
            seconds: time to wait for a lock that another run holds.

        Raises:
            BusyError: Another run holds the lock.
        """
        note = f"process {os.getpid()}, since {self.time}"
        path = self.folder / name
        try:
            if os.path.lexists(path) and not stat.S_ISREG(path.lstat().st_mode):
                # A file that is not regular cannot be another run's lock, so remove it.
                files.remove(path)
            file = lock.acquire(path, note=note, mode=_LOCK_MODE, seconds=seconds)
        except lock.LockedError as error:
            holder = error.holder or "a run that has just started"
            message = (
                f"another run of the program is active on the node ({holder}); nothing was done."
                " Run the command again later"
            )
            raise BusyError(message) from None
        with file:
            yield
