"""Commands on other hosts, over the ssh of this machine.

    with Shells() as shells:
        shells.run("haproxy@lb1", "uptime", seconds=60, tell=print).code

Who logs in needs a key. Nothing is asked at a terminal, and whether a host's key must be known
already is as ssh is configured.
"""

import subprocess
import tempfile
import threading
from collections.abc import Callable
from typing import Final, Self

from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes

_SSH: Final = (
    *("ssh", "-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
    # A host that is lost meanwhile is noticed within a minute.
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
)


class Shells:
    """Commands that run; those that still do when the block is left are not listened to."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Without a terminal no signal reaches the hosts: what runs there ends when it next says
        # something, or when its time is over.
        for process in self._running:
            if process.poll() is None:
                process.terminate()

    def run(
        self, target: str, command: str, *, seconds: float, tell: Callable[[str], None]
    ) -> CommandResult:
        """Run a command, and tell what it says line by line.

        Args:
            target: the host, with its user and @ or without; of characters that ssh cannot
                mistake for an option.
            command: a line for the host's shell.
            seconds: after which it is given up.
            tell: is told each line of its standard output.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
            process = subprocess.Popen(
                [*_SSH, "--", target, command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                errors="replace",
            )
            self._running.append(process)
            over = threading.Event()

            def give_up() -> None:
                over.set()
                process.kill()

            late = threading.Timer(seconds, give_up)
            late.daemon = True
            late.start()
            said = []
            with process:
                assert process.stdout is not None  # a pipe
                for line in process.stdout:
                    said.append(line)
                    tell(line.rstrip())
            late.cancel()
            complaints.seek(0)
            error = complaints.read()
        if over.is_set():
            error = f"its end was not seen within {seconds:g} s"
        code = exit_codes.FAILED if process.returncode < 0 else process.returncode
        return CommandResult(code, "ended", "".join(said), error)
