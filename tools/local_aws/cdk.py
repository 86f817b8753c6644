"""The CDK CLI of the clone, configured to call the local AWS."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.aws.cdk_cli import cdk_command, run_cdk
from denodo_ha.cli.errors import Failed
from tools.local_aws.credentials import Access, require_local_aws
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

TIMEOUT_S = 900.0
"""Project default: a deploy to the local AWS takes seconds; this limit ends one that hangs."""


@dataclass(frozen=True)
class Cdk:
    """The CDK CLI with the credentials of an account and region.

    Attributes:
        access: the account and region.
        paths: paths of the local AWS, for the CLI's home folder.
        folder: the working folder; in the clone's root, the CLI first synthesises app.py.
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
        try:
            run_cdk(
                *arguments,
                wait=lambda process: process.wait(timeout),
                environment=self.access.environment(self.paths),
                folder=self.folder,
            )
        except subprocess.TimeoutExpired:
            message = f"`cdk {arguments[0]}` did not end within {timeout:.0f} s"
            raise LocalAwsError(message) from None
        except Failed as error:
            raise LocalAwsError(str(error)) from None

    def captured(
        self, *arguments: str, timeout: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run the CLI and return its output."""
        require_local_aws(self.access)
        return subprocess.run(
            cdk_command(*arguments),
            cwd=self.folder,
            env=self.access.environment(self.paths),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
