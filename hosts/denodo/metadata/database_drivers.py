"""The JDBC drivers for the shared database, in the folders where each component searches for them.

Sources: Denodo, Scheduler Administration Guide, "Database Settings" (`lib/scheduler-extensions`);
Data Catalog Guide, "Use an External Database" (`lib/data-catalog-extensions`); Virtual DataPort
Administration Guide, "Storing the Metadata on an External Database" (the drivers of the
installation). PostgreSQL JDBC Driver, change log of 42.2.0: support of SCRAM, which RDS requires
since PostgreSQL 14 (Amazon RDS, "Using SCRAM for PostgreSQL password encryption").
"""

from __future__ import annotations

import re
from pathlib import Path

_INSTALLED = Path("lib/extensions/jdbc-drivers")
_FOLDERS = {
    "scheduler": Path("lib/scheduler-extensions"),
    "data-catalog": Path("lib/data-catalog-extensions"),
}
_FOLDER = re.compile(r"postgresql-(?P<version>[0-9]+)")
_JAR = re.compile(r"postgresql-(?P<version>[0-9]+(\.[0-9]+)*)[^/]*\.jar")
_FIRST_SCRAM = (42, 2)
_DEFAULT_VERSION = "10"


def newest_version(home: Path) -> str:
    """Return NN of the newest driver folder `postgresql-NN`, else the NN of Denodo 8.0."""
    versions = [int(match["version"]) for _, match in _folders(home)]
    return str(max(versions)) if versions else _DEFAULT_VERSION


def problem(home: Path, component: str) -> str:
    """Return why a component finds no usable JDBC driver; empty if the component finds one."""
    folder = home / _FOLDERS.get(component, _INSTALLED / f"postgresql-{newest_version(home)}")
    jars = _jars(folder)
    remedy = _remedy(home, folder)
    if not jars:
        return f"{component} finds no JDBC driver of PostgreSQL in {folder}; {remedy}"
    if all(version < _FIRST_SCRAM for version in jars.values()):
        names = ", ".join(sorted(jar.name for jar in jars))
        return (
            f"{component} would use {names} in {folder}, and a driver before 42.2 cannot log in to"
            f" PostgreSQL 14 or later on RDS (SCRAM); remove {names}, and {remedy}"
        )
    return ""


def _remedy(home: Path, folder: Path) -> str:
    """Return the remedy as text: if possible, the command that copies the installation's driver."""
    found = [
        (version, jar) for source, _ in _folders(home) for jar, version in _jars(source).items()
    ]
    version, jar = max(found, default=((), None))
    if jar is None or version < _FIRST_SCRAM or jar.parent == folder:
        return f"copy postgresql-42.7 or later from jdbc.postgresql.org to {folder}"
    return f"run `mkdir -p {folder} && cp {jar} {folder}/`"


def _folders(home: Path) -> list[tuple[Path, re.Match[str]]]:
    """Return the folders `postgresql-NN` of the installation that contain a driver."""
    folders = (home / _INSTALLED).glob("postgresql-*")
    matches = ((folder, _FOLDER.fullmatch(folder.name)) for folder in folders)
    return [(folder, match) for folder, match in matches if match and _jars(folder)]


def _jars(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Return the PostgreSQL drivers (`.jar` files) in a folder, with their versions."""
    matches = ((jar, _JAR.fullmatch(jar.name)) for jar in folder.glob("*.jar"))
    return {
        jar: tuple(int(part) for part in match["version"].split("."))
        for jar, match in matches
        if match
    }
