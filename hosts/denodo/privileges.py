"""Division of work between root and the Denodo user, if root starts the program.

Root writes the hosts file, the systemd units and their environment, and the releases of the
program, and mounts the data disk. For everything else, root starts the program again as the Denodo
user. Root opens no file in the folder of the records or below DENODO_HOME: those files belong to
the Denodo user, who could replace them with links to any file, with scripts, or with files of
endless content.

Root reads the name of the Denodo user only from sources that only root or AWS can write: the
desired state, the environment file of the units, or the owner of the folder of the records.
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.common.process import run
from hosts.common.program import Interrupted
from hosts.denodo import log
from hosts.denodo.configuration import environment_file, hosts_file
from hosts.denodo.errors import OK, ImageError, RolledBackError, SystemRefusedError
from hosts.denodo.system import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hosts.denodo.state import State
    from hosts.denodo.system import System

_SUDO_SECONDS = 5
_MAY_RUN = "may run the following commands"
"""Text in the output of `sudo -l -U USER` if the user may run commands (sudo's source, parse.c)."""
_OF_A_SESSION = ("SUDO_", "SSH_", "XDG_", "DBUS_", "PYTHON", "LD_")
_OF_ROOT = ("MAIL", "OLDPWD", "PWD", "SHELL", "NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True)
class Account:
    """Linux account of the user that runs Denodo's servers."""

    name: str
    uid: int
    gid: int
    folder: str

    @classmethod
    def named(cls, name: str) -> Account:
        """Return the account of a user.

        Raises:
            ImageError: The user does not exist.
        """
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            message = (
                f"the user {name} does not exist; create the user that runs Denodo in the image"
            )
            raise ImageError(message) from None
        return cls(user.pw_name, user.pw_uid, user.pw_gid, user.pw_dir)


def with_names_in_hosts_file(system: System, state: State, action: Callable[[], int]) -> int:
    """Run an action while the hosts file has the node's names of both the old and the new state.

    New names are added before the action, and old names are removed after the action. So the
    servers can resolve the node's names with the old state and with the new state.

    Args:
        system: the machine.
        state: the desired state.
        action: runs the steps of the Denodo user; returns an exit code.

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
    account = Account.named(state.user)
    if os.geteuid() not in (0, account.uid):
        message = f"run the command as root or as the user {state.user}"
        raise SystemRefusedError(message)
    return os.geteuid() != account.uid


def installed_account(system: System) -> Account:
    """Return the Denodo user of an installed node, from sources that only root can write.

    Raises:
        ImageError: The user does not exist.
        SystemRefusedError: The user is not known, or a file that names it cannot be trusted.
    """
    name = environment_file.read(system.environment).get(environment_file.USER)
    if name:
        return Account.named(name)
    # Older versions did not store the user. The owner of the folder of the records can be
    # trusted, because only root can change the owner of a folder.
    try:
        with files.open_folder(system.folder.parent, trusted=True) as parent:
            status = os.stat(system.folder.name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            return Account.named(pwd.getpwuid(status.st_uid).pw_name)
        reason = f"{system.folder} is not a folder"
    except FileNotFoundError:
        reason = f"{system.folder} does not exist"
    except KeyError:
        reason = f"{system.folder} belongs to a user that does not exist"
    except PermissionError as error:
        reason = str(error)
    message = (
        f"the Denodo user is not known: {system.environment} does not name the user, and {reason};"
        f" run {environment_file.INSTALL}"
    )
    raise SystemRefusedError(message)


def warnings(account: Account) -> list[str]:
    """Return a warning if the Denodo user is root, or has sudo rights."""
    if account.uid == 0:
        return [
            (
                f"Denodo runs as root (user {account.name}), so a fault of Denodo affects the whole"
                " machine; create another user for Denodo, and write the name into `denodo.user`"
            )
        ]
    if os.geteuid() == 0 and shutil.which("sudo"):
        command = ["sudo", "-n", "-l", "-U", account.name]
        rights = run(command, seconds=_SUDO_SECONDS, environment={"LC_ALL": "C"})
        if _MAY_RUN in rights.output:
            shown = " ".join(command)
            message = (
                f"the user {account.name} has sudo rights, so Denodo can become root; `{shown}`"
                " shows these rights"
            )
            return [message]
    return []


def run_as(
    account: Account, arguments: Sequence[str], stdin: str = "", *, continues: bool = False
) -> int:
    """Run the program again as the Denodo user; return its exit code.

    The new process has its own session, so that it cannot put input into root's terminal. Signals
    to this process are forwarded to the new process.

    Args:
        account: the user.
        arguments: arguments of the program.
        stdin: text for its standard input.
        continues: whether the caller has more work after the process has ended; a signal then also
            ends the caller.

    Raises:
        Interrupted: A signal has arrived, and the caller would continue.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "hosts.denodo", *arguments],
        stdin=subprocess.PIPE,
        user=account.uid,
        group=account.gid,
        extra_groups=os.getgrouplist(account.name, account.gid),
        env=dict(_environment(account)),
        cwd=Path(__file__).resolve().parents[2],
        start_new_session=True,
    )
    pending: str | None = stdin
    received: Interrupted | None = None
    while True:
        try:
            process.communicate(None if pending is None else pending.encode())
            break
        except Interrupted as interruption:
            # Forward the signal and continue to wait, because the process may have to clean up
            # before it ends.
            pending, received = None, interruption
            process.send_signal(interruption.number)
    if received is not None and continues:
        raise received
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _environment(account: Account) -> Iterator[tuple[str, str]]:
    for name, value in os.environ.items():
        if not name.startswith(_OF_A_SESSION) and name not in _OF_ROOT:
            yield name, value
    yield "HOME", account.folder
    yield "USER", account.name
    yield "LOGNAME", account.name


def create_folders(system: System, state: State) -> None:
    """Create the folders of the records and of temporary files, and give them to the Denodo user.

    Raises:
        OSError: A folder cannot be created, or another user can replace it.
    """
    system.folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    account = Account.named(state.user)
    _create(system.folder, 0o750, account)
    if os.geteuid() == 0 and system.folder == type(system).folder:
        _create(RUNTIME, 0o700, account)


def _create(path: Path, mode: int, account: Account) -> None:
    with files.open_folder(path.parent, trusted=True) as parent:
        with suppress(FileExistsError):
            os.mkdir(path.name, mode, dir_fd=parent)
        status = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            message = f"{path} is not a folder; remove {path}"
            raise SystemRefusedError(message)
        if os.geteuid() == 0 and status.st_uid != account.uid:
            os.chown(path.name, account.uid, account.gid, dir_fd=parent, follow_symlinks=False)


def _write(system: System, names: Sequence[str]) -> None:
    try:
        if hosts_file.write_names(system, names):
            log.info(f"{system.hosts}: {', '.join(names)} resolve to {system.own_address}")
    except PermissionError as error:
        message = (
            f"the command must change {system.hosts}, which only root can do; run the command as"
            f" root ({error})"
        )
        raise SystemRefusedError(message) from None
