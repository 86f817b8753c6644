"""Id of this machine: the id of the EC2 instance, which the kernel provides."""

from __future__ import annotations

from pathlib import Path

from hosts.common import files

FILE = Path("/sys/devices/virtual/dmi/id/board_asset_tag")
"""File with the id of the instance; other machines than Nitro instances lack this file (AWS,
"Identify EC2 instances")."""
_LIMIT = 4096


def read(file: Path = FILE) -> str:
    """Return the id of this machine, empty if unknown.

    The kernel provides the id, so a copy of this machine's disk does not contain the id.
    """
    try:
        return files.read(file, limit=_LIMIT).decode(errors="replace").strip()
    except OSError:
        return ""
