"""Control group of the systemd unit `denodo-node`, in which all of Denodo's servers run.

systemd applies limits to the control group, and ends the processes in it when the unit stops. An
`apply` that runs outside the unit, for example by Systems Manager, would start servers outside the
control group. So the process of `apply` first moves to the control group; its input, output and
exit code do not change. A unit that is not active has no control group. In that case, the unit is
started, which applies the state and starts the servers.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common.process import run
from hosts.denodo import log
from hosts.denodo.errors import SystemRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

UNIT = "denodo-node.service"

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_SECONDS = 60
_PROPERTIES = (
    *("LoadState", "ActiveState", "SubState", "ControlGroup", "ExecMainStatus", "InvocationID"),
)


def enter(*, control_groups: Path = _CONTROL_GROUPS, own: Path = _OWN) -> int:
    """Move this process to the control group of the unit, if the unit is installed.

    Args:
        control_groups: mount point of the control groups.
        own: list of the control groups of this process.

    Returns:
        The exit code of the unit's start if the unit had to be started and failed, else 0.
    """
    if f"/{UNIT}" in own.read_text():
        return 0
    unit = _properties()
    if unit.get("LoadState") != "loaded":
        return 0
    if unit.get("ActiveState") in ("inactive", "failed") or unit.get("SubState") == "auto-restart":
        log.info(f"starting {UNIT}, which applies the state and starts the servers")
        started = subprocess.run(["systemctl", "start", UNIT], check=False)
        unit = _properties()
        if started.returncode:
            return _failure(unit)
    if not _move(control_groups, unit.get("ControlGroup", "")):
        log.warning(
            f"the unit {UNIT} has no control group, so the servers run outside of the unit until"
            " the next boot"
        )
    return 0


def active() -> bool:
    """Return whether the unit is active: neither stopped, nor failed, nor still booting."""
    return _properties().get("ActiveState") == "active"


def _properties() -> Mapping[str, str]:
    try:
        shown = run(
            ["systemctl", "show", UNIT, f"--property={','.join(_PROPERTIES)}"], seconds=_SECONDS
        )
    except OSError:  # a machine without systemd
        return {}
    lines = (line.partition("=") for line in shown.output.splitlines())
    return {name: value for name, _, value in lines}


def _failure(unit: Mapping[str, str]) -> int:
    """Print the messages of a failed start of the unit; return the exit code of the start."""
    command = ["journalctl", f"_SYSTEMD_INVOCATION_ID={unit.get('InvocationID', '')}"]
    with suppress(OSError):
        log.error(run([*command, "--output=cat", "--no-pager"], seconds=_SECONDS).output.rstrip())
    status = unit.get("ExecMainStatus", "")
    return int(status) if status.isdigit() and int(status) else SystemRefusedError.code


def _move(control_groups: Path, group: str) -> bool:
    """Move this process to a control group; return whether the control group exists.

    Version 2 of control groups has one hierarchy; version 1 has one hierarchy per controller.
    """
    moved = False
    for hierarchy in (control_groups, *control_groups.iterdir()):
        processes = hierarchy / group.lstrip("/") / "cgroup.procs"
        if group.strip("/") and processes.exists():
            with suppress(OSError):
                processes.write_text("0")  # the kernel reads 0 as the writing process
                moved = True
    return moved
