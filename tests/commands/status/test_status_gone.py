"""`denodo-ha status` with stopped, terminated or deleted resources, and with many clusters."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import Result

from denodo_ha.aws.clients import Aws
from denodo_ha.cli import exit_codes
from denodo_ha.deployed.cluster import Cluster, read_clusters
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.instances import read_instances
from denodo_ha.status import aws_state, command
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Clouds, Run

STATUS = ("status", "-c", "active-passive", "--region", "eu-west-1", "--format", "json", "--no-ask")


@pytest.fixture
def cloud(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = clouds("active-passive", "active")
    monkeypatch.setattr(command, "real_clock", lambda: cloud.clock)
    monkeypatch.setattr(command, "read_dns", lambda *_: None)
    return cloud


def active(done: Result) -> dict[str, Any]:
    ((cluster),) = json.loads(done.stdout)["clusters"]
    return dict(cluster)


def test_a_stopped_instance_is_said_once(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.stop("active", "node2")
    done = denodo_ha(*STATUS)
    assert done.exit_code == exit_codes.NO
    id_ = cloud.nodes("active")["node2"]
    assert active(done)["problems"] == [f"node2: its instance {id_} is stopped"]


def test_an_instance_that_was_terminated_meanwhile(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.terminate("active", "node2")
    cloud.clock.sleep(400)
    done = denodo_ha(*STATUS)
    assert done.exit_code == exit_codes.NO
    # The remedy is `replace`, since `enable` cannot bring back an instance that does not exist.
    (problem,) = active(done)["problems"]
    assert "is terminated; run `denodo-ha replace node2 --cluster active -c " in problem
    states = [one["targets"][1]["state"] for one in active(done)["groups"][:3]]
    assert states == ["out"] * 3


@pytest.mark.parametrize(("minutes", "state"), [(1, "unknown"), (10, "gone")])
def test_a_new_instance_that_ec2_does_not_show_yet_is_not_gone(
    cloud: Cloud, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch, minutes: int, state: str
) -> None:
    """EC2 shows a new instance some time after CloudFormation has created it."""
    hidden = cloud.nodes("active")["node2"]
    changed = datetime.now(UTC) - timedelta(minutes=minutes)

    def without_new(*arguments: Any) -> dict[str, Any]:
        return {id_: one for id_, one in read_instances(*arguments).items() if id_ != hidden}

    def with_times(*arguments: Any) -> list[Any]:
        return [
            replace(
                one,
                stack=replace(one.stack, changed=dict.fromkeys(one.stack.physical_ids, changed)),
            )
            for one in read_clusters(*arguments)
            if isinstance(one, Cluster)
        ]

    monkeypatch.setattr(aws_state, "read_instances", without_new)
    monkeypatch.setattr(aws_state, "read_clusters", with_times)
    done = denodo_ha(*STATUS)
    assert done.exit_code == exit_codes.NO
    (node,) = [one for one in active(done)["nodes"] if one["name"] == "node2"]
    assert node["state"] == state
    said = f"node2: EC2 does not show its new instance {hidden} yet"
    assert (said in active(done)["problems"]) is (state == "unknown")
    assert any("is gone" in problem for problem in active(done)["problems"]) is (state == "gone")


def test_a_group_that_was_deleted_meanwhile(cloud: Cloud, denodo_ha: Run) -> None:
    cloud.delete_group("active", "web")
    done = denodo_ha(*STATUS)
    assert done.exit_code == exit_codes.NO
    (problem,) = active(done)["problems"]
    assert problem.startswith("web: the target group no longer exists: ")


def test_fifty_clusters_cost_a_call_for_each_group(clouds: Clouds) -> None:
    cloud = clouds("active-passive", "active")
    stack = cloud.stack("active")
    places = [
        StackLocation(f"c{number}", stack.name, stack.account, stack.region) for number in range(50)
    ]
    known = aws_state.read_aws_state(Aws(attempts=1), "denodo70", places, cloud.clock.now())
    calls = Counter(call.operation for call in cloud.calls.made)
    assert len(known.readable) == 50
    assert calls["DescribeTargetHealth"] == 50 * 5
    # DescribeInstances reads all nodes of a region in one call; ListStackResources returns many
    # pages.
    assert calls["DescribeInstances"] == 1
    assert calls["ListStackResources"] > 100


def test_a_node_without_a_balancer(
    clouds: Clouds, denodo_ha: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = clouds("standalone-failover")
    monkeypatch.setattr(command, "read_dns", lambda *_: None)
    which = ("-c", "standalone-failover", "--no-ask")
    assert denodo_ha("status", *which).exit_code == exit_codes.DONE
    name = next(iter(cloud.environment.clusters))
    cloud.stop(name, next(iter(cloud.nodes(name))))
    assert denodo_ha("status", *which).exit_code == exit_codes.DOWN
