"""The CDK CLI of the clone, sent to the local AWS."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.local_aws.credentials import Access, prove
from tools.local_aws.paths import ROOT, Place
from tools.local_aws.problem import LocalError

TIMEOUT_S = 900.0
"""A deploy takes seconds here; this only keeps a stuck one from lasting for ever."""
_GRACE_S = 10.0


@dataclass(frozen=True)
class Cdk:
    """The CLI, as an account in a region.

    Attributes:
        access: where it is sent.
        place: whose home folder it has.
        folder: where it runs: in the project's it would synthesise first.
    """

    access: Access
    place: Place
    folder: Path = ROOT

    def run(self, *arguments: str, timeout: float = TIMEOUT_S) -> None:
        """Run it in view of the user, after a check that it talks to nobody else.

        Raises:
            LocalError: it failed; its own words are on the screen.
        """
        prove(self.access)
        command = self.command(*arguments)
        sys.stdout.flush()
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.access.environment(self.place),
            stdin=subprocess.DEVNULL,
        ) as process:
            try:
                status = process.wait(timeout)
            except BaseException as broken_off:  # Ctrl-C too: the CLI must not outlive us
                _end(process)
                if isinstance(broken_off, subprocess.TimeoutExpired):
                    message = f"`cdk {arguments[0]}` did not end within {timeout:.0f} s"
                    raise LocalError(message) from None
                raise
        if status:
            message = f"`cdk {arguments[0]}` failed with status {status}: see above"
            raise LocalError(message)

    def captured(
        self, *arguments: str, timeout: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run it out of view, and give what it said."""
        prove(self.access)
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.access.environment(self.place),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @staticmethod
    def command(*arguments: str) -> Sequence[str]:
        """The CLI's command line."""
        return [str(ROOT / ".venv/node"), str(ROOT / "node_modules/.bin/cdk"), *arguments]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the CLI; after Ctrl-C it is about to end by itself."""
    try:
        process.wait(1)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
