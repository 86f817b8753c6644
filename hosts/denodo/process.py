"""Programs run with a time limit, their output kept for the message if they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 800
"""How many of the output's last characters a message shows."""


class _Name(Protocol):
    def __fspath__(self) -> str: ...


@dataclass(frozen=True)
class Result:
    """How a program ended.

    Attributes:
        status: its exit status, None when its time was over and it was killed.
        output: what it wrote to standard output.
        errors: what it wrote to standard error.
        seconds: its limit.
    """

    status: int | None
    output: str
    errors: str
    seconds: float

    @property
    def ended_well(self) -> bool:
        """Whether it did what it was asked for."""
        return self.status == 0

    @property
    def ending(self) -> str:
        """How it ended, without what it said, which may be secret."""
        if self.status is None:
            return f"did not end within {self.seconds:g} s"
        return f"ended with status {self.status}"

    def __str__(self) -> str:
        """How it ended, with the end of what it said."""
        said = (self.errors.strip() or self.output.strip())[-_SHOWN:]
        return f"{self.ending}: {said}" if said else self.ending


def run(command: Sequence[str | _Name], *, seconds: float, given: str | None = None) -> Result:
    """Run a program without a shell, in its own process group, and wait for that program alone.

    Its output goes to files and not to pipes: a start script's server inherits them and would
    keep a pipe open for ever. What it starts lives on, unless its time is over: then the whole
    group is killed.

    Args:
        command: the program and its arguments, none of them a secret.
        seconds: how long it may take.
        given: its standard input.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        status: int | None
        try:
            process.communicate(None if given is None else given.encode(), timeout=seconds)
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
