"""Installs the program's systemd units, once it is clear that the image has what they need."""

from __future__ import annotations

import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.denodo import files, log
from hosts.denodo.errors import ImageError
from hosts.denodo.system import release_folder

if TYPE_CHECKING:
    from hosts.denodo.state import State

UNITS = (
    "denodo-node.service",
    "denodo-node-ready.service",
    "denodo-node-export.service",
    "denodo-node-export.timer",
)
_STARTED_BY_OTHERS = ("denodo-node-export.service",)
"""By its timer."""

_ENVIRONMENT = "etc/denodo-node/environment"
_UNITS = "etc/systemd/system"
_OLDEST_PYTHON = (3, 9)


def install(state: State, parameter: str, *, region: str, root: Path) -> None:
    """Write the units and their environment, and switch them on.

    Args:
        state: says which user and port.
        parameter: name of the state's parameter.
        region: the region of the AWS calls, empty for what the AWS CLI finds.
        root: `/`; below another one nothing is switched on.

    Raises:
        ImageError: with all that the image lacks.
    """
    live = root == Path("/")
    lacks = _lacks(state, live=live)
    if lacks:
        raise ImageError("the image cannot be a node:\n" + "\n".join(lacks))
    environment = f"DENODO_NODE_PARAMETER={parameter}\n"
    if region:
        environment += f"AWS_DEFAULT_REGION={region}\n"
    _put(root / _ENVIRONMENT, environment)
    for unit in UNITS:
        _put(root / _UNITS / unit, unit_text(unit, state))
    if live:
        subprocess.run(["systemctl", "daemon-reload"], check=True)
        enabled = [unit for unit in UNITS if unit not in _STARTED_BY_OTHERS]
        subprocess.run(["systemctl", "enable", *enabled], check=True)
        subprocess.run(["systemctl", "start", "denodo-node-export.timer"], check=True)
        # Where it runs already it shall be this program's; Denodo's servers are left alone.
        subprocess.run(["systemctl", "try-restart", "denodo-node-ready.service"], check=True)
    log.info(f"installed {', '.join(UNITS)}")


def unit_text(unit: str, state: State) -> str:
    """A unit, from its template."""
    template = pkgutil.get_data("hosts.denodo", f"systemd/{unit}")
    assert template is not None
    text = template.decode()
    for name, value in (
        ("PYTHON", sys.executable),
        ("PROGRAM", str(release_folder())),
        ("USER", state.user),
        ("PORT", str(state.ready_port)),
        ("STOP_SECONDS", str(state.stop_seconds + 300)),
    ):
        text = text.replace(f"@{name}@", value)
    return text


def _lacks(state: State, *, live: bool) -> list[str]:
    """What the image lacks, in words that say what to install."""
    lacks = []
    if sys.version_info < _OLDEST_PYTHON:
        lacks.append(f"Python is {sys.version.split()[0]}; install 3.9 or later")
    if not (state.home / "bin").is_dir():
        lacks.append(f"{state.home}/bin is missing; install Denodo {state.version} there")
    if live and not shutil.which("aws"):
        lacks.append("the `aws` command is missing; install the AWS CLI")
    if live and not shutil.which("systemctl"):
        lacks.append("systemd is missing; use an image that boots with it")
    return lacks


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    files.replace(path, text.encode())
