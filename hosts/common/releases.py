"""Releases of a host program, and the change from one release to another.

    FOLDER/releases/NAME/PACKAGE   an unpacked archive (`hosts.archive`)
    FOLDER/current                 a symbolic link to the release in use

First boot creates the same layout (`stacks/nodes/first_boot.py`). Because the link is replaced
in one step, a run that is killed leaves the old release in use or the new one.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hosts.common.aws_cli import AwsCli


def running_release() -> Path:
    """Return the folder in which the archive of the running program was unpacked as a package."""
    return Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Releases:
    """The releases of a program.

    Attributes:
        folder: the folder of the program.
        package: the package name by which machines start the program.
    """

    folder: Path
    package: str

    def named_by(self, uri: str) -> Path:
        """Return the folder of the release whose archive is an S3 object."""
        return self.folder / "releases" / PurePosixPath(uri).stem

    def in_use(self, release: Path) -> bool:
        """Return whether `current` leads to a release that exists."""
        current = self.folder / "current"
        return current.is_symlink() and current.resolve() == release.resolve() and release.is_dir()

    def fetch(self, uri: str, aws: AwsCli) -> Path:
        """Fetch and unpack a release, unless its folder exists already; return the folder.

        Raises:
            AwsError: The archive cannot be fetched.
            BadZipFile: The object is not a ZIP archive.
            OSError: The archive cannot be unpacked.
        """
        release = self.named_by(uri)
        if release.is_dir():
            return release
        unpacked = release.with_name(f"unpacking.{os.getpid()}")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(mode=0o755, parents=True)
        try:
            archive = unpacked / f"{self.package}.zip"
            aws.copy_object(uri, archive)
            with zipfile.ZipFile(archive) as members:
                members.extractall(unpacked / self.package)
            archive.unlink()
            unpacked.replace(release)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        return release

    def use(self, release: Path) -> None:
        """Let `current` lead to a release."""
        link = self.folder / f"current.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(release)
        link.replace(self.folder / "current")

    def remove_others(self, kept: Path) -> None:
        """Remove all releases except one and the one of the running program."""
        for release in kept.parent.iterdir():
            if release.resolve() not in (kept.resolve(), running_release()):
                shutil.rmtree(release, ignore_errors=True)
