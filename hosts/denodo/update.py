"""Takes the program that the desired state names, for what is run after it.

Each program lies in a folder of its own, and a link says which one counts: a run that is killed
leaves the old one or the new one. What runs already, such as the readiness endpoint, is started
again by `install`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hosts.denodo import aws, log
from hosts.denodo.errors import StateError, SystemRefusedError
from hosts.denodo.system import release_folder

if TYPE_CHECKING:
    from hosts.denodo.state import State
    from hosts.denodo.system import System

FOLDER = Path("/opt/denodo-node")
"""Where first boot puts the program (`stacks/nodes/first_boot.py` says the same)."""


def update(system: System, state: State, folder: Path, install: list[str]) -> bool:
    """Take the program that a state names; gives whether it is another one.

    Args:
        system: the machine.
        state: the wanted state.
        folder: where the programs lie.
        install: arguments of the new program's `install`.

    Raises:
        StateError: the state names no program.
        NoAnswerError: it cannot be fetched.
        SystemRefusedError: it cannot be unpacked, or does not install.
    """
    address = state.raw.get("program")
    if not address:
        raise StateError("program: is missing; the node keeps the program that it has")
    release = folder / "releases" / PurePosixPath(str(address)).stem
    current = folder / "current"
    if current.is_symlink() and current.resolve() == release.resolve() and release.is_dir():
        return False
    if not release.is_dir():
        _unpack(system, str(address), release)
    _install(release, install)
    following = folder / f"current.{os.getpid()}"
    following.unlink(missing_ok=True)
    following.symlink_to(release)
    following.replace(current)
    _forget(release)
    log.info(f"took the program {release.name}")
    return True


def _unpack(system: System, address: str, release: Path) -> None:
    unpacked = release.with_name(f"unpacking.{os.getpid()}")
    shutil.rmtree(unpacked, ignore_errors=True)
    unpacked.mkdir(mode=0o755, parents=True)
    try:
        archive = unpacked / "node.zip"
        aws.fetch(system, address, archive)
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(unpacked / "node")
        archive.unlink()
        unpacked.replace(release)
    except zipfile.BadZipFile:
        message = f"{address} is no archive of the program"
        raise SystemRefusedError(message) from None
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _install(release: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node", "install", *arguments], cwd=release, check=False
    )
    if done.returncode:
        message = f"the program {release.name} does not install; the node keeps the one it has"
        raise SystemRefusedError(message)


def _forget(kept: Path) -> None:
    """Remove other programs, but for the one that runs now."""
    running = release_folder()
    for other in kept.parent.iterdir():
        if other.resolve() not in (kept.resolve(), running):
            shutil.rmtree(other, ignore_errors=True)
