"""Denodo is started at boot even if AWS does not answer, denies calls or is slow."""

import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.denodo import boot, commands, installation, program_update
from hosts.denodo.apply import apply
from hosts.denodo.commands import main
from hosts.denodo.configuration.change_journal import Journal
from hosts.denodo.metadata import database_tables
from hosts.denodo.record import Record
from hosts.denodo.servers.servers import Servers
from tests.hosts.denodo.cloud import (
    DATA_CATALOG,
    PARAMETER,
    SCHEDULER,
    TOKEN,
    Cloud,
)
from tests.hosts.denodo.home import FILES, SSO, Home
from tests.support.combinations import WHOLE

_SERVERS = ["vdp", "data-catalog", "scheduler"]
_PROCESSES = ("vdp", "web", "scheduler")
_SIGNAL = {"stack": "denodo-active", "resource": "Node1", "when": "ready"}
_CALLS = {
    "parameter": f"--name={PARAMETER}",
    "token": f"--secret-id={TOKEN}",
    "scheduler": f"--secret-id={SCHEDULER}",
    "data-catalog": f"--secret-id={DATA_CATALOG}",
    "signal": "signal-resource",
}
"""Every AWS call that a boot makes, with a part of the call's command line."""
_FAULTS = {
    "throttled": "An error occurred (ThrottlingException) when calling an operation",
    "denied": "An error occurred (AccessDeniedException) when calling an operation",
    "missing": "An error occurred (ResourceNotFoundException) when calling an operation",
    "slow": "",
}
_CALL_S, _CALL_S_WITH_A_SLOW_ONE = 120.0, 12.0
"""Seconds: time limits of AWS calls, and of AWS calls in tests in which one call hangs. A call of
the stand-in for the AWS CLI that does not hang takes less."""
_QUICK = {*itertools.product(_CALLS, ["denied"]), *itertools.product(["scheduler"], _FAULTS)}
_SAMPLED = {
    ("parameter", "slow"),
    ("token", "throttled"),
    ("data-catalog", "missing"),
    ("signal", "slow"),
}
"""Faults that are tested in addition to `_QUICK`, so that each call is tested with two faults, and
each fault with two or more calls."""
_PAIRS = [
    pytest.param(*pair, marks=[] if pair in _QUICK else long)
    for long in [pytest.mark.long]
    for pair in itertools.product(_CALLS, _FAULTS)
    if WHOLE or pair in _QUICK | _SAMPLED
]


