"""Take a node out of its shared target groups, and bring it back."""

import itertools

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import Failed, Refused, Throttled
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.rotation.drain_tag import DrainTag
from denodo_ha.deployed.rotation.target_group_rotation import TargetGroupRotation
from tests.commands.account.cloud import Cloud
from tests.commands.account.targets import UNHEALTHY
from tests.commands.conftest import Clouds

SHARED = ("jdbc", "odbc", "web")


def rotation(cloud: Cloud) -> TargetGroupRotation:
    aws = Aws(attempts=1)
    site = environment_locator.locate_environment(
        aws, config="active-passive", environment=None, regions=None
    )
    cluster = found.read_cluster(aws, site.cluster("active"))
    return TargetGroupRotation(aws, cluster, cloud.clock, Progress())


def drain_tag(cloud: Cloud) -> DrainTag:
    return DrainTag.now(cloud.clock, why="a promotion", who="ann")


def inside(cloud: Cloud, node: str) -> list[bool]:
    return [node in cloud.registered("active", group) for group in (*SHARED, node)]


def ready() -> str:
    return ""


def test_out_leaves_the_auxiliary_group_and_waits_until_drained(cloud: Cloud) -> None:
    nodes, expected = rotation(cloud), drain_tag(cloud)
    nodes.out("node1", tag=expected)
    assert inside(cloud, "node1") == [False, False, False, True]
    assert cloud.clock.monotonic() >= 300
    assert nodes.is_out("node1")
    assert not nodes.is_out("node2")
    assert cloud.mark("active", "node1") == expected


def test_nodes_with_cookies_leave_the_second_balancer_s_group(clouds: Clouds) -> None:
    cloud = clouds("web-cookies")
    aws = Aws(attempts=1)
    site = environment_locator.locate_environment(
        aws, config="web-cookies", environment=None, regions=None
    )
    cluster = found.read_cluster(aws, site.cluster("main"))
    nodes = TargetGroupRotation(aws, cluster, cloud.clock, Progress())
    assert nodes.drain_scope("node1") == ", ".join(SHARED)
    (front,) = [group for group in cluster.groups if group.alb]
    before = cloud.targets.registered(front.arn)
    nodes.out("node1", tag=drain_tag(cloud))
    assert [cloud.registered("main", group) for group in SHARED] == [{"node2"}] * 3
    nodes.back("node1", ready=ready)
    assert [cloud.registered("main", group) for group in SHARED] == [{"node1", "node2"}] * 3
    assert cloud.targets.registered(front.arn) == before != set()


