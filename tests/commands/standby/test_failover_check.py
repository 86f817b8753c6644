"""`denodo-ha failover check` on a deployed site: one planted fault for each line."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import Result

from denodo_ha.aws import deadline
from denodo_ha.cli import exit_codes, process
from denodo_ha.environment.facts.limits import ON_DEMAND_QUOTA
from denodo_ha.environment.loading.loader import load
from denodo_ha.standby import command as check_command
from tests.commands.account import standby_cloud
from tests.commands.account.agents import Agents
from tests.commands.account.calls import Answer, Call, Fault, error
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import Route53
from tests.commands.account.standby_cloud import ACTIVE, KEPT, LOST, STANDBY, StandbyCloud
from tests.commands.account.targets import HEALTHY, UNHEALTHY
from tests.commands.conftest import Run
from tests.support.assembly import ROOT, Template

Check = Callable[..., Result]
Plant = Callable[["Site"], object]


class Site:
    """The deployed site, whose standby is ready."""

    def __init__(self, cloud: Cloud, config: Path) -> None:
        self.cloud, self.config = cloud, config
        self.standby = StandbyCloud(cloud, config)
        self.route53 = Route53(cloud)
        self.agents: Agents | None = None
        self.is_recorded = False

    def begin(self, monkeypatch: pytest.MonkeyPatch, denied: str = "") -> None:
        """Let all simulated services answer, except for one operation that is denied."""
        self.cloud.faults.heal()
        if denied:
            self.cloud.faults.deny(denied)
        self.route53 = Route53(self.cloud)
        self.route53.begin(monkeypatch)
        self.standby.install()
        self.agents = Agents(self.cloud, STANDBY)
        self.cloud.calls.forget()


@pytest.fixture(scope="module")
def shared(
    templates_of: Callable[[Path], Mapping[str, Template]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Deploy the active-passive example once, with exports in the configuration."""
    config = standby_cloud.configuration(tmp_path_factory.mktemp("standby"))
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        example = ROOT / "config/examples/active-passive.yaml"
        cloud = Cloud(load(example).environment, templates_of(example))
        cloud.install(patch)
        cloud.deploy()
        yield Site(cloud, config)


