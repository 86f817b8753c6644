"""Current state of targets and instances."""

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import AccessDenied, ExpiredCredentials, Throttled
from denodo_ha.deployed import cluster as found
from denodo_ha.deployed import environment_locator, instances, target_health
from denodo_ha.deployed.cluster import Cluster
from tests.commands.account.cloud import Cloud
from tests.commands.account.targets import UNHEALTHY

REGION = "eu-west-1"


@pytest.fixture
def aws() -> Aws:
    return Aws(attempts=1)


@pytest.fixture
def active(cloud: Cloud, aws: Aws) -> Cluster:
    site = environment_locator.locate_environment(
        aws, config="active-passive", environment=None, regions=None
    )
    cluster = found.read_cluster(aws, site.cluster("active"))
    cloud.calls.forget()
    return cluster


class TestHealth:
    """One call is made for each target group."""

    def test_of_every_group_in_order(self, cloud: Cloud, aws: Aws, active: Cluster) -> None:
        seen = target_health.read_groups_health(aws, active.groups)
        assert [one.group for one in seen] == list(active.groups)
        assert [len(one.healthy) for one in seen] == [2, 2, 2, 1, 1]
        assert len(cloud.calls.made) == len(active.groups)

    def test_says_why_a_target_is_not_healthy(
        self, cloud: Cloud, aws: Aws, active: Cluster
    ) -> None:
        cloud.become("active", "node1", UNHEALTHY, "odbc")
        jdbc, odbc, *_ = target_health.read_groups_health(aws, active.groups)
        bad = odbc.target(active.node("node1").instance_id)
        assert bad is not None
        assert (bad.state, bad.reason) == ("unhealthy", "Target.FailedHealthChecks")
        assert odbc.healthy == (active.node("node2").instance_id,)
        assert len(jdbc.healthy) == 2
        assert odbc.target("i-0000") is None

    def test_a_group_that_is_gone(self, cloud: Cloud, aws: Aws, active: Cluster) -> None:
        cloud.delete_group("active", "odbc")
        jdbc, odbc, *_ = target_health.read_groups_health(aws, active.groups)
        assert "elasticloadbalancing:DescribeTargetHealth in eu-west-1" in odbc.deleted
        assert odbc.targets == ()
        assert (jdbc.deleted, len(jdbc.healthy)) == ("", 2)

    @pytest.mark.parametrize(
        ("fault", "kind"),
        [("throttle", Throttled), ("expire", ExpiredCredentials), ("deny", AccessDenied)],
    )
    def test_other_errors_are_raised(
        self,
        cloud: Cloud,
        aws: Aws,
        active: Cluster,
        fault: str,
        kind: type[Exception],
    ) -> None:
        getattr(cloud.faults, fault)("DescribeTargetHealth", on=3)
        with pytest.raises(kind):
            target_health.read_groups_health(aws, active.groups)


class TestInstances:
    """Results of several pages and batches are complete."""

    def test_state_zone_and_tags(self, cloud: Cloud, aws: Aws) -> None:
        cloud.stop("active", "node2")
        nodes = cloud.nodes("active")
        seen = instances.read_instances(aws, REGION, nodes.values())
        assert seen[nodes["node1"]].state == "running"
        assert seen[nodes["node2"]].state == "stopped"
        assert [seen[id_].zone for id_ in nodes.values()] == ["eu-west-1a", "eu-west-1b"]
        assert seen[nodes["node1"]].tags["denodo:node"] == "node1"

    def test_what_is_gone_is_missing(self, cloud: Cloud, aws: Aws) -> None:
        one = cloud.nodes("active")["node1"]
        assert set(instances.read_instances(aws, REGION, [one, "i-0123456789abcdef0", ""])) == {one}

    def test_batches(self, cloud: Cloud, aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(instances, "BATCH", 1)
        wanted = cloud.nodes("active").values()
        assert set(instances.read_instances(aws, REGION, wanted)) == set(wanted)
        assert len(cloud.calls.of("DescribeInstances")) == 2

    def test_nothing_asked_calls_nobody(self, cloud: Cloud, aws: Aws) -> None:
        assert instances.read_instances(aws, REGION, []) == {}
        assert cloud.calls.made == []
