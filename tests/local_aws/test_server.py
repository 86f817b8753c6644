"""Server process of the local AWS: start and stop, and the state, which outlives the process."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.cloud import Cloud
from tests.local_aws.templates import IMAGE, resource
from tests.local_aws.test_stacks import gated
from tests.support import local_aws_server
from tests.support.servers.ports import free_port
from tests.support.suspended import suspend
from tests.support.waiting import until
from tools.local_aws import control, server_process
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import Paths

ACCOUNT = "111122223333"
_TIMEOUT_S = 120.0


def start(paths: Paths, port: int = 0) -> server_process.Server:
    return server_process.start(paths, local_aws_server.quiet, port=port)


def ensure(paths: Paths, port: int = 0) -> tuple[server_process.Server, str]:
    """Start the server unless it runs; return the server and the progress messages."""
    messages: list[str] = []
    return server_process.ensure_running(paths, messages.append, port=port), "\n".join(messages)


def kill(running: server_process.Server) -> None:
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: not _alive(running.pid))


def _alive(pid: int) -> bool:
    return bool(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes())


def say(running: server_process.Server, value: str) -> None:
    """Deploy a parameter with a value to the local AWS."""
    parameter = resource("SSM::Parameter", Name="/it", Type="String", Value=value)
    Cloud(running.endpoint, ACCOUNT).deploy({"It": parameter})


def said(running: server_process.Server) -> str:
    description = Cloud(running.endpoint, ACCOUNT).client("ssm").get_parameter(Name="/it")
    return str(description["Parameter"]["Value"])


def checkpoint(running: server_process.Server) -> bool:
    return bool(control.call(running.endpoint, "checkpoint", {}, method="POST")["written"])


def _content(file: Path) -> str:
    """Return a file's content; empty while the state is being replaced."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


class TestState:
    """The state of the local AWS survives its server, even if the server is killed."""

    def test_survives_a_polite_stop(self, paths: Paths) -> None:
        # `free_port` returns a port that no other test's connection gets while the server is
        # stopped.
        first = start(paths, free_port())
        say(first, "kept")
        Cloud(first.endpoint, ACCOUNT).call("stand-ins/i-1", {"address": "127.0.0.2"}, "PUT")
        assert server_process.stop(paths)
        assert not _alive(first.pid)
        second = start(paths)
        assert said(second) == "kept"
        assert second.port == first.port
        assert control.call(second.endpoint, "stand-ins")["i-1"]["address"] == "127.0.0.2"

    def test_survives_a_kill(self, paths: Paths) -> None:
        first = start(paths)
        say(first, "kept")
        assert checkpoint(first)
        kill(first)
        second, details = ensure(paths)
        assert "was killed before it could shut down" in details
        assert "is restored. This state contains the last complete change" in details
        assert said(second) == "kept"

    def test_is_written_by_itself_soon_after_a_change(self, paths: Paths) -> None:
        first = start(paths)
        say(first, "kept")
        until(lambda: "kept" in _content(paths.state / "ssm.json"))
        assert checkpoint(first)
        # A write replaces the folder, so this file is in the folder until the next write.
        (paths.state / "unchanged").touch()
        assert said(first) == "kept"
        assert checkpoint(first)
        assert (paths.state / "unchanged").exists()
        say(first, "new")
        until(lambda: "new" in _content(paths.state / "ssm.json"))
        assert not (paths.state / "unchanged").exists()

    def test_never_holds_half_a_stack(self, paths: Paths) -> None:
        """If the server is killed while it creates a stack, the stack is gone at the next start."""
        first = start(paths)
        cloud = Cloud(first.endpoint, ACCOUNT)
        cloud.give({"kind": "image", "id": IMAGE})
        say(first, "kept")
        assert checkpoint(first)
        cloud.call("signals", {"mode": "manual"}, "PUT")
        cloud.begin(gated(), stack="two")
        until(lambda: control.call(first.endpoint, "identity")["in_progress"] == ["two"])
        assert not checkpoint(first)
        kill(first)
        second, _ = ensure(paths)
        cloud = Cloud(second.endpoint, ACCOUNT)
        stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
        assert [item["StackName"] for item in stacks] == ["one"]
        cloud.deploy(gated(), stack="two")

    def test_a_wait_does_not_keep_the_server_from_stopping(self, paths: Paths) -> None:
        first = start(paths)
        cloud = Cloud(first.endpoint, ACCOUNT)
        cloud.give({"kind": "image", "id": IMAGE})
        cloud.call("signals", {"mode": "manual"}, "PUT")
        cloud.begin(gated())
        until(lambda: bool(control.call(first.endpoint, "identity")["in_progress"]))
        os.kill(first.pid, signal.SIGTERM)
        until(lambda: not _alive(first.pid))
        assert paths.server_record() is None

    def test_a_writing_that_was_broken_off_is_undone(self, paths: Paths) -> None:
        first = start(paths)
        say(first, "kept")
        checkpoint(first)
        server_process.stop(paths)
        # The folders are as if the server had been killed after it renamed the old state, and
        # before it renamed the new state.
        paths.state.rename(paths.state.with_name("state.old"))
        paths.state.with_name("state.next").mkdir()
        assert said(start(paths)) == "kept"


