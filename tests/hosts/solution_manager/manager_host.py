"""A host of the Solution Manager in a folder, with stand-ins for denodo-ha."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.assembly import ROOT

SCRIPTS = ROOT / "solution-manager"
TIMEOUT_S = 300

STAND_IN = """#!/bin/sh
printf '%s\\n' "$@" >"$ARGUMENTS"
{ env; ps -eo args= || cat /proc/[0-9]*/cmdline; } >"$ARGUMENTS.seen" 2>/dev/null
echo "draining node1"
echo "an error line" >&2
exit "$CODE"
"""
HANGING = """#!/usr/bin/env python3
import os, signal, time
def undo(*_):
    # Not by print, because the signal may have interrupted another print.
    os.write(1, b"undone\\n")
    os._exit(130)
signal.signal(signal.SIGTERM, undo)
print("ready", flush=True)
if "SECOND_IS_OVER" in os.environ:
    open(os.environ["SECOND_IS_OVER"], "w").close()
# The signal ends this long before; a script that lost it ends by itself.
time.sleep(120)
"""


class Manager:
    """A host of the Solution Manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arguments, self.log = folder / "arguments", folder / "manager.log"
        self.program = folder / "denodo-ha"
        self.put(STAND_IN)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "DENODO_HA": str(self.program),
            "DENODO_HA_LOG": str(self.log),
            "ARGUMENTS": str(self.arguments),
            "CODE": "0",
        }

    def put(self, text: str) -> None:
        self.program.write_text(text)
        self.program.chmod(0o700)

    def hold_time(self) -> Path:
        """Let the first second that a script counts last until a file exists; return the file.

        The scripts call `sleep` for each second of a limit. So a limit of a second expires after
        the event that creates the file, also on a slow machine.
        """
        over, folder = self.folder / "second-is-over", self.folder / "clock"
        folder.mkdir()
        sleep, real = folder / "sleep", shutil.which("sleep")
        sleep.write_text(
            f'#!/bin/sh\n[ ! -e "{over}" ] || exec {real} "$@"\nturns=0\n'
            f'while [ ! -e "{over}" ] && [ "$turns" -lt 6000 ]; do\n'
            f"    turns=$((turns + 1))\n    {real} 0.02\ndone\n"
        )
        sleep.chmod(0o700)
        self.environment["PATH"] = f"{folder}:{self.environment['PATH']}"
        return over

    def start(self, script: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SCRIPTS / script, *arguments],
            env=self.environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, script: str, *arguments: str) -> tuple[int, str]:
        with self.start(script, *arguments) as process:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        return process.returncode, output