@pytest.fixture
def site(shared: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(check_command, "real_clock", lambda: shared.cloud.clock)
    shared.begin(monkeypatch)
    yield shared
    shared.cloud.faults.heal()


@pytest.fixture
def check(site: Site, denodo_ha: Run) -> Check:
    """Return a function that runs `denodo-ha failover check`."""

    def run(*arguments: str) -> Result:
        return denodo_ha("failover", "check", "-c", str(site.config), *arguments)

    return run


def others(report: Mapping[str, Any]) -> dict[int, str]:
    """Return number and state of each line of the report whose state is not ok."""
    return {line["number"]: line["state"] for line in report["lines"] if line["state"] != "ok"}


def record_once(site: Site, check: Check) -> None:
    """Run `failover check --record`, unless an earlier test has done so.

    The command records the quotas and the caller's right to throw the switch.
    """
    if not site.is_recorded:
        record(check)
        site.is_recorded = True


def record(check: Check) -> None:
    done = check("--record")
    assert done.exit_code in {exit_codes.DONE, exit_codes.AWS, exit_codes.NO}, done.output
    assert "warning" not in done.stderr


def test_everything_well_is_ready(site: Site, check: Check) -> None:
    site.standby.forget_history()
    site.standby.put_practice(timedelta(days=3))
    done = check("--record", "--format", "json")
    # Line 8 is unknown: this run records the quotas of the active cluster's region, and only the
    # next run uses them.
    assert others(json.loads(done.stdout)) == {8: "unknown"}
    assert done.exit_code == exit_codes.AWS
    assert site.route53.thrown == []
    done = check("--format", "json")
    report = json.loads(done.stdout)
    assert others(report) == {}, done.stdout
    assert (report["verdict"], done.exit_code) == ("ready", exit_codes.DONE)
    assert (report["standby"], report["active"]) == (STANDBY, ACTIVE)
    assert [line["number"] for line in report["lines"]] == [*range(1, 11)]
    assert report["lines"][3]["age_seconds"] == 3600
    done = check()
    assert done.stdout.splitlines()[0] == "passive (secondary) as standby for active"
    assert done.stdout.splitlines()[-1] == "passive is ready to take over"


def one_target(site: Site) -> None:
    site.cloud.become(STANDBY, "node1", UNHEALTHY, "jdbc")


def stop_node(site: Site) -> None:
    ids = [site.cloud.nodes(STANDBY)["node2"]]
    site.cloud.client("ec2", KEPT).stop_instances(InstanceIds=ids)


def start_node(site: Site) -> None:
    ids = [site.cloud.nodes(STANDBY)["node2"]]
    site.cloud.client("ec2", KEPT).start_instances(InstanceIds=ids)


PLANTED: dict[str, tuple[int, str, Plant, Plant]] = {
    "an unhealthy target": (
        1,
        "jdbc 1 of 2",
        one_target,
        lambda site: site.cloud.become(STANDBY, "node1", HEALTHY, "jdbc"),
    ),
    "an unhealthy check": (
        2,
        "no healthy node",
        lambda site: site.route53.down.add(STANDBY),
        lambda site: site.route53.down.clear(),
    ),
    "other metadata": (
        3,
        "different since",
        lambda site: site.standby.put_export(STANDBY, "node2", hours=0.5, site_digest="x"),
        lambda site: site.standby.put_export(STANDBY, "node2"),
    ),
    "an old copy": (
        4,
        "active node1 3 d",
        lambda site: site.standby.put_export(ACTIVE, "node1", hours=72),
        lambda site: site.standby.put_export(ACTIVE, "node1"),
    ),
    "an old database copy": (
        5,
        "restorable to ",
        lambda site: setattr(site.standby, "database_age", timedelta(hours=2)),
        lambda site: setattr(site.standby, "database_age", timedelta(minutes=6)),
    ),
    "no licence": (
        6,
        "the License Manager sm:10091: timed out",
        lambda site: setattr(site.agents, "license", 14),
        lambda site: setattr(site.agents, "license", 0),
    ),
    "a stopped node": (7, "node2 is stopped", stop_node, start_node),
    "a lower quota": (
        8,
        "On-Demand vCPUs: 32, but 64 in the active cluster's region",
        lambda site: site.standby.quotas[KEPT].update({ON_DEMAND_QUOTA: 32.0}),
        lambda site: site.standby.quotas[KEPT].update({ON_DEMAND_QUOTA: 64.0}),
    ),
    "another key": (
        9,
        "encryption key not equal",
        lambda site: site.standby.put_export(STANDBY, "node1", encryption_key="f" * 64),
        lambda site: site.standby.put_export(STANDBY, "node1"),
    ),
    "a practice that was too slow": (
        10,
        "took longer than the drill expects",
        lambda site: site.standby.put_practice(timedelta(minutes=1), late=True),
        lambda site: site.standby.put_practice(timedelta(minutes=1)),
    ),
}
"""Faults by name: number of the line that becomes "no", a text of this line, and functions that
plant and repair the fault."""


QUICK = ("an old copy",)
"""Faults that are planted in every test run. `test_standby_lines.py` tests all faults with facts
alone, without a site."""


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, marks=() if fault in QUICK else pytest.mark.long) for fault in PLANTED],
)
def test_a_planted_fault_is_seen_by_its_line_alone(site: Site, check: Check, fault: str) -> None:
    number, seen, plant, repair = PLANTED[fault]
    record_once(site, check)
    plant(site)
    try:
        done = check("--format", "json")
        report = json.loads(done.stdout)
        assert others(report) == {number: "no"}, report["lines"]
        assert seen in report["lines"][number - 1]["seen"]
        assert done.exit_code == exit_codes.NO
        text = check().stdout
        assert re.search(rf"^{number} .*: \S", text, re.MULTILINE)
        assert text.splitlines()[-1].startswith(f"passive is not ready: {number} ")
    finally:
        repair(site)


def test_each_line_has_a_planted_fault() -> None:
    assert sorted(number for number, *_ in PLANTED.values()) == [*range(1, 11)]


@pytest.mark.long
def test_two_planted_faults_are_seen_by_two_lines(site: Site, check: Check) -> None:
    """Plant each fault together with the next one.

    `test_standby_lines.py` tests all pairs, without a site.
    """
    record_once(site, check)
    faults = list(PLANTED.values())
    for faulty in zip(faults, [*faults[1:], faults[0]], strict=True):
        for _, _, plant, _ in faulty:
            plant(site)
        try:
            report = json.loads(check("--format", "json").stdout)
        finally:
            for _, _, _, repair in faulty:
                repair(site)
        assert others(report) == {number: "no" for number, *_ in faulty}, report["lines"]
    assert others(json.loads(check("--format", "json").stdout)) == {}


