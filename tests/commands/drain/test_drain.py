"""`denodo-ha drain` takes a node out of its shared target groups, or undoes its changes."""

import contextlib
from contextvars import Context

import pytest
from typer.testing import Result

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import UNANSWERED
from denodo_ha.aws.lock import Lock
from denodo_ha.cli import exit_codes, process
from denodo_ha.drain import command
from tests.commands.account.calls import Answer, Call, Fault, error
from tests.commands.account.cloud import Cloud
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Clouds, Run

SHARED = ("jdbc", "odbc", "web")
LOCK = "/denodo/denodo70/active/.lock"


@pytest.fixture
def cloud(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = clouds("active-passive", "active")
    # Shorten the deregistration delay, so that the test takes less time.
    cloud.targets.hurry(30)
    monkeypatch.setattr(command, "real_clock", lambda: cloud.clock)
    return cloud


@pytest.fixture
def go(denodo_ha: Run) -> Run:
    """Return a function that runs `denodo-ha drain NODE …` on the active cluster."""

    def go(*arguments: str) -> Result:
        done = denodo_ha("drain", *arguments, "--cluster", "active", "-c", "active-passive")
        assert "Traceback" not in done.output
        assert "fault of denodo-ha" not in done.output
        return done

    return go


def inside(cloud: Cloud, node: str = "node1") -> list[bool]:
    """Return True for each target group that contains a node, and False for the others.

    The shared target groups come first, then the node's auxiliary target group.
    """
    return [node in cloud.registered("active", group) for group in (*SHARED, node)]


def is_as_before(cloud: Cloud) -> bool:
    return inside(cloud) == [True] * 4 and cloud.mark("active", "node1") is None


def is_drained(cloud: Cloud, node: str = "node1") -> bool:
    return (
        inside(cloud, node) == [False, False, False, True]
        and cloud.mark("active", node) is not None
    )


def is_locked(cloud: Cloud) -> bool:
    client = cloud.client("ssm", "eu-west-1")
    return bool(client.get_parameters(Names=[LOCK])["Parameters"])


def changes(cloud: Cloud) -> list[str]:
    """Return the calls that change resources, except those that acquire or release the lock."""
    return [call.operation for call in cloud.calls.changes if call.service != "ssm"]


def test_leaves_the_shared_groups_waits_and_says_so(cloud: Cloud, go: Run) -> None:
    cloud.targets.hurry(300)
    done = go("node1", "--why", "a promotion")
    assert done.exit_code == exit_codes.DONE, done.output
    assert is_drained(cloud)
    assert cloud.clock.monotonic() >= 300
    assert "active node1 is out of jdbc, odbc, web; its auxiliary port 19997 stays" in done.stdout
    assert "jdbc draining" in done.stderr
    found = cloud.mark("active", "node1")
    assert found is not None
    assert found.why == "a promotion"
    assert "@" in found.who
    assert not is_locked(cloud)


def test_again_changes_nothing_and_keeps_the_mark(cloud: Cloud, go: Run) -> None:
    go("node1", "--why", "a promotion")
    before, passed = cloud.mark("active", "node1"), cloud.clock.monotonic()
    cloud.calls.forget()
    done = go("node1")
    assert done.exit_code == exit_codes.DONE
    assert "was out already" in done.stdout
    assert (changes(cloud), cloud.mark("active", "node1")) == ([], before)
    assert cloud.clock.monotonic() == passed


def test_the_mark_of_a_command_that_would_bring_it_back_is_replaced(cloud: Cloud, go: Run) -> None:
    go("node1", "--why", "denodo-ha roll")
    assert go("node1").exit_code == exit_codes.DONE
    found = cloud.mark("active", "node1")
    assert found is not None
    assert found.why == "maintenance"


def test_dry_run_changes_nothing(cloud: Cloud, go: Run) -> None:
    done = go("node1", "--dry-run")
    assert done.exit_code == exit_codes.DONE
    assert "would leave jdbc, odbc, web; its connections have 300 s to end" in done.stdout
    assert "active node1: its drain tag would be: since " in done.stdout
    assert cloud.calls.changes == []


def test_the_last_healthy_node_stays(cloud: Cloud, go: Run) -> None:
    cloud.become("active", "node2", UNHEALTHY, "odbc")
    done = go("node1")
    assert done.exit_code == exit_codes.REFUSED
    assert "--force" in done.stderr
    assert "--minimum" not in done.stderr
    assert changes(cloud) == []
    assert go("node1", "--force").exit_code == exit_codes.DONE
    assert is_drained(cloud)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["node3"], exit_codes.USAGE, "did you mean node"),
        (
            ["node1", "--timeout", "60"],
            exit_codes.USAGE,
            "less than the deregistration delay of 300 s",
        ),
    ],
)
def test_nothing_is_changed_by_what_cannot_be(
    cloud: Cloud, go: Run, arguments: list[str], code: int, said: str
) -> None:
    done = go(*arguments)
    assert (done.exit_code, changes(cloud)) == (code, [])
    assert said in done.stderr


