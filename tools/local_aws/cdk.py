"""The CDK CLI of the clone, configured to call the local AWS."""

import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.aws.cdk_cli import Wait, cdk_command, run_cdk
from denodo_ha.cli.errors import Failed
from tools.local_aws.command_end import killed_with_this_process
from tools.local_aws.credentials import Access, require_local_aws
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

TIMEOUT_S = 900.0
"""Project default: a deploy to the local AWS takes seconds; this limit ends a deploy that hangs."""

_POLL_S = 0.2
_LAST_LINES = 30
_FINISHED = "✅"
"""Character with which the CDK CLI begins a line about a finished stack."""


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
        """Run the CDK CLI with its output on the user's terminal.

        Raises:
            LocalAwsError: the CLI failed; its own messages are on the terminal.
        """
        require_local_aws(self.access)
        try:
            run_cdk(
                *arguments,
                wait=_guarded(lambda process: process.wait(timeout)),
                environment=self.access.environment(self.paths),
                folder=self.folder,
            )
        except subprocess.TimeoutExpired:
            message = f"`cdk {arguments[0]}` did not end within {timeout:.0f} s"
            raise LocalAwsError(message) from None
        except Failed as error:
            raise LocalAwsError(str(error)) from None

    def run_quietly(self, log: Path, say: Callable[[str], None], *arguments: str) -> None:
        """Run the CDK CLI with its output in a file, and report each stack when it is finished.

        Args:
            log: the file for the output; an earlier file is replaced.
            say: called with a line for each finished stack.
            arguments: the CLI's arguments.

        Raises:
            LocalAwsError: the CLI failed; the error has the end of its output.
        """
        require_local_aws(self.access)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w+b") as output, log.open(encoding="utf-8", errors="replace") as lines:

            def wait(process: subprocess.Popen[bytes]) -> None:
                until = time.monotonic() + TIMEOUT_S
                while process.poll() is None:
                    if time.monotonic() > until:
                        raise subprocess.TimeoutExpired(process.args, TIMEOUT_S)
                    time.sleep(_POLL_S)  # Poll: only the CLI's output shows a finished stack.
                    _say_finished(lines, say)
                _say_finished(lines, say)

            try:
                run_cdk(
                    *arguments,
                    wait=_guarded(wait),
                    environment=self.access.environment(self.paths),
                    folder=self.folder,
                    stdout=output,
                    stderr=output,
                )
            except subprocess.TimeoutExpired:
                message = f"`cdk {arguments[0]}` did not end within {TIMEOUT_S:.0f} s (log: {log})"
                raise LocalAwsError(message) from None
            except Failed:
                end = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
                message = f"`cdk {arguments[0]}` failed; the end of {log}:\n" + "\n".join(end)
                raise LocalAwsError(message) from None

    def captured(
        self, *arguments: str, timeout: float = TIMEOUT_S
    ) -> subprocess.CompletedProcess[str]:
        """Run the CDK CLI, and return the ended process with its output."""
        require_local_aws(self.access)
        with subprocess.Popen(
            cdk_command(*arguments),
            cwd=self.folder,
            env=self.access.environment(self.paths),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                with killed_with_this_process(process.pid):
                    output, error = process.communicate(timeout=timeout)
            except BaseException:  # Also on Ctrl-C, the CLI must not outlive this process.
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, output, error)


def _guarded(wait: Wait) -> Wait:
    """Return `wait` with a guard: if this process ends during the wait, the CDK CLI is killed."""

    def guarded(process: subprocess.Popen[bytes]) -> None:
        with killed_with_this_process(process.pid):
            wait(process)

    return guarded


def _say_finished(lines: Iterable[str], say: Callable[[str], None]) -> None:
    for line in lines:
        mark, _, text = line.strip().partition(_FINISHED)
        if not mark and text:
            text = text.strip()
            say(text if ":" in text else f"{text}: deployed")
