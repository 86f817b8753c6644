"""Programs of machines: which instances run programs on this system, and which programs."""

import subprocess
import sys
from functools import cache
from typing import Any

from tools.local_aws.emulator import loopback, system_programs
from tools.local_aws.emulator.child_processes import ROOT
from tools.local_aws.emulator.living import LIVING

_TRIAL_S = 60


@cache
def have_namespaces() -> bool:
    """Return whether machines have namespaces of their own on this system."""
    command = [sys.executable, "-E", "-s", "-m", "tools.local_aws.living.isolation"]
    done = subprocess.run(command, cwd=ROOT, timeout=_TRIAL_S, check=False)
    return done.returncode == 0


def missing_for_haproxy() -> str:
    """Return why HAProxy instances run no programs on this system; empty if they run."""
    if loopback.is_shared():
        return (
            "this system has only one loopback address, so each node has other port numbers than "
            "on AWS; HAProxy finds nodes by DNS names, which do not contain port numbers"
        )
    if not have_namespaces():
        return (
            "this system denies namespaces. Without namespaces, the local AWS rewrites the paths "
            "in scripts and Python programs of a machine, but cannot rewrite the paths of "
            "HAProxy's configuration file and sockets"
        )
    if not system_programs.haproxy():
        return (
            "this machine has no HAProxy: install it with `make dev` or `apt-get install "
            "haproxy`, end the local AWS with `make local-down`, and start it again"
        )
    return ""


def run(contents: dict[str, Any]) -> bool:
    """Return whether an instance runs programs, according to the contents of its image."""
    return "denodo" in contents or ("haproxy" in contents and not missing_for_haproxy())


def real_programs() -> dict[str, str]:
    """Return the real programs of Denodo's servers, empty while the part `jvm` is off."""
    if not LIVING.is_on("jvm") or not have_namespaces():
        return {}
    return {"java": system_programs.java(), "postgres": system_programs.postgresql()}