def test_a_node_without_a_balancer(clouds: Clouds, denodo_ha: Run) -> None:
    cloud = clouds("standalone-failover")
    cluster = next(iter(cloud.environment.clusters))
    (node,) = cloud.nodes(cluster)
    done = denodo_ha("drain", node, "--cluster", cluster, "-c", "standalone-failover")
    assert done.exit_code == exit_codes.USAGE
    assert "cannot be taken out of a target group" in done.stderr
    assert changes(cloud) == []


def test_an_instance_that_is_gone_is_not_drained(cloud: Cloud, go: Run) -> None:
    cloud.terminate("active", "node1")
    done = go("node1")
    assert done.exit_code == exit_codes.REFUSED
    assert "is terminated" in done.stderr
    assert changes(cloud) == []


def test_ctrl_c_at_each_change(cloud: Cloud, go: Run) -> None:
    """An interruption before or after any change leaves the node in service or drained."""
    cloud.targets.hurry(1)
    seen = set()
    for after in (False, True):
        # Changing calls of a drain, in this order: take the lock, put a datapoint of the
        # suppressor, set the drain tag, renew the lock, deregister from three target groups, renew
        # the lock, hold the watchdog.
        for on in range(1, 10):
            cloud.faults.interrupt(on=on, changing=True, after=after)
            done = go("node1")
            cloud.faults.heal()
            assert done.exit_code == exit_codes.INTERRUPTED, (on, after, done.output)
            assert is_as_before(cloud) or is_drained(cloud), (on, after)
            if is_drained(cloud):
                assert "node1 is out of jdbc, odbc, web, and has a drain tag" in done.stderr
            else:
                assert any(said in done.stderr for said in ("undone", "nothing was changed"))
            seen.add(is_drained(cloud))
            # The next `drain` waits until the lock of the interrupted command has expired, and
            # succeeds.
            assert go("node1").exit_code == exit_codes.DONE
            assert is_drained(cloud)
            cloud.put_in("active", "node1")
            id_ = cloud.nodes("active")["node1"]
            cloud.client("ec2", "eu-west-1").delete_tags(
                Resources=[id_], Tags=[{"Key": "denodo:drained"}]
            )
            cloud.clock.sleep(60)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("fault", "operation"),
    [
        ("throttle", "CreateTags"),
        ("throttle", "DeregisterTargets"),
        ("deny", "DeregisterTargets"),
        ("expire", "DeregisterTargets"),
        ("break_down", "DeregisterTargets"),
    ],
)
def test_a_failure_half_way_is_undone(cloud: Cloud, go: Run, fault: str, operation: str) -> None:
    getattr(cloud.faults, fault)(operation, on=2 if operation == "DeregisterTargets" else 1)
    done = go("node1")
    assert done.exit_code == exit_codes.AWS
    assert "The drain was undone: node1 is as before" in done.stderr
    assert is_as_before(cloud)
    assert not is_locked(cloud)


