"""Run of Denodo's scripts, with the Java that the desired state names.

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

START = {
    "vdp": "vqlserver_startup.sh",
    "data-catalog": "datacatalog_startup.sh",
    "design-studio": "designstudio_startup.sh",
    "scheduler": "scheduler_startup.sh",
    "scheduler-admin": "scheduler_webadmin_startup.sh",
    "diagnostic-monitoring": "diagnosticmonitoringtool_startup.sh",
}
"""Script that starts each server."""

STOP = {
    "web": "webcontainer_shutdown.sh",
    "scheduler": "scheduler_shutdown.sh",
    "vdp": "vqlserver_shutdown.sh",
}
"""Script that stops each process, in the order in which they are stopped. All web applications run
in one process. Virtual DataPort stops last, because the other servers query it."""

REGENERATE = "regenerateFiles.sh"
_PING = "ping.sh"
_TLS = "denodo_tls_configurator.sh"
_IMPORT = "import.sh"
_METADATA = "regenerateMetadata.sh"

_UTF8 = {"LC_ALL": "C.UTF-8"}
"""Environment variable that makes Java decode standard input and arguments as UTF-8. In systemd
units, no locale is set."""


def process_of(server: str) -> str:
    """Return the process that runs a server: `vdp`, `scheduler` or `web`."""
    return server if server in ("vdp", "scheduler") else "web"


def missing_scripts(state: State) -> str:
    """Return a message with the scripts that the node lacks for a state; empty if it has all."""
    processes = {process_of(server) for server in state.servers}
    needed = [START[server] for server in state.servers]
    needed += [STOP[process] for process in STOP if process in processes]
    needed += [REGENERATE, *([_PING] if "vdp" in processes else [])]
    needed += [_TLS] if state.certificate else []
    needed += [_METADATA] if {"vdp"} & set(state.catalog) & set(state.servers) else []
    needed += [_IMPORT] if state.metadata.source == "export" else []
    missing = [name for name in needed if not (state.home / "bin" / name).is_file()]
    if not missing:
        return ""
    return (
        f"{state.home} lacks {', '.join(missing)}; install Denodo"
        f" {state.version} with {', '.join(state.servers)} in the image"
    )


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
        state: contains DENODO_HOME and JAVA_HOME.
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
    """Return why Denodo's scripts would find no Java; empty if there is a Java for the scripts."""
    bundled = state.home / "jre/bin/java"
    other = state.java_home or os.environ.get("JAVA_HOME", "")
    if bundled.exists() or (other and os.access(f"{other}/bin/java", os.X_OK)):
        return ""
    needed = f"{other}/bin/java" if other else "JAVA_HOME"
    return (
        f"neither {bundled} nor {needed} exists; install a Java for Denodo {state.version}, and"
        " write its folder into denodo.java_home"
    )