class TestProcess:
    """Each folder has at most one server, which is found and ended by its process id."""

    def test_is_reused(self, paths: Paths) -> None:
        first = start(paths)
        second, details = ensure(paths)
        assert second == first
        assert "is running on http://127.0.0.1:" in details

    def test_listens_on_this_machine_only(self, paths: Paths) -> None:
        running = start(paths)
        listed = Path("/proc/net/tcp").read_text()
        addresses = {
            line.split()[1].split(":")[0]
            for line in listed.splitlines()[1:]
            if line.split()[1].endswith(f":{running.port:04X}") and line.split()[3] == "0A"
        }
        assert addresses == {"0100007F"}

    def test_says_when_its_port_is_taken(self, paths: Paths) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(
                LocalAwsError, match=f"another process uses port {port} of 127.0.0.1: choose"
            ):
                start(paths, port)
        assert paths.server_record() is None

    def test_takes_another_port_when_its_last_one_is_taken(self, paths: Paths) -> None:
        first = start(paths, free_port())
        server_process.stop(paths)
        with socket.create_server(("127.0.0.1", first.port)):
            second, details = ensure(paths)
        assert second.port != first.port
        assert f"Another process uses port {first.port}" in details

    def test_another_port_is_refused_while_it_runs(self, paths: Paths) -> None:
        first = start(paths)
        with pytest.raises(LocalAwsError, match=f"already runs on port {first.port}"):
            ensure(paths, first.port + 1)

    def test_two_places_side_by_side(self, paths: Paths, tmp_path: Path) -> None:
        other = Paths(folder=tmp_path / "other")
        try:
            mine, theirs = start(paths), start(other)
            assert mine.port != theirs.port
            say(mine, "mine")
            say(theirs, "theirs")
            assert (said(mine), said(theirs)) == ("mine", "theirs")
            server_process.stop(paths)
            assert server_process.running(other) == theirs
        finally:
            server_process.stop(other)

    def test_one_that_hangs_is_ended(self, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
        first = start(paths)
        say(first, "kept")
        checkpoint(first)
        suspend(first.pid)
        answering = control.identity

        def identity(endpoint: str) -> dict[str, Any] | None:
            return answering(endpoint, timeout=0.5 if _alive(first.pid) else 60)

        monkeypatch.setattr(control, "identity", identity)
        second, details = ensure(paths)
        assert "does not answer any more, and is killed" in details
        assert not _alive(first.pid)
        assert said(second) == "kept"

    def test_never_ends_a_stranger(self, paths: Paths) -> None:
        """The process id in `server.json` may belong to another process after the server's end."""
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        try:
            paths.folder.mkdir()
            details = {"pid": stranger.pid, "port": 1}
            (paths.folder / "server.json").write_text(json.dumps(details))
            assert not server_process.stop(paths)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait(120)

    def test_only_one_command_at_a_time(self, paths: Paths) -> None:
        with (
            paths.exclusive(),
            pytest.raises(LocalAwsError, match="another make local or"),
            paths.exclusive(),
        ):
            pass


def test_stops_when_its_parent_has_ended(paths: Paths) -> None:
    """The parent ends before the server has finished its imports: the server must still notice."""
    code = """
import os, subprocess, sys
subprocess.Popen([*sys.argv[1:], "--parent", str(os.getpid())])
"""
    command = [str(paths.python), "-m", server_process.MODULE, "--state", str(paths.folder)]
    subprocess.run([sys.executable, "-c", code, *command], timeout=_TIMEOUT_S, check=True)
    until(lambda: not list(_servers(paths)))
    assert paths.folder.exists()


def _servers(paths: Paths) -> Iterator[int]:
    """Yield the process ids of the local AWS servers whose state is in the folder of `paths`."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        if server_process.is_server(int(file.parent.name), paths):
            yield int(file.parent.name)


@pytest.mark.parametrize(
    ("command", "recognised"),
    [
        ("-E -s -m tools.local_aws.emulator --port 0 --state {folder}", True),
        ("-E -s -m local.aws --port 0 --state {folder}", True),
        ("-m tools.local_aws.emulator --state /elsewhere", False),
        ("-m pytest {folder}", False),
    ],
)
def test_recognises_its_servers(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, command: str, *, recognised: bool
) -> None:
    """Servers that an earlier version started, under the module's old name, are found as well."""
    line = f"python {command.format(folder=paths.folder)}"
    monkeypatch.setattr(server_process, "command_line", lambda _pid: line)
    assert server_process.is_server(1, paths) is recognised


def test_says_who_it_is(paths: Paths) -> None:
    running = start(paths)
    result = control.identity(running.endpoint)
    assert result is not None
    assert result["pid"] == running.pid
    assert control.identity("http://127.0.0.1:1") is None
