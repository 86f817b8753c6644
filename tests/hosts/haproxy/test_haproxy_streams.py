"""The exit codes of HAProxy's host program do not depend on its streams or a signal's timing."""

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.common.errors import CRASH
from hosts.haproxy.errors import INTERRUPTED, NO, Failed, UsageError
from tests.hosts.haproxy.played_haproxy import GOOD, played_haproxy
from tests.support.host_program import unpacked

_SECONDS = 300
_UP = GOOD["show servers state"].replace("127.0.0.1 0 0", "127.0.0.1 2 0")
STREAMS = (">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full 2>&1", "| :")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder with the host program; the folder's path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="hx-") as name:
        yield unpacked("haproxy", Path(name), name="hx")


def _command(folder: Path, *command: str) -> list[str]:
    return [
        *(sys.executable, "-S", "-E", "-m", "hx", "--run", str(folder), "--state"),
        *(str(folder / "server-state"), "--config", str(folder / "haproxy.cfg"), "--haproxy"),
        *("true", *command),
    ]


def _codes(folder: Path, *command: str) -> dict[str, int]:
    """Return a command's exit code for each kind of broken standard stream."""
    codes = {}
    for streams in STREAMS:
        # The shell writes the exit code to a file, since a pipeline returns its last command's
        # code.
        script = f'{{ "$@"; echo $? >code; }} {streams}'
        if streams.startswith((">", "2>", "<")):
            script = f'"$@" {streams}; echo $? >code'
        subprocess.run(
            ["bash", "-c", script, "bash", *_command(folder, *command)],
            cwd=folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        codes[streams] = int((folder / "code").read_text())
    return codes


@pytest.mark.parametrize(
    ("states", "command", "code"),
    [
        (_UP, "status", 0),
        (_UP.replace("127.0.0.1 2 0", "127.0.0.1 0 0", 1), "status", NO),
        (_UP[:-1], "status", Failed.code),
        (_UP, "no-such-command", UsageError.code),
        (_UP, "--help", 0),
    ],
)
def test_the_code_is_the_same_for_all_streams(
    folder: Path, states: str, command: str, code: int
) -> None:
    with played_haproxy(folder, {"show servers state": states.encode()}):
        assert _codes(folder, *command.split()) == dict.fromkeys(STREAMS, code)


def test_a_fault_of_the_program_is_not_degraded(folder: Path) -> None:
    (folder / "hx/hosts/haproxy/inspection.py").write_text(
        "def status(_): return 1 / 0\nverify = 0"
    )
    with played_haproxy(folder, {}):
        assert _codes(folder, "status") == dict.fromkeys(STREAMS, CRASH)


def _silent(folder: Path) -> tuple[socket.socket, threading.Event]:
    """Return a HAProxy socket that never answers, and an event that is set when a query arrives."""
    listener, queried = socket.socket(socket.AF_UNIX), threading.Event()
    listener.bind(str(folder / "admin.sock"))
    listener.listen()

    def accept() -> None:
        connection, _ = listener.accept()
        queried.set()
        with connection:
            while connection.recv(1000):
                pass
            time.sleep(_SECONDS)

    threading.Thread(target=accept, daemon=True).start()
    return listener, queried


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_in_words(folder: Path, number: signal.Signals) -> None:
    listener, queried = _silent(folder)
    with (
        listener,
        subprocess.Popen(
            _command(folder, "status"), cwd=folder, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
        assert queried.wait(_SECONDS)
        process.send_signal(number)
        _, errors = process.communicate(timeout=_SECONDS)
    assert process.returncode == INTERRUPTED
    assert errors == "haproxy: interrupted: `status` shows the current state\n"


def test_a_signal_that_the_caller_ignores_is_ignored(folder: Path) -> None:
    listener, queried = _silent(folder)
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *_command(folder, "status")]
    with listener, subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE) as process:
        assert queried.wait(_SECONDS)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=_SECONDS)
    # Signals are handled in the order of their numbers: if the program did not ignore SIGHUP,
    # SIGHUP would end the program before SIGTERM.
    status = process.returncode
    assert status == INTERRUPTED


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_the_start_leaves_no_traceback(
    folder: Path, number: signal.Signals
) -> None:
    """An import of the program blocks, and the signal arrives during the import."""
    (folder / "hx/hosts/haproxy/desired_state.py").write_text(
        "import os, time\nos.write(1, b'importing')\ntime.sleep(300)\n"
    )
    with subprocess.Popen(
        _command(folder, "status"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(9) == b"importing"
        process.send_signal(number)
        _, errors = process.communicate(timeout=_SECONDS)
    assert process.returncode == -number
    assert errors == b""
