"""`denodo-ha enable` registers a node in every target group of the deployed template."""

from dataclasses import replace
from typing import Any

import pytest
from typer.testing import Result

from denodo_ha.cli import exit_codes
from denodo_ha.deployed import instances
from denodo_ha.deployed.instances import Instance
from denodo_ha.drain import command, enabling
from tests.commands.account.agents import Agents
from tests.commands.account.cloud import Cloud
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Clouds, Run

GROUPS = ("jdbc", "odbc", "web", "node1")


@pytest.fixture
def cloud(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = clouds("active-passive", "active")
    cloud.targets.hurry(30)
    monkeypatch.setattr(command, "real_clock", lambda: cloud.clock)
    return cloud


@pytest.fixture
def go(denodo_ha: Run) -> Run:
    """Return a function that runs `denodo-ha drain|enable NODE …` on the active cluster."""

    def go(*arguments: str) -> Result:
        done = denodo_ha(*arguments, "--cluster", "active", "-c", "active-passive")
        assert "Traceback" not in done.output
        assert "fault of denodo-ha" not in done.output
        return done

    return go


@pytest.fixture
def drained(cloud: Cloud, go: Run) -> Cloud:
    """Return a cloud with node1 drained."""
    assert go("drain", "node1", "--why", "new disk").exit_code == exit_codes.DONE
    cloud.calls.forget()
    return cloud


def inside(cloud: Cloud) -> list[bool]:
    return ["node1" in cloud.registered("active", group) for group in GROUPS]


def is_back(cloud: Cloud) -> bool:
    return inside(cloud) == [True] * 4 and cloud.mark("active", "node1") is None


def changes(cloud: Cloud) -> list[str]:
    return [call.operation for call in cloud.calls.changes if call.service != "ssm"]


def test_comes_back_is_healthy_and_has_no_mark(drained: Cloud, go: Run) -> None:
    done = go("enable", "node1")
    assert done.exit_code == exit_codes.DONE, done.output
    assert is_back(drained)
    assert "active node1 is healthy in jdbc, odbc, web, node1" in done.stdout
    assert "jdbc initial" in done.stderr


def test_again_changes_nothing(cloud: Cloud, go: Run) -> None:
    assert go("enable", "node1").exit_code == exit_codes.DONE
    assert changes(cloud) == []


def test_dry_run_changes_nothing(drained: Cloud, go: Run) -> None:
    done = go("enable", "node1", "--metadata-ok", "--dry-run")
    assert done.exit_code == exit_codes.DONE
    assert "its metadata would be confirmed" in done.stdout
    assert "would be registered in jdbc, odbc, web; the node is out since " in done.stdout
    assert drained.calls.changes == []


def test_an_auxiliary_group_that_lost_it_too(drained: Cloud, go: Run) -> None:
    drained.take_out("active", "node1", "node1")
    drained.clock.sleep(60)
    assert go("enable", "node1").exit_code == exit_codes.DONE
    assert is_back(drained)


def test_called_off_while_it_drains(cloud: Cloud, go: Run) -> None:
    cloud.clock.at(15, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert go("drain", "node1").exit_code == exit_codes.INTERRUPTED
    assert go("enable", "node1").exit_code == exit_codes.DONE
    assert is_back(cloud)


def test_ctrl_c_at_each_change_and_run_again(drained: Cloud, go: Run) -> None:
    for after in (False, True):
        # Changing calls of `enable`, in this order: take the lock, put a datapoint of the
        # suppressor, register in three target groups, renew the lock, release the watchdog, remove
        # the drain tag.
        for on in range(1, 9):
            drained.faults.interrupt(on=on, changing=True, after=after)
            done = go("enable", "node1")
            drained.faults.heal()
            assert done.exit_code == exit_codes.INTERRUPTED, (on, after, done.output)
            assert drained.mark("active", "node1") is not None or (on, after) == (8, True)
            if 2 < on < 6:
                assert "node1 was registered in " in done.stderr
            assert go("enable", "node1").exit_code == exit_codes.DONE
            assert is_back(drained)
            drained.take_out("active", "node1", *GROUPS[:3])
            drained.client("ec2", "eu-west-1").create_tags(
                Resources=[drained.nodes("active")["node1"]],
                Tags=[{"Key": "denodo:drained", "Value": "2026-01-01T00:00:00Z ann new disk"}],
            )
            drained.clock.sleep(60)


@pytest.mark.parametrize("fault", ["throttle", "expire", "deny", "miss"])
def test_a_failure_half_way_says_what_stands(drained: Cloud, go: Run, fault: str) -> None:
    getattr(drained.faults, fault)("RegisterTargets", on=2)
    done = go("enable", "node1")
    assert done.exit_code == exit_codes.AWS
    assert "node1 was registered in jdbc, and perhaps not in odbc, web, and keeps" in done.stderr
    assert drained.mark("active", "node1") is not None
    assert go("enable", "node1").exit_code == exit_codes.DONE
    assert is_back(drained)


def test_expired_while_it_waits(drained: Cloud, go: Run) -> None:
    drained.faults.expire("DescribeTargetHealth", on=6)
    done = go("enable", "node1")
    assert done.exit_code == exit_codes.AWS
    assert (
        "node1 may not be healthy in jdbc, odbc, web, node1 yet, and keeps its drain tag"
        in done.stderr
    )


def test_not_healthy_in_time(drained: Cloud, go: Run) -> None:
    drained.become("active", "node1", UNHEALTHY, "odbc")
    done = go("enable", "node1", "--timeout", "60")
    assert done.exit_code == exit_codes.FAILED
    assert "odbc unhealthy, Target.FailedHealthChecks" in done.stderr
    assert inside(drained) == [True] * 4
    assert drained.mark("active", "node1") is not None


def test_not_healthy_and_the_node_says_why(drained: Cloud, go: Run) -> None:
    agents = Agents(drained, "active")
    agents.nodes["node1"].unready = {"odbc": "refused"}
    drained.become("active", "node1", UNHEALTHY, "odbc")
    assert "The node reports: odbc: refused" in go("enable", "node1", "--timeout", "60").stderr


def test_metadata_is_confirmed_first(drained: Cloud, go: Run) -> None:
    node = Agents(drained, "active").nodes["node1"]
    node.confirmed = False
    drained.become("active", "node1", UNHEALTHY)
    done = go("enable", "node1", "--timeout", "60")
    assert done.exit_code == exit_codes.FAILED
    assert "run the command again with --metadata-ok" in done.stderr
    drained.clock.at(drained.clock.monotonic() + 20, drained.targets.states.clear)
    done = go("enable", "node1", "--metadata-ok")
    assert done.exit_code == exit_codes.DONE, done.output
    assert node.confirmed
    assert "its metadata is confirmed" in done.stdout
    assert is_back(drained)


def test_metadata_that_cannot_be_confirmed_changes_no_group(drained: Cloud, go: Run) -> None:
    node = Agents(drained, "active").nodes["node1"]
    node.outcome = 5
    done = go("enable", "node1", "--metadata-ok")
    assert done.exit_code == exit_codes.FAILED
    assert "another run of the program is active on the node" in done.stderr
    node.reachable = False
    done = go("enable", "node1", "--metadata-ok")
    assert done.exit_code == exit_codes.FAILED
    assert "cannot be reached through Systems Manager" in done.stderr
    assert changes(drained) == []


def test_a_cluster_without_the_program(cloud: Cloud, go: Run) -> None:
    stack = cloud.stack("active")
    del stack.outputs["NodeDocument"]
    done = go("enable", "node1", "--metadata-ok")
    assert done.exit_code == exit_codes.USAGE
    assert changes(cloud) == []


def test_an_instance_that_does_not_run(drained: Cloud, go: Run) -> None:
    drained.stop("active", "node1")
    done = go("enable", "node1", "--metadata-ok")
    assert done.exit_code == exit_codes.REFUSED
    assert "is stopped: start the instance" in done.stderr
    assert drained.calls.changes == []


def test_an_instance_that_is_terminated_meanwhile(drained: Cloud, go: Run) -> None:
    at = drained.clock.monotonic() + 4
    drained.clock.at(at, lambda: drained.terminate("active", "node1"))
    done = go("enable", "node1", "--timeout", "60")
    assert done.exit_code == exit_codes.FAILED
    assert "node1 is not healthy after 60 s" in done.stderr


def test_a_group_that_is_deleted_meanwhile(drained: Cloud, go: Run) -> None:
    at = drained.clock.monotonic() + 4
    drained.clock.at(at, lambda: drained.delete_group("active", "web"))
    done = go("enable", "node1")
    assert done.exit_code == exit_codes.FAILED
    assert "target group web does not exist any more" in done.stderr
    assert drained.mark("active", "node1") is not None


def test_drained_by_somebody_meanwhile(drained: Cloud, go: Run) -> None:
    """`enable` does not remove the drain tag of a command that drains the node at the same time."""
    ends: list[int] = []
    at = drained.clock.monotonic() + 4
    drained.clock.at(at, lambda: ends.append(go("drain", "node1", "--why", "theirs").exit_code))
    done = go("enable", "node1", "--timeout", "60")
    assert (done.exit_code, ends) == (exit_codes.FAILED, [exit_codes.DONE])
    assert "another command has drained node1 meanwhile" in done.stderr
    found = drained.mark("active", "node1")
    assert found is not None
    assert found.why == "theirs"


def test_seen_late(drained: Cloud, go: Run) -> None:
    drained.targets.lag = 20
    assert go("enable", "node1").exit_code == exit_codes.DONE
    assert is_back(drained)


def test_a_drain_tag_that_aws_shows_late_is_removed(
    drained: Cloud, go: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag of a drain that has just ended is missing in the first two reads of `enable`."""
    read_instances, reads = instances.read_instances, 0

    def without_new_tag(*arguments: Any) -> dict[str, Instance]:
        nonlocal reads
        reads += 1
        found = read_instances(*arguments)
        return {id_: replace(one, tags={}) for id_, one in found.items()} if reads < 3 else found

    monkeypatch.setattr(instances, "read_instances", without_new_tag)
    monkeypatch.setattr(enabling, "read_instances", without_new_tag)
    assert go("enable", "node1").exit_code == exit_codes.DONE
    assert reads == 3
    assert is_back(drained)


def test_a_node_without_a_balancer(
    clouds: Clouds, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = clouds("standalone-failover")
    monkeypatch.setattr(command, "real_clock", lambda: cloud.clock)
    cluster = next(iter(cloud.environment.clusters))
    agents = Agents(cloud, cluster)
    (name,) = agents.nodes
    agents.nodes[name].confirmed = False
    which = ("--cluster", cluster, "-c", "standalone-failover")
    assert denodo_ha("enable", name, "--metadata-ok", *which).exit_code == exit_codes.DONE
    assert agents.nodes[name].confirmed
