"""The watchdog restarts a server that has died, but no server that an operator has stopped."""

import argparse
import json
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hosts.denodo import boot, privileges
from hosts.denodo.commands import main
from hosts.denodo.errors import OK, WOULD_CHANGE, BusyError
from hosts.denodo.readiness import probes
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers
from hosts.denodo.watchdog import server_revival, watchdog_commands
from hosts.denodo.watchdog.operator_scripts import OperatorScripts
from hosts.denodo.watchdog.watch_loop import LOOK_S, MOST_REVIVALS, WINDOW_S, WatchLoop
from tests.hosts.denodo.cloud import PARAMETER, Cloud
from tests.hosts.denodo.home import Home
from tests.support.waiting import until

BUSY = BusyError.code


@pytest.fixture
def up(home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Boot a node, and let the watchdog see its servers running; no server counts as starting."""
    Cloud(home.folder)
    boot.boot(home.system, home.state())
    monkeypatch.setattr(Servers, "starting", lambda _servers: False)
    assert server_revival.look(home.system, act=False) == OK
    return home


def _kill(home: Home) -> None:
    running = home.running()
    assert running is not None
    os.kill(running["pid"], signal.SIGKILL)
    # The kernel closes the sockets of a killed process after its command line has gone.
    until(lambda: not home.running() and not probes.listens(home.system, home.ports["vdp"]))


def test_a_server_that_dies_is_started_again(up: Home, capsys: pytest.CaptureFixture[str]) -> None:
    _kill(up)
    assert server_revival.look(up.system, act=False) == WOULD_CHANGE
    assert up.running() is None
    assert server_revival.look(up.system, act=True) == OK
    assert up.running()
    capsys.readouterr()
    assert main([*up.arguments, "status"]) in (0, 9)
    status = json.loads(capsys.readouterr().out)
    assert status["watchdog"]["count"] == 1
    assert any("started again 1 times, last vdp at" in text for text in status["warnings"])


def test_a_drained_or_held_node_is_left_alone(up: Home) -> None:
    _kill(up)
    assert main([*up.arguments, "hold", "update by hand"]) == 0
    assert server_revival.look(up.system, act=True) == BUSY
    assert [*Record(up.system).warnings()][-1].endswith(": update by hand")
    assert main([*up.arguments, "release"]) == 0
    Record(up.system).drain("somebody", "maintenance")
    assert server_revival.look(up.system, act=True) == BUSY
    Record(up.system).undrain()
    with up.system.locked():
        assert server_revival.look(up.system, act=True) == BUSY
    assert up.running() is None
    assert server_revival.look(up.system, act=True) == OK


def test_the_hold_of_a_drain_is_apart_from_an_operators_hold(
    up: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """`denodo-ha enable` ends only the hold of `denodo-ha drain`."""
    _kill(up)
    assert main([*up.arguments, "hold", "update by hand"]) == 0
    hold = [*up.arguments, "hold", "--for-drain", "--who", "ann", "drained: -disk"]
    assert main(hold) == 0
    assert main(hold) == 0, "the command may arrive twice"
    assert main([*up.arguments, "release", "--for-drain"]) == 0
    assert server_revival.look(up.system, act=True) == BUSY
    assert "still held by" in capsys.readouterr().out
    assert main(hold) == 0
    assert main([*up.arguments, "release"]) == 0
    assert server_revival.look(up.system, act=True) == BUSY
    capsys.readouterr()
    main([*up.arguments, "status"])
    assert json.loads(capsys.readouterr().out)["drain_hold"]["why"] == "drained: -disk"
    # The hold does not apply to another machine that has a copy of the disk.
    up.system.machine.write_text("i-of-the-copy")
    assert Record(up.system).drain_hold is None
    assert server_revival.look(up.system, act=True) == OK


def test_the_configuration_turns_it_off(home: Home) -> None:
    Cloud(home.folder)
    boot.boot(home.system, home.state(watchdog=False))
    _kill(home)
    assert server_revival.look(home.system, act=True) == BUSY
    assert home.running() is None


def test_a_java_that_starts_is_left_alone(home: Home) -> None:
    Cloud(home.folder)
    boot.boot(home.system, home.state(limits__start_seconds=43200))
    assert Servers(home.system, home.state(limits__start_seconds=43200)).starting()
    assert not Servers(replace(home.system, processes=home.folder), home.state()).starting()
    assert server_revival.look(home.system, act=False) == BUSY


class _Loop:
    """A watchdog loop with a test clock. Each call of the command `look` is recorded."""

    def __init__(self, folder: Path) -> None:
        self.time = 1000.0
        self.answer = OK
        self.active = True
        self.looks: list[dict[str, Any]] = []
        self.processes = folder / "proc"
        self.processes.mkdir()
        self.scripts = OperatorScripts(self.processes, folder)
        self.loop = WatchLoop(self.scripts, lambda: self.active, self.look, now=lambda: self.time)

    def look(self, **options: Any) -> int:
        self.looks.append({**options, "at": self.time})
        return self.answer

    def step(self, seconds: float = LOOK_S) -> None:
        self.time += seconds
        self.loop.step()

    def acts(self) -> list[float]:
        return [look["at"] for look in self.looks if look["act"]]

    def run(self, *arguments: str) -> Callable[[], None]:
        process = self.processes / "123"
        process.mkdir()
        (process / "cmdline").write_text("\0".join(arguments) + "\0")

        def end() -> None:
            (process / "cmdline").unlink()
            process.rmdir()

        return end


@pytest.fixture
def loop(tmp_path: Path) -> _Loop:
    return _Loop(tmp_path)


def test_it_acts_if_a_server_is_missing_twice(loop: _Loop) -> None:
    loop.step()
    loop.answer = WOULD_CHANGE
    loop.step()
    assert loop.acts() == []
    loop.step(1)
    assert len(loop.looks) == 2, "it looks every 30 s"
    loop.step()
    assert len(loop.acts()) == 1


def test_it_pauses_longer_each_time_and_gives_up_for_an_hour(loop: _Loop) -> None:
    loop.answer = WOULD_CHANGE
    begin = loop.time
    while loop.time < begin + 2 * WINDOW_S:
        loop.step()
    acts = loop.acts()
    pauses = [later - earlier for earlier, later in pairwise(acts)]
    assert pauses[:4] == [60, 120, 240, 480]
    assert pauses[4] >= WINDOW_S - sum(pauses[:4])
    assert [look["last"] for look in loop.looks if look["act"]][:5] == [False] * 4 + [True]
    for act in acts:
        assert len([other for other in acts if act - WINDOW_S < other <= act]) <= MOST_REVIVALS


@pytest.mark.parametrize(
    "command",
    [
        ("/bin/sh", "/opt/denodo/bin/vqlserver_shutdown.sh", "safe"),
        ("/bin/bash", "./webcontainer_shutdown.sh"),
        ("java", "-jar", "/tmp/denodo-v80-update-20240926.jar"),
        ("sh", "installer_cli.sh"),
    ],
)
def test_what_operators_stop_stays_stopped(loop: _Loop, command: tuple[str, ...]) -> None:
    loop.step()
    end = loop.run(*command)
    loop.step(1)
    end()
    loop.answer = WOULD_CHANGE
    for _ in range(200):
        loop.step()
    assert loop.acts() == []
    # After a restart, the watchdog still remembers that an operator stopped the servers.
    again = WatchLoop(loop.scripts, lambda: True, loop.look, now=lambda: loop.time)
    for _ in range(5):
        loop.time += LOOK_S
        again.step()
    assert loop.acts() == []
    loop.answer = OK  # the operator has started Denodo again
    loop.step()
    loop.answer = WOULD_CHANGE
    loop.step()
    loop.step()
    assert len(loop.acts()) == 1


def test_a_shutdown_that_waits_for_queries_counts_while_the_server_listens(loop: _Loop) -> None:
    end = loop.run("/bin/sh", "/opt/denodo/bin/vqlserver_shutdown.sh", "safe")
    for _ in range(600):
        loop.step(1)
    end()
    loop.answer = WOULD_CHANGE
    for _ in range(10):
        loop.step()
    assert loop.acts() == []


def test_other_programs_are_no_operators(loop: _Loop) -> None:
    for command in (("vim", "shutdown.sh"), ("java", "-Xmx1g", "Server"), ("sh", "a_startup.sh")):
        end = loop.run(*command)
        loop.step()
        end()
        assert loop.scripts.stopped == ""


def test_a_stopped_unit_is_left_alone(loop: _Loop) -> None:
    loop.answer, loop.active = WOULD_CHANGE, False
    for _ in range(10):
        loop.step()
    assert loop.looks == []


def test_a_boot_that_was_behind_catches_up(up: Home, capsys: pytest.CaptureFixture[str]) -> None:
    cloud, record = Cloud(up.folder), Record(up.system)
    record.fall_behind("Systems Manager did not answer")
    look = [*up.arguments, "look", "--catch-up", f"--parameter={PARAMETER}"]
    cloud.fault(f"--name={PARAMETER}", "An error occurred (ThrottlingException)")
    assert main(look) == OK
    assert record.behind == "Systems Manager did not answer"
    cloud.parameter(json.dumps(up.data(jvm={"vdp": "-Xmx3g"})))
    assert main(look) == OK
    assert "denodo-ha roll" in record.behind
    running = up.running()
    cloud.parameter(json.dumps(up.data(limits__stop_seconds=3)))
    assert main(look) == OK
    assert record.behind == ""
    assert up.running() == running, "no server was started again"
    capsys.readouterr()


def test_the_loop_calls_the_command_look(home: Home, loop: _Loop) -> None:
    """The command line accepts each option with which the loop calls `look`."""
    loop.step()
    (options,) = loop.looks
    del options["at"]
    flags = [f"--{name.replace('_', '-')}" for name in options]
    assert main([*home.arguments, "look", *flags]) == BUSY


def test_root_checks_as_the_denodo_user_at_once(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A check starts Python once, as the Denodo user; only a check that may act starts as root."""
    account = privileges.Account("denodo", 1000, 1000, "/home/denodo")
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "installed_account", lambda _system: account)

    def run_as(_account: privileges.Account, arguments: list[str], *, continues: bool) -> int:
        assert continues
        started.append(("denodo", *arguments))
        return 0

    def as_root(arguments: list[str], *, check: bool) -> subprocess.CompletedProcess[bytes]:
        started.append(("root", *arguments[3:]))
        assert not check
        return subprocess.CompletedProcess(arguments, 0)

    def step(loop: WatchLoop) -> None:
        loop.look(act=False, last=False, catch_up=True)
        loop.look(act=True, last=False, catch_up=False)
        loop.silence()

    monkeypatch.setattr(privileges, "run_as", run_as)
    monkeypatch.setattr(subprocess, "run", as_root)
    monkeypatch.setattr(WatchLoop, "run", step)
    options = argparse.Namespace(watchdog_folder=tmp_path / "watch")
    watchdog_commands.watch(home.system, options, ["--folder=x"])
    assert started == [
        ("denodo", "--folder=x", "look", "--catch-up"),
        ("root", "--folder=x", "look", "--act"),
        ("denodo", "--folder=x", "silence"),
    ]
