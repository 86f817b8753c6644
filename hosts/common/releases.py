"""Releases of a host program, and the change from one release to another.

    FOLDER/releases/NAME/PACKAGE   an unpacked archive (`hosts.archive`) with the SHA-256 NAME
    FOLDER/current                 a symbolic link to the release in use
    FOLDER/refused.json            why the release that the desired state names is not in use

First boot creates the same layout (`stacks/nodes/first_boot.py`). The link is replaced atomically,
so a run that is killed leaves either the old or the new release in use. The folder of a release
gets its final name only after the archive was verified and unpacked, so a folder with that name is
complete.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from hosts.common import files, json_object, verified_object
from hosts.common.errors import UnverifiedError

if TYPE_CHECKING:
    from hosts.common.aws_cli import AwsCli

MOST_ARCHIVE_BYTES = 8 * 1024 * 1024
MOST_UNPACKED_BYTES = 32 * 1024 * 1024
MOST_MEMBERS = 1000
"""Limits of an archive: bytes, bytes when unpacked, number of members. The archives of this project
are far smaller, and a test verifies this."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")
_REFUSED = "refused.json"
_MOST_REFUSED_BYTES = 16 * 1024
_SHOWN = 800
"""Maximum number of characters of the reason in `refused.json`, counted from the reason's end."""
_PRIVATE_FOLDER = 0o755
_NOT_READABLE = (EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)


def running_release() -> Path:
    """Return the release folder of the running program, which contains the unpacked package."""
    return Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Releases:
    """The releases of a program.

    Attributes:
        folder: the folder of the program, which only root can write.
        package: the package name by which machines start the program.
    """

    folder: Path
    package: str

    @classmethod
    def of_running_program(cls, package: str) -> Releases | None:
        """Return this program's releases; None if the program does not run from a release."""
        release = running_release()
        return cls(release.parents[1], package) if release.parent.name == "releases" else None

    def named_by(self, uri: str) -> Path:
        """Return the folder of a release, which has the name of the archive's S3 object.

        Args:
            uri: S3 URL of the archive.

        Raises:
            UnverifiedError: The name of the object is not allowed as the name of a release.
        """
        name = PurePosixPath(uri).stem
        if not _NAME.fullmatch(name):
            message = (
                f"the desired state names the program {uri!r}, whose name is not possible for a"
                " release: deploy the stack again"
            )
            raise UnverifiedError(message)
        return self.folder / "releases" / name

    def in_use(self, release: Path) -> bool:
        """Return whether a release exists and the link `current` leads to this release."""
        current = self.folder / "current"
        return current.is_symlink() and current.resolve() == release.resolve() and release.is_dir()

    def fetch(self, uri: str, aws: AwsCli) -> Path:
        """Fetch, verify and unpack a release, unless its folder exists already; return the folder.

        Raises:
            AwsError: The archive cannot be fetched.
            UnverifiedError: The archive does not match its name, or another user can write the
                folder of the releases. Nothing was unpacked.
            OSError: The archive cannot be unpacked.
        """
        release = self.named_by(uri)
        if release.is_dir():
            return release
        release.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        for folder in (self.folder, release.parent):
            _require_own(folder)
        unpacked = release.with_name(f"unpacking.{os.getpid()}")
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(mode=_PRIVATE_FOLDER)
        try:
            archive = unpacked / f"{self.package}.zip"
            verified_object.fetch(aws, uri, archive, most_bytes=MOST_ARCHIVE_BYTES)
            unpack(archive, unpacked / self.package)
            archive.unlink()
            # Write everything to disk before the folder gets its final name: after a power failure,
            # a folder with the final name must be complete.
            os.sync()
            unpacked.replace(release)
        finally:
            shutil.rmtree(unpacked, ignore_errors=True)
        return release

    def use(self, release: Path) -> None:
        """Replace the link `current` with a link to a release."""
        link = self.folder / f"current.{os.getpid()}"
        link.unlink(missing_ok=True)
        link.symlink_to(release)
        link.replace(self.folder / "current")

    def refuse(self, uri: str, reason: str, at: str) -> None:
        """Record why the desired release is not used; `accept` removes the record."""
        text = json.dumps({"program": uri, "reason": reason[-_SHOWN:], "at": at}, indent=1)
        if self.folder.is_dir():
            files.write_atomically(self.folder / _REFUSED, text.encode(), mode=files.PUBLIC)

    def accept(self) -> None:
        """Remove the record that `refuse` has written."""
        files.remove(self.folder / _REFUSED)

    @property
    def refused(self) -> dict[str, str] | None:
        """Return the refused `program`, the `reason` and the time `at`, None without a refusal."""
        try:
            with (self.folder / _REFUSED).open(encoding="utf-8") as file:
                data = json_object.parse(file.read(_MOST_REFUSED_BYTES))
        except (OSError, ValueError):
            return None
        if not isinstance(data, dict):
            return None
        return {str(key): str(value) for key, value in data.items()}

    def remove_others(self, kept: Path) -> None:
        """Remove all releases except `kept` and the release of the running program."""
        for release in kept.parent.iterdir():
            if release.resolve() not in (kept.resolve(), running_release()):
                shutil.rmtree(release, ignore_errors=True)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack an archive; refuse members other than regular files and folders below `folder`.

    Raises:
        UnverifiedError: The archive is not valid, too large, or has a member that is not allowed;
            nothing was unpacked.
        OSError: A file cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as members:
            content = members.infolist()
            if len(content) > MOST_MEMBERS:
                message = f"the archive {archive.name} has more than {MOST_MEMBERS} members"
                raise UnverifiedError(message)
            if sum(member.file_size for member in content) > MOST_UNPACKED_BYTES:
                message = (
                    f"the unpacked archive {archive.name} has more than {MOST_UNPACKED_BYTES} bytes"
                )
                raise UnverifiedError(message)
            for member in content:
                if not _is_harmless(member):
                    message = (
                        f"the archive {archive.name} has a member that is not allowed, because it"
                        f" is a link or outside of the archive's folder: {member.filename!r}"
                    )
                    raise UnverifiedError(message)
            members.extractall(folder)
    except _NOT_READABLE as error:
        message = f"{archive.name} is not an archive of the program: {error}"
        raise UnverifiedError(message) from None


def _is_harmless(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a regular file or folder with a path below the target folder."""
    kind = stat.S_IFMT(member.external_attr >> 16)
    path = PurePosixPath(member.filename)
    return (
        kind in (0, stat.S_IFREG, stat.S_IFDIR)
        and not path.is_absolute()
        and ".." not in path.parts
        and "\\" not in member.filename
    )


def _require_own(folder: Path) -> None:
    """Refuse a folder that a user other than root and the user of this process can write.

    Raises:
        UnverifiedError: Another user can write the folder.
    """
    status = folder.lstat()
    if (
        not stat.S_ISDIR(status.st_mode)
        or status.st_uid not in (0, os.geteuid())
        or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ):
        message = (
            f"users other than root can write in the folder {folder}, so the program is not "
            f"unpacked there: run `chown root: {folder} && chmod go-w {folder}`"
        )
        raise UnverifiedError(message)