def test_the_active_region_is_never_called(site: Site, check: Check) -> None:
    """A lost active region changes no line, and no command waits for answers of this region."""
    record_once(site, check)
    before = json.loads(check("--format", "json").stdout)
    site.cloud.calls.forget()
    site.cloud.faults.lose(LOST)
    done = check("--format", "json")
    assert json.loads(done.stdout) == before
    assert LOST not in {call.region for call in site.cloud.calls.made}
    # `--record` leaves out the quotas of the lost region, so those of the earlier record remain.
    record(check)
    assert others(json.loads(check("--format", "json").stdout)) == {}


def test_the_region_of_the_switch_is_not_called_either(site: Site, check: Check) -> None:
    """After a failover, the switch is in the lost region; Route 53 is global and still answers."""
    site.cloud.calls.forget()
    lines = json.loads(check("--for", ACTIVE, "--format", "json").stdout)["lines"]
    assert lines[1]["state"] == "ok", lines
    called = {call.region for call in site.cloud.calls.made if call.service != "route53"}
    assert called == {LOST}


@pytest.mark.long
def test_what_is_published(site: Site, check: Check) -> None:
    record(check)
    site.cloud.calls.forget()
    record(check)
    puts = site.cloud.calls.of("PutMetricData")
    assert {call.region for call in puts} == {KEPT}
    assert {call.parameters["Namespace"] for call in puts} == {"Denodo/Failover"}
    values = {
        datum["MetricName"]: (datum["Value"], datum["Dimensions"])
        for call in puts
        for datum in call.parameters["MetricData"]
    }
    dimensions = [{"Name": "Environment", "Value": "denodo70"}]
    assert values["StandbyReady"] == (1.0, dimensions)
    assert values["StandbyExportAge"] == (3600.0, dimensions)
    assert values["StandbyDatabaseAge"] == (360.0, dimensions)
    assert puts[-1].parameters["MetricData"][0]["MetricName"] == "StandbyReady"


def test_the_operators_policies_permit_every_call(site: Site, check: Check) -> None:
    del site.standby.quotas[KEPT][ON_DEMAND_QUOTA]
    site.cloud.calls.forget()
    record(check)
    site.standby.quotas[KEPT][ON_DEMAND_QUOTA] = 64.0
    prefixes = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}
    called = {
        f"{prefixes.get(call.service, call.service)}:{call.operation}"
        for call in site.cloud.calls.made
        if call.service not in {"sts", "s3"}
    }
    permitted: set[str] = set()
    for stack, policy in (("failover", "Operators"), (STANDBY, "NodeOperators")):
        for id_, resource in site.cloud.stack(stack).template["Resources"].items():
            if resource["Type"] == "AWS::IAM::ManagedPolicy" and id_.startswith(policy):
                for statement in resource["Properties"]["PolicyDocument"]["Statement"]:
                    actions = statement["Action"]
                    permitted |= {actions} if isinstance(actions, str) else {*actions}
    assert {"route53:GetAccountLimit", "ssm:SendCommand"} <= called
    assert called - permitted == set()


