"""Plan part of a support archive: the output of `denodo-ha plan`, in a process of its own."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Failed

_PROGRAM = """\
import sys
sys.path[0] = sys.argv.pop(1)
from denodo_ha.__main__ import main
main()
"""
_PACKAGE_PARENT = Path(__file__).parents[2]
_SHOWN = 800
"""Number of characters, from the end of the command's error output, that an error message
contains."""
_COMPARED = (exit_codes.DONE, exit_codes.NO, exit_codes.REFUSED, exit_codes.AWS)
"""Exit codes with which `plan` prints a comparison."""


def read_plan(config: str, profile: str | None, seconds: float) -> str:
    """Return the output of `denodo-ha plan` as JSON.

    Raises:
        Failed: The command does not end in time, or prints nothing.
    """
    # Pass the import path as an argument and not in PYTHONPATH, which the CDK CLI would inherit.
    command = [sys.executable, "-c", _PROGRAM, str(_PACKAGE_PARENT)]
    command += ["plan", "-c", config, "--format", "json"]
    command += ["--profile", profile] if profile else []
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        message = f"denodo-ha plan did not end within {seconds:.0f} s"
        raise Failed(message) from None
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    text = output.decode(errors="replace")
    if process.returncode not in _COMPARED or not text.lstrip().startswith("{"):
        reason = errors.decode(errors="replace").strip()[-_SHOWN:]
        message = f"denodo-ha plan ended with exit code {process.returncode}: {reason}"
        raise Failed(message)
    return text
