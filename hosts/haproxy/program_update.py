"""Takes the program that the parameter names, for what is run after it.

Each program lies in a folder of its own, and a link says which one counts: a run that is killed
leaves the old one or the new one.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hosts.haproxy.errors import Failed

if TYPE_CHECKING:
    from hosts.haproxy.cloud import Cloud

FOLDER = Path("/opt/denodo-haproxy")
"""Where first boot puts the program (`stacks/nodes/first_boot.py` says the same)."""
PACKAGE = "haproxy"


def take(cloud: Cloud, folder: Path) -> bool:
    """Take the wanted program; gives whether it is another one.

    Raises:
        Failed: it cannot be fetched or unpacked.
    """
    address = cloud.wanted().program
    release = folder / "releases" / PurePosixPath(address).stem
    current = folder / "current"
    if current.is_symlink() and current.resolve() == release.resolve() and release.is_dir():
        return False
    if not release.is_dir():
        _unpack(cloud, address, release)
    following = folder / f"current.{os.getpid()}"
    following.unlink(missing_ok=True)
    following.symlink_to(release)
    following.replace(current)
    return True


def _unpack(cloud: Cloud, address: str, release: Path) -> None:
    unpacked = release.with_name(f"unpacking.{os.getpid()}")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(mode=0o755, parents=True)
    try:
        archive = unpacked / "program.zip"
        cloud.fetch(address, archive)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(unpacked / PACKAGE)
        archive.unlink()
        unpacked.replace(release)
    except (OSError, zipfile.BadZipFile) as wrong:
        message = f"the program {address} cannot be unpacked: {wrong}"
        raise Failed(message) from wrong
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
