"""The commands of the node program: output, exit codes, first boot, units."""

import ast
import configparser
import http.client
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hosts.common.errors import HostError
from hosts.denodo import boot, commands, errors, installation, privileges
from hosts.denodo.commands import main
from hosts.denodo.errors import RolledBackError
from hosts.denodo.record import Record
from hosts.denodo.state_reader import parse
from hosts.denodo.system import System
from tests.hosts.denodo.cloud import PARAMETER, Cloud
from tests.hosts.denodo.home import VDP, Home, let_time_pass
from tests.support.assembly import ROOT
from tests.support.host_program import unpacked
from tests.support.servers.ports import free_ports

_PROGRAM = ROOT / "hosts"
_INSTANCE = "i-0123456789abcdef0"
_SIGNAL = {"stack": "denodo-active", "resource": "Node1", "when": "ready"}


def _run(home: Home, *arguments: str) -> int:
    return main([*home.arguments, *arguments])


def _state(home: Home, **changes: Any) -> str:
    file = home.folder / "state.json"
    file.write_text(json.dumps(home.data(**changes)))
    return f"--state={file}"


def test_apply_by_parameter(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = Cloud(home.folder)
    cloud.parameter(json.dumps(home.data()))
    assert _run(home, "check", f"--parameter={PARAMETER}") == 10
    assert "becomes" in capsys.readouterr().out
    assert _run(home, "apply", f"--parameter={PARAMETER}") == 0
    assert home.running()
    assert home.system.hosts.read_text().splitlines()[1] == "10.0.1.5 node1.active.denodo.internal"
    capsys.readouterr()
    assert _run(home, "apply", "--check", f"--parameter={PARAMETER}") == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert _run(home, "apply", f"--parameter={PARAMETER}") == 0
    assert capsys.readouterr().out.startswith("nothing to do\n")


def test_check_sees_the_hosts_file(home: Home) -> None:
    state = _state(home)
    assert _run(home, "apply", state) == 0
    home.system.hosts.write_text("127.0.0.1 localhost\n")
    assert _run(home, "check", state) == 10
    home.calls()
    assert _run(home, "apply", state) == 0
    assert {call.split()[0] for call in home.calls()} == {"ping.sh"}
    assert _run(home, "check", state) == 0


def test_a_check_as_the_denodo_user_compares_with_the_address_that_root_finds(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[str] = []

    def run_as(_: object, arguments: list[str], *__: object) -> int:
        given.extend(arguments)
        return 0

    monkeypatch.setattr(System, "own_address", "10.0.1.9")
    monkeypatch.setattr(privileges, "must_switch_user", lambda _: True)
    monkeypatch.setattr(privileges.Account, "named", lambda _: None)
    monkeypatch.setattr(privileges, "run_as", run_as)
    without = [item for item in home.arguments if not item.startswith("--address")]
    assert main([*without, "check", _state(home)]) == 0
    assert "--address=10.0.1.9" in given


def test_exit_codes(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    Cloud(home.folder)
    assert _run(home, "apply", "--parameter=/denodo/none") == 3
    assert "the parameter /denodo/none cannot be read: aws ssm" in capsys.readouterr().out
    assert _run(home, "apply", "--state=/none") == 3
    assert _run(home, "apply") == 3
    (home.folder / "aws").unlink()
    assert _run(home, "apply", f"--parameter={PARAMETER}") == 4
    assert "check whether the AWS CLI is installed" in capsys.readouterr().out
    assert _run(home, "apply", _state(home, denodo__user="nobody-here")) == 4
    assert _run(home, "apply", _state(home, jvm__vdp="-Ddead")) == 6
    assert home.system.hosts.read_text().count("node1") == 1
    assert _run(home, "stop") == 12
    assert _run(home, "apply", _state(home)) == 0
    assert _run(home, "apply", _state(home, jvm__vdp="-Ddead", rmi_host="other")) == 6
    assert "other" not in home.system.hosts.read_text(), "names go back with the files"
    with pytest.raises(SystemExit, match="2"):
        _run(home, "fly")


def test_both_names_stand_while_the_balancer_s_changes(
    make_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home("7.0")
    assert _run(home, "apply", _state(home)) == 0
    # An apply that fails leaves the names of the old and the new state in the hosts file.
    home.behave("vqlserver_startup.sh", "fail")
    with monkeypatch.context() as patch:
        let_time_pass(patch, lambda: home.last_call == "vqlserver_startup.sh")
        assert _run(home, "apply", _state(home, rmi_host="new.example.com")) == 7
    names = home.system.hosts.read_text().splitlines()[1].split()[1:]
    assert {"new.example.com", "balancer.example.com"} <= set(names)
    home.behave("vqlserver_startup.sh")
    assert _run(home, "apply", _state(home, rmi_host="new.example.com")) == 0
    assert "balancer.example.com" not in home.system.hosts.read_text()


def test_operators_commands(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(home, "status") == 9
    assert _run(home, "apply", _state(home)) == 0
    assert _run(home, "status") == 9
    assert _run(home, "confirm-metadata", "--who=alice") == 0
    capsys.readouterr()
    assert _run(home, "status") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["applied"]["hash"] == home.state().hash
    assert told["metadata"]["who"] == "alice"
    assert [item["service"] for item in told["services"]] == ["jdbc", "odbc"]
    assert _run(home, "drain", "--who=bob", "--why=promotion") == 0
    assert _run(home, "status") == 9
    assert _run(home, "undrain") == 0
    assert _run(home, "undrain") == 0
    assert _run(home, "status") == 0
    assert _run(home, "stop") == 0
    assert home.running() is None
    assert "vqlserver_shutdown.sh safe" in home.calls()


def test_first_boot_and_the_next(home: Home) -> None:
    cloud = Cloud(home.folder)
    cloud.parameter(json.dumps(home.data(signal=_SIGNAL)))
    cloud.answer("signal-resource", {})
    command = ("boot", f"--parameter={PARAMETER}")
    assert _run(home, *command) == 0
    assert cloud.signals() == [("SUCCESS", _INSTANCE)]
    home.end()
    assert _run(home, *command) == 0
    assert home.running(), "the servers start at every boot"
    assert len(cloud.signals()) == 1
    home.calls()
    assert _run(home, *command) == 0
    assert [call for call in home.calls() if not call.startswith("ping")] == []


@pytest.mark.parametrize("fault", ["parameter", "state"])
def test_a_boot_starts_what_was_applied_last_if_the_state_cannot_be_read(
    home: Home, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    cloud = Cloud(home.folder)
    cloud.parameter(json.dumps(home.data()))
    command = ("boot", f"--parameter={PARAMETER}")
    assert _run(home, *command) == 0
    home.end()
    if fault == "parameter":
        cloud.fault(f"--name={PARAMETER}", "An error occurred (ThrottlingException)")
    else:
        cloud.parameter(json.dumps(home.data(a_key_of_later={})))
    assert _run(home, *command) == 0
    assert home.running()
    output = capsys.readouterr().out
    assert "the boot continues with the state that was applied last" in output


def test_a_first_boot_without_its_state_starts_nothing(home: Home) -> None:
    cloud = Cloud(home.folder)
    cloud.fault(f"--name={PARAMETER}", "An error occurred (ThrottlingException)")
    assert _run(home, "boot", f"--parameter={PARAMETER}") == 3
    assert not home.running()


def test_a_first_boot_that_fails_says_why(home: Home) -> None:
    cloud = Cloud(home.folder)
    cloud.parameter(json.dumps(home.data(signal=_SIGNAL)))
    cloud.answer("signal-resource", {})
    (home.path / "bin/ping.sh").unlink()
    assert _run(home, "boot", f"--parameter={PARAMETER}") == 4
    ((status, message),) = cloud.signals()
    assert status == "FAILURE"
    assert message == f"{_INSTANCE}: {home.path}/bin lacks ping.sh; install Denodo"[:64]


def test_a_boot_without_its_user_says_so(home: Home) -> None:
    cloud = Cloud(home.folder)
    cloud.answer("signal-resource", {})
    assert _run(home, "boot", _state(home, signal=_SIGNAL, denodo__user="nobody-here")) == 4
    assert cloud.signals() == [
        ("FAILURE", f"{_INSTANCE}: the user nobody-here does not exist; create the user"[:64])
    ]


def test_a_boot_that_ends_by_a_fault_says_so(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(home.folder)
    cloud.answer("signal-resource", {})

    def fault(*_: object) -> None:
        raise RecursionError("nested too deeply")

    monkeypatch.setattr(boot, "apply", fault)
    with pytest.raises(RecursionError):
        _run(home, "boot", _state(home, signal=_SIGNAL))
    assert cloud.signals() == [("FAILURE", f"{_INSTANCE}: nested too deeply")]


def test_a_boot_with_an_odd_hosts_file_succeeds(home: Home) -> None:
    cloud = Cloud(home.folder)
    cloud.answer("signal-resource", {})
    home.system.hosts.write_bytes(b"127.0.0.1 localhost # caf\xe9\r\n")
    assert _run(home, "boot", _state(home, signal=_SIGNAL)) == 0
    assert home.system.hosts.read_bytes().endswith(b"127.0.0.1 localhost # caf\xe9\r\n")
    assert cloud.signals() == [("SUCCESS", _INSTANCE)]


def test_a_node_that_waits_for_its_licence_is_configured_first(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Cloud(home.folder)
    cloud.answer("signal-resource", {})
    signal = {**_SIGNAL, "when": "configured"}
    home.behave("vqlserver_startup.sh", "fail")
    with monkeypatch.context() as patch:
        let_time_pass(patch, lambda: home.last_call == "vqlserver_startup.sh")
        assert _run(home, "boot", _state(home, signal=signal)) == 9
    assert cloud.signals() == [("SUCCESS", _INSTANCE)]
    assert home.properties(VDP)["java.env.DENODO_OPTS_START"] == home.data()["jvm"]["vdp"]
    home.behave("vqlserver_startup.sh")
    assert _run(home, "boot", _state(home, signal=signal)) == 0
    assert home.running()


def test_a_boot_goes_on_when_cloudformation_does_not_listen(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = Cloud(home.folder)
    cloud.fault("signal-resource", "An error occurred (ValidationError): not in progress")
    assert _run(home, "boot", _state(home, signal=_SIGNAL)) == 0
    assert "CloudFormation could not be signalled: aws cloudformation" in capsys.readouterr().out
    assert not Record(home.system).was_signalled
    assert len(cloud.signals()) == 1


def test_a_signal_is_retried(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(home.folder)
    cloud.fault("signal-resource", "An error occurred (Throttling) when calling SignalResource")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 8:
            cloud.answer("signal-resource", {})

    state = home.state(signal=_SIGNAL, limits__start_seconds=3600)
    monkeypatch.setattr(boot, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    boot.signal_failure(replace(home.system, poll=2), state, "no")
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert cloud.signals() == [("FAILURE", f"{_INSTANCE}: no")] * 9
    assert Record(home.system).was_signalled


def test_a_signal_is_retried_until_the_creation_has_timed_out(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = Cloud(home.folder)
    cloud.fault("signal-resource", "An error occurred (Throttling) when calling SignalResource")
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    state = home.state(signal=_SIGNAL, limits__start_seconds=900)
    monkeypatch.setattr(boot, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    boot.signal_failure(replace(home.system, poll=2), state, "no")
    assert 840 <= now[0] <= 900
    assert not Record(home.system).was_signalled


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user may enter, unlike pytest's temporary folders."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_another_user(open_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Root acts as the Denodo user except to write the hosts file; other users are refused."""
    home = Home(open_folder / "home", "8.0")
    state = _state(home, denodo__user="nobody")
    if os.geteuid() != 0:
        assert _run(home, "apply", state) == 12
        assert "run the command as root or as the user nobody" in capsys.readouterr().out
        return
    unpacked("denodo", open_folder)
    noted = home.path / "started-by"
    for name, does in (
        ("regenerateFiles.sh", ""),
        ("vqlserver_startup.sh", f"id -u >{noted}\nfalse"),
    ):
        (home.path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
    user = pwd.getpwnam("nobody")
    for file in (home.path, *home.path.rglob("*")):
        os.chown(file, user.pw_uid, user.pw_gid)
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
    done = subprocess.run(
        [python, "-m", "node", *home.arguments, "apply", state],
        cwd=open_folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 6, done
    assert "vqlserver_startup.sh ended with status 1" in done.stdout
    assert int(noted.read_text()) == user.pw_uid
    assert (home.system.folder / "lock").stat().st_uid == user.pw_uid
    assert home.system.hosts.stat().st_uid == 0
    assert "node1.active.denodo.internal" in home.system.hosts.read_text()


def test_serve_answers(home: Home) -> None:
    (port,) = free_ports(1)
    program = subprocess.Popen(
        [sys.executable, "-m", "hosts.denodo", *home.arguments, "serve", f"--port={port}"], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + 120
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/ready/jdbc")
                status = connection.getresponse().status
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            finally:
                connection.close()
        assert status == 503
    finally:
        program.terminate()
        program.wait(120)


def test_a_request_has_an_id_only_where_the_operator_s_command_gives_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands of earlier versions pass only the operator's name, which is not a request id."""
    assert _run(home, "apply", _state(home)) == 0
    failing = _state(home, jvm__vdp="-Ddead")
    request = "ann@desk request=3f2a"
    for operator, tries in (
        ("ann@desk", True),
        ("ann@desk", True),
        (request, True),
        (request, False),
    ):
        monkeypatch.setenv(commands.OPERATOR, operator)
        home.calls()
        assert _run(home, "apply", failing) == RolledBackError.code
        assert bool(home.calls()) is tries


def test_units(home: Home) -> None:
    user = "nobody" if os.geteuid() == 0 else home.data()["denodo"]["user"]
    state = _state(home, limits__stop_seconds=100, denodo__user=user)
    assert _run(home, "install", state, f"--root={home.folder}", f"--parameter={PARAMETER}") == 0
    environment = (home.folder / "etc/denodo-node/environment").read_text()
    assert environment.splitlines() == [
        f"DENODO_NODE_PARAMETER={PARAMETER}",
        f"DENODO_NODE_USER={user}",
        f"DENODO_NODE_HOME={home.path}",
    ]
    units = {}
    for file in (home.folder / "etc/systemd/system").iterdir():
        assert "@" not in file.read_text()
        unit = configparser.ConfigParser(interpolation=None)
        # With this assignment, keys keep their capital letters (configparser's documentation). Its
        # type stubs do not allow the assignment.
        unit.optionxform = str  # type: ignore[assignment,method-assign]
        unit.read(file)
        units[file.name] = unit
    service = units["denodo-node.service"]["Service"]
    assert service["ExecStart"] == f"{sys.executable} -m node boot"
    assert service["TimeoutStopSec"] == "400"
    assert units["denodo-node-ready.service"]["Service"]["ExecStart"].endswith("serve --port 9191")
    limited = ("denodo-node-ready", "denodo-node-export", "denodo-node-metrics")
    for name in ("denodo-node", *limited):
        options = units[f"{name}.service"]["Service"]
        assert options["NoNewPrivileges"] == "yes"
        assert options["ReadWritePaths"] == f'"-{home.path}"'
        hindering = {"PrivateTmp", "MemoryMax", "ProtectHome", "MemoryDenyWriteExecute"}
        assert hindering.isdisjoint(options)
    # The watchdog starts servers in the control group of the servers' own unit.
    watchdog = units["denodo-node-watchdog.service"]["Service"]
    assert watchdog["ExecStart"] == f"{sys.executable} -m node watch"
    assert "ProtectControlGroups" not in watchdog
    assert service["CapabilityBoundingSet"] == watchdog["CapabilityBoundingSet"]


def test_units_that_a_low_port_or_a_snap_would_break(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    low = installation.unit_text("denodo-node.service", home.state(ports__web_tls=443))
    assert "NoNewPrivileges=no" in low
    (tmp_path / "snap").write_text("#!/bin/sh\n")
    (tmp_path / "snap").chmod(0o755)
    (tmp_path / "aws").symlink_to("snap")
    monkeypatch.setenv("PATH", str(tmp_path))
    for unit in installation.UNITS:
        text = installation.unit_text(unit, home.state())
        assert "@" not in text
        assert "ProtectSystem" not in text
        assert "CapabilityBoundingSet" not in text
        assert ("NoNewPrivileges=yes" in text) == (
            unit.endswith(("ready.service", "export.service", "metrics.service"))
        )


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs `apt-get install systemd`")
def test_systemd_accepts_the_units(home: Home, tmp_path: Path) -> None:
    for unit in installation.UNITS:
        text = installation.unit_text(unit, home.state())
        (tmp_path / unit).write_text(re.sub("WorkingDirectory=.*", "WorkingDirectory=/", text))
    files = [str(tmp_path / unit) for unit in installation.UNITS if unit.endswith(".service")]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert not [
        line for line in done.stderr.splitlines() if "denodo-node" in line and "nknown" in line
    ]


def test_an_image_that_cannot_be_a_node(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(home.path)
    assert _run(home, "install", _state(home), f"--root={home.folder}") == 4
    assert "is missing; install Denodo 8.0 there" in capsys.readouterr().out


def test_messages_for_journald(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    _run(home, "apply", "--state=/none")
    assert capsys.readouterr().out.startswith("<3>the desired state cannot be read")


def test_the_programs_need_python_3_9_and_its_standard_library_only() -> None:
    modules = {
        (name, str(file))
        for file in _PROGRAM.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(), feature_version=(3, 9)))
        for name in _imported(node)
    }
    assert len(modules) > 200
    allowed = {"hosts", *sys.stdlib_module_names}
    assert {(name, file) for name, file in modules if name.split(".")[0] not in allowed} == set()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_the_manual_knows_every_exit_code_and_its_example_is_a_state() -> None:
    text = (ROOT / "docs/reference/node.md").read_text()
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, HostError)}
    codes |= {errors.OK, errors.WOULD_CHANGE}
    assert all(f"\n| {code} | " in text for code in codes)
    example = text.split("```json\n", 1)[1].split("```", 1)[0]
    assert parse(example).node == "node1"
