"""The server process of the local AWS: find, start and stop it by its process id."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from denodo_ha.environment.full_command import make_command
from tools.local_aws import control
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT, Paths

Say = Callable[[str], None]

MODULE = "tools.local_aws.emulator"
_EARLIER_MODULES = ("local.aws",)
"""Modules as which earlier versions started the server; such a server may still be running."""

_START_S = 120.0
_STOP_S = 30.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Server:
    """A running local AWS that answers requests."""

    pid: int
    port: int

    @property
    def endpoint(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.port}"


def running(paths: Paths) -> Server | None:
    """Return the server whose state is in the folder of `paths`; None if no server answers."""
    record = paths.server_record()
    if record is None:
        return None
    server = Server(record["pid"], record["port"])
    identity = control.identity(server.endpoint)
    return server if identity is not None and identity["pid"] == server.pid else None


def ensure_running(paths: Paths, say: Say, *, port: int = 0) -> Server:
    """Return the running server; start the server if it is not running.

    Raises:
        LocalAwsError: the server already runs on a port other than `port`, or cannot be started.
    """
    server = running(paths)
    if server is not None:
        if port and server.port != port:
            message = (
                f"the local AWS already runs on port {server.port}, not {port}: leave LOCAL_PORT "
                f"out to use the running server, or remove the local AWS with `make local-down` "
                f"and run `{make_command('local')} LOCAL_PORT={port}`"
            )
            raise LocalAwsError(message)
        say(f"The local AWS is running on {server.endpoint}")
        return server
    if paths.server_record() is not None:
        clean_up(paths, say)
    return start(paths, say, port=port)


def clean_up(paths: Paths, say: Say) -> None:
    """Kill a server that hangs, and remove the record of a server that no longer runs."""
    record = paths.server_record()
    assert record is not None
    if is_server(record["pid"], paths):
        say(f"The local AWS (process {record['pid']}) does not answer any more, and is killed")
        _end(record["pid"], (signal.SIGKILL,))
    else:
        say(f"The local AWS (process {record['pid']}) was killed before it could shut down")
    if paths.state.exists():
        written = datetime.fromtimestamp(paths.state.stat().st_mtime).astimezone()
        say(
            f"The state of the local AWS from {written:%H:%M:%S} is restored. This state contains "
            "the last complete change, but nothing of a deploy that was running"
        )
    paths.remove_server_record()


def start(paths: Paths, say: Say, *, port: int = 0, parent: int | None = None) -> Server:
    """Start the server on the given port, else on its last port, else on a free port.

    With `parent`, the id of this process, the server stops when this process has ended.

    Raises:
        LocalAwsError: the server cannot be started.
    """
    if not paths.python.exists():
        message = f"{paths.python} is missing: run `{make_command('local')}` first"
        raise LocalAwsError(message)
    paths.folder.mkdir(parents=True, exist_ok=True)
    if port:
        server = _launch(paths, port, parent)
    else:
        try:
            server = _launch(paths, paths.last_port, parent)
        except _PortTakenError:
            say(
                f"Another process uses port {paths.last_port}, the last port of the local AWS: the "
                "local AWS gets another port"
            )
            server = _launch(paths, 0, parent)
    paths.remember_port(server.port)
    say(f"The local AWS has started on {server.endpoint}")
    return server


class _PortTakenError(LocalAwsError):
    pass


def _launch(paths: Paths, port: int, parent: int | None) -> Server:
    command = [
        # Ignore the user's PYTHON* variables and the packages of the home folder.
        *(str(paths.python), "-E", "-s", "-m", MODULE),
        *("--port", str(port), "--state", str(paths.folder)),
        *(() if parent is None else ("--parent", str(parent))),
    ]
    with paths.log.open("ab") as log:
        log_start = log.tell()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C in the terminal ends the command, but not the server.
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    try:
        while time.monotonic() < deadline and process.poll() is None:
            server = running(paths)
            if server is not None and server.pid == process.pid:
                # Do not wait for this server when this process ends: the server continues to run,
                # and another process may end it.
                process.returncode = 0
                return server
            time.sleep(_POLL_S)  # Poll: the server does not signal that it is ready.
    except BaseException:  # Also on Ctrl-C, end the server: no record has its process id yet.
        _end_child(process)
        raise
    output = paths.log.read_bytes()[log_start:].decode(errors="replace").strip()
    if process.poll() is None:
        _end_child(process)
        message = (
            f"the local AWS did not answer within {_START_S:.0f} s after its start, and was killed "
            f"(log: {paths.log})\n{output}"
        )
        raise LocalAwsError(message)
    if "is taken" in output:
        message = (
            f"another process uses port {port} of 127.0.0.1: choose another port with "
            f"`{make_command('local')} LOCAL_PORT=PORT`, or leave LOCAL_PORT out for a free port"
        )
        raise _PortTakenError(message)
    message = (
        f"the local AWS did not start: the server ended with status {process.returncode} "
        f"(log: {paths.log})\n{output}"
    )
    raise LocalAwsError(message)


def stop(paths: Paths) -> bool:
    """Stop the server whose state is in the folder of `paths`; return False if no server runs."""
    record = paths.server_record()
    if record is None:
        return False
    was_running = is_server(record["pid"], paths)
    if was_running:
        _end(record["pid"], (signal.SIGTERM, signal.SIGKILL))
    paths.remove_server_record()
    return was_running


def is_server(pid: int, paths: Paths) -> bool:
    """Return whether a process is the server, and not a later process with the same id."""
    command = command_line(pid)
    is_emulator = any(f" -m {module} " in command for module in (MODULE, *_EARLIER_MODULES))
    return is_emulator and str(paths.folder) in command


def command_line(pid: int) -> str:
    """Return the command line of a process, empty if the process has ended."""
    file = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    done = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip()


def _end(pid: int, signals: tuple[signal.Signals, ...]) -> None:
    """Send signals to a process, one after the other, until the process has ended."""
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            if not command_line(pid):
                with suppress(
                    ChildProcessError
                ):  # The process may be the child of another process.
                    os.waitpid(pid, os.WNOHANG)
                return
            time.sleep(_POLL_S)


def _end_child(process: subprocess.Popen[bytes]) -> None:
    """Kill a server that has not answered in time after its start."""
    process.kill()
    process.wait(_STOP_S)
