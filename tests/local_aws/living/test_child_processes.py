"""Children of the server end with the server, even if it is killed; children that end restart."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.assembly import ROOT
from tests.support.waiting import until
from tools.local_aws.emulator.child_processes import (
    ChildProcesses,
    pause_before_restart,
    start_time,
)
from tools.local_aws.paths import Paths
from tools.local_aws.removal import remove_all

_CHILD = "tests.local_aws.living.sample_child"
_SERVER = "tests.local_aws.living.sample_server"


@pytest.fixture
def children(tmp_path: Path) -> Iterator[ChildProcesses]:
    result = ChildProcesses()
    result.install(tmp_path)
    yield result
    result.stop_all()


def started(file: Path) -> int:
    """Wait for the file with the id of a child's program; remove the file and return the id."""
    until(file.exists)
    pid = int(file.read_text())
    file.unlink()
    return pid


def ended(pid: int) -> bool:
    """Return whether a process has ended; a zombie counts as ended."""
    return start_time(pid) == ""


def test_a_child_is_stopped_with_its_programs(children: ChildProcesses, tmp_path: Path) -> None:
    children.start("sample", _CHILD, str(tmp_path / "pid"))
    program, child = started(tmp_path / "pid"), children.pid("sample")
    assert child is not None
    children.stop("sample")
    assert ended(child)
    until(lambda: ended(program))
    assert children.pid("sample") is None
    assert json.loads((tmp_path / "processes.json").read_text()) == {}


def test_a_child_that_is_killed_is_started_again(children: ChildProcesses, tmp_path: Path) -> None:
    children.start("sample", _CHILD, str(tmp_path / "pid"))
    program, child = started(tmp_path / "pid"), children.pid("sample")
    assert child is not None
    os.kill(child, signal.SIGKILL)
    again = started(tmp_path / "pid")
    until(lambda: ended(program))
    assert not ended(again)
    until(lambda: children.pid("sample") not in (None, child))


def test_a_child_that_cannot_run_is_started_ever_less_often() -> None:
    pauses = [0.0]
    for _ in range(8):
        pauses.append(pause_before_restart(pauses[-1], ran_for=0.2))
    assert pauses[1:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert pause_before_restart(60.0, ran_for=600.0) == 0.0, "it has run"


def test_children_end_when_their_server_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", _SERVER, str(tmp_path), str(tmp_path / "pid")]
    with subprocess.Popen(command, cwd=ROOT) as server:
        program, record = started(tmp_path / "pid"), tmp_path / "processes.json"
        until(record.exists)
        ((child, _),) = json.loads(record.read_text()).values()
        server.kill()
        server.wait(60)
    until(lambda: ended(child) and ended(program))


def test_what_a_killed_server_has_left_behind_is_ended(
    children: ChildProcesses, tmp_path: Path
) -> None:
    """A child that is stopped by a signal cannot notice the end of its server."""
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        os.kill(left.pid, signal.SIGSTOP)
        record = {"left": [left.pid, start_time(left.pid)], "reused": [other.pid, "1"]}
        (tmp_path / "processes.json").write_text(json.dumps(record))
        children.install(tmp_path)
        assert left.wait(60) == -signal.SIGKILL
        assert other.poll() is None, "another process has this process id now"
    finally:
        for process in (left, other):
            process.kill()
            process.wait(60)


def test_local_down_ends_what_a_killed_server_has_left_behind(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as left:
        try:
            os.kill(left.pid, signal.SIGSTOP)
            record = {"left": [left.pid, start_time(left.pid)]}
            (folder / "processes.json").write_text(json.dumps(record))
            remove_all(Paths(folder=folder), Console(quiet=True))
            assert left.wait(60) == -signal.SIGKILL
            assert not folder.exists()
        finally:
            left.kill()