@pytest.mark.long
def test_without_the_right_to_throw_the_switch(
    site: Site, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.standby.forget_history()
    site.begin(monkeypatch, denied="PutMetricData")
    done = check("--record", "--format", "json")
    assert "warning: the metrics were not published" in done.stderr
    lines = json.loads(done.stdout)["lines"]
    assert lines[9]["state"] == "no"
    assert "cloudwatch:PutMetricData" in lines[9]["seen"]
    assert site.cloud.calls.of("PutObject") == []
    site.is_recorded = False
    site.standby.put_practice(timedelta(minutes=1))


@pytest.mark.long
def test_a_standby_that_does_not_answer_is_unknown(site: Site, check: Check) -> None:
    record_once(site, check)
    site.cloud.faults.lose(KEPT)
    done = check("--format", "json")
    report = json.loads(done.stdout)
    assert done.exit_code == exit_codes.AWS, done.output
    assert set(others(report).values()) == {"unknown"}
    assert {1, 3, 4, 6, 7, 8, 9, 10} <= others(report).keys()


@pytest.mark.long
def test_what_hangs_is_unknown_before_the_deadline(site: Site, check: Check) -> None:
    left: list[float] = []

    def hang(_: Call) -> Answer:
        left.append(deadline.left(1000))
        return error("RequestTimeout", "hangs")

    site.cloud.faults.add(Fault(lambda call: call.operation == "DescribeInstances", hang))
    report = json.loads(check("--format", "json").stdout)
    assert others(report)[7] == "unknown"
    assert 0 < max(left) <= 10


@pytest.mark.long
def test_the_cluster_that_is_not_in_use_is_checked(site: Site, check: Check) -> None:
    site.route53.down.add(ACTIVE)
    assert json.loads(check("--format", "json").stdout)["standby"] == ACTIVE
    site.route53.down.clear()
    assert json.loads(check("--for", ACTIVE, "--format", "json").stdout)["standby"] == ACTIVE
    done = check("--for", "other")
    assert done.exit_code == exit_codes.USAGE


def test_needs_the_configuration(denodo_ha: Run) -> None:
    done = denodo_ha("failover", "check")
    assert done.exit_code == exit_codes.USAGE
    assert "add -c CONFIG" in done.stderr


class TestFailover:
    """`failover to` says which data would be lost. `--require-ready` refuses an unready standby."""

    @pytest.fixture
    def go(self, site: Site, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch) -> Check:
        # Keep the real clock, but let the process be 0 s old: its age counts for the limit of the
        # reads.
        monkeypatch.setattr(process, "age", lambda: 0.0)

        def run(*arguments: str) -> Result:
            return denodo_ha("failover", *arguments, "-c", str(site.config))

        return run

    def test_what_is_lost_is_printed_and_recorded(self, site: Site, go: Check) -> None:
        site.standby.put_export(ACTIVE, "node2", hours=7)
        try:
            site.cloud.faults.lose(LOST)
            done = go("to", STANDBY)
            assert done.exit_code == exit_codes.DONE, done.output
            assert site.route53.thrown == [1.0]
            assert "if active does not come back, what is lost: metadata since " in done.stderr
            assert "(7 h); database since " in done.stderr
            assert "(6 min); jobs' state of the Schedulers: not copied" in done.stderr
            operations = [call.operation for call in site.cloud.calls.changes]
            assert operations == ["PutMetricData", "PutObject"]
            (put,) = site.cloud.calls.of("PutObject")
            written = site.standby.s3().get_object(
                Bucket=put.parameters["Bucket"], Key=put.parameters["Key"]
            )
            assert "metadata since" in json.loads(written["Body"].read())["details"]["lost"]
        finally:
            site.standby.put_export(ACTIVE, "node2")

    @pytest.mark.long
    def test_the_reading_delays_and_refuses_nothing(self, site: Site, go: Check) -> None:
        left: list[float] = []

        def hang(_: Call) -> Answer:
            left.append(deadline.left(1000))
            return error("RequestTimeout", "hangs")

        site.cloud.faults.add(Fault(lambda call: call.operation == "ListObjectsV2", hang))
        done = go("to", STANDBY)
        assert done.exit_code == exit_codes.DONE, done.output
        assert site.route53.thrown == [1.0]
        assert "what is lost: metadata: not known" in done.stderr
        # The read of what would be lost has the same deadline as the other looks before the switch
        # is thrown.
        assert 0 < max(left) <= 3

    def test_a_planned_move_needs_a_ready_standby(
        self, site: Site, check: Check, go: Check
    ) -> None:
        record_once(site, check)
        site.cloud.calls.forget()
        one_target(site)
        try:
            for arguments in (("to", STANDBY), ("from", ACTIVE)):
                done = go(*arguments, "--require-ready")
                assert done.exit_code == exit_codes.REFUSED, done.output
                assert "passive is not ready: 1 healthy targets (no). Nothing was" in done.stderr
            assert site.cloud.calls.changes == [
                call for call in site.cloud.calls.changes if call.operation == "SendCommand"
            ]
        finally:
            site.cloud.become(STANDBY, "node1", HEALTHY, "jdbc")
        done = go("to", STANDBY, "--require-ready")
        assert done.exit_code == exit_codes.DONE, done.output
        assert site.route53.thrown == [1.0]

    def test_a_planned_move_needs_the_configuration(self, site: Site, denodo_ha: Run) -> None:
        where = ("--environment", "denodo70", "--region", KEPT)
        done = denodo_ha("failover", "to", STANDBY, *where, "--require-ready")
        assert done.exit_code == exit_codes.USAGE
        assert "add -c CONFIG" in done.stderr
        assert site.cloud.calls.changes == []
