"""The process of the local AWS: found, started, mended and stopped, always by its own id."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tools.local_aws import control
from tools.local_aws.paths import ROOT, Place
from tools.local_aws.problem import LocalError

Say = Callable[[str], None]

_START_S = 30.0
_STOP_S = 15.0
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Server:
    """A local AWS that answers."""

    pid: int
    port: int

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


def running(place: Place) -> Server | None:
    """The clone's server, if it answers."""
    told = place.told()
    if told is None:
        return None
    server = Server(told["pid"], told["port"])
    found = control.identity(server.endpoint)
    return server if found is not None and found["pid"] == server.pid else None


def ensure(place: Place, say: Say, *, port: int = 0) -> Server:
    """The clone's server, started if there is none that answers."""
    server = running(place)
    if server is not None:
        if port and server.port != port:
            message = (
                f"the local AWS runs on port {server.port} already: stop it with `make "
                f"local-down` to have it on {port}, or leave LOCAL_PORT out"
            )
            raise LocalError(message)
        say(f"The local AWS is running on {server.endpoint}")
        return server
    if place.told() is not None:
        mend(place, say)
    return start(place, say, port=port)


def mend(place: Place, say: Say) -> None:
    """Clear away what a server left that was killed, or that hangs."""
    told = place.told()
    assert told is not None
    if _is_ours(told["pid"], place):
        say(f"The local AWS (process {told['pid']}) does not answer any more and is ended")
        _end(told["pid"], hard=True)
    else:
        say(f"The local AWS (process {told['pid']}) was killed, and could not say goodbye")
    if place.state.exists():
        kept = datetime.fromtimestamp(place.state.stat().st_mtime).astimezone()
        say(
            f"It comes back as it was at {kept:%H:%M:%S}, with the last change that was complete; "
            "a deploy that was under way begins again"
        )
    place.forget_server()


def start(place: Place, say: Say, *, port: int = 0) -> Server:
    """Start the server, on the given port, else its last one, else a free one."""
    if not place.python.exists():
        message = f"{place.python} is missing: run `make local` or tools/local_aws/setup first"
        raise LocalError(message)
    place.folder.mkdir(parents=True, exist_ok=True)
    if port:
        server = _launch(place, port)
    else:
        try:
            server = _launch(place, place.last_port)
        except _PortTakenError:
            say(f"Port {place.last_port} has been taken by somebody else: the port is another now")
            server = _launch(place, 0)
    place.remember_port(server.port)
    say(f"The local AWS is started on {server.endpoint}")
    return server


class _PortTakenError(LocalError):
    pass


def _launch(place: Place, port: int) -> Server:
    command = [
        # Neither the user's PYTHON* variables nor packages of the home folder.
        *(str(place.python), "-E", "-s", "-m", "tools.local_aws.emulator"),
        *("--port", str(port), "--state", str(place.folder)),
    ]
    with place.log.open("ab") as log:
        begin = log.tell()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C in the terminal is for the command, and not for the server.
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_S
    try:
        while time.monotonic() < deadline and process.poll() is None:
            server = running(place)
            if server is not None and server.pid == process.pid:
                # It outlives this process, and others may end it: nobody waits for its end.
                process.returncode = 0
                return server
            time.sleep(_PAUSE_S)  # it is up when it answers, and tells nobody
    except BaseException:  # Ctrl-C too: nobody else knows of the server yet
        _end_child(process)
        raise
    said = place.log.read_bytes()[begin:].decode(errors="replace").strip()
    if process.poll() is None:
        _end_child(process)
        message = f"the local AWS did not answer within {_START_S:.0f} s and was ended\n{said}"
        raise LocalError(message)
    if "is taken" in said:
        message = (
            f"port {port} of 127.0.0.1 is taken: name another one with `make local LOCAL_PORT=…`, "
            "or leave LOCAL_PORT out for a free one"
        )
        raise _PortTakenError(message)
    message = f"the local AWS ended with status {process.returncode} (log: {place.log})\n{said}"
    raise LocalError(message)


def stop(place: Place) -> bool:
    """Stop the clone's server; whether there was one."""
    told = place.told()
    if told is None:
        return False
    ours = _is_ours(told["pid"], place)
    if ours:
        _end(told["pid"])
    place.forget_server()
    return ours


def _is_ours(pid: int, place: Place) -> bool:
    """Whether a process is the server of this place: ids are used again."""
    command = _command(pid)
    return "tools.local_aws.emulator" in command and str(place.folder) in command


def _command(pid: int) -> str:
    """What a process was started with, empty if it is gone or has ended."""
    listed = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return listed.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    asked = subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    return asked.stdout


def _end(pid: int, *, hard: bool = False) -> None:
    """End a process that is known to be ours, politely unless it must be hard."""
    signals = [signal.SIGKILL] if hard else [signal.SIGTERM, signal.SIGKILL]
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _STOP_S
        while time.monotonic() < deadline:
            if not _command(pid):
                with suppress(ChildProcessError):  # somebody else has started it
                    os.waitpid(pid, os.WNOHANG)
                return
            time.sleep(_PAUSE_S)  # it may be no child of ours, which could be waited for


def _end_child(process: subprocess.Popen[bytes]) -> None:
    """End a server that has not come up."""
    process.kill()
    process.wait(_STOP_S)
