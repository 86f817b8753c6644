"""Commands make calls to AWS concurrently, and do not wait for a region that does not answer.

While a region does not answer, commands throw the switch first, and their reports are true. No test
asserts a duration: the region hangs until the test ends, so a command that waits for the region
fails the test.
"""

import json
import re
import tarfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from denodo_ha.cli import exit_codes
from tests.faults.running import patient_waits, run_here, short_waits
from tests.faults.site import LOST, PRIMARY, SECONDARY, Site
from tests.support.servers.fault_proxy import Call, Fault, Rule

pytestmark = pytest.mark.long

_QUIET_S = 1.5
_GLOBAL = ("route53", "sts", "cloudformation", "elasticloadbalancing")


def lose(site: Site, fault: Fault, *services: str) -> None:
    """Apply a fault to all calls in the primary's region, and to some services in every region."""
    site.proxy.add(Rule(fault, region=LOST), *(Rule(fault, service=name) for name in services))


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.REFUSE, Fault.HTML])
def test_the_switch_is_thrown_without_what_is_dead(site: Site, fault: Fault) -> None:
    lose(site, fault, *_GLOBAL)
    with short_waits(site):
        done = run_here(site, ("failover", "to", SECONDARY, "--timeout", "3"))
    assert [call.operation for call in site.proxy.arrived if call.changes] == ["PutMetricData"]
    lines = done.stderr.splitlines()
    assert lines[0].startswith("looking for the failover of ")
    assert lines[1].startswith("reading the state of ")
    assert "the switch is set to passive and remains set" in done.stderr
    assert "it is not known whether passive is healthy" in done.stderr


def test_only_the_clusters_own_region_is_called(site: Site) -> None:
    lose(site, Fault.HANG)
    with patient_waits(site):
        done = run_here(site, ("drain", "node1", "--cluster", SECONDARY))
    assert done.code == exit_codes.DONE, done.text
    assert LOST not in {call.region for call in site.proxy.calls}
    assert site.state().of(SECONDARY, "node1").out


def test_status_shows_what_answers(site: Site) -> None:
    lose(site, Fault.HANG)
    with short_waits(site):
        done = run_here(site, ("status", "--no-ask"))
    assert done.code == exit_codes.NO
    assert done.stdout.startswith("denodo70 is degraded")
    assert "passive is healthy" in done.stdout
    # The limit of the command may end before the limit of the call.
    assert re.search(rf"! {PRIMARY}: .*AWS does not answer", done.stdout)


def test_support_archives_what_answers(site: Site, tmp_path: Path) -> None:
    lose(site, Fault.HANG)
    file = tmp_path / "support.tar.gz"
    with short_waits(site):
        done = run_here(site, ("support", "--no-plan", "--to", str(file)))
    assert done.code == exit_codes.NO, done.text
    with tarfile.open(file) as archive:
        listed = archive.extractfile("support/contents.json")
        assert listed is not None
        problems = {part["file"]: part["problem"] for part in json.load(listed)}
        assert {f"support/{name}" for name, problem in problems.items() if not problem} < {
            *archive.getnames()
        }
    unread = {name for name, problem in problems.items() if problem}
    lost = {f"stacks/denodo70-{PRIMARY}.json", f"logs/{PRIMARY}.log"}
    assert lost <= unread <= lost | {f"logs/{SECONDARY}.log"}


def test_plan_compares_what_answers(site: Site) -> None:
    lose(site, Fault.HTML)
    with short_waits(site):
        done = run_here(site, ("plan", "{assembly}"))
    assert done.code == exit_codes.AWS
    assert "passive" in done.stdout
    assert f"! denodo70-{PRIMARY} is unknown: AWS does not answer: the answer is not" in done.stdout


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.DENIED, "the switch was not thrown, and nothing was changed"),
        (Fault.THROTTLED, "the switch was not thrown, and nothing was changed"),
        (Fault.HTML, "it is not known whether the switch is thrown"),
    ],
)
def test_a_datapoint_that_never_arrives_is_not_claimed(site: Site, fault: Fault, said: str) -> None:
    site.proxy.add(Rule(fault, operation="PutMetricData"))
    with short_waits(site):
        done = run_here(site, ("failover", "to", SECONDARY))
    assert done.code == exit_codes.AWS
    assert said in done.stderr
    assert not [call for call in site.proxy.arrived if call.operation == "PutMetricData"]


@pytest.mark.parametrize("later", [Fault.LOST, Fault.THROTTLED])
def test_a_datapoint_without_an_answer_is_seen_by_its_effect(site: Site, later: Fault) -> None:
    """AWS gets the first attempt, whose answer is lost; later attempts are lost or throttled."""
    site.proxy.add(
        Rule(Fault.LOST, operation="PutMetricData", on=1),
        Rule(later, operation="PutMetricData", since=2),
    )
    with patient_waits(site):
        done = run_here(site, ("failover", "to", SECONDARY))
    assert done.code == exit_codes.DONE, done.text
    assert "it is not known whether AWS has received" in done.stderr
    assert "leads to passive" in done.stdout


@dataclass
class _Waves:
    """Waves of calls: each call is held until no further call arrives; then the wave is answered.

    A command makes a call of a later wave only after an answer to an earlier wave. If AWS answers
    slowly, a command takes the number of waves times the time of an answer, besides its CPU time.
    """

    waves: list[list[str]] = field(default_factory=list)
    _held: list[str] = field(default_factory=list)
    _last: float = 0.0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def hold(self, call: Call) -> None:
        with self._changed:
            wave = len(self.waves)
            self._held.append(call.operation)
            self._last = time.monotonic()
            while len(self.waves) == wave:
                left = self._last + _QUIET_S - time.monotonic()
                if left <= 0:
                    self.waves.append(self._held)
                    self._held = []
                    self._changed.notify_all()
                else:
                    self._changed.wait(left)


def test_status_makes_its_calls_side_by_side(site: Site) -> None:
    """The calls of `status` form at most six waves; each wave needs answers to the wave before."""
    waves = _Waves()
    site.proxy.on_call = waves.hold
    with patient_waits(site):
        done = run_here(site, ("status",))
    assert done.code == exit_codes.DONE, done.text
    assert len(waves.waves) <= 6, waves.waves
