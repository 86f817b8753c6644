"""The CDK CLI of this clone, run as `npx cdk` would be, in view of the user.

It has the environment of the command, so it deploys where the command looks: the same
credentials, the same `AWS_ENDPOINT_URL`.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli.configuration_choice import clone_folder
from denodo_ha.cli.errors import Failed, UsageError

POLL_S: Final = 1
_GRACE_S: Final = 120
"""Ours: how long the CLI may take to end by itself after Ctrl-C."""


@dataclass(frozen=True)
class Cdk:
    """The CLI.

    Attributes:
        profile: profile of the AWS settings.
    """

    profile: str | None = None

    def synth(self, config: Path, out: Path) -> None:
        """Synthesise a configuration into a folder.

        Raises:
            Failed: it cannot be; the reasons are on the screen.
        """
        self._run(
            RealClock(),
            "synth",
            "--quiet",
            "--output",
            str(out),
            "-c",
            f"config={config.resolve()}",
        )

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        """Deploy a stack of a folder, and no other.

        Args:
            out: the folder.
            stack: name of the stack.
            clock: the time; it is waited by it.

        Raises:
            Failed: it failed; the reasons are on the screen.
        """
        self._run(
            clock,
            *("deploy", stack, "--exclusively", "--app", str(out)),
            *("--require-approval", "never", "--progress", "events"),
        )

    def _run(self, clock: Clock, *arguments: str) -> None:
        profile = ["--profile", self.profile] if self.profile else []
        clone = _clone()
        command = [*_program(clone), *arguments, *profile]
        sys.stdout.flush()
        # Its stdout is ours: both are for people here, and stdout is for results.
        with subprocess.Popen(
            command,
            cwd=clone,
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__,
            env=dict(os.environ),
        ) as process:
            try:
                while process.poll() is None:
                    clock.sleep(POLL_S)
            except BaseException:  # Ctrl-C and signals too: the CLI must not outlive us
                _end(process)
                raise
        if process.returncode:
            message = f"`cdk {arguments[0]}` failed with status {process.returncode}: see above"
            raise Failed(message)


def _clone() -> Path:
    """Return the folder of the clone, which has the stacks and the CDK CLI.

    Raises:
        UsageError: The package was installed without a clone.
    """
    clone = clone_folder()
    if clone is None:
        message = (
            "this command synthesises the stacks, so it needs a clone of the project and cannot "
            "run from a package that pip installed; clone the project, run `make setup` there, "
            "and run the same command as tools/denodo-ha"
        )
        raise UsageError(message)
    return clone


def _program(clone: Path) -> Sequence[str]:
    return [str(clone / ".venv/node"), str(clone / "node_modules/.bin/cdk")]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the CLI; CloudFormation goes on by itself with what was begun."""
    process.terminate()
    try:
        process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
