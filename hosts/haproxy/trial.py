"""Trial of a configuration: a second HAProxy reads a file, and reports the servers in it.

The second HAProxy runs the file without listeners, logs and other sockets. HAProxy itself evaluates
the names, ports, addresses, weights, conditions, templates and defaults in the file, and runs the
health checks in the file. The second HAProxy ends when this process ends, even if this process is
killed, and leaves no file behind.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.haproxy.check_lines import SECTIONS
from hosts.haproxy.errors import Failed
from hosts.haproxy.servers import parse_states, parse_statistics
from hosts.haproxy.validation import SHOWN, memory_file, stateless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.haproxy.runtime_api import LocalHaproxy

_LEFT_OUT = frozenset({"bind", "dgram-bind", "log", "email-alert"})
"""Lines to leave out of all sections, because they would use a port of the running HAProxy, or send
messages about the servers of the trial."""
_LEFT_OUT_OF_GLOBAL = frozenset(
    {"daemon", "master-worker", "pidfile", "stats socket", "stats-file", "shm-stats-file"}
)
"""Lines to leave out of `global`, because they would start a background process or use files of the
running HAProxy."""
_PRIVILEGES = frozenset({"user", "group", "uid", "gid", "chroot"})
"""Lines to leave out of `global` unless this process is root, because only root can apply them."""
_LEFT_OUT_SECTIONS = frozenset({"program", "log-forward"})
_STATE_PATH = re.compile(rb"^([ \t]*server-state-file[ \t]+)(\S+)(.*)$", re.MULTILINE)
_STATE_BASE = re.compile(rb"^[ \t]*server-state-base[ \t]+(\S+)", re.MULTILINE)

_SCRIPT = '"$@" & exec >&-; read -r _; kill -KILL $!; wait $!'
"""Shell script that runs HAProxy, and kills HAProxy when the script's standard input is closed,
which also happens when this process ends for any reason."""
_SOCKET = b"stats socket fd@1 level user"
"""Configuration line that opens HAProxy's Runtime API on its standard output, which is a listening
socket of this process."""
_SOCKET_TIMEOUT = b"stats timeout 1h"
"""Configuration line that keeps the connection open while this process waits between two commands.
By default, HAProxy closes a connection that is idle for 10 s (HAProxy, Configuration Manual,
`stats timeout`), and the configuration may set a shorter time."""
_QUICK_START = b"max-spread-checks 250"
_QUICK_CHECKS = b"default-server fastinter 250ms downinter 250ms"
"""Lines that make a trial begin the health checks within 250 ms and repeat the checks every 250 ms,
whatever intervals the configuration has."""
_ANSWER_SECONDS = 30
_MOST_OUTPUT = 1024 * 1024
_PROMPT = b"\n> "


class _NoAnswerError(Exception):
    """The HAProxy of the trial does not answer."""


@dataclass(frozen=True)
class Trial:
    """A running trial: the second HAProxy, and a connection to its Runtime API."""

    connection: socket.socket

    def prompt(self) -> None:
        """Make HAProxy keep the connection open for several commands."""
        self._query("prompt")

    def states(self) -> list[dict[str, str]]:
        """Return the rows of `show servers state`."""
        return parse_states(self._query("show servers state"))

    def statistics(self) -> list[dict[str, str]]:
        """Return the rows of `show stat`."""
        return parse_statistics(self._query("show stat"))

    def _query(self, command: str) -> str:
        answer = b""
        try:
            self.connection.sendall(f"{command}\n".encode())
            while not answer.endswith(_PROMPT):
                part = self.connection.recv(65_536)
                if not part:
                    message = "HAProxy has ended"
                    raise _NoAnswerError(message)
                answer += part
        except OSError as error:
            raise _NoAnswerError(str(error)) from error
        # An answer ends with a newline, which is also the first character of the prompt. So remove
        # the prompt except for its first character.
        return answer[: 1 - len(_PROMPT)].decode(errors="replace")


@contextmanager
def trial(
    haproxy: LocalHaproxy, file: Path, content: bytes, saved: bytes | None = None
) -> Iterator[Trial]:
    """Run a configuration without its listeners until the block ends.

    Args:
        haproxy: the HAProxy of this machine.
        file: path of the configuration, for messages.
        content: the configuration.
        saved: content of a state file, which the trial loads if the configuration loads the state
            file of this machine. None: the trial loads no states, and waits for no DNS server.

    Raises:
        Failed: HAProxy does not run the configuration, or does not answer.
    """
    with ExitStack() as held:
        errors = held.enter_context(tempfile.TemporaryFile())
        state = held.enter_context(memory_file(saved or b""))
        text = stateless(content) if saved is None else _with_state(haproxy, content, state)
        config = held.enter_context(memory_file(_prepared(text)))
        try:
            connection = held.enter_context(_started(haproxy.program, config, errors.fileno()))
            running = Trial(connection)
            running.prompt()
            yield running
        except _NoAnswerError as error:
            output = os.pread(errors.fileno(), _MOST_OUTPUT, 0).decode(errors="replace")
            alerts = "\n".join(line for line in output.splitlines() if "[ALERT]" in line)
            reason = (
                alerts.replace(config, str(file))[-SHOWN:] or f"HAProxy does not answer: {error}"
            )
            message = f"a second HAProxy cannot read {file} in a trial:\n{reason}"
            raise Failed(message) from error


@contextmanager
def _started(program: str, config: str, errors: int) -> Iterator[socket.socket]:
    """Start the trial's HAProxy; yield a connection to the Runtime API. No socket file remains."""
    with socket.socket(socket.AF_UNIX) as connection, ExitStack() as ends:
        connection.settimeout(_ANSWER_SECONDS)
        with socket.socket(socket.AF_UNIX) as listener:
            with tempfile.TemporaryDirectory(prefix="hx-") as folder:
                listener.bind(f"{folder}/socket")
                listener.listen()
                connection.connect(f"{folder}/socket")
            process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "sh", program, "-db", "-n", "100", "-f", config],
                stdin=subprocess.PIPE,
                stdout=listener.fileno(),
                stderr=errors,
                start_new_session=True,
            )
        ends.callback(process.wait)
        assert process.stdin is not None  # not None, because of `stdin=PIPE`
        ends.callback(process.stdin.close)
        yield connection


