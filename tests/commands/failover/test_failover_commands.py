"""`denodo-ha failover`: output, datapoints and refusals, also while a region is lost."""

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws
from typer.testing import Result

from denodo_ha.aws import deadline
from denodo_ha.aws.error_translation import UNANSWERED
from denodo_ha.aws.http_session import UnreadableAnswerError
from denodo_ha.cli import exit_codes, process
from denodo_ha.environment.loading.loader import load
from denodo_ha.failover import command as failover
from tests.commands.account.calls import Answer, Call, Fault, error
from tests.commands.account.cloud import Cloud
from tests.commands.account.route53 import Route53
from tests.support.assembly import ROOT, Template

Go = Callable[..., Result]
TemplatesOf = Callable[[Path], Mapping[str, Template]]
PUT = {
    "Namespace": "Denodo/Failover",
    "MetricData": [
        {
            "MetricName": "SecondaryActive",
            "Dimensions": [{"Name": "Environment", "Value": "denodo70"}],
            "Value": 1.0,
        }
    ],
}


@pytest.fixture(scope="module")
def shared(templates_of: TemplatesOf) -> Iterator[Cloud]:
    """Deploy the active-passive example once: the commands here change only a metric."""
    file = ROOT / "config/examples/active-passive.yaml"
    with mock_aws(), pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith("AWS_")]:
            patch.delenv(key)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        cloud = Cloud(load(file).environment, templates_of(file))
        cloud.install(patch)
        cloud.deploy()
        yield cloud


@pytest.fixture
def world(shared: Cloud) -> Iterator[Route53]:
    caller = shared.caller
    yield Route53(shared)
    shared.faults.heal()
    shared.calls.made.clear()
    shared.caller = caller


