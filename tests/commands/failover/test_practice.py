"""`denodo-ha failover practice`: measured times, the cluster that served, and the failover back."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.lock import Lock
from denodo_ha.cli import exit_codes
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.history_entry import HistoryEntry
from denodo_ha.failover.practice import command, expectation, observation, readiness
from denodo_ha.failover.practice.client_observer import Look
from denodo_ha.failover.practice.expectation import Expectation
from denodo_ha.failover.practice.observation import Observation
from denodo_ha.standby.check_line import CheckLine
from denodo_ha.standby.standby_check import StandbyReport
from tests.commands.account.calls import Call, Fault
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import SWITCH_S, Route53
from tests.support.assembly import Template

TemplatesOf = Callable[[Path], Mapping[str, Template]]
PRIMARY, SECONDARY = "active", "passive"
SERVICES = ("jdbc", "web")
BACK = "denodo-ha failover back -c active-passive"


class WorldObserver:
    """Client observer that sees the simulated DNS answer, and given faults of each cluster."""

    def __init__(self, world: Route53) -> None:
        self._world = world
        self.every, self.services = 1.0, SERVICES
        self.faults: dict[str, dict[str, str]] = {}

    def look(self) -> Look:
        """Return a look: the cluster that DNS answers with, and its faults."""
        cluster = self._world.answered
        return Look(self._world.cloud.clock.monotonic(), cluster, self.faults.get(cluster, {}))


class Practising:
    """Runs practices in the simulated world.

    Attributes:
        world: Route 53 and the switch.
        observer: the client observer.
    """

    def __init__(
        self, world: Route53, denodo_ha: Callable[..., Result], patch: pytest.MonkeyPatch
    ) -> None:
        self.world, self._denodo_ha, self._patch = world, denodo_ha, patch
        self.observer = WorldObserver(world)
        patch.setattr(command, "practice_clock", lambda: world.cloud.clock)
        patch.setattr(command, "_observer", lambda *_, **__: self.observer)
        patch.setattr(observation, "watching", self._watching)
        patch.setattr(observation, "SWITCH_EVERY_S", 15.0)
        self.lines: list[CheckLine] = []
        self.entries: list[HistoryEntry] = []
        patch.setattr(recording, "_write", self._write)
        patch.setattr(readiness, "check_standby", self._check)
        self._expectation = expectation.expectation
        patch.setattr(expectation, "expectation", lambda *_: Expectation(None, None, "no drill"))

    @contextmanager
    def _watching(self, observed: Observation) -> Iterator[None]:
        """Run the tasks of an observation at their intervals on the virtual clock."""
        clock, is_over = self.world.cloud.clock, False

        def repeat(task: Callable[[], None], every: float) -> None:
            if not is_over:
                task()
                clock.at(clock.monotonic() + every, lambda: repeat(task, every))

        for each in observed.tasks:
            repeat(*each)
        yield
        is_over = True

    def _write(self, _: object, entry: HistoryEntry) -> str:
        self.entries.append(entry)
        return ""

    def _check(self, *_: object) -> StandbyReport:
        facts: Any = None
        return StandbyReport(tuple(self.lines), facts)

    def begin(self) -> None:
        """Let the simulated Route 53 answer; call this method again after `faults.heal()`."""
        self.world.begin(self._patch)

    def run(self, *arguments: str) -> Result:
        """Run `denodo-ha failover practice`."""
        self.begin()
        return self._denodo_ha("failover", "practice", "-c", "active-passive", *arguments)

    def with_drill(self) -> None:
        """Let practices compute the times that the drill expects.

        Other tests leave this out, as it takes long.
        """
        self._patch.setattr(expectation, "expectation", self._expectation)

    def after(self, seconds: float, happen: Callable[[], object]) -> None:
        """Call a function when a number of seconds have passed on the virtual clock."""
        clock = self.world.cloud.clock
        clock.at(clock.monotonic() + seconds, happen)

    def is_as_before(self) -> bool:
        """Return whether the primary serves, the switch is not thrown, and no lock remains."""
        cloud = self.world.cloud
        cloud.clock.sleep(SWITCH_S)
        cloud.faults.heal()
        locks = [
            parameter["Name"]
            for cluster in (PRIMARY, SECONDARY)
            for parameter in cloud.client("ssm", cloud.stack(cluster).region).describe_parameters()[
                "Parameters"
            ]
            if parameter["Name"].endswith("/.lock")
        ]
        return not locks and self.world.answered == PRIMARY and self.world.thrown[-1:] != [1.0]


@pytest.fixture
def practising(
    shared: Cloud, denodo_ha: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Practising]:
    caller = shared.caller
    yield Practising(Route53(shared), denodo_ha, monkeypatch)
    shared.faults.heal()
    for cluster in (PRIMARY, SECONDARY):
        client = shared.client("ssm", shared.stack(cluster).region)
        for parameter in client.describe_parameters()["Parameters"]:
            if parameter["Name"].endswith("/.lock"):
                client.delete_parameter(Name=parameter["Name"])
    shared.calls.made.clear()
    shared.caller = caller


def steps_of(report: dict[str, Any], cluster: str) -> dict[str, tuple[float | None, int | None]]:
    """Return measured and expected seconds of each step of the failover to a cluster."""
    (leg,) = [each for each in report["directions"] if each["to"] == cluster]
    return {step["step"]: (step["seconds"], step["expected"]) for step in leg["steps"]}


def test_measures_both_directions_beside_the_drill(practising: Practising) -> None:
    practising.with_drill()
    done = practising.run("--stay", "1m", "--format", "json")
    assert done.exit_code == exit_codes.DONE, done.output
    report = json.loads(done.stdout)
    assert (report["verdict"], report["findings"]) == ("passed", [])
    assert practising.world.thrown == [1.0, 0.0]
    for cluster in (SECONDARY, PRIMARY):
        steps = steps_of(report, cluster)
        # The drill predicts 120 s until the health check of the switch changes: one minute for the
        # metric, and one for the alarm. The TTL of 10 s follows.
        assert steps["the switch's health check"] == (75.0, 120)
        assert steps["DNS, first answer"] == (75.0, 130)
        assert steps["first served connection, web"] == (75.0, 130)
        assert steps["first served connection, all services"] == (75.0, 130)
        assert steps["longest gap, jdbc"] == (0.0, 2)
    assert report["stayed"] >= 60
    assert set(report["looks"]) == {PRIMARY, SECONDARY}
    assert "TTL 10 s" in report["directions"][0]["drill"]
    (entry,) = practising.entries
    assert (entry.command, entry.verdict) == ("failover practice", "done")
    assert json.loads(json.dumps(entry.details["practice"])) == report
    (change,) = entry.changes
    assert "DNS answers with active" in change.before
    assert "leads to active" in change.after
    (policy,) = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in practising.world.cloud.stack("failover").template["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    permitted = {
        action
        for statement in policy
        for action in statement["Action"]
        if isinstance(statement["Action"], list)
    } | {statement["Action"] for statement in policy if isinstance(statement["Action"], str)}
    called = {
        f"{'elasticloadbalancing' if call.service == 'elbv2' else call.service}:{call.operation}"
        for call in practising.world.cloud.calls.made
    }
    assert called - {"sts:GetCallerIdentity", "s3:PutObject"} <= permitted
    assert practising.is_as_before()


def test_a_name_that_leads_to_the_primary_again_is_no_success(practising: Practising) -> None:
    """The secondary fails during the practice: Route 53 then answers with the unhealthy primary."""
    practising.after(120, lambda: practising.world.down.add(SECONDARY))
    done = practising.run("--stay", "10m", "--format", "markdown")
    assert done.exit_code == exit_codes.NO, done.output
    assert "practice failed" in done.stdout
    assert "while the switch was set to passive, the name led to active again" in done.stdout
    assert "| to passive | DNS, first answer | 75 |" in done.stdout
    practising.world.down.clear()
    assert practising.is_as_before()


def test_clients_that_are_not_served_end_the_stay(practising: Practising) -> None:
    begin = practising.world.cloud.clock.monotonic()
    practising.after(
        100,
        lambda: practising.observer.faults.update({SECONDARY: {"web": "refused the connection"}}),
    )
    done = practising.run("--stay", "1h")
    assert done.exit_code == exit_codes.NO, done.output
    assert "passive did not serve clients for 30 s" in done.stdout
    assert "web: refused the connection" in done.stdout
    assert practising.world.cloud.clock.monotonic() - begin < 600
    assert practising.is_as_before()


def test_refuses_where_it_would_not_begin_at_the_primary(practising: Practising) -> None:
    practising.world.put_now(1.0)
    done = practising.run()
    assert done.exit_code == exit_codes.REFUSED
    assert "leads to passive" in done.stderr
    assert BACK in done.stderr
    assert practising.world.cloud.calls.of("PutMetricData") == []
    practising.world.put_now(0.0)
    practising.world.down.add(SECONDARY)
    done = practising.run()
    assert (done.exit_code, "passive is not healthy" in done.stderr) == (exit_codes.REFUSED, True)
    practising.world.down.clear()
    practising.observer.faults[PRIMARY] = {"jdbc": "timeout"}
    done = practising.run("--dry-run")
    assert done.exit_code == exit_codes.REFUSED
    assert "jdbc: timeout" in done.stderr
    practising.observer.faults.clear()
    practising.lines = [
        CheckLine(3, "metadata", "no", "differs since 02:00", None, "equal", "import it"),
        CheckLine(8, "quotas", "unknown", "not read", None, "not below", ""),
        CheckLine(10, "practice and rights", "no", "there was no practice", None, "", ""),
    ]
    done = practising.run("--dry-run")
    assert done.exit_code == exit_codes.REFUSED
    assert "passive is not ready (3 metadata: no, differs since 02:00)" in done.stderr
    done = practising.run("--dry-run", "--even-if-not-ready")
    assert done.exit_code == exit_codes.DONE, done.output
    # Two findings do not prevent a practice: a line of `failover check` that is unknown, and the
    # line which says that there has been no practice yet.
    practising.lines = practising.lines[1:]
    done = practising.run("--dry-run")
    assert "would fail over to passive, stay for 600 s, and fail back" in done.stdout
    assert practising.world.thrown == []


def test_refuses_while_another_command_changes_a_cluster(practising: Practising) -> None:
    cloud = practising.world.cloud
    aws, clock = Aws(), cloud.clock
    region, name = cloud.stack(SECONDARY).region, f"/denodo/denodo70/{SECONDARY}/.lock"
    with Lock(aws, region, name, clock=clock, what="roll").held():
        done = practising.run()
    assert done.exit_code == exit_codes.REFUSED, done.output
    assert "(roll, since" in done.stderr
    assert practising.world.thrown == []
    assert practising.is_as_before()


@pytest.mark.parametrize("seconds", [30, pytest.param(100, marks=pytest.mark.long)])
def test_an_interruption_fails_back(practising: Practising, seconds: float) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    practising.after(seconds, interrupt)
    done = practising.run("--stay", "1h")
    assert done.exit_code == exit_codes.INTERRUPTED, done.output
    assert "practice interrupted" in done.stdout
    assert "leads to active again" in done.stderr
    (entry,) = practising.entries
    assert entry.verdict == "interrupted"
    assert entry.details["practice"]["verdict"] == "interrupted"
    # If Ctrl-C comes before the first datapoint has had an effect, the second datapoint may be in
    # the same minute. The switch's alarm evaluates the maximum of a minute, so the second datapoint
    # has no effect and is put again.
    assert practising.world.thrown == ([1.0, 0.0, 0.0] if seconds < SWITCH_S else [1.0, 0.0])
    assert practising.is_as_before()


def test_a_datapoint_that_aws_refuses_moves_nothing(practising: Practising) -> None:
    practising.world.cloud.faults.deny("PutMetricData")
    done = practising.run()
    assert done.exit_code == exit_codes.AWS, done.output
    assert "there was no failover" in done.stderr
    assert practising.is_as_before()


@pytest.mark.long
def test_waits_for_new_credentials_and_then_fails_back(practising: Practising) -> None:
    faults = practising.world.cloud.faults
    practising.after(100, faults.expire)

    def renew() -> None:
        faults.heal()
        practising.begin()

    practising.after(130, renew)
    done = practising.run("--stay", "1h")
    assert done.exit_code == exit_codes.NO, done.output
    assert "renew the credentials in another terminal" in done.stderr
    assert practising.is_as_before()


def test_says_what_remains_if_it_cannot_fail_back(practising: Practising) -> None:
    practising.after(100, practising.world.cloud.faults.expire)
    done = practising.run("--stay", "1h", "--timeout", "80")
    assert done.exit_code == exit_codes.FAILED, done.output
    assert f"there is no automatic failback: run `{BACK}`" in done.stderr
    assert "nothing was changed" not in done.output.lower()


class Killed(BaseException):
    """Kill of the process: no later call of the command reaches AWS."""


def kill_at(cloud: Cloud, changes: int, *, after: bool) -> None:
    """Kill the process at a call that changes something, before or after its effect.

    Args:
        cloud: the cloud.
        changes: number of changing calls that take effect before the kill.
        after: True to kill the process at the first call after the next change.
    """
    seen, is_dead = 0, False

    def is_due(call: Call) -> bool:
        nonlocal seen, is_dead
        is_dead = is_dead or (seen > changes if after else seen >= changes and call.changes)
        seen += call.changes
        return is_dead

    def kill(_: Call) -> None:
        raise Killed

    cloud.faults.add(Fault(is_due, kill))


MOMENTS = {
    "after the first lock": (0, True),
    "before failing back": (3, False),
    "after failing back": (3, True),
    "after the first lock was released": (4, True),
}


def ends_where_it_began(practising: Practising, changes: int, *, after: bool) -> None:
    """Kill a practice, and assert that the next practice leaves the site at its primary."""
    cloud = practising.world.cloud
    kill_at(cloud, changes, after=after)
    with pytest.raises(Killed):
        practising.run("--stay", "1s")
    assert len(cloud.calls.changes) >= changes
    cloud.faults.heal()
    done = practising.run("--stay", "1s", "--take-over")
    assert done.exit_code == exit_codes.FAILED, done.output
    assert "an earlier practice was killed, and has now been ended" in done.stderr
    assert practising.is_as_before(), done.output


def test_the_next_practice_ends_one_that_was_killed(practising: Practising) -> None:
    ends_where_it_began(practising, 2, after=True)
    # The datapoint 1 has moved the site to the secondary. Two datapoints 0, in different minutes,
    # fail back.
    assert practising.world.thrown == [1.0, 0.0, 0.0]


@pytest.mark.long
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_practice_that_is_killed_at_any_step(practising: Practising, moment: str) -> None:
    changes, after = MOMENTS[moment]
    ends_where_it_began(practising, changes, after=after)
