"""The division of work between root and the Denodo user, if the program is started as root.

Root writes the hosts file and the systemd units, and starts the program again as the Denodo user
for everything else: Denodo's files belong to that user, whose symbolic links could lead root to
any file.
"""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.denodo import hosts_file, log
from hosts.denodo.errors import OK, ImageError, RolledBackError, SystemRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hosts.denodo.state import State
    from hosts.denodo.system import System


def with_names_in_hosts_file(system: System, state: State, action: Callable[[], int]) -> int:
    """Run an action while the hosts file has the names of the old and of the new state.

    New names are added before the action, and old names are removed after it, so that each state
    finds its own names.

    Args:
        system: the machine.
        state: the desired state.
        action: does the work of the Denodo user and returns an exit code.

    Raises:
        SystemRefusedError: The hosts file must be changed, and this user cannot write it.
    """
    before = hosts_file.names_in_file(system)
    names = hosts_file.node_names(state)
    _write(system, [*names, *(name for name in before if name not in names)])
    try:
        code = action()
    except RolledBackError:
        _write(system, before or names)
        raise
    if code == OK:
        _write(system, names)
    elif code == RolledBackError.code:
        _write(system, before or names)
    return code


def must_switch_user(state: State) -> bool:
    """Return whether this process is root and the servers run as another user.

    Raises:
        ImageError: The Denodo user does not exist.
        SystemRefusedError: This process is neither root nor the Denodo user.
    """
    try:
        user = pwd.getpwnam(state.user)
    except KeyError:
        message = f"there is no user {state.user}; create the user that Denodo runs as in the image"
        raise ImageError(message) from None
    if os.geteuid() not in (0, user.pw_uid):
        message = f"this must run as root or as {state.user}"
        raise SystemRefusedError(message)
    return os.geteuid() != user.pw_uid


def run_as_denodo_user(state: State, arguments: Sequence[str], stdin: str) -> int:
    """Run the program again as the Denodo user; return its exit code.

    Args:
        state: contains the name of the user.
        arguments: arguments of the program.
        stdin: text for its standard input.
    """
    user = pwd.getpwnam(state.user)
    environment = {**os.environ, "HOME": user.pw_dir, "USER": state.user, "LOGNAME": state.user}
    process = subprocess.run(
        [sys.executable, "-m", "hosts.denodo", *arguments],
        input=stdin.encode(),
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=os.getgrouplist(state.user, user.pw_gid),
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )
    return process.returncode


def create_folder(system: System, state: State) -> None:
    """Create the folder of the records, and give it to the Denodo user."""
    system.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    user = pwd.getpwnam(state.user)
    if os.geteuid() == 0 and system.folder.stat().st_uid != user.pw_uid:
        os.chown(system.folder, user.pw_uid, user.pw_gid)


def _write(system: System, names: Sequence[str]) -> None:
    try:
        if hosts_file.write_names(system, names):
            log.info(f"{system.hosts}: {', '.join(names)} lead to {system.own_address}")
    except PermissionError:
        message = f"{system.hosts} must be changed, which needs root; run this as root"
        raise SystemRefusedError(message) from None