@pytest.mark.parametrize("on", [1, 2])
def test_undoing_restores_the_earlier_drain_tag(cloud: Cloud, go: Run, on: int) -> None:
    """The tag is from an earlier drain, after which a deploy registered the node again."""
    id_ = cloud.nodes("active")["node1"]
    text = "2026-01-01T00:00:00+00:00 ann@desk new disk"
    cloud.client("ec2", "eu-west-1").create_tags(
        Resources=[id_], Tags=[{"Key": "denodo:drained", "Value": text}]
    )
    cloud.faults.deny("DeregisterTargets", on=on)
    done = go("node1", "--why", "promotion")
    assert done.exit_code == exit_codes.AWS
    assert "The drain was undone: node1 is as before" in done.stderr
    assert inside(cloud) == [True] * 4
    tag = cloud.mark("active", "node1")
    assert tag is not None
    assert tag.text == text


def test_what_cannot_be_undone_is_said(cloud: Cloud, go: Run) -> None:
    cloud.faults.expire("DeregisterTargets", on=2)
    cloud.faults.expire("RegisterTargets")
    done = go("node1")
    assert done.exit_code == exit_codes.AWS
    assert "could not be undone" in done.stderr
    assert "node1 may be out of jdbc, odbc, and have a drain tag" in done.stderr
    cloud.faults.heal()
    assert go("node1").exit_code == exit_codes.DONE
    assert is_drained(cloud)


def test_a_lock_that_aws_refuses_changes_nothing(cloud: Cloud, go: Run) -> None:
    cloud.faults.deny("PutParameter")
    done = go("node1")
    assert done.exit_code == exit_codes.AWS
    assert "allow ssm:PutParameter" in done.stderr
    assert "nothing was changed" in done.stderr
    assert is_as_before(cloud)


def test_another_node_s_drain_tag_is_believed(cloud: Cloud, go: Run) -> None:
    """A drain tag outweighs target health, which may be out of date just after a drain."""
    id_ = cloud.nodes("active")["node2"]
    tags = [{"Key": "denodo:drained", "Value": "2026-01-01T00:00:00Z ann@desk new disk"}]
    cloud.client("ec2", "eu-west-1").create_tags(Resources=[id_], Tags=tags)
    done = go("node1")
    assert done.exit_code == exit_codes.REFUSED
    assert "node2 (healthy, but it has a drain tag, since 2026-01-01" in done.stderr
    assert cloud.mark("active", "node1") is None
    assert go("node1", "--force").exit_code == exit_codes.DONE


def test_another_node_that_leaves_meanwhile_undoes_it(cloud: Cloud, go: Run) -> None:
    def leave(_: object) -> None:
        cloud.take_out("active", "node2")

    cloud.faults.add(Fault(lambda call: call.operation == "CreateTags", leave, on=1))
    done = go("node1")
    assert done.exit_code == exit_codes.FAILED
    assert "0 healthy nodes would be left" in done.stderr
    assert "The drain was undone: node1 is as before" in done.stderr
    assert "othing was changed" not in done.stderr
    assert cloud.mark("active", "node1") is None
    assert "node1" in cloud.registered("active", "jdbc")


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_deregistration_that_arrives_after_the_undo_is_undone(
    cloud: Cloud, go: Run, *, interrupted: bool
) -> None:
    """DeregisterTargets fails with Ctrl-C or a lost answer, and takes effect 3 s later."""

    def late(_: Call) -> Answer:
        now = cloud.clock.monotonic()
        cloud.clock.at(now + 3, lambda: cloud.take_out("active", "node1", "jdbc"))
        if interrupted:
            raise KeyboardInterrupt
        response, parsed = error("Throttling", "Rate exceeded")
        parsed["ResponseMetadata"][UNANSWERED] = True
        return response, parsed

    cloud.faults.add(Fault(lambda call: call.operation == "DeregisterTargets", late, on=1))
    done = go("node1")
    assert done.exit_code == (exit_codes.INTERRUPTED if interrupted else exit_codes.AWS)
    assert "The drain was undone: node1 is as before" in done.stderr
    cloud.clock.sleep(3)
    assert all("node1" in cloud.registered("active", group) for group in ("jdbc", "odbc", "web"))
    assert cloud.mark("active", "node1") is None