def test_out_again_changes_no_group(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    nodes.out("node1", tag=drain_tag(cloud))
    cloud.calls.forget()
    nodes.out("node1", tag=drain_tag(cloud))
    # `SendCommand` repeats the hold, since a run that was interrupted may not have sent the hold.
    assert [call.operation for call in cloud.calls.changes] == ["CreateTags", "SendCommand"]


def test_back_is_in_every_group_and_healthy_without_a_mark(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    nodes.out("node1", tag=drain_tag(cloud))
    cloud.take_out("active", "node1", "node1")
    nodes.back("node1", ready=ready)
    assert inside(cloud, "node1") == [True] * 4
    assert cloud.mark("active", "node1") is None


def test_the_last_healthy_node_stays(cloud: Cloud) -> None:
    cloud.become("active", "node2", UNHEALTHY, "odbc")
    with pytest.raises(Refused, match=r"target group odbc of active.*node2 \(unhealthy"):
        rotation(cloud).out("node1", tag=drain_tag(cloud))
    assert cloud.calls.changes == []


def test_fewer_may_be_accepted(cloud: Cloud) -> None:
    cloud.become("active", "node2", UNHEALTHY, "odbc")
    rotation(cloud).out("node1", tag=drain_tag(cloud), minimum=0)
    assert inside(cloud, "node1") == [False, False, False, True]


def test_a_node_that_is_out_counts_as_lost(cloud: Cloud) -> None:
    cloud.take_out("active", "node2", "web")
    with pytest.raises(Refused, match="node2"):
        rotation(cloud).out("node1", tag=drain_tag(cloud))


def test_a_node_that_is_not_ready_touches_no_group(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    nodes.out("node1", tag=drain_tag(cloud))
    cloud.calls.forget()
    with pytest.raises(Failed, match=r"not ready after .*: odbc hangs\. node1 is out of"):
        nodes.back("node1", ready=lambda: "odbc hangs", ready_timeout=60)
    assert cloud.calls.changes == []


def test_a_node_that_stays_unhealthy_keeps_its_mark(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    nodes.out("node1", tag=drain_tag(cloud))
    cloud.become("active", "node1", UNHEALTHY, "jdbc")
    with pytest.raises(Failed, match=r"jdbc unhealthy, Target\.Failed"):
        nodes.back("node1", ready=ready)
    assert cloud.mark("active", "node1") is not None


def test_too_slow_to_drain(cloud: Cloud) -> None:
    with pytest.raises(Failed, match="jdbc draining"):
        rotation(cloud).out("node1", tag=drain_tag(cloud), timeout=30)
    assert cloud.mark("active", "node1") is not None


def test_seen_late(cloud: Cloud) -> None:
    cloud.targets.lag = 20
    nodes = rotation(cloud)
    nodes.out("node1", tag=drain_tag(cloud))
    nodes.back("node1", ready=ready)
    assert inside(cloud, "node1") == [True] * 4


def test_interrupted_at_each_change_and_run_again(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    for on, after in itertools.product(range(1, 5), (False, True)):
        cloud.faults.interrupt(on=on, changing=True, after=after)
        with pytest.raises(KeyboardInterrupt):
            nodes.out("node1", tag=drain_tag(cloud))
        assert cloud.mark("active", "node1") is not None or (on, after) == (1, False)
        cloud.faults.heal()
        nodes.out("node1", tag=drain_tag(cloud))
        assert nodes.is_out("node1")
        cloud.faults.interrupt(on=on, changing=True, after=after)
        with pytest.raises(KeyboardInterrupt):
            nodes.back("node1", ready=ready)
        cloud.faults.heal()
        nodes.back("node1", ready=ready)
        assert (inside(cloud, "node1"), cloud.mark("active", "node1")) == ([True] * 4, None)


def test_throttled_while_it_waits(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    cloud.faults.throttle("DescribeTargetHealth", on=9)
    nodes.out("node1", tag=drain_tag(cloud))
    assert nodes.is_out("node1")


def test_a_stopped_instance_is_still_registered(cloud: Cloud) -> None:
    nodes = rotation(cloud)
    cloud.stop("active", "node1")
    assert not nodes.is_out("node1")
    assert nodes.describe("node1") == "node1 is in every shared target group"
    assert [entrance.label for entrance in nodes.missing_entrances("node1")] == []
    with pytest.raises(Failed, match=r"has not left its target groups after .*: jdbc unused"):
        nodes.wait_until_drained("node1", 30)
    nodes.out("node1", tag=drain_tag(cloud))
    assert nodes.is_out("node1")
    assert inside(cloud, "node1") == [False, False, False, True]


def test_throttled_before_anything(cloud: Cloud) -> None:
    cloud.faults.throttle("CreateTags")
    with pytest.raises(Throttled):
        rotation(cloud).out("node1", tag=drain_tag(cloud))
    assert inside(cloud, "node1") == [True] * 4


def test_a_mark_survives_its_tag(cloud: Cloud) -> None:
    original = DrainTag.now(cloud.clock, why="new licence; $(x)", who="Ann Onymous")
    assert DrainTag.from_tags({"denodo:drained": original.text}) == original
    assert (original.who, original.why) == ("Ann-Onymous", "new licence; --x-")
    by_hand = DrainTag.from_tags({"denodo:drained": "on holiday"})
    assert by_hand is not None
    assert by_hand.why == "on holiday"
