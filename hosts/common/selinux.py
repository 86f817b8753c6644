"""SELinux: whether its policy confines a service of this machine."""

from __future__ import annotations

from hosts.common.process import run

_SECONDS = 30


def is_off(boolean: str) -> bool:
    """Return whether SELinux is enforced and a boolean of its policy is off.

    A machine without SELinux, or whose policy does not have the boolean, is not confined by it.
    """
    return _output("getenforce") == "Enforcing" and _output("getsebool", boolean).endswith("> off")


def _output(*command: str) -> str:
    try:
        return run(list(command), seconds=_SECONDS).output.strip()
    except OSError:
        return ""