def test_a_node_that_is_put_back_meanwhile_is_said_to_serve(cloud: Cloud, go: Run) -> None:
    cloud.clock.at(30, lambda: cloud.put_in("active", "node1"))
    done = go("node1")
    assert done.exit_code == exit_codes.FAILED
    assert "node1 was put back meanwhile, into jdbc, odbc, web, and gets new conn" in done.stderr
    assert cloud.clock.monotonic() < 60


def test_a_lock_that_remains_is_named(cloud: Cloud, go: Run) -> None:
    cloud.faults.expire("DescribeStacks")
    cloud.faults.expire("DeleteParameter")
    done = go("node1")
    assert done.exit_code == exit_codes.AWS
    assert "no node was changed" in done.stderr
    assert "othing was changed" not in done.stderr
    assert "/denodo/denodo70/active/.lock could not be released" in done.stderr
    assert "--take-over" in done.stderr


def test_a_second_ctrl_c_never_says_that_nothing_was_changed(cloud: Cloud, go: Run) -> None:
    """The message says only that no node was changed, since the lock may remain."""
    texts: list[str] = []

    def note(_: Call) -> None:
        texts.append(process._state_left)  # noqa: SLF001 - printed by the second signal

    cloud.faults.add(Fault(lambda call: call.service == "ssm", note))
    assert go("node1").exit_code == exit_codes.DONE
    assert (
        texts[0]
        == "no node was changed. The cluster's lock may remain for up to 5 minutes. To see the "
        "state: `denodo-ha status -c active-passive`"
    )
    assert not [text for text in texts if "othing was changed" in text]


def test_throttled_while_it_waits(cloud: Cloud, go: Run) -> None:
    cloud.faults.throttle("DescribeTargetHealth", on=15)
    assert go("node1").exit_code == exit_codes.DONE
    assert is_drained(cloud)


def test_expired_while_it_waits(cloud: Cloud, go: Run) -> None:
    cloud.faults.expire("DescribeTargetHealth", on=15)
    done = go("node1")
    assert done.exit_code == exit_codes.AWS
    assert "Run the command again to wait until they have ended" in done.stderr
    assert is_drained(cloud)


