"""Update of a node to the release of the program that the node's desired state names.

The release is fetched and verified. Then the new release installs its own units, and the link
`current` is changed to the new release. An update reads only the key `program` of the desired
state, because the other keys may have a format that only the new release can read.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.common.errors import HostError
from hosts.common.releases import Releases
from hosts.denodo import log
from hosts.denodo.errors import StateError, SystemRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hosts.denodo.system import System

_COPY_SECONDS = 60
"""Project default: time limit to copy a release (at most 8 MiB). A boot waits for the copy."""
PACKAGE = "node"
REPEAT = "DENODO_NODE_REPEAT"
"""Environment variable that makes a boot repeat after a failure, like the option `--repeat`. A
program of an earlier version refuses an option that it does not know, but ignores a variable."""
PROGRAM_FOLDER = Path("/opt/denodo-node")
"""Folder of this program's releases; `stacks/nodes/first_boot.py` contains the same path."""


def desired_program(system: System, parameter: str) -> str:
    """Return the S3 URL of the program that the desired state names.

    Raises:
        AwsError: The parameter cannot be read.
        StateError: The parameter is not JSON, or names no program.
    """
    try:
        state: Any = json_object.parse(system.aws_cli.parameter(parameter))
    except ValueError as error:
        message = (
            f"the SSM parameter {parameter} is not JSON: {error}; the node keeps its present"
            " program"
        )
        raise StateError(message) from None
    uri = state.get("program") if isinstance(state, dict) else None
    if not isinstance(uri, str) or not uri:
        message = (
            f"the SSM parameter {parameter} names no program; the node keeps its present program"
        )
        raise StateError(message)
    return uri


def install_arguments(parameter: str, root: Path, region: str) -> list[str]:
    """Return the arguments of `install`; if `region` is empty, use the region of this process."""
    arguments = [f"--parameter={parameter}", f"--root={root}"]
    if region := region or os.environ.get("AWS_DEFAULT_REGION", ""):
        arguments.append(f"--region={region}")
    return arguments


def update(system: System, uri: str, folder: Path, install: Sequence[str]) -> bool:
    """Change to a release of the program.

    If the release cannot be used, the node keeps its program. The reason is recorded, and `status`
    shows it.

    Args:
        system: the machine.
        uri: S3 URL of the release's archive.
        folder: folder of the releases.
        install: arguments for the command `install` of the new release.

    Returns:
        Whether the release in use has changed.

    Raises:
        AwsError: The release cannot be fetched.
        UnverifiedError: The release does not match the hash in its name.
        SystemRefusedError: The release cannot be unpacked, or its `install` fails.
    """
    releases = Releases(folder, PACKAGE)
    try:
        release = releases.named_by(uri)
        if releases.in_use(release):
            releases.accept()
            return False
        releases.fetch(uri, replace(system.aws_cli, copy_seconds=_COPY_SECONDS))
        _run_install(release, install)
    except (HostError, OSError) as error:
        releases.refuse(uri, str(error), system.time)
        raise
    releases.use(release)
    releases.accept()
    releases.remove_others(release)
    log.info(f"the node uses the program {release.name}")
    return True


def hand_over_boot(system: System, parameter: str, *, repeat: bool = False) -> None:
    """Update to the program that the desired state names, and let that program continue the boot.

    The function returns only if the running program must continue the boot: if it is already the
    desired program, if this process is not root or not started from a release folder, or if the
    desired program cannot be used.

    Args:
        system: the machine.
        parameter: name of the SSM parameter with the desired state.
        repeat: let the other program repeat the boot after a failure.
    """
    releases = Releases.of_running_program(PACKAGE)
    if releases is None or os.geteuid() != 0:
        return
    try:
        uri = desired_program(system, parameter)
        arguments = install_arguments(parameter, Path("/"), "")
        if not update(system, uri, releases.folder, arguments):
            return
    except (HostError, OSError) as error:
        log.warning(f"the boot continues with the node's present program: {error}")
        return
    os.chdir(releases.folder / "current")
    if repeat:
        os.environ[REPEAT] = "yes"
    os.execv(sys.executable, [sys.executable, "-m", PACKAGE, "boot"])  # noqa: S606 - no shell


def _run_install(release: Path, arguments: Sequence[str]) -> None:
    command = [sys.executable, "-m", PACKAGE, "install", *arguments]
    if subprocess.run(command, cwd=release, check=False).returncode:
        message = (
            f"`install` of the program {release.name} failed; the node keeps its present program"
        )
        raise SystemRefusedError(message)
