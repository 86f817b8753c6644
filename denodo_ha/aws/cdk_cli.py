"""CDK CLI of this clone: run like `npx cdk`, with its output on the user's terminal.

The CLI inherits the environment variables of the command that runs it. So it uses the credentials
and the `AWS_ENDPOINT_URL` of this command, and deploys to this command's account.
"""

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from denodo_ha.aws import deadline
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli.configuration_choice import clone_folder
from denodo_ha.cli.errors import Failed, UsageError

POLL_S: Final = 1
SYNTH_S: Final = 900.0
"""Project default: seconds for a synthesis."""
DEPLOY_S: Final = 7200.0
"""Project default: seconds for a deploy; CloudFormation continues a deploy that takes longer."""
_INTERRUPTED_S: Final = 1
"""Project default: seconds before an interrupted CLI gets SIGTERM. On Ctrl-C, the terminal also
signals the CLI, which may then end without SIGTERM."""
_GRACE_S: Final = 120
"""Project default: seconds that the CLI may take to end after SIGTERM, before it is killed."""

_STDERR: Final = 2
"""File descriptor of stderr; a constant, because `sys.stderr` in tests has no file descriptor."""

Wait = Callable[[subprocess.Popen[bytes]], object]


@dataclass(frozen=True)
class Cdk:
    """The CDK CLI, run with an AWS profile.

    Attributes:
        profile: name of the AWS profile.
    """

    profile: str | None = None

    def synth(self, config: Path, out: Path) -> None:
        """Synthesise a configuration into a folder.

        Raises:
            Failed: The synthesis failed; the CLI has printed the reasons.
        """
        self._run(
            RealClock(),
            SYNTH_S,
            *("synth", "--quiet", "--output", str(out), "-c", f"config={config.resolve()}"),
        )

    def deploy(self, out: Path, stack: str, clock: Clock) -> None:
        """Deploy one stack of a synthesised folder, but not the stacks on which that stack depends.

        Args:
            out: the folder that `synth` has written.
            stack: name of the stack.
            clock: the clock to wait by.

        Raises:
            Failed: The deploy failed; the CLI has printed the reasons.
        """
        self._run(
            clock,
            DEPLOY_S,
            *("deploy", stack, "--exclusively", "--app", str(out)),
            *("--require-approval", "never", "--progress", "events"),
        )

    def _run(self, clock: Clock, seconds: float, *arguments: str) -> None:
        def wait(process: subprocess.Popen[bytes]) -> None:
            while process.poll() is None:
                if deadline.left(1) <= 0:
                    message = (
                        f"`cdk {arguments[0]}` did not end within {seconds:.0f} s, and was ended; "
                        "if CloudFormation has begun a deploy, the deploy continues"
                    )
                    raise Failed(message)
                clock.sleep(POLL_S)

        profile = ["--profile", self.profile] if self.profile else []
        # The CLI's output goes to stderr, because stdout is for the results of this command.
        with deadline.extended(seconds):
            run_cdk(*arguments, *profile, wait=wait, stdout=_STDERR)


def cdk_command(*arguments: str) -> list[str]:
    """Return the command line of the clone's CDK CLI.

    Raises:
        UsageError: The package was installed without a clone.
    """
    clone = _clone()
    return [str(clone / ".venv/node"), str(clone / "node_modules/.bin/cdk"), *arguments]


def run_cdk(
    *arguments: str,
    wait: Wait,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    stdout: IO[Any] | int | None = None,
    stderr: IO[Any] | int | None = None,
) -> None:
    """Run the CDK CLI; end the CLI if the wait is interrupted.

    Args:
        arguments: the CLI's arguments.
        wait: function that waits until the process has ended, or raises an error.
        environment: environment variables; None: those of this process.
        folder: the working folder; None: the clone.
        stdout: destination of the CLI's stdout; None: the stdout of this process.
        stderr: destination of the CLI's stderr; None: the stderr of this process.

    Raises:
        UsageError: The package was installed without a clone.
        Failed: The CLI failed; its own messages are on the terminal.
    """
    command = cdk_command(*arguments)
    sys.stdout.flush()
    with subprocess.Popen(
        command,
        cwd=folder or _clone(),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    ) as process:
        try:
            wait(process)
        except BaseException:  # also on Ctrl-C and signals: the CDK CLI must end, too
            _end(process)
            raise
    if process.returncode:
        message = f"`cdk {arguments[0]}` failed with status {process.returncode}: see its output"
        raise Failed(message)


def _clone() -> Path:
    """Return the folder of the clone, which contains the stacks and the CDK CLI.

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


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the CDK CLI; CloudFormation continues a deploy that has begun."""
    for seconds, signal in ((_INTERRUPTED_S, process.terminate), (_GRACE_S, process.kill)):
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            signal()
        else:
            return
    process.wait()
