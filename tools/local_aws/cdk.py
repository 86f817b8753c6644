"""The CDK CLI of the clone, sent to the local AWS."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tools.local_aws.credentials import Access, require_local_aws
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

TIMEOUT_S = 900.0
"""Ours: a deploy takes seconds on the local AWS; this ends one that hangs."""
_GRACE_S = 10.0


@dataclass(frozen=True)
class Cdk:
    """The CDK CLI with the credentials of an account and region.

    Attributes:
        access: the account and region.
        paths: paths of the local AWS, for the CLI's home folder.
        folder: the working folder; in the clone's root the CLI synthesises app.py first.
    """

    access: Access
    paths: Paths
    folder: Path = ROOT

    def run(self, *arguments: str, timeout: float = TIMEOUT_S) -> None:
        """Run the CLI with its output on the user's terminal.

        Raises:
            LocalAwsError: the CLI failed; its own messages are on the terminal.
        """
        require_local_aws(self.access)
        sys.stdout.flush()
        with subprocess.Popen(
            _command(*arguments),
            cwd=self.folder,
            env=self.access.environment(self.paths),
            stdin=subprocess.DEVNULL,
        ) as process:
            try:
                status = process.wait(timeout)
            except BaseException as error:  # Ctrl-C too: the CLI must not outlive this process.
                _end(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    message = f"`cdk {arguments[0]}` did not end within {timeout:.0f} s"
                    raise LocalAwsError(message) from None
                raise
        if status:
            message = f"`cdk {arguments[0]}` failed with status {status}: see above"
            raise LocalAwsError(message)

    def captured(
        self, *arguments: str, timeout: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run the CLI and return its output."""
        require_local_aws(self.access)
        return subprocess.run(
            _command(*arguments),
            cwd=self.folder,
            env=self.access.environment(self.paths),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def _command(*arguments: str) -> list[str]:
    return [str(ROOT / ".venv/node"), str(ROOT / "node_modules/.bin/cdk"), *arguments]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the CLI, which after Ctrl-C is about to end on its own."""
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
