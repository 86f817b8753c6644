"""Denodo's scripts, run with the Java of the desired state.

The scripts use `jre/` of the installation, else JAVA_HOME (Denodo, Installation Guide, "Hardware
and Software Requirements").
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hosts.common.process import Result, run

if TYPE_CHECKING:
    from pathlib import Path

    from hosts.denodo.state import State

_UTF8 = {"LC_ALL": "C.UTF-8"}
"""Java decodes standard input and arguments by the locale, which is not set in systemd units."""


def run_script(
    state: State,
    name: str,
    *arguments: str | Path,
    seconds: float,
    stdin: str | None = None,
    utf8: bool = False,
) -> Result:
    """Run a script of `bin/`.

    Args:
        state: contains the home, and the home of Java.
        name: name of the script.
        arguments: arguments of the script.
        seconds: time limit.
        stdin: text for standard input.
        utf8: use UTF-8, for a script that handles text; servers keep the locale of the machine.

    Raises:
        OSError: The script cannot be started.
    """
    environment = {
        **({"JAVA_HOME": state.java_home} if state.java_home else {}),
        **(_UTF8 if utf8 else {}),
    }
    command = [state.home / "bin" / name, *arguments]
    return run(command, seconds=seconds, stdin=stdin, environment=environment or None)


def missing_java(state: State) -> str:
    """Return why the scripts would find no Java, empty if they find one."""
    bundled = state.home / "jre/bin/java"
    other = state.java_home or os.environ.get("JAVA_HOME", "")
    if bundled.exists() or (other and os.access(f"{other}/bin/java", os.X_OK)):
        return ""
    needed = f"{other}/bin/java" if other else "JAVA_HOME"
    return (
        f"neither {bundled} nor {needed} exists; install a Java for Denodo {state.version}, and"
        " write its folder into denodo.java_home"
    )