def test_interrupted_while_it_waits_and_run_again(cloud: Cloud, go: Run) -> None:
    cloud.clock.at(15, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    done = go("node1")
    assert done.exit_code == exit_codes.INTERRUPTED
    assert "its connections end within 300 s" in done.stderr
    assert is_drained(cloud)
    cloud.calls.forget()
    assert go("node1").exit_code == exit_codes.DONE
    assert changes(cloud) == []
    assert cloud.clock.monotonic() >= 30


def test_slower_than_its_delay(cloud: Cloud, go: Run) -> None:
    cloud.targets.hurry(600)
    done = go("node1", "--timeout", "400")
    assert done.exit_code == exit_codes.FAILED
    assert "node1 has not left its target groups after 400 s: jdbc draining" in done.stderr
    assert is_drained(cloud)
    assert go("node1", "--timeout", "400").exit_code == exit_codes.DONE


def test_seen_late(cloud: Cloud, go: Run) -> None:
    cloud.targets.lag = 30
    assert go("node1").exit_code == exit_codes.DONE
    assert is_drained(cloud)
    assert cloud.clock.monotonic() >= 60


def test_a_group_that_is_deleted_meanwhile(cloud: Cloud, go: Run) -> None:
    cloud.clock.at(15, lambda: cloud.delete_group("active", "web"))
    assert go("node1").exit_code == exit_codes.DONE
    assert cloud.mark("active", "node1") is not None


def test_a_group_that_is_deleted_before_it_is_left(cloud: Cloud, go: Run) -> None:
    def delete(_: object) -> None:
        cloud.delete_group("active", "web")

    cloud.faults.add(Fault(lambda call: call.operation == "CreateTags", delete, on=1))
    assert go("node1").exit_code == exit_codes.DONE
    assert cloud.mark("active", "node1") is not None


def test_an_instance_that_is_terminated_meanwhile(cloud: Cloud, go: Run) -> None:
    cloud.clock.at(15, lambda: cloud.terminate("active", "node1"))
    assert go("node1").exit_code == exit_codes.DONE


def test_two_nodes_at_once_and_one_stays(cloud: Cloud, go: Run) -> None:
    cloud.targets.lag = 10
    ends: list[tuple[int, str]] = []

    def other() -> None:
        done = go("node2", "--timeout", "300")
        ends.append((done.exit_code, done.stderr))

    cloud.clock.at(20, other)
    assert go("node1").exit_code == exit_codes.DONE
    ((code, said),) = ends
    assert code == exit_codes.REFUSED
    assert "node1 (not registered)" in said or "node1 (draining" in said
    assert is_drained(cloud)
    assert inside(cloud, "node2") == [True] * 4


def test_the_turn_is_held_until_all_see_that_the_node_is_out(cloud: Cloud, go: Run) -> None:
    cloud.targets.lag = 40
    held: list[bool] = []
    for at in (1, 20, 39, 60):
        cloud.clock.at(at, lambda: held.append(is_locked(cloud)))
    assert go("node1").exit_code == exit_codes.DONE
    assert held == [True, True, True, False]


def test_who_was_suspended_has_lost_its_turn(cloud: Cloud, go: Run) -> None:
    """While this command is suspended, another command drains node2, so this command fails."""
    ends: list[int] = []

    def suspend(_: object) -> None:
        cloud.clock.sleep(400)
        # Run `drain node2` in its own context, like another process: the deadline of the suspended
        # call must not apply to it.
        ends.append(Context().run(go, "node2").exit_code)

    cloud.faults.add(Fault(lambda call: call.operation == "CreateTags", suspend, on=1))
    done = go("node1")
    assert (done.exit_code, ends) == (exit_codes.FAILED, [exit_codes.DONE])
    assert "The drain was undone" in done.stderr
    assert is_as_before(cloud)
    assert is_drained(cloud, "node2")


def test_one_node_twice_at_once(cloud: Cloud, go: Run) -> None:
    ends: list[int] = []
    cloud.clock.at(20, lambda: ends.append(go("node1").exit_code))
    assert go("node1").exit_code == exit_codes.DONE
    assert ends == [exit_codes.DONE]
    assert is_drained(cloud)


def test_waits_for_its_turn(cloud: Cloud, go: Run) -> None:
    aws = Aws(attempts=1)
    lock = Lock(aws, "eu-west-1", LOCK, clock=cloud.clock, what="denodo-ha roll")
    with lock.held() as beating:
        # Let the command that holds the lock renew it every 50 s, so that the lock does not expire.
        for at in range(50, 400, 50):
            cloud.clock.at(at, lambda: beating.sleep(0))
        refused = go("node1")
        assert refused.exit_code == exit_codes.REFUSED
        assert "(denodo-ha roll, " in refused.stderr
        assert changes(cloud) == []
        assert go("node1", "--take-over").exit_code == exit_codes.DONE


def test_the_lock_of_who_was_killed_ends(cloud: Cloud, go: Run) -> None:
    lock = Lock(Aws(attempts=1), "eu-west-1", LOCK, clock=cloud.clock, what="drain node2")
    with contextlib.ExitStack() as never:
        never.enter_context(lock.held())
        killed = never.pop_all()
    done = go("node1")
    assert done.exit_code == exit_codes.DONE
    assert "waiting: " in done.stderr
    assert is_drained(cloud)
    killed.close()


def test_targets_are_named_by_id_and_port(cloud: Cloud, go: Run) -> None:
    """AWS accepts DeregisterTargets without a port, but then does not deregister the target."""
    assert go("node1").exit_code == exit_codes.DONE
    assert is_drained(cloud)
    targets = [call.parameters["Targets"] for call in cloud.calls.of("DeregisterTargets")]
    assert sorted(target["Port"] for (target,) in targets) == [9090, 9996, 9999]


def test_a_deregistration_that_aws_does_not_show_is_named(cloud: Cloud, go: Run) -> None:
    cloud.targets.lag = 300
    done = go("node1")
    assert done.exit_code == exit_codes.FAILED
    text = " ".join(done.stderr.split())
    assert "AWS still shows node1 as registered in jdbc, odbc, web after 60 s" in text