@pytest.fixture
def go(denodo_ha: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> Go:
    """Return a function that runs `denodo-ha failover …`."""

    def go(world: Route53, *arguments: str, config: str = "active-passive") -> Result:
        world.begin(monkeypatch)
        return denodo_ha("failover", *arguments, *(("-c", config) if config else ()))

    return go


def test_status_shows_the_answer_of_each_source(world: Route53, go: Go) -> None:
    done = go(world, "status")
    assert done.exit_code == exit_codes.DONE, done.output
    lines = done.output.splitlines()
    assert lines[0] == "denodo.example.com"
    for source in ("this machine's resolver", "Route 53 (TestDNSAnswer)", "the health checks"):
        (line,) = [row for row in lines if row.startswith(source)]
        assert "active (primary)" in line
    assert "The switch, in eu-central-1, is set to active (primary)" in lines
    assert "8 of 8 checkers succeed" in done.output
    assert "service jdbc" in done.output
    assert world.cloud.calls.changes == []


def test_json_has_every_health_check(world: Route53, go: Go) -> None:
    world.down.add("passive")
    done = go(world, "status", "--format", "json")
    assert done.exit_code == exit_codes.NO
    report = json.loads(done.stdout)
    switch = {"region": "eu-central-1", "namespace": "Denodo/Failover", "at": "active"}
    assert report["switch"] == switch
    assert {one["cluster"] for one in report["answered"]} == {"active"}
    active, passive = report["sides"]
    assert [active["check"]["kind"], *(one["kind"] for one in active["check"]["children"])] == [
        "calculated",
        "alarm",
        "alarm",
        "switch",
    ]
    assert (passive["state"], passive["check"]["state"]) == ("unhealthy", "unhealthy")
    assert "Failure: no healthy node" in passive["reason"]


@pytest.mark.parametrize(
    ("down", "code", "answered"),
    [
        ((), exit_codes.DONE, "active"),
        (("active",), exit_codes.NO, "passive"),
        (("passive",), exit_codes.NO, "active"),
        (("active", "passive"), exit_codes.DOWN, "active"),
    ],
)
def test_status_ends_as_the_sides_are(
    world: Route53, go: Go, down: tuple[str, ...], code: int, answered: str
) -> None:
    world.down |= {*down}
    done = go(world, "status", "--format", "json")
    assert done.exit_code == code
    # The answers of the resolver and of Route 53 agree with the one computed by Route 53's rules.
    assert [one["cluster"] for one in json.loads(done.stdout)["answered"]] == [answered] * 3


def test_moves_by_one_datapoint_in_the_region_of_the_switch(world: Route53, go: Go) -> None:
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE, done.output
    (put,) = world.cloud.calls.changes
    assert (put.operation, put.region, put.parameters) == ("PutMetricData", "eu-central-1", PUT)
    assert world.answered == "passive"
    assert (
        "denodo.example.com leads to passive after 75 s, according to this machine's resolver"
        in done.stdout
    )


def test_a_second_move_puts_nothing(world: Route53, go: Go) -> None:
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "leads to passive already, and the switch is set to it" in done.stdout
    assert world.thrown == [1.0]


@pytest.mark.parametrize("arguments", [("back",), ("to", "active")])
def test_moves_back(world: Route53, go: Go, arguments: tuple[str, ...]) -> None:
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    assert go(world, *arguments).exit_code == exit_codes.DONE
    assert (world.thrown, world.answered) == ([1.0, 0.0], "active")


def test_leaves_a_cluster_and_restores_it(world: Route53, go: Go) -> None:
    """Scripts run these commands while the Solution Manager deploys to each cluster in turn."""
    before = world.cloud.clock.monotonic()
    done = go(world, "from", "active")
    assert done.exit_code == exit_codes.DONE, done.output
    assert done.stdout.endswith("no new client is sent to active\n")
    assert (world.answered, world.thrown) == ("passive", [1.0])
    # Clients may cache the old answer for a while after DNS has changed.
    assert world.cloud.clock.monotonic() - before >= 75 + failover.CLIENTS_S
    world.down.add("active")
    world.cloud.clock.at(world.cloud.clock.monotonic() + 40, lambda: world.down.discard("active"))
    done = go(world, "restore", "active")
    assert done.exit_code == exit_codes.DONE, done.output
    assert (world.answered, world.thrown) == ("active", [1.0, 0.0])
    for command in ("from", "restore"):
        done = go(world, command, "passive")
        assert done.exit_code == exit_codes.DONE, done.output
    assert (world.answered, world.thrown) == ("active", [1.0, 0.0])
    assert "passive is the secondary; the failover is as it was" in done.stdout


def test_does_not_leave_a_cluster_for_one_that_is_not_healthy(world: Route53, go: Go) -> None:
    world.down.add("passive")
    done = go(world, "from", "active")
    assert done.exit_code == exit_codes.REFUSED
    assert "passive is not healthy" in done.stderr
    assert world.cloud.calls.changes == []
    done = go(world, "restore", "passive", "--timeout", "30")
    assert done.exit_code == exit_codes.FAILED
    assert "passive is not healthy after 30 s" in done.stderr
    assert go(world, "from", "other").exit_code == exit_codes.USAGE


def test_does_nothing_on_a_dry_run(world: Route53, go: Go) -> None:
    done = go(world, "to", "passive", "--dry-run")
    assert done.exit_code == exit_codes.DONE
    assert "would put SecondaryActive = 1 (Environment denodo70)" in done.stdout
    assert world.cloud.calls.changes == []


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_refuses_a_secondary_that_is_not_healthy(
    world: Route53, go: Go, dry_run: tuple[str, ...]
) -> None:
    world.down.add("passive")
    done = go(world, "to", "passive", *dry_run)
    assert done.exit_code == exit_codes.REFUSED
    assert "passive is not healthy (0 of 8 checkers succeed" in done.stderr
    assert "no option can force it: Route 53 decides" in done.stderr
    assert "neither side is healthy it answers with the primary, active" in done.stderr
    assert world.cloud.calls.changes == []


def test_refuses_to_go_back_to_a_primary_that_is_not_healthy(world: Route53, go: Go) -> None:
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    world.down.add("active")
    done = go(world, "back")
    assert done.exit_code == exit_codes.REFUSED
    assert "active is not healthy" in done.stderr
    assert "health checks pass" in done.stderr
    assert world.thrown == [1.0]


def test_holds_a_site_that_has_moved_by_itself(world: Route53, go: Go) -> None:
    """Without the switch, DNS would fail back as soon as the primary is healthy again."""
    world.down.add("active")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE, done.output
    assert (
        "still leads to passive after 75 s, according to the switch's health check" in done.stdout
    )
    world.down.clear()
    assert world.answered == "passive"


def test_says_when_dns_does_not_follow(world: Route53, go: Go) -> None:
    world.deaf = True
    done = go(world, "to", "passive", "--timeout", "120")
    assert done.exit_code == exit_codes.FAILED
    assert "after 120 s DNS does not answer with passive yet" in done.stderr
    assert "192.0.2.1" in done.stderr
    # The datapoint may be lost, for example because of another datapoint in the same minute, so
    # the next command sends it again.
    world.deaf = False
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    assert world.thrown == [1.0, 1.0]


def test_asks_route53_where_this_machine_resolves_nothing(world: Route53, go: Go) -> None:
    world.resolves = False
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "according to Route 53 (TestDNSAnswer)" in done.stdout


def test_the_health_checks_decide_if_no_resolver_answers(world: Route53, go: Go) -> None:
    """The zone is private, and this machine is outside its VPCs."""
    world.resolves = world.public = False
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "according to the health checks, by Route 53's rules" in done.stdout


def test_works_without_the_file(world: Route53, go: Go) -> None:
    where = ("--environment", "denodo70", "--region", "eu-central-1")
    assert go(world, "status", *where, config="").exit_code == exit_codes.DONE
    assert go(world, "to", "passive", *where, config="").exit_code == exit_codes.DONE
    (put, *entries) = world.cloud.calls.changes
    assert put.parameters == PUT
    # Without the file, it is not known whether there is a bucket for the history.
    assert {entry.operation for entry in entries} == {"PutObject"}


WRONG_OPTIONS = (
    (("to", "pasive"), "active-passive", "does not fail over to pasive; its primary is active"),
    (("status",), "active-active", "has no failover"),
    (("status",), "", "which environment?"),
    (("status", "--environment", "denodo70"), "active-passive", "both name an environment"),
    (("status", "--region", "eu-west-1"), "active-passive", "--region is for --environment"),
    (("status", "--environment", "x", "--region", "eu-west-1"), "", "no stack x-failover"),
)


def test_says_what_is_wrong_with_the_options(world: Route53, go: Go) -> None:
    for arguments, config, said in WRONG_OPTIONS:
        done = go(world, *arguments, config=config)
        assert done.exit_code == exit_codes.USAGE
        assert said in done.stderr
    assert world.cloud.calls.changes == []


def test_works_while_the_primary_s_region_is_lost(world: Route53, go: Go) -> None:
    world.cloud.faults.lose("eu-west-1")
    world.down.add("active")
    shown = go(world, "status")
    assert shown.exit_code == exit_codes.NO
    assert "the targets of active are unknown: AWS does not answer" in shown.stdout
    assert "its alarm in eu-west-1 is unknown" in shown.stdout
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    assert world.thrown == [1.0]


def test_moves_while_route53_s_control_plane_is_lost(world: Route53, go: Go) -> None:
    """The control plane is in one region; the switch and DNS answers do not depend on it."""
    answer = error("ServiceUnavailable", "try later", 503)
    world.cloud.faults.add(Fault(lambda call: call.service == "route53", lambda _: answer))
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE, done.output
    assert "it is not known whether passive is healthy" in done.stderr
    assert world.thrown == [1.0]


@pytest.mark.parametrize("operation", ["GetHealthCheckStatus", "GetHealthCheck", "DescribeAlarms"])
def test_throttled_looks_are_said_to_be_unknown(world: Route53, go: Go, operation: str) -> None:
    world.cloud.faults.throttle(operation)
    done = go(world, "status")
    assert done.exit_code == (exit_codes.DONE if operation == "DescribeAlarms" else exit_codes.AWS)
    assert "AWS throttles" in done.stdout


def test_a_move_that_is_throttled_has_moved_nothing(world: Route53, go: Go) -> None:
    world.cloud.faults.throttle("PutMetricData")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.AWS
    assert "AWS throttles cloudwatch:PutMetricData in eu-central-1" in done.stderr
    assert world.thrown == []


def put_and_refuse(world: Route53) -> None:
    """Let the datapoint take effect without an answer, and throttle the SDK's later attempts."""

    def happen(call: Call) -> Answer:
        world.put(call)
        response, parsed = error("Throttling", "Rate exceeded")
        parsed["ResponseMetadata"][UNANSWERED] = True
        return response, parsed

    world.cloud.faults.add(Fault(lambda call: call.operation == "PutMetricData", happen))


def test_a_refusal_after_a_lost_answer_does_not_mean_that_the_switch_is_not_thrown(
    world: Route53, go: Go
) -> None:
    put_and_refuse(world)
    done = go(world, "to", "passive")
    assert "nothing was changed" not in done.stderr
    assert "it is not known whether AWS has got SecondaryActive = 1" in done.stderr
    assert done.exit_code == exit_codes.DONE, done.output


def test_the_time_until_the_effect_was_seen_counts(world: Route53, go: Go) -> None:
    put_and_refuse(world)
    clock = world.cloud.clock
    clock.at(clock.monotonic() + 10, lambda: world.down.add("passive"))
    done = go(world, "to", "passive", "--timeout", "200")
    assert done.exit_code == exit_codes.FAILED
    assert "after 200 s DNS does not answer with passive yet" in done.stderr


def test_a_move_that_is_not_permitted_names_the_permission(world: Route53, go: Go) -> None:
    world.cloud.faults.deny("PutMetricData")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.AWS
    assert "allow cloudwatch:PutMetricData" in done.stderr
    assert world.thrown == []


def test_who_may_only_throw_the_switch_can(world: Route53, go: Go) -> None:
    world.cloud.faults.deny("ListResourceRecordSets")
    world.cloud.faults.deny("DescribeTargetHealth")
    shown = go(world, "status")
    assert shown.exit_code == exit_codes.AWS
    assert "allow route53:ListResourceRecordSets" in shown.stdout
    assert go(world, "to", "passive").exit_code == exit_codes.DONE


def test_expired_credentials_end_it(world: Route53, go: Go) -> None:
    world.cloud.faults.expire("ListResourceRecordSets")
    for arguments in (("status",), ("to", "passive")):
        done = go(world, *arguments)
        assert done.exit_code == exit_codes.AWS
        assert "get new ones" in done.stderr
    assert world.thrown == []


def test_another_account_s_credentials_are_refused(world: Route53, go: Go) -> None:
    """A datapoint in another account would have no effect, so the command refuses."""
    world.cloud.caller = "999988887777"
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.REFUSED
    assert "is in account 111122223333, and these credentials are of 999988887777" in done.stderr
    assert world.cloud.calls.changes == []


def test_an_interrupted_wait_says_that_the_site_moves(
    world: Route53, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.cloud.clock, "sleep", interrupt)
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.INTERRUPTED
    assert "the switch is set to passive and remains set, so DNS will follow" in done.stderr
    assert world.thrown == [1.0]


def test_an_interrupted_put_says_that_it_is_not_known(world: Route53, go: Go) -> None:
    world.cloud.faults.interrupt("PutMetricData")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.INTERRUPTED
    assert "not known whether it was put" in done.stderr


def test_a_check_that_nobody_reports_on_is_unknown(world: Route53, go: Go) -> None:
    world.silent.add("passive")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.DONE
    assert "warning: it is not known whether passive is healthy" in done.stderr


OF_CHECK = (
    *("ec2:DescribeCapacityReservations", "ec2:DescribeInstances", "route53:GetAccountLimit"),
    *("elasticloadbalancing:DescribeAccountLimits", "rds:DescribeDBInstanceAutomatedBackups"),
    *("servicequotas:GetAWSDefaultServiceQuota", "servicequotas:GetServiceQuota"),
)
"""Actions that only `failover check` calls; its own tests compare its calls with the policies."""


def test_the_policy_permits_every_call_and_no_other(world: Route53, go: Go) -> None:
    world.down.add("passive")
    go(world, "status")
    world.down.clear()
    where = ("--environment", "denodo70", "--region", "eu-central-1")
    go(world, "to", "passive", *where, config="")
    prefixes = {"elbv2": "elasticloadbalancing"}
    called = {
        f"{prefixes.get(call.service, call.service)}:{call.operation}"
        for call in world.cloud.calls.made
        # GetCallerIdentity needs no permission (AWS, STS API), and there is no bucket of the
        # history without exports.
        if call.service not in {"sts", "s3"}
    }
    (policy,) = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in world.cloud.stack("failover").template["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    actions = [one["Action"] for one in policy]
    permitted = {one for of in actions for one in ([of] if isinstance(of, str) else of)}
    # The same operators use `denodo-ha status`, which reads the load balancers, check the standby,
    # and practise, for which they hold the locks of both clusters.
    status = {"elasticloadbalancing:DescribeLoadBalancers"}
    practice = {f"ssm:{verb}Parameter" for verb in ("Delete", "Get", "Put")}
    assert called | status | practice | {*OF_CHECK} == permitted


LOST = "eu-west-1"
SERVICES = ("route53", "sts", "cloudformation", "elbv2", "cloudwatch")
"""Services whose calls fail everywhere, except for the datapoint in the switch's region."""


@pytest.mark.parametrize(
    ("age", "options", "sizes"),
    [
        (4.0, (), (0, 1, 5)),
        pytest.param(4.0, (), (2, 3, 4), marks=pytest.mark.long),
        (0.0, ("--dry-run",), (0, 5)),
        (9.0, (), (0, 5)),
    ],
)
def test_every_look_ends_before_the_switch_is_due(
    world: Route53,
    go: Go,
    monkeypatch: pytest.MonkeyPatch,
    *,
    age: float,
    options: tuple[str, ...],
    sizes: tuple[int, ...],
) -> None:
    """The datapoint is put within 10 s of the process's start, whatever does not answer.

    Each call before the datapoint has a deadline; the latest one is the latest time of the
    datapoint. The process is `age` seconds old, as on a slow machine.
    """
    monkeypatch.setattr(process, "age", lambda: age)
    errors = itertools.cycle(
        (
            ReadTimeoutError(endpoint_url="https://hangs"),
            EndpointConnectionError(endpoint_url="https://refuses"),
            UnreadableAnswerError(endpoint_url="https://rubbish", reason="<html>"),
        )
    )
    for dead in itertools.chain(*(itertools.combinations(SERVICES, size) for size in sizes)):
        before: list[float] = []
        put: list[Call] = []

        def look(
            call: Call,
            dead: tuple[str, ...] = dead,
            before: list[float] = before,
            put: list[Call] = put,
        ) -> None:
            if call.operation == "PutMetricData":
                put.append(call)
                return
            if not put:
                before.append(deadline.left(1000))
            if call.region == LOST or call.service in dead:
                raise next(errors)

        world.cloud.faults.add(Fault(lambda _: True, look))
        done = go(Route53(world.cloud), "to", "passive", "--timeout", "60", *options)
        assert len(put) == (0 if options else 1), (dead, done.output)
        assert before, dead
        latest = max(failover.SWITCH_S, age + failover.LEAST_LOOK_S)
        assert age + max(before) <= latest, dead
        assert done.stderr.startswith("looking for the failover of active-passive\n")
        world.cloud.faults.heal()


def test_a_switch_that_was_just_set_back_is_thrown_again(world: Route53, go: Go) -> None:
    """The switch's health check still shows the earlier datapoint; DNS answers the primary."""
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    # The check shows the switch as set, and DNS does not follow: the secondary was unhealthy.
    world.down.add("passive")
    world.silent.add("passive")
    process.set_state_left("")
    done = go(world, "to", "passive", "--timeout", "60")
    assert world.thrown == [1.0, 1.0], done.output
    # The output after a second Ctrl-C.
    assert "SecondaryActive = 1" in process._state_left  # noqa: SLF001 - printed only at the end of the process
    assert "put SecondaryActive = 1" in done.stderr
