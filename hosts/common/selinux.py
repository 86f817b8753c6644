"""SELinux: check whether its policy restricts a service of this machine."""

from __future__ import annotations

from hosts.common.process import run

_SECONDS = 30


def is_off(boolean: str) -> bool:
    """Return whether SELinux is enforced and a boolean of its policy is off.

    Return False on a machine without SELinux, or if its policy does not have the boolean.
    """
    return _output("getenforce") == "Enforcing" and _output("getsebool", boolean).endswith("> off")


def _output(*command: str) -> str:
    try:
        return run(list(command), seconds=_SECONDS).output.strip()
    except OSError:
        return ""
