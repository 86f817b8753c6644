"""Installation of the program's systemd units.

`install` first checks that the image has everything that the units need. At the end, `install`
restarts the watchdog, and the readiness endpoint if it runs, so that both use this release.
"""

from __future__ import annotations

import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.errors import HostError
from hosts.common.process import run
from hosts.common.releases import running_release
from hosts.denodo import image_findings, log, privileges
from hosts.denodo.configuration import environment_file
from hosts.denodo.disks import data_disk
from hosts.denodo.errors import ImageError
from hosts.denodo.logs import log_commands
from hosts.denodo.servers import scripts

if TYPE_CHECKING:
    from hosts.denodo.state import State

_WATCHDOG = "denodo-node-watchdog.service"
METRICS_TIMER = "denodo-node-metrics.timer"
UNITS = (
    "denodo-node.service",
    data_disk.UNIT,
    "denodo-node-ready.service",
    "denodo-node-export.service",
    "denodo-node-export.timer",
    "denodo-node-metrics.service",
    METRICS_TIMER,
    _WATCHDOG,
    *log_commands.UNITS,
)
_NOT_ENABLED = (
    *("denodo-node-export.service", data_disk.UNIT),
    *("denodo-node-metrics.service", METRICS_TIMER),
    *log_commands.UNITS,
)
"""Units that `install` does not enable: only other units start them, or only some desired states
need them."""

_ENVIRONMENT = "etc/denodo-node/environment"
_UNIT_FOLDER = "etc/systemd/system"
_TIMER_LINKS = Path("/etc/systemd/system/timers.target.wants")
"""Folder in which systemd has a link for each enabled timer (systemd.unit(5), WantedBy)."""
_OLDEST_PYTHON = (3, 9)
_RESTARTS_ONESHOT = 244
"""First version of systemd that restarts a unit of the type `oneshot` (systemd, NEWS)."""
_RESTART = """\
# A boot that fails, for example because AWS does not answer at a first boot, begins again.
Restart=on-failure
RestartSec=60"""
_NO_RESTART = (
    "# This systemd cannot start a oneshot again, so the program repeats a boot that fails."
)
_SYSTEMCTL_SECONDS = 60
_INSTALLATIONS = (
    "opt/denodo",
    "opt/denodo/*",
    "opt/[dD]enodo*",
    "opt/*/[dD]enodo*",
    "home/*/[dD]enodo*",
)
"""Folders in which Denodo is usually installed, by name or by symbolic link."""
_UNPRIVILEGED = 1024
"""Lowest port number on which a process without root's rights can listen (ip(7))."""
_SNAP = "# No other limits: the AWS CLI of this image is a snap, which sets limits itself as root."
_NO_SUDO = "No process gets more rights by a program such as sudo."
_LOW_PORTS = "A port below 1024 may need a Java with a right of its own, which `yes` would take."


def install(state: State, parameter: str, *, region: str, root: Path) -> None:
    """Write the systemd units and their environment file, and enable the units.

    Args:
        state: contains the user and the port for the units.
        parameter: name of the SSM parameter with the desired state.
        region: region of the AWS calls; empty: the region that the AWS CLI determines.
        root: `/`; below another folder, files are written and systemd is not called.

    Raises:
        ImageError: The image lacks something; the message lists everything that it lacks.
    """
    live = root == Path("/")
    environment = root / _ENVIRONMENT
    lacking = _lacking(state, live=live, root=root)
    findings = privileges.warnings(privileges.Account.named(state.user))
    findings += [finding for finding in (scripts.missing_java(state),) if finding]
    if live:
        findings += image_findings.findings(root)
        findings += data_disk.missing_programs(state)
    if environment.exists():
        # On a node that is already installed, faults of the image are only warnings.
        for finding in findings:
            log.warning(finding)
    else:
        lacking += findings
    if live and (age := image_findings.agent_age(root)):
        log.warning(age)
    if lacking:
        raise ImageError("the image cannot be used for a node:\n" + "\n".join(lacking))
    if live:
        mount_data_disk(state, is_installed=environment.exists())
    environment_file.write(environment, state, parameter=parameter, region=region)
    for unit in UNITS:
        _write(root / _UNIT_FOLDER / unit, unit_text(unit, state))
    if live:
        enabled = [unit for unit in UNITS if unit not in _NOT_ENABLED]
        _systemctl("daemon-reload")
        _systemctl("enable", *enabled)
        _systemctl("start", "denodo-node-export.timer")
        # Restart the readiness endpoint, if it runs, so that it uses this release. Do not restart
        # Denodo's servers.
        _systemctl("try-restart", "denodo-node-ready.service")
        _systemctl("restart", _WATCHDOG)
        log_commands.ensure_units(state, restart=True)
    log.info(f"installed {', '.join(UNITS)}")


