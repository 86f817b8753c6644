"""HAProxy instances that run nothing: `make local` says why, and offers only what works."""

import pytest

from denodo_ha.environment.loading.loader import load
from tools.local_aws import control, deployment
from tools.local_aws.emulator import loopback, machine_programs, system_programs
from tools.local_aws.paths import ROOT
from tools.local_aws.server_process import Server
from tools.local_aws.things_to_try import things_to_try

_WHY = "this machine has no HAProxy"


@pytest.mark.parametrize(
    ("is_shared", "have_namespaces", "program", "expected"),
    [
        (False, True, "/usr/sbin/haproxy", ""),
        (True, True, "/usr/sbin/haproxy", "one loopback address"),
        (False, False, "/usr/sbin/haproxy", "denies namespaces"),
        (False, True, "", _WHY),
    ],
)
def test_the_reason_is_the_system_s(
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_shared: bool,
    have_namespaces: bool,
    program: str,
    expected: str,
) -> None:
    monkeypatch.setattr(loopback, "is_shared", lambda: is_shared)
    monkeypatch.setattr(machine_programs, "have_namespaces", lambda: have_namespaces)
    monkeypatch.setattr(system_programs, "haproxy", lambda: program)
    missing = machine_programs.missing_for_haproxy()
    assert expected in missing
    assert bool(missing) == bool(expected)
    assert machine_programs.run({"haproxy": {}}) == (not expected)
    assert machine_programs.run({"denodo": {}})


@pytest.mark.parametrize(("example", "missing"), [("haproxy", _WHY), ("active-passive", "")])
def test_it_is_said_where_haproxy_is_used(
    monkeypatch: pytest.MonkeyPatch, example: str, missing: str
) -> None:
    """`enable` would wait for HAProxy instances that are idle, so it is not a thing to try."""
    environment = load(ROOT / f"config/examples/{example}.yaml").environment
    monkeypatch.setattr(control, "call", lambda *_: {"missing": _WHY})
    assert deployment.missing_for_haproxy(Server(1, 1), environment) == missing
    commands = [
        thing.command
        for thing in things_to_try(environment, example, "name", nodes_run=not missing)
    ]
    assert any("denodo-ha enable" in command for command in commands) == (not missing)
    assert any("failover to passive" in command for command in commands)
