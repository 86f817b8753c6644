"""The server's process: started, found, mended, stopped; and its state, which outlives it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.local_aws.cloud import Cloud
from tests.local_aws.test_stacks import gated
from tests.local_aws.things import IMAGE, one
from tests.support import local_aws_server
from tools.local_aws import control, server
from tools.local_aws.paths import Place
from tools.local_aws.problem import LocalError

ACCOUNT = "111122223333"
_TIMEOUT_S = 20.0


def start(place: Place, port: int = 0) -> server.Server:
    return server.start(place, local_aws_server.quiet, port=port)


def ensure(place: Place, port: int = 0) -> tuple[server.Server, str]:
    """The server, and what was said."""
    said: list[str] = []
    return server.ensure(place, said.append, port=port), "\n".join(said)


def kill(running: server.Server, number: int = signal.SIGKILL) -> None:
    os.kill(running.pid, number)
    if number == signal.SIGKILL:
        _until(lambda: not _alive(running.pid))


def _alive(pid: int) -> bool:
    return bool(Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes())


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def say(running: server.Server, value: str) -> None:
    """Leave something in the local AWS."""
    parameter = one("SSM::Parameter", Name="/it", Type="String", Value=value)
    Cloud(running.endpoint, ACCOUNT).deploy({"It": parameter})


def said(running: server.Server) -> str:
    shown = Cloud(running.endpoint, ACCOUNT).client("ssm").get_parameter(Name="/it")
    return str(shown["Parameter"]["Value"])


def checkpoint(running: server.Server) -> bool:
    return bool(control.call(running.endpoint, "checkpoint", {}, method="POST")["written"])


def _content(file: Path) -> str:
    """A file's content; while the state is replaced there is none."""
    try:
        return file.read_text()
    except FileNotFoundError:
        return ""


class TestState:
    """What the local AWS knows outlives its server, however that ends."""

    def test_survives_a_polite_stop(self, place: Place) -> None:
        first = start(place)
        say(first, "kept")
        Cloud(first.endpoint, ACCOUNT).call("stand-ins/i-1", {"address": "127.0.0.2"}, "PUT")
        assert server.stop(place)
        assert not _alive(first.pid)
        second = start(place)
        assert said(second) == "kept"
        assert second.port == first.port
        assert control.call(second.endpoint, "stand-ins")["i-1"]["address"] == "127.0.0.2"

    def test_survives_a_kill(self, place: Place) -> None:
        first = start(place)
        say(first, "kept")
        assert checkpoint(first)
        kill(first)
        second, told = ensure(place)
        assert "was killed, and could not say goodbye" in told
        assert "It comes back as it was at" in told
        assert said(second) == "kept"

    def test_is_written_by_itself_soon_after_a_change(self, place: Place) -> None:
        first = start(place)
        say(first, "kept")
        _until(lambda: "kept" in _content(place.state / "ssm.json"))

    def test_never_holds_half_a_stack(self, place: Place) -> None:
        """Killed while a node was still to signal: the stack had not been begun."""
        first = start(place)
        cloud = Cloud(first.endpoint, ACCOUNT)
        cloud.give({"kind": "image", "id": IMAGE})
        say(first, "kept")
        assert checkpoint(first)
        cloud.call("signals", {"mode": "manual"}, "PUT")
        cloud.begin(gated(), stack="two")
        _until(lambda: control.call(first.endpoint, "identity")["in_progress"] == ["two"])
        assert not checkpoint(first)
        kill(first)
        second, _ = ensure(place)
        cloud = Cloud(second.endpoint, ACCOUNT)
        stacks = cloud.client("cloudformation").describe_stacks()["Stacks"]
        assert [one["StackName"] for one in stacks] == ["one"]
        cloud.deploy(gated(), stack="two")

    def test_a_wait_does_not_keep_the_server_from_stopping(self, place: Place) -> None:
        first = start(place)
        cloud = Cloud(first.endpoint, ACCOUNT)
        cloud.give({"kind": "image", "id": IMAGE})
        cloud.call("signals", {"mode": "manual"}, "PUT")
        cloud.begin(gated())
        _until(lambda: bool(control.call(first.endpoint, "identity")["in_progress"]))
        os.kill(first.pid, signal.SIGTERM)
        _until(lambda: not _alive(first.pid))
        assert place.told() is None

    def test_a_writing_that_was_broken_off_is_undone(self, place: Place) -> None:
        first = start(place)
        say(first, "kept")
        checkpoint(first)
        server.stop(place)
        # Between the two renames: the old state is aside, the new one not yet in its place.
        place.state.rename(place.state.with_name("state.old"))
        place.state.with_name("state.next").mkdir()
        assert said(start(place)) == "kept"