def mount_data_disk(state: State, *, is_installed: bool) -> None:
    """Mount the data disk before Denodo starts; on an installed node, a failure is a warning."""
    if state.data_disk is None:
        return
    try:
        data_disk.Mount(state.data_disk, privileges.Account.named(state.user)).make()
    except HostError as error:
        if not is_installed:
            raise
        log.warning(str(error))


def switch_metrics(state: State, links: Path = _TIMER_LINKS) -> None:
    """Enable the timer of the node's metrics if the state has metrics, else disable the timer.

    On a node without metrics, the timer would start a process every five minutes for nothing. A
    failure is only a warning: Denodo works without metrics, and an alarm reports a node that
    publishes none.
    """
    has_metrics = bool(state.metrics)
    if os.path.lexists(links / METRICS_TIMER) == has_metrics:
        return
    verb = "enable" if has_metrics else "disable"
    try:
        result = run(["systemctl", verb, "--now", METRICS_TIMER], seconds=_SYSTEMCTL_SECONDS)
    except OSError as error:
        log.warning(f"{METRICS_TIMER}: systemctl cannot be run: {error.strerror}")
        return
    if result.succeeded:
        log.info(f"{verb}d {METRICS_TIMER}")
    else:
        log.warning(f"{METRICS_TIMER}: systemctl {verb} {result}")


def unit_text(unit: str, state: State) -> str:
    """Return the text of a systemd unit, from the unit's template in the folder `systemd`."""
    text = _template(unit)
    sandbox = _template("sandbox").rstrip()
    if _aws_is_a_snap():
        # Remove the directives below @SANDBOX@, with which the AWS CLI as a snap application
        # cannot run. The directives above @SANDBOX@, such as the user, remain.
        text, sandbox = re.sub(r"@SANDBOX@\n(?:.+\n)*", "@SANDBOX@\n", text), _SNAP
    if unit == _WATCHDOG:
        sandbox = sandbox.replace("ProtectControlGroups=yes\n", "")
    low = any(port and port < _UNPRIVILEGED for port in state.ports.values())
    restarts = "@RESTART@" in text and _systemd_version() >= _RESTARTS_ONESHOT
    home = str(state.home).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    for name, value in (
        ("SANDBOX", sandbox),
        ("RESTART", _RESTART if restarts else _NO_RESTART),
        ("REPEAT", "" if restarts else " --repeat"),
        ("NO_NEW_PRIVILEGES_REASON", _LOW_PORTS if low else _NO_SUDO),
        ("NO_NEW_PRIVILEGES", "no" if low else "yes"),
        ("PYTHON", sys.executable),
        ("PROGRAM", str(running_release())),
        ("USER", state.user),
        ("HOME", home),
        ("PORT", str(state.ready_port)),
        ("STOP_SECONDS", str(state.stop_seconds + 300)),
    ):
        text = text.replace(f"@{name}@", value)
    return text


def _systemd_version() -> int:
    """Return the version of this machine's systemd, 0 if the version is not known."""
    try:
        output = run(["systemctl", "--version"], seconds=_SYSTEMCTL_SECONDS).output
    except OSError:
        return 0
    version = re.match(r"systemd (\d+)", output)
    return int(version[1]) if version else 0


def _template(name: str) -> str:
    template = pkgutil.get_data("hosts.denodo", f"systemd/{name}")
    assert template is not None
    return template.decode()


def _aws_is_a_snap() -> bool:
    command = shutil.which("aws")
    return command is not None and (
        command.startswith("/snap/") or Path(command).resolve().name == "snap"
    )


def _missing_home(state: State, root: Path) -> str:
    """Return a message for a DENODO_HOME without Denodo, with folders in which Denodo is found."""
    found = sorted(
        {
            f"/{script.parent.parent.relative_to(root)}"
            for pattern in _INSTALLATIONS
            for script in root.glob(f"{pattern}/bin/vqlserver_startup.sh")
        }
    )
    message = f"{state.home}/bin is missing; install Denodo {state.version} there"
    if found:
        return f"{message}, or change denodo.home: Denodo is in {' and in '.join(found)}"
    return f"{message}, or write the folder of the installed Denodo into denodo.home"


def _lacking(state: State, *, live: bool, root: Path) -> list[str]:
    """Return a message for each component that the image lacks, with what to install."""
    lacking = []
    if sys.version_info < _OLDEST_PYTHON:
        version = sys.version.split()[0]
        lacking.append(f"the image has Python {version}; install Python 3.9 or later")
    if not (state.home / "bin").is_dir():
        lacking.append(_missing_home(state, root))
    if live and not shutil.which("aws"):
        lacking.append("the `aws` command is missing; install the AWS CLI")
    if live and not shutil.which("systemctl"):
        lacking.append("systemd is missing; use an image that boots with systemd")
    return lacking


def _systemctl(*arguments: str) -> None:
    subprocess.run(["systemctl", *arguments], check=True)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    files.replace(path, text.encode(), trusted=True)
