"""`denodo-ha pause` and `resume`: parameter, nodes, suppressor, and refusals during a pause."""

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import Result

from denodo_ha.aws.clients import Aws
from denodo_ha.cli import exit_codes
from denodo_ha.cli.errors import UsageError
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.pause_record import PauseRecord
from denodo_ha.environment import names
from denodo_ha.environment.facts.limits import ALARM_PERIOD_S
from denodo_ha.pause import command
from denodo_ha.rollout import roll_command
from denodo_ha.status import command as status_command
from tests.commands.account.agents import Agents, Node
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Clouds, Run

CLUSTER = "active"
NAMESPACE = "Denodo/Pause/denodo70-active"
NAME = names.pause_parameter("denodo70", CLUSTER)


class Site:
    """A cluster with simulated nodes."""

    def __init__(self, cloud: Cloud, run: Run) -> None:
        self.cloud, self._run = cloud, run
        self.agents = Agents(cloud, CLUSTER)

    @property
    def node(self) -> Node:
        return self.agents.nodes["node1"]

    def status(self, *arguments: str) -> Result:
        """Run `status`, which reports the undeployed cluster `passive` as missing."""
        return self._run("status", *arguments, "-c", "active-passive")

    def go(self, *arguments: str, code: int = exit_codes.DONE) -> Result:
        done = self._run(*arguments, "-c", "active-passive")
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
        return done

    def pause(self, *more: str, code: int = exit_codes.DONE) -> Result:
        return self.go("pause", CLUSTER, "--why", "new; switches", "--for", "2h", *more, code=code)

    def record(self) -> dict[str, Any] | None:
        client = self.cloud.client("ssm", "eu-west-1")
        for parameter in client.get_parameters(Names=[NAME])["Parameters"]:
            return dict(json.loads(parameter["Value"]))
        return None

    def fed(self) -> list[str]:
        """Return the namespace of each datapoint that commands have put."""
        return [call.parameters["Namespace"] for call in self.cloud.calls.of("PutMetricData")]


@pytest.fixture
def site(clouds: Clouds, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch) -> Site:
    cloud = clouds("active-passive", CLUSTER)
    cloud.targets.hurry(30)
    for module in (command, status_command):
        monkeypatch.setattr(module, "real_clock", lambda: cloud.clock)
    monkeypatch.setattr(roll_command, "RealClock", lambda: cloud.clock)
    return Site(cloud, denodo_ha)


def _cluster(done: Result) -> dict[str, Any]:
    return next(dict(one) for one in json.loads(done.stdout)["clusters"] if one["name"] == CLUSTER)


def test_a_pause_reaches_everything_and_ends_by_itself(site: Site) -> None:
    done = site.pause()
    until = site.cloud.clock.now().replace(microsecond=0) + timedelta(hours=2)
    assert "the alarms of active are silenced within two minutes" in done.stdout
    assert "the watchdogs and export timers of node1, node2 rest" in done.stdout
    assert site.fed() == [NAMESPACE]
    assert [node.paused for node in site.agents.nodes.values()] == [until.isoformat()] * 2
    record = site.record()
    assert record is not None
    assert (record["why"], record["until"]) == ("new; switches", until.isoformat())
    shown = _cluster(site.status("--format", "json"))
    assert shown["paused"]["why"] == "new; switches"
    assert shown["state"] == "healthy"
    shown_text = site.status().stdout
    assert f"- active: paused until {until:%Y-%m-%d %H:%M UTC} by " in shown_text
    assert "have recorded the pause rest; alarms are silenced while one of these" in shown_text
    site.agents.deploy(jvm={"vdp": "-Xmx2048m"})
    refused = site.go("roll", "--cluster", CLUSTER, code=exit_codes.REFUSED)
    assert "active is paused until " in refused.stderr
    assert "nothing was changed. End the pause with `denodo-ha resume active -c " in refused.stderr
    assert site.agents.most_out == 0
    site.cloud.clock.sleep(7200)
    assert _cluster(site.status("--format", "json"))["paused"] is None
    site.go("roll", "--cluster", CLUSTER)
    assert site.agents.stale == set()


def test_dry_runs_change_nothing(site: Site) -> None:
    done = site.pause("--dry-run")
    assert (
        "active would be paused for 120 min\nthe alarms of active would be silenced\n"
        in done.stdout
    )
    assert "the watchdogs of node1, node2 would rest" in done.stdout
    assert site.cloud.calls.changes == []
    site.pause()
    site.cloud.calls.forget()
    assert "active is paused until " in site.go("resume", CLUSTER, "--dry-run").stdout
    assert "; active is now paused until " in site.pause("--dry-run").stdout
    assert site.cloud.calls.changes == []


def test_resume_ends_it_and_the_next_resume_reaches_a_silent_node(site: Site) -> None:
    site.pause()
    site.node.reachable = False
    done = site.go("resume", CLUSTER)
    assert "active is not paused any more" in done.stdout
    assert "warning: the watchdog of node1 may still rest until " in done.stdout
    assert "run the command again when the node answers" in done.stdout
    assert site.record() is None
    site.node.reachable = True
    done = site.go("resume", CLUSTER)
    assert "active was not paused" in done.stdout
    assert [node.paused for node in site.agents.nodes.values()] == ["", ""]


