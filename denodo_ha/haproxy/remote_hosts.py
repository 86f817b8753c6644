"""HAProxies on hosts of their own, reached over ssh with a key.

    Hosts.named("lb1,lb2", user="haproxy", tell=print).drain("node1", timeout=600)

Each host has the program as docs/haproxy.md puts it there. Nothing is asked at a terminal: who has
no key, or does not know a host's key yet, gets an error.
"""

import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.ssm_command import CommandResult
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import Interrupted, UsageError
from denodo_ha.deployed.rotation.haproxy_fleet import APPLY_S, DRAIN_S, ENABLE_S, HaproxyFleet
from denodo_ha.haproxy.ssh import Shells
from hosts.haproxy.runtime_api import LocalHaproxy

FOLDER: Final = "/opt/denodo-ha"
"""Where the program is on a host (docs/haproxy.md)."""
_SLACK_S: Final = 60
"""Ours: how much longer ssh may take than what it runs."""

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,31}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9._-]{0,31}")


@dataclass(frozen=True)
class Hosts(HaproxyFleet):
    """HAProxies by their hosts' names.

    Attributes:
        names: the hosts.
        user: who logs in, None for what ssh's own configuration says.
        tell: is told what the hosts say.
        place: where HAProxy's sockets and state are on them.
    """

    names: tuple[str, ...]
    user: str | None
    tell: Callable[[str], None]
    place: LocalHaproxy = field(default_factory=LocalHaproxy)

    @classmethod
    def named(
        cls, names: str, *, user: str | None, tell: Callable[[str], None], place: LocalHaproxy
    ) -> "Hosts":
        """The hosts of a list with commas.

        Raises:
            UsageError: a name, or the user's, is none; all that is wrong at once.
        """
        hosts = names.split(",")
        wrong = [
            f"--host {host!r} is no host's name"
            for host in hosts
            # A number alone is a limit that stands in the wrong place.
            if host.isdigit() or not _HOST.fullmatch(host)
        ]
        wrong += [
            f"--host names {host} twice" for host in sorted({*hosts}) if hosts.count(host) > 1
        ]
        if user is not None and not _USER.fullmatch(user):
            # Its value is not said: a password may stand in the wrong place.
            wrong.append("--user is no login name: letters, digits, '.', '_' and '-'")
        if not wrong and shutil.which("ssh") is None:
            wrong.append("there is no ssh in PATH: install OpenSSH's client")
        if wrong:
            message = f"{'; '.join(wrong)}; nothing was changed"
            raise UsageError(message)
        return cls(tuple(hosts), user, tell, place)

    def ids(self) -> tuple[str, ...]:
        """The hosts."""
        return self.names

    def drain(self, node: str, *, timeout: float | None = None, force: bool = False) -> None:
        """Take a node out on all, then wait on all; all in `timeout` seconds.

        Raises:
            UsageError: there is no such node.
            Refused: nobody else would serve; nothing is changed.
            Failed: it did not come out; the message says what stands.
            Interrupted: the same.
        """
        end = time.monotonic() + (timeout or DRAIN_S)
        every = ", ".join(self.names)
        again = "run it again to go on, or `enable` to bring it back"
        stands = f"{node} may be out on some of {every}"
        try:
            self.take_out(node, force=force)
            stands = f"{node} gets no new sessions on {every}; those it has end by themselves"
            self.wait_until_gone(node, timeout=max(1, end - time.monotonic()))
        except KeyboardInterrupt:
            message = f"interrupted: {stands}; {again}"
            raise Interrupted(message) from None

    def enable(self, node: str, *, timeout: float | None = None) -> None:
        """Bring a node back on every HAProxy, once each finds it well.

        Raises:
            Failed: some HAProxy does not; the message says which, and why.
            Interrupted: the message says what stands.
        """
        try:
            super().enable(node, timeout=timeout or ENABLE_S)
        except KeyboardInterrupt:
            message = (
                f"interrupted: {node} may be back on some of {', '.join(self.names)}, and is out "
                "as before elsewhere; run it again to go on"
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
        """Run the program on hosts; see `HaproxyFleet`.

        Raises:
            UsageError: the node's name is none.
        """
        if not _NODE.fullmatch(node):
            message = f"{node!r} is no node's name; nothing was changed"
            raise UsageError(message)
        command = self._command(action, node, seconds, wait=wait, force=force)
        ids, shells = list(ids), Shells()

        def one(host: str) -> CommandResult:
            target = f"{self.user}@{host}" if self.user else host
            return shells.run(
                target,
                command,
                seconds=seconds + _SLACK_S,
                tell=lambda line: self.tell(f"{host}: {line}"),
            )

        with shells:
            return dict(zip(ids, map_concurrently(one, ids, workers=len(ids)), strict=True))

    def _command(self, action: str, node: str, seconds: int, *, wait: bool, force: bool) -> str:
        """What a host's shell is given."""
        usual, program = LocalHaproxy(), ["python3", "-m", "haproxy"]
        if self.place.run != usual.run:
            program += ["--run", str(self.place.run)]
        if self.place.state != usual.state:
            program += ["--state", str(self.place.state)]
        program += [action, node, "--timeout", str(seconds)]
        program += [] if wait else ["--no-wait"]
        program += ["--force"] if force else []
        # Not with &&: what cd ends with could be mistaken for the program's own exit code.
        return f"cd {FOLDER} || exit {exit_codes.FAILED}; exec {shlex.join(program)}"