def _data(home: Home, **changes: Any) -> dict[str, Any]:
    return home.data(
        servers=_SERVERS,
        security_token=TOKEN,
        catalog={"scheduler": {"secret": SCHEDULER}, "data-catalog": {"secret": DATA_CATALOG}},
        signal=_SIGNAL,
        **changes,
    )


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Cloud, Path]]:
    """Boot a node for the first time, and stop its machine.

    Return the node, the stand-in for AWS, and a copy of their folder.
    """
    home = Home(tmp_path_factory.mktemp("node"))
    home.with_data_catalog()
    home.write(SSO, "# Security Token\nsso.enabled=false\n")
    cloud = Cloud(home.folder)
    login = {"host": "db", "port": 5432, "dbname": "d", "username": "u", "password": "p"}
    for secret in (SCHEDULER, DATA_CATALOG):
        cloud.secret(secret, login)
    cloud.secret(TOKEN, {"sso.enabled": "true"})
    cloud.answer("signal-resource", {})
    cloud.parameter(json.dumps(_data(home)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database_tables, "read_tables", lambda _: ["qrtz_locks"])
        patch.setattr(commands, "BOOT_CALL_SECONDS", _CALL_S)
        assert _boot(home) == 0
    calls = "\n".join(" ".join(call) for call in cloud.calls())
    assert all(call in calls for call in _CALLS.values())
    home.end()
    copy = tmp_path_factory.mktemp("copy") / "node"
    shutil.copytree(home.folder, copy, symlinks=True)
    yield home, cloud, copy
    home.end()


@pytest.fixture
def node(booted: tuple[Home, Cloud, Path], monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a node after its first boot, with all processes of its machine stopped."""
    monkeypatch.setattr(commands, "BOOT_CALL_SECONDS", _CALL_S)
    home, _, copy = booted
    home.end()
    shutil.rmtree(home.folder)
    shutil.copytree(copy, home.folder, symlinks=True)
    return home


@pytest.fixture
def cloud(booted: tuple[Home, Cloud, Path]) -> Cloud:
    """Return the stand-in for AWS, with the answers of the first boot."""
    return booted[1]


def _boot(home: Home, *more: str) -> int:
    return main([*home.arguments, "boot", f"--parameter={PARAMETER}", *more])


def _behind(home: Home, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the warnings in `status` that the node's state is older than the desired state."""
    capsys.readouterr()
    main([*home.arguments, "status"])
    warnings = json.loads(capsys.readouterr().out).get("warnings", [])
    return [
        text
        for text in warnings
        if "the last boot started the servers with the previously applied state" in text
    ]


def _fail(cloud: Cloud, call: str, fault: str) -> None:
    if fault == "slow":
        cloud.hang(_CALLS[call])
    else:
        cloud.fault(_CALLS[call], _FAULTS[fault])


@pytest.mark.parametrize(("call", "fault"), _PAIRS)
def test_every_call_fails_in_turn(
    node: Home, cloud: Cloud, capsys: pytest.CaptureFixture[str], call: str, fault: str
) -> None:
    """Try a sample of calls and faults, and all pairs in `make test-whole`."""
    _fail(cloud, call, fault)
    with pytest.MonkeyPatch.context() as patch:
        if fault == "slow":
            patch.setattr(commands, "BOOT_CALL_SECONDS", _CALL_S_WITH_A_SLOW_ONE)
        assert _boot(node) == 0
    assert all(node.running(process) for process in _PROCESSES)
    # The signal was already sent at the first boot, so this fault has no effect.
    assert bool(_behind(node, capsys)) == (call != "signal")


def test_all_calls_fail_at_once(node: Home, cloud: Cloud) -> None:
    for call in _CALLS:
        _fail(cloud, call, "denied")
    assert _boot(node) == 0
    assert all(node.running(process) for process in _PROCESSES)


def test_a_call_is_repeated_with_growing_pauses(
    node: Home, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS answers after the third failed call, and the boot then applies the new state."""
    _fail(cloud, "parameter", "throttled")
    pauses: list[float] = []

    class Time:
        monotonic = staticmethod(lambda: sum(pauses))

        @staticmethod
        def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                cloud.parameter(json.dumps(_data(node, jvm={"vdp": "-Xmx2g"})))

    with monkeypatch.context() as patch:
        patch.setattr(boot, "time", Time)
        assert main([*node.arguments, "--patience=90", "--poll=2", *_command()]) == 0
    assert pauses[:3] == [2, 4, 8]
    assert Record(node.system).behind == ""
    assert node.running()


def _command() -> tuple[str, ...]:
    return "boot", f"--parameter={PARAMETER}"


def test_a_new_state_that_cannot_be_applied_starts_the_old_one(
    node: Home, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    """The machine boots after a deploy has written a state with which the servers do not start."""
    cloud.parameter(json.dumps(_data(node, jvm={"vdp": "-Ddead"})))
    assert _boot(node) == 6, "the unit counts it as a success, so that the servers stay"
    assert all(node.running(process) for process in _PROCESSES)
    (warning,) = _behind(node, capsys)
    assert "the previous state runs again" in warning or "no server runs now" in warning


class _KilledError(BaseException):
    """Exception that ends a run as a kill would: the program does not handle it."""


@pytest.mark.parametrize("call", ["parameter", "scheduler"])
def test_a_boot_takes_back_the_change_of_a_killed_run(
    node: Home, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The boot undoes an interrupted change even if AWS denies calls of the boot."""

    def kill(_servers: Servers) -> None:
        raise _KilledError

    before = {file: (node.path / file).read_bytes() for file in FILES}
    state = node.state(**_changes(), jvm={"vdp": "-Xmx2g"}, host="new.internal")
    with monkeypatch.context() as patch:
        patch.setattr(Servers, "regenerate", kill)
        with pytest.raises(_KilledError):
            apply(node.system, state)
    assert before != {file: (node.path / file).read_bytes() for file in FILES}
    node.end()
    for each in {call, "scheduler", "data-catalog", "token"}:
        _fail(cloud, each, "denied")
    assert _boot(node) == 0
    assert all(node.running(process) for process in _PROCESSES)
    assert before == {file: (node.path / file).read_bytes() for file in FILES}
    assert not Journal(node.system, node.path).open


def test_a_later_apply_catches_up(node: Home, cloud: Cloud) -> None:
    _fail(cloud, "token", "denied")
    assert _boot(node) == 0
    assert Record(node.system).behind
    cloud.secret(TOKEN, {"sso.enabled": "true"})
    apply(node.system, node.state(**_changes()))
    assert Record(node.system).behind == ""


def _changes() -> dict[str, Any]:
    return {
        "servers": _SERVERS,
        "security_token": TOKEN,
        "catalog": {
            "scheduler": {"secret": SCHEDULER},
            "data-catalog": {"secret": DATA_CATALOG},
        },
        "signal": _SIGNAL,
    }


@pytest.mark.parametrize("handed_over", [False, True])
def test_a_first_boot_is_repeated_where_systemd_cannot(
    home: Home, monkeypatch: pytest.MonkeyPatch, *, handed_over: bool
) -> None:
    """When another program version hands over the boot, `DENODO_NODE_REPEAT` means `--repeat`."""
    cloud = Cloud(home.folder)
    cloud.fault(_CALLS["parameter"], _FAULTS["throttled"])
    pauses: list[float] = []
    began: list[list[str]] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(os, "execv", lambda _program, command: began.append(command))
    if handed_over:
        monkeypatch.setenv(program_update.REPEAT, "yes")
    assert _boot(home, *(() if handed_over else ("--repeat",))) == 3
    assert program_update.REPEAT not in os.environ, "the Denodo user's processes do not repeat"
    (command,) = began
    assert command[1:3] == ["-m", "node"]
    assert command[-3:] == [*_command(), "--repeat"]
    assert pauses[-1] == 60


@pytest.mark.parametrize(("version", "restarts"), [(239, False), (243, False), (244, True)])
def test_the_unit_begins_again_where_systemd_can(
    home: Home, monkeypatch: pytest.MonkeyPatch, version: int, *, restarts: bool
) -> None:
    systemctl = home.folder / "systemctl"
    systemctl.write_text(f"#!/bin/sh\necho 'systemd {version} ({version}-1.el8)'\n")
    systemctl.chmod(0o755)
    monkeypatch.setenv("PATH", str(home.folder))
    unit = installation.unit_text("denodo-node.service", home.state())
    assert ("Restart=on-failure" in unit) == restarts
    assert ("boot --repeat" in unit) != restarts
    assert "OOMPolicy=continue" in unit
    assert "cloud-init-network.service" in unit
