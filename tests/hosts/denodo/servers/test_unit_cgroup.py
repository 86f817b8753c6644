"""An apply started outside the systemd unit moves itself to the unit's control group."""

from pathlib import Path

import pytest

from hosts.denodo.servers import unit_cgroup

_GROUP = "system.slice/denodo-node.service"
_SYSTEMCTL = """#!/bin/sh
echo "$1" >> {here}/called
[ "$1" = start ] && {{ echo {after} > {here}/state; exit {code}; }}
echo LoadState={load}
echo ActiveState=$(cat {here}/state)
echo ControlGroup=/{group}
echo ExecMainStatus={code}
echo InvocationID=1234
"""


class Machine:
    """A machine: folders as its control groups, and stand-ins for systemctl and journalctl."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups = folder / "groups"
        self.processes = self.groups / _GROUP / "cgroup.procs"
        self.processes.parent.mkdir(parents=True)
        self.processes.write_text("")
        self.own = folder / "own"
        self.own.write_text("0::/system.slice/amazon-ssm-agent.service\n")

    def systemd(
        self, state: str, *, after: str = "active", code: int = 0, load: str = "loaded"
    ) -> None:
        (self.folder / "state").write_text(f"{state}\n")
        values = {"here": self.folder, "after": after, "code": code, "load": load}
        for name, text in (
            ("systemctl", _SYSTEMCTL.format(group=_GROUP, **values)),
            ("journalctl", '#!/bin/sh\necho "messages of $1"\n'),
        ):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o755)

    def enter(self) -> int:
        return unit_cgroup.enter(control_groups=self.groups, own=self.own)

    def called(self) -> list[str]:
        return (self.folder / "called").read_text().split()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Machine(tmp_path)


def test_a_process_outside_moves_into_the_unit(machine: Machine) -> None:
    machine.systemd("active")
    assert machine.enter() == 0
    assert machine.processes.read_text() == "0"
    assert machine.called() == ["show"]


def test_with_version_1_it_moves_in_each_hierarchy(machine: Machine) -> None:
    memory = machine.groups / "memory" / _GROUP / "cgroup.procs"
    memory.parent.mkdir(parents=True)
    memory.write_text("")
    machine.systemd("active")
    assert machine.enter() == 0
    assert memory.read_text() == "0"


@pytest.mark.parametrize("state", ["inactive", "failed"])
def test_a_unit_that_is_not_active_is_started(machine: Machine, state: str) -> None:
    machine.systemd(state)
    assert machine.enter() == 0
    assert machine.called() == ["show", "start", "show"]
    assert machine.processes.read_text() == "0"


def test_a_start_that_fails_gives_code_and_messages(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.systemd("failed", after="failed", code=7)
    assert machine.enter() == 7
    assert "messages of _SYSTEMD_INVOCATION_ID=1234" in capsys.readouterr().out
    assert machine.processes.read_text() == ""


def test_the_unit_s_own_processes_and_other_machines_stay(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.systemd("active", load="not-found")
    assert machine.enter() == 0
    machine.own.write_text("0::/system.slice/denodo-node.service\n")
    machine.systemd("active")
    assert machine.enter() == 0
    monkeypatch.setenv("PATH", "/none")
    machine.own.write_text("0::/\n")
    assert machine.enter() == 0
    assert machine.processes.read_text() == ""


def test_a_unit_without_control_group_is_reported(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.processes.unlink()
    machine.systemd("active")
    assert machine.enter() == 0
    assert "run outside of the unit until the next boot" in capsys.readouterr().out