def _with_state(haproxy: LocalHaproxy, content: bytes, state: str) -> bytes:
    """Return the configuration, changed to load the state file `state` of the trial."""
    base = _STATE_BASE.search(content)
    folder = Path(os.fsdecode(base[1])) if base else Path()

    def replaced(match: re.Match[bytes]) -> bytes:
        own = folder / os.fsdecode(match[2].strip(b"\"'")) == haproxy.state
        return match[1] + (os.fsencode(state) if own else match[2]) + match[3]

    return _STATE_PATH.sub(replaced, content)


def _prepared(content: bytes) -> bytes:
    """Return the configuration without listeners, with quick checks and a socket for the trial."""
    lines, section = [], ""
    for line in content.splitlines():
        words = line.decode(errors="replace").split(maxsplit=2)
        first = words[0] if words else ""
        section = first if first in SECTIONS else section
        if section in _LEFT_OUT_SECTIONS or _is_left_out(section, words):
            continue
        lines.append(line)
        if first in ("backend", "listen"):
            lines.append(_QUICK_CHECKS)
    # HAProxy combines this section `global` with the section `global` of the configuration.
    return b"\n".join([*lines, b"global", _SOCKET, _SOCKET_TIMEOUT, _QUICK_START, b""])


def _is_left_out(section: str, words: list[str]) -> bool:
    if not words:
        return False
    if section == "global":
        given = {words[0], " ".join(words[:2])}
        root = os.geteuid() == 0
        if given & _LEFT_OUT_OF_GLOBAL or (words[0] in _PRIVILEGES and not root):
            return True
    return words[0] in _LEFT_OUT
