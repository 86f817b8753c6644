"""Child processes with a time limit, whose output is kept for error messages."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHOWN = 800
"""Maximum number of characters of the output that a message shows, counted from the end."""


class _Path(Protocol):
    def __fspath__(self) -> str: ...


@dataclass(frozen=True)
class Result:
    """The result of a process that has ended.

    Attributes:
        status: exit status; None if the process was killed because its time limit expired.
        output: text on standard output.
        errors: text on standard error.
        seconds: time limit of the process.
    """

    status: int | None
    output: str
    errors: str
    seconds: float

    @property
    def succeeded(self) -> bool:
        """Return whether the exit status is 0."""
        return self.status == 0

    @property
    def ending(self) -> str:
        """Return how the process ended, such as `ended with status 1`.

        The text contains no output of the process, because output may contain secrets.
        """
        if self.status is None:
            return f"did not end within {self.seconds:g} s"
        return f"ended with status {self.status}"

    def __str__(self) -> str:
        """Return how the process ended, with the last part of the output of the process."""
        text = (self.errors.strip() or self.output.strip())[-_SHOWN:]
        return f"{self.ending}: {text}" if text else self.ending


def run(
    command: Sequence[str | _Path],
    *,
    seconds: float,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run a command without a shell, in its own process group, and wait until the command ends.

    The output goes to files, not to pipes: a server that a start script leaves running would
    inherit a pipe and keep the pipe open, so reading would never end. When the command ends,
    processes that the command has started continue to run. If the time limit expires, the whole
    process group is killed.

    Args:
        command: the program and its arguments, none of which may be a secret.
        seconds: time limit.
        stdin: text for standard input, which is empty by default.
        environment: variables to add to the environment of this process.

    Raises:
        OSError: The program cannot be started.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=output,
            stderr=errors,
            env=None if environment is None else {**os.environ, **environment},
            start_new_session=True,
        )
        status: int | None
        try:
            process.communicate(None if stdin is None else stdin.encode(), timeout=seconds)
            status = process.returncode
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Result(status, _text(output), _text(errors), seconds)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")
