"""Checks of SELinux on this machine: enforcement, types of files, booleans of the policy."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hosts.common.process import run

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 30
_ATTRIBUTE = "security.selinux"


def is_enforced() -> bool:
    """Return whether this machine has SELinux, in enforcing mode."""
    return _output("getenforce") == "Enforcing"


def file_type(path: Path) -> str:
    """Return the SELinux type of a file, such as `bin_t`; empty if the file has no type."""
    try:
        context = os.getxattr(path, _ATTRIBUTE).decode(errors="replace").rstrip("\0")
    except OSError:
        return ""
    parts = context.split(":")
    return parts[2] if len(parts) > 2 else ""


def is_off(boolean: str) -> bool:
    """Return whether SELinux is enforced and a boolean of the SELinux policy is off.

    Return False on a machine without SELinux, or if the policy does not have the boolean.
    """
    return is_enforced() and _output("getsebool", boolean).endswith("> off")


def _output(*command: str) -> str:
    try:
        return run(list(command), seconds=_SECONDS).output.strip()
    except OSError:
        return ""
