"""The environment file of the systemd units, which only root may write.

    DENODO_NODE_PARAMETER  SSM parameter with the desired state
    AWS_DEFAULT_REGION     region of the AWS calls
    DENODO_NODE_USER       user that runs Denodo's servers
    DENODO_NODE_HOME       DENODO_HOME

`install` writes the file. systemd reads it (EnvironmentFile), and a shell can read it (`.`).
"""

from __future__ import annotations

import re
import shlex
import stat
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.denodo.errors import SystemRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hosts.denodo.state import State

USER = "DENODO_NODE_USER"
HOME = "DENODO_NODE_HOME"
PARAMETER = "DENODO_NODE_PARAMETER"
REGION = "AWS_DEFAULT_REGION"

INSTALL = (
    "`cd /opt/denodo-node/current; python3 -m node install --parameter NAME` as root, with the name"
    " of the SSM parameter of this node"
)
"""Command that writes the environment file, as text for messages."""

_LIMIT = 65536
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def read(path: Path) -> dict[str, str]:
    """Return the variables in the environment file; an empty dictionary if there is no file.

    Raises:
        SystemRefusedError: The file is not in the form that `install` writes, or a user other
            than root can write the file or its folder.
    """
    try:
        with files.open_folder(path.parent, trusted=True):
            text = files.read(path, limit=_LIMIT, follow=False).decode()
            status = path.lstat()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be used: {error}; run {INSTALL}"
        raise SystemRefusedError(message) from None
    if status.st_uid or status.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        message = (
            f"users other than root can write the file {path}, so root does not use the file; run"
            f" `chown root:root {path}; chmod 644 {path}`, then {INSTALL}"
        )
        raise SystemRefusedError(message)
    return dict(_variable(path, line) for line in text.splitlines() if _is_variable(line))


def write(path: Path, state: State, *, parameter: str, region: str) -> None:
    """Write the environment file.

    Raises:
        OSError: The file cannot be written.
    """
    variables = {PARAMETER: parameter, **({REGION: region} if region else {})}
    _write(path, {**variables, USER: state.user, HOME: str(state.home)})


def update_account(path: Path, state: State) -> None:
    """Update user and DENODO_HOME to those of a state, if the environment file exists.

    Raises:
        SystemRefusedError: The present file cannot be used.
        OSError: The file cannot be written.
    """
    variables = read(path)
    account = {USER: state.user, HOME: str(state.home)}
    if variables and {**variables, **account} != variables:
        _write(path, {**variables, **account})


def _write(path: Path, variables: Mapping[str, str]) -> None:
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    files.replace(path, text.encode(), trusted=True)


def _is_variable(line: str) -> bool:
    return bool(line.strip()) and line.lstrip()[0] not in "#;"


def _variable(path: Path, line: str) -> tuple[str, str]:
    try:
        (word,) = shlex.split(line)
        name, separator, value = word.partition("=")
        if separator and _NAME.fullmatch(name):
            return name, value
    except ValueError:
        pass
    message = f"{path}: {line!r} is not NAME=VALUE; run {INSTALL}"
    raise SystemRefusedError(message)