class TestProcess:
    """One server a place, found and stopped by its own id."""

    def test_is_reused(self, place: Place) -> None:
        first = start(place)
        second, told = ensure(place)
        assert second == first
        assert "is running on http://127.0.0.1:" in told

    def test_listens_on_this_machine_only(self, place: Place) -> None:
        running = start(place)
        listed = Path("/proc/net/tcp").read_text()
        addresses = {
            line.split()[1].split(":")[0]
            for line in listed.splitlines()[1:]
            if line.split()[1].endswith(f":{running.port:04X}") and line.split()[3] == "0A"
        }
        assert addresses == {"0100007F"}

    def test_says_when_its_port_is_taken(self, place: Place) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            with pytest.raises(
                LocalError, match=f"port {port} of 127.0.0.1 is taken: name another"
            ):
                start(place, port)
        assert place.told() is None

    def test_takes_another_port_when_its_last_one_is_taken(self, place: Place) -> None:
        first = start(place)
        server.stop(place)
        with socket.create_server(("127.0.0.1", first.port)):
            second, told = ensure(place)
        assert second.port != first.port
        assert f"Port {first.port} has been taken by somebody else" in told

    def test_another_port_is_refused_while_it_runs(self, place: Place) -> None:
        first = start(place)
        with pytest.raises(LocalError, match=f"runs on port {first.port} already"):
            ensure(place, first.port + 1)

    def test_two_places_side_by_side(self, place: Place, tmp_path: Path) -> None:
        other = Place(folder=tmp_path / "other")
        try:
            mine, theirs = start(place), start(other)
            assert mine.port != theirs.port
            say(mine, "mine")
            say(theirs, "theirs")
            assert (said(mine), said(theirs)) == ("mine", "theirs")
            server.stop(place)
            assert server.running(other) == theirs
        finally:
            server.stop(other)

    def test_one_that_hangs_is_ended(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        first = start(place)
        say(first, "kept")
        checkpoint(first)
        kill(first, signal.SIGSTOP)
        answering = control.identity
        monkeypatch.setattr(control, "identity", lambda at: answering(at, timeout=0.5))
        second, told = ensure(place)
        assert "does not answer any more and is ended" in told
        assert not _alive(first.pid)
        assert said(second) == "kept"

    def test_never_ends_a_stranger(self, place: Place) -> None:
        """The id of a server that is gone may be anybody's by now."""
        stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        try:
            place.folder.mkdir()
            told = {"pid": stranger.pid, "port": 1}
            (place.folder / "server.json").write_text(json.dumps(told))
            assert not server.stop(place)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait(10)

    def test_only_one_command_at_a_time(self, place: Place) -> None:
        with place.alone(), pytest.raises(LocalError, match="another `make local`"), place.alone():
            pass


def test_ends_with_its_parent_if_asked_to(place: Place) -> None:
    code = "import subprocess, sys\nsubprocess.Popen(sys.argv[1:])\nimport time; time.sleep(1)\n"
    command = [str(place.python), "-m", "tools.local_aws.emulator", "--state", str(place.folder)]
    subprocess.run(
        [sys.executable, "-c", code, *command, "--stop-with-parent"], timeout=30, check=True
    )
    _until(lambda: place.told() is None)


def test_says_who_it_is(place: Place) -> None:
    running = start(place)
    found = control.identity(running.endpoint)
    assert found is not None
    assert found["pid"] == running.pid
    assert control.identity("http://127.0.0.1:1") is None
