"""Run as root, the program does what needs root, and the rest as the Denodo user.

Root writes the hosts file and nothing else: Denodo's files belong to the Denodo user, and root
that follows that user's links could be led anywhere.
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


def change(system: System, state: State, do: Callable[[], int]) -> int:
    """Do something as the Denodo user, with the node's names in the hosts file.

    Names are added before, and those that are not needed any more go after it is done, so that
    both states find theirs.

    Args:
        system: the machine.
        state: the wanted state.
        do: what the Denodo user does; its result is an exit code.

    Raises:
        SystemRefusedError: the hosts file is not right, and this user cannot write it.
    """
    before = hosts_file.known(system)
    names = hosts_file.names(state)
    _write(system, [*names, *(name for name in before if name not in names)])
    try:
        code = do()
    except RolledBackError:
        _write(system, before or names)
        raise
    if code == OK:
        _write(system, names)
    elif code == RolledBackError.code:
        _write(system, before or names)
    return code


def must_switch(state: State) -> bool:
    """Whether this is root and the servers are not.

    Raises:
        ImageError: there is no such user.
        SystemRefusedError: this is neither root nor the Denodo user.
    """
    try:
        user = pwd.getpwnam(state.user)
    except KeyError:
        message = f"there is no user {state.user}; the image must have the one Denodo runs as"
        raise ImageError(message) from None
    if os.geteuid() not in (0, user.pw_uid):
        message = f"this must run as root or as {state.user}"
        raise SystemRefusedError(message)
    return os.geteuid() != user.pw_uid


def again_as_user(state: State, arguments: Sequence[str], given: str) -> int:
    """Run the program again as the Denodo user; gives its exit code.

    Args:
        state: says which user.
        arguments: the program's.
        given: its standard input.
    """
    user = pwd.getpwnam(state.user)
    environment = {**os.environ, "HOME": user.pw_dir, "USER": state.user, "LOGNAME": state.user}
    process = subprocess.run(
        [sys.executable, "-m", "hosts.denodo", *arguments],
        input=given.encode(),
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=os.getgrouplist(state.user, user.pw_gid),
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
        check=False,
    )
    return process.returncode


def give_folder(system: System, state: State) -> None:
    """Make the program's folder, the Denodo user's own."""
    system.folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    user = pwd.getpwnam(state.user)
    if os.geteuid() == 0 and system.folder.stat().st_uid != user.pw_uid:
        os.chown(system.folder, user.pw_uid, user.pw_gid)


def _write(system: System, names: Sequence[str]) -> None:
    try:
        if hosts_file.write(system, names):
            log.info(f"{system.hosts}: {', '.join(names)} lead to {system.own_address}")
    except PermissionError:
        message = f"{system.hosts} must be changed, which needs root"
        raise SystemRefusedError(message) from None
