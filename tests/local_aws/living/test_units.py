"""Units of a machine: what `systemctl` and `journalctl` do with the units of this project."""

import os
from pathlib import Path

import pytest

from hosts.denodo import installation
from tests.support.waiting import until
from tools.local_aws.living.journal import Journal
from tools.local_aws.living.machine_root import MachineRoot
from tools.local_aws.living.unit_service import UnitService
from tools.local_aws.living.units import UnitError, Units, seconds_until


class Machine:
    """Units in a folder of the test, and the commands that act on units, such as `systemctl`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = root / "etc/systemd/system"
        self._folder.mkdir(parents=True)
        self.journal = Journal(root / "journal")
        self.units = Units(self.journal, dict(os.environ), MachineRoot(root))
        self._service = UnitService(self.units, self.journal)

    def write(self, name: str, *lines: str) -> None:
        (self._folder / name).write_text("\n".join(("[Service]", *lines)))

    def call(self, program: str, *arguments: str) -> tuple[int, str]:
        result = self._service.answer(program, list(arguments))
        return result.code, result.output

    def state(self, name: str) -> str:
        return self.units.show(name)["ActiveState"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_oneshot_stays_active_until_it_is_stopped(machine: Machine) -> None:
    marks = machine.root / "marks"
    machine.write(
        "one.service",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"ExecStart=/bin/sh -c 'echo $WORD >> {marks}'",
        f"ExecStop=/bin/sh -c 'echo stopped >> {marks}'",
        "Environment=WORD=started",
    )
    assert machine.call("systemctl", "start", "one")[0] == 0
    assert machine.call("systemctl", "is-active", "one") == (0, "active\n")
    machine.units.start("one")  # an active unit is not started again
    machine.units.stop("one")
    assert marks.read_text() == "started\nstopped\n"
    assert machine.call("systemctl", "is-active", "one") == (3, "inactive\n")


def test_exit_codes_decide_what_follows(machine: Machine) -> None:
    machine.write("bad.service", "Type=oneshot", "ExecStart=/bin/sh -c 'echo why; exit 4'")
    code, _ = machine.call("systemctl", "start", "bad")
    assert (code, machine.state("bad")) == (1, "failed")
    shown = machine.call("systemctl", "show", "bad", "--property=ExecMainStatus,LoadState")[1]
    assert shown.split() == ["LoadState=loaded", "ExecMainStatus=4"]
    until(lambda: machine.call("journalctl", "--unit=bad.service", "--output=cat")[1] == "why\n")

    machine.write(
        "good.service",
        *("Type=oneshot", "RemainAfterExit=yes", "ExecStart=/bin/sh -c 'exit 6'"),
        "SuccessExitStatus=6 9",
    )
    machine.units.start("good")
    assert machine.state("good") == "active"


def test_a_service_that_ends_is_started_again(machine: Machine) -> None:
    marks = machine.root / "marks"
    script = f"echo run >> {marks}; [ $(wc -l < {marks}) -ge 3 ] && exit 2; exit 1"
    machine.write(
        "again.service",
        f"ExecStart=/bin/sh -c '{script}'",
        *("Restart=on-failure", "RestartSec=0", "RestartPreventExitStatus=2"),
    )
    machine.units.start("again")
    until(lambda: machine.state("again") == "failed")
    assert marks.read_text() == "run\n" * 3


def test_drop_ins_and_links(machine: Machine) -> None:
    machine.write("it.service", "ExecStart=/bin/sleep 100")
    folder = machine.root / "etc/systemd/system/it.service.d"
    folder.mkdir()
    (folder / "own.conf").write_text("[Service]\nExecStart=\nExecStart=/bin/sleep 200\n")
    settings = machine.units.settings("it")
    assert settings is not None
    assert settings["ExecStart"] == ["/bin/sleep 200"]
    machine.call("systemctl", "enable", "--now", "it.service")
    assert machine.call("systemctl", "is-enabled", "it")[1] == "enabled\n"
    assert machine.state("it") == "active"
    machine.units.stop_all()
    machine.units.start_enabled()
    until(lambda: machine.state("it") == "active")
    machine.call("systemctl", "disable", "--now", "it")
    assert machine.state("it") == "inactive"
    with pytest.raises(UnitError, match=r"Unit gone\.service not found"):
        machine.units.start("gone")


def test_every_setting_of_the_program_units_that_decides_is_known() -> None:
    """Units of the node program only have types, timers and users that a machine supports."""
    folder = Path(installation.__file__).parent / "systemd"
    texts = [(folder / unit).read_text() for unit in installation.UNITS]
    lines = {line for text in texts for line in text.splitlines()}
    types = {line for line in lines if line.startswith("Type=")}
    assert types == {"Type=oneshot"}
    calendars = {line for line in lines if line.startswith("OnCalendar=")}
    assert calendars == {"OnCalendar=hourly", "OnCalendar=*:2/5"}


@pytest.mark.parametrize(
    ("calendar", "now", "seconds"),
    [("hourly", 3600.0, 3600.0), ("hourly", 3661.0, 3539.0), ("*:2/5", 0.0, 120.0)],
)
def test_timers(calendar: str, now: float, seconds: float) -> None:
    assert seconds_until(calendar, now) == seconds


def test_the_journal_is_read_by_cursor(machine: Machine) -> None:
    for number in range(4):
        machine.journal.add("a.service", str(number))
    machine.journal.add("b.service", "other")
    entries = machine.journal.read(units=("a.service",), most=2)
    assert [entry["MESSAGE"] for entry in entries] == ["2", "3"]
    after = machine.journal.read(after=entries[0]["__CURSOR"])
    assert [entry["MESSAGE"] for entry in after] == ["3", "other"]
