"""`denodo-ha failover` while calls are not answered, denied or interrupted."""

import itertools

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from denodo_ha.aws import deadline
from denodo_ha.aws.error_translation import UNANSWERED
from denodo_ha.aws.http_session import UnreadableAnswerError
from denodo_ha.cli import exit_codes, process
from denodo_ha.failover import command as failover
from tests.commands.account.calls import Answer, Call, Fault, error
from tests.commands.account.route53 import Route53
from tests.commands.failover.failover_world import Go


def test_works_while_the_primary_s_region_is_lost(world: Route53, go: Go) -> None:
    world.cloud.faults.lose("eu-west-1")
    world.down.add("active")
    shown = go(world, "status")
    assert shown.exit_code == exit_codes.NO
    assert "the targets of active are unknown: AWS does not answer" in shown.stdout
    assert "the check's alarm in eu-west-1 is unknown" in shown.stdout
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    assert world.thrown == [1.0]


def test_moves_while_route53_s_control_plane_is_lost(world: Route53, go: Go) -> None:
    """The control plane, in one region, does not answer; the switch works without this region."""
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
    """Let the datapoint take effect without an answer, and throttle the SDK's repetitions."""

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
    assert "whether AWS has received the datapoint SecondaryActive = 1" in done.stderr
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
        assert "get new credentials" in done.stderr
    assert world.thrown == []


def test_another_account_s_credentials_are_refused(world: Route53, go: Go) -> None:
    """A datapoint in another account would have no effect, so the command refuses."""
    world.cloud.caller = "999988887777"
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.REFUSED
    assert "is in account 111122223333, and these credentials are of account 999988887777" in (
        done.stderr
    )
    assert world.cloud.calls.changes == []


def test_an_interrupted_wait_says_that_the_site_moves(
    world: Route53, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world.cloud.clock, "sleep", interrupt)
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.INTERRUPTED
    assert "set to passive and remains set, so DNS will answer with passive" in done.stderr
    assert world.thrown == [1.0]


def test_an_interrupted_put_says_that_it_is_not_known(world: Route53, go: Go) -> None:
    world.cloud.faults.interrupt("PutMetricData")
    done = go(world, "to", "passive")
    assert done.exit_code == exit_codes.INTERRUPTED
    assert "not known whether AWS has received" in done.stderr


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
"""Actions that only `failover check` calls. No test of this module runs that command; the command's
own tests compare its calls with the policies."""


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
        # Leave out `sts`, since GetCallerIdentity needs no permission (AWS, STS API), and `s3`,
        # since this example has no exports and therefore no bucket of the history.
        if call.service not in {"sts", "s3"}
    }
    (policy,) = [
        resource["Properties"]["PolicyDocument"]["Statement"]
        for resource in world.cloud.stack("failover").template["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    actions = [one["Action"] for one in policy]
    permitted = {one for of in actions for one in ([of] if isinstance(of, str) else of)}
    # The policy also has the actions of other commands that the operators use: `status` reads the
    # load balancers, `failover check` reads the standby, and `failover practice` holds the locks of
    # both clusters.
    status = {"elasticloadbalancing:DescribeLoadBalancers"}
    practice = {f"ssm:{verb}Parameter" for verb in ("Delete", "Get", "Put")}
    assert called | status | practice | {*OF_CHECK} == permitted


LOST = "eu-west-1"
SERVICES = ("route53", "sts", "cloudformation", "elbv2", "cloudwatch")
"""Services whose calls fail in every combination of the test; only the datapoint of the switch
arrives."""


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
    """The datapoint is put within 10 s of the process's start, whichever services do not answer.

    The latest time of the datapoint is the latest deadline of the calls before it. `age` is how
    long the process has already run, as on a slow machine.
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
    """The health check still shows the switch as thrown, but DNS answers with the primary."""
    assert go(world, "to", "passive").exit_code == exit_codes.DONE
    # The switch's health check shows the switch as thrown, and the secondary is unhealthy, so DNS
    # still answers with the primary.
    world.down.add("passive")
    world.silent.add("passive")
    process.set_state_left("")
    done = go(world, "to", "passive", "--timeout", "60")
    assert world.thrown == [1.0, 1.0], done.output
    # Text that the process prints after a second Ctrl-C.
    assert "SecondaryActive = 1" in process._state_left  # noqa: SLF001 - printed only at the end of the process
    assert "put SecondaryActive = 1" in done.stderr
