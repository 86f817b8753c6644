"""HAProxy instances on other hosts, controlled through the ssh client of this machine.

    hosts = RemoteHosts.parse("lb1,lb2", user="haproxy", report=print, haproxy=LocalHaproxy())
    hosts.drain("node1", timeout=600)

Each host must have the program that docs/how-to/haproxy.md describes. ssh never prompts: without a
login key, or with an unknown host key, the command fails.
"""

import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Interrupted, UsageError
from denodo_ha.deployed.rotation.haproxy_fleet import APPLY_S, DRAIN_S, ENABLE_S, HaproxyFleet
from denodo_ha.environment.full_command import full_command
from hosts.haproxy.runtime_api import LocalHaproxy

FOLDER: Final = "/opt/denodo-ha"
"""Folder of the program on a host (docs/how-to/haproxy.md)."""
_SLACK_S: Final = 60
"""Project default: seconds that ssh may run beyond the timeout of its remote command."""

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
"""Pattern of the name of an HAProxy server, or of `backend/server`."""
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")


_SSH: Final = (
    *("ssh", "-T", "-a", "-x", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
    # With these settings ssh detects within a minute that a host has become unreachable.
    *("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"),
)


class SshSession:
    """Runs commands on other hosts over ssh; the end of the `with` block ends running commands.

    ssh never prompts, so the login needs a key. The configuration of ssh decides whether the host
    key of a host must already be known.
    """

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # ssh without a terminal does not forward signals: the command on the host ends when it next
        # prints something, or at its timeout.
        for process in self._running:
            if process.poll() is None:
                process.terminate()

    def run(
        self, target: str, command: str, *, seconds: float, report: Callable[[str], None]
    ) -> CommandResult:
        """Run a command, and report its output line by line.

        Args:
            target: `host` or `user@host`, without characters that ssh could interpret as an option.
            command: command line for the host's shell.
            seconds: timeout of the command.
            report: receives each line of the standard output.
        """
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
            process = subprocess.Popen(
                [*_SSH, "--", target, command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
            )
            self._running.append(process)
            timed_out = threading.Event()

            def kill() -> None:
                timed_out.set()
                process.kill()

            timer = threading.Timer(seconds, kill)
            timer.daemon = True
            timer.start()
            lines = []
            with process:
                assert process.stdout is not None  # `stdout=PIPE` makes this a pipe, and not None
                for line in process.stdout:
                    lines.append(line)
                    report(line.rstrip())
            timer.cancel()
            stderr.seek(0)
            error = stderr.read()
        if timed_out.is_set():
            error = f"the command did not end within {seconds:g} s"
        code = exit_codes.FAILED if process.returncode < 0 else process.returncode
        return CommandResult(code, "ended", "".join(lines), error)


@dataclass(frozen=True)
class RemoteHosts(HaproxyFleet):
    """HAProxy instances on hosts that are reached over ssh.

    Attributes:
        names: the hosts.
        user: login name; None: the login name of ssh's configuration.
        report: receives the output of the hosts.
        haproxy: paths of HAProxy's sockets and state files on the hosts.
    """

    names: tuple[str, ...]
    user: str | None
    report: Callable[[str], None]
    haproxy: LocalHaproxy = field(default_factory=LocalHaproxy)

    @classmethod
    def parse(
        cls, names: str, *, user: str | None, report: Callable[[str], None], haproxy: LocalHaproxy
    ) -> "RemoteHosts":
        """Parse a comma-separated list of hosts.

        Raises:
            UsageError: Host names or the user name are invalid. The message lists all errors.
        """
        hosts = names.split(",")
        errors = [
            f"--host {host!r} is not a host name"
            for host in hosts
            # Reject a number as a host name: it is probably the value of a timeout option.
            if host.isdigit() or not _HOST.fullmatch(host)
        ]
        errors += [
            f"--host names {host} twice" for host in sorted({*hosts}) if hosts.count(host) > 1
        ]
        if user is not None and not _USER.fullmatch(user):
            # Do not print the invalid value: it may be a password that was typed in its place.
            errors.append("--user is not a login name of letters, digits, '.', '_' and '-'")
        if not errors and shutil.which("ssh") is None:
            errors.append("there is no ssh in PATH: install OpenSSH's client")
        if errors:
            message = f"{'; '.join(errors)}; nothing was changed"
            raise UsageError(message)
        return cls(tuple(hosts), user, report, haproxy)

    def ids(self) -> tuple[str, ...]:
        """Return the host names."""
        return self.names

    def drain(self, node: str, *, timeout: float | None = None, force: bool = False) -> None:
        """Take a node out on every host, then wait up to `timeout` seconds until its sessions end.

        Raises:
            UsageError: There is no such node. Nothing was changed.
            Refused: No other node would serve. Nothing was changed.
            Failed: The node still has sessions, or a host failed. The message says which state
                remains.
            Interrupted: The drain was interrupted. The message says which state remains.
        """
        deadline = time.monotonic() + (timeout or DRAIN_S)
        hosts = ", ".join(self.names)
        state = f"{node} may be out of service on some of {hosts}"
        try:
            self.take_out(node, force=force)
            state = f"{node} gets no new sessions on {hosts}; existing sessions continue"
            self.wait_until_gone(node, timeout=max(1, deadline - time.monotonic()))
        except KeyboardInterrupt:
            options = [
                "--host",
                ",".join(self.names),
                *(["--user", self.user] if self.user else []),
            ]
            enable = full_command("haproxy enable", node, *options, *_paths(self.haproxy))
            message = (
                f"interrupted: {state}; run the command again to continue, or `{enable}` to bring "
                "the node back"
            )
            raise Interrupted(message) from None

    def enable(self, node: str, *, timeout: float | None = None) -> None:
        """Bring a node back, and wait until its health checks pass on every host.

        Raises:
            Failed: The health checks of a host do not pass in time, or the host failed.
            Interrupted: The command was interrupted. The message says which state remains.
        """
        try:
            super().enable(node, timeout=timeout or ENABLE_S)
        except KeyboardInterrupt:
            message = (
                f"interrupted: {node} may be back in service on some of {', '.join(self.names)}, "
                "and out of service on the others; run the command again to continue"
            )
            raise Interrupted(message) from None

    def run(
        self,
        ids: Iterable[str],
        action: str,
        node: str = "-",
        seconds: int = APPLY_S,
        *,
        wait: bool = True,
        force: bool = False,
    ) -> dict[str, CommandResult]:
        """Run an action of the HAProxy program on hosts; see `HaproxyFleet.run`.

        Raises:
            UsageError: The node's name is not valid.
        """
        if not _NODE.fullmatch(node):
            message = f"{node!r} is not a node name; nothing was changed"
            raise UsageError(message)
        command = self._command(action, node, seconds, wait=wait, force=force)
        hosts, session = list(ids), SshSession()

        def run_on(host: str) -> CommandResult:
            target = f"{self.user}@{host}" if self.user else host
            return session.run(
                target,
                command,
                seconds=seconds + _SLACK_S,
                report=lambda line: self.report(f"{host}: {line}"),
            )

        with session:
            results = map_concurrently(run_on, hosts, workers=len(hosts))
            return dict(zip(hosts, results, strict=True))

    def _command(self, action: str, node: str, seconds: int, *, wait: bool, force: bool) -> str:
        """Return the command line that runs an action of the HAProxy program in a host's shell."""
        program = ["python3", "-m", "haproxy", *_paths(self.haproxy)]
        program += [action, node, "--timeout", str(seconds)]
        program += [] if wait else ["--no-wait"]
        program += ["--force"] if force else []
        # `&&` would return the exit code of `cd`, which the caller would mistake for one of the
        # program's exit codes.
        return f"cd {FOLDER} || exit {exit_codes.FAILED}; exec {shlex.join(program)}"


def _paths(haproxy: LocalHaproxy) -> list[str]:
    """Return the options of the HAProxy program for paths that differ from the defaults."""
    default, found = LocalHaproxy(), []
    if haproxy.run != default.run:
        found += ["--run", str(haproxy.run)]
    if haproxy.state != default.state:
        found += ["--state", str(haproxy.state)]
    return found