def test_one_node_that_answers_silences_the_alarms(site: Site) -> None:
    site.node.reachable = False
    done = site.pause()
    assert "the alarms of active are silenced" in done.stdout
    assert "warning: the watchdog of node1 does not rest: node1 (" in done.stdout
    for node in site.agents.nodes.values():
        node.reachable = False
    done = site.pause(code=exit_codes.FAILED)
    assert "no node of active could be paused (node1: node1 (" in done.stderr
    assert "`denodo-ha resume active -c " in done.stderr


def _document(site: Site) -> None:
    for resource in site.cloud.stack(CLUSTER).template["Resources"].values():
        if resource["Type"] == "AWS::SSM::Document":
            action = resource["Properties"]["Content"]["parameters"]["Action"]
            action["allowedValues"] = ["status", "apply", "drain", "undrain"]


def test_a_stack_of_an_earlier_version_is_refused_with_the_way_on(site: Site) -> None:
    _document(site)
    done = site.pause(code=exit_codes.REFUSED)
    assert "was deployed by an earlier version" in done.stderr
    assert (site.record(), site.fed()) == (None, [])
    site.go("resume", CLUSTER)


def test_without_suppressor_or_program_it_says_what_is_not_silenced(site: Site) -> None:
    resources = site.cloud.stack(CLUSTER).template["Resources"]
    for id_ in [id_ for id_, one in resources.items() if "Pause" in id_]:
        del resources[id_]
    done = site.pause()
    assert "the alarms of active are not silenced: " in done.stdout
    assert "the watchdogs and export timers of node1, node2 rest" in done.stdout
    assert site.fed() == []
    assert "; the watchdogs of the nodes that have recorded the pause rest\n" in (
        site.status().stdout
    )
    del site.cloud.stack(CLUSTER).outputs["NodeDocument"]
    done = site.pause()
    assert "the alarms of active are not silenced: no node runs the node program" in done.stdout
    assert site.record() is not None
    assert "; roll, rollout and replace refuse to run\n" in site.status().stdout


def test_ctrl_c_at_each_change_and_again(site: Site) -> None:
    """Interrupt each changing call of `pause`, then run `pause` again.

    In order, the calls take the lock, renew the lock, write the pause's parameter, and put a
    datapoint of the suppressor.
    """
    for on in (1, 2, 3, 4):
        site.cloud.faults.heal()
        site.cloud.faults.interrupt(on=on, changing=True)
        site.agents.install()
        done = site.pause(code=exit_codes.INTERRUPTED)
        assert ("it is not known whether active is paused" in done.stderr) is (on > 2)
        assert site.record() is None or on == 4
        # Let the lock of the interrupted command expire.
        site.cloud.clock.sleep(300)
    site.cloud.faults.heal()
    site.agents.install()
    site.pause()
    assert all(node.paused for node in site.agents.nodes.values())


@pytest.mark.parametrize(
    ("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), (" 24H ", 86400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert command.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "0m", "25h", "2d", "-1h", "h", "1.5h", "9" * 50 + "h"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"such as 2h, 90m or 1h30m, from 1m to 24h"):
        command.seconds_of(text)


def test_a_roll_silences_the_alarms_each_minute_and_a_failure_stops_nothing(site: Site) -> None:
    site.agents.deploy(jvm={"vdp": "-Xmx2048m"})
    site.node.seconds = 600
    begin = site.cloud.clock.monotonic()
    site.go("roll", "--cluster", CLUSTER)
    minutes = (site.cloud.clock.monotonic() - begin) / ALARM_PERIOD_S
    assert set(site.fed()) == {NAMESPACE}
    assert 10 <= len(site.fed()) <= minutes + 2
    site.cloud.calls.forget()
    site.agents.deploy(jvm={"vdp": "-Xmx3072m"})
    site.cloud.faults.deny("PutMetricData")
    done = site.go("roll", "--cluster", CLUSTER)
    assert site.agents.stale == set()
    assert done.stderr.count("warning: the alarms of active are not silenced (") == 1
    assert len(site.fed()) == 2, "a role that may not feed it tries once for each node"


def test_a_parameter_in_another_form_is_no_pause(site: Site) -> None:
    client, location = site.cloud.client("ssm", "eu-west-1"), _location(site)
    record = PauseRecord(Aws(), "denodo70", location)
    for value in (
        "{",
        "[]",
        '{"until": 1}',
        '{"since": "2030-01-01", "until": "2030-01-01T00:00"}',
    ):
        client.put_parameter(Name=NAME, Value=value, Type="String", Overwrite=True)
        assert record.read(site.cloud.clock.now()) is None


def _location(site: Site) -> StackLocation:
    stack = site.cloud.stack(CLUSTER)
    return StackLocation(CLUSTER, stack.name, stack.account, stack.region)
