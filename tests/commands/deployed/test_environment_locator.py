"""Locate an environment by its file or by tags, in the stacks that the credentials can read."""

from pathlib import Path

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import ExpiredCredentials, Refused, UsageError
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.environment_locator import EnvironmentLocation
from denodo_ha.environment.loading.problem import ConfigError
from tests.commands.account.cloud import Cloud
from tests.commands.conftest import Clouds
from tests.support import configurations
from tests.support.configurations import OTHER_ACCOUNT, changed, twins, write

HOME, AWAY = "eu-west-1", "eu-central-1"


def by_file(config: str, *regions: str) -> EnvironmentLocation:
    return environment_locator.locate_environment(
        Aws(attempts=1), config=config, environment=None, regions=regions
    )


def by_tags(environment: str, *regions: str) -> EnvironmentLocation:
    return environment_locator.locate_environment(
        Aws(attempts=1), config=None, environment=environment, regions=regions
    )


class TestFile:
    """Locate an environment by `-c CONFIG`."""

    def test_gives_every_stack(self, cloud: Cloud) -> None:
        site = by_file("active-passive")
        assert [(cluster.name, cluster.stack, cluster.region) for cluster in site.clusters] == [
            ("active", "denodo70-active", HOME),
            ("passive", "denodo70-passive", AWAY),
        ]
        assert site.failover is not None
        assert (site.failover.stack, site.failover.region) == ("denodo70-failover", AWAY)
        assert site.reachable == site.clusters
        assert {call.operation for call in cloud.calls.made} == {"GetCallerIdentity"}

    @pytest.mark.usefixtures("cloud")
    def test_is_named_as_cdk_does(self) -> None:
        assert by_file("config=active-passive").environment == "denodo70"

    @pytest.mark.usefixtures("cloud")
    def test_regions_narrow_it(self) -> None:
        assert [cluster.name for cluster in by_file("active-passive", AWAY).clusters] == ["passive"]
        with pytest.raises(
            UsageError, match="no cluster in mars-1; its regions are eu-central-1, eu-we"
        ):
            by_file("active-passive", "mars-1")

    def test_no_such_file(self) -> None:
        with pytest.raises(ConfigError, match="did you mean active-passive"):
            by_file("active-pasive")

    def test_another_account_is_listed_and_not_touched(self, cloud: Cloud, tmp_path: Path) -> None:
        file = write(tmp_path, changed(twins(), {"clusters/spare/account": OTHER_ACCOUNT}))
        site = by_file(str(file))
        assert cloud.caller == configurations.ACCOUNT
        assert [cluster.name for cluster in site.clusters] == ["main", "spare"]
        assert [one.name for one in site.reachable] == ["main"]
        site.cluster("main").require_reachable()
        with pytest.raises(Refused, match=rf"account {OTHER_ACCOUNT}.*--profile.*nothing was"):
            site.cluster("spare").require_reachable()

    def test_one_lost_region_stops_nobody(self, cloud: Cloud) -> None:
        cloud.faults.lose(HOME)
        assert len(by_file("active-passive").reachable) == 2

    def test_all_regions_lost(self, cloud: Cloud) -> None:
        cloud.faults.lose(HOME)
        cloud.faults.lose(AWAY)
        assert len(by_file("active-passive").reachable) == 2

    def test_an_account_that_is_not_known_stops_no_command(self, cloud: Cloud) -> None:
        cloud.faults.deny("GetCallerIdentity")
        assert len(by_file("active-passive").reachable) == 2

    def test_credentials_that_cannot_be_used(self, cloud: Cloud) -> None:
        cloud.faults.expire("GetCallerIdentity")
        with pytest.raises(ExpiredCredentials, match="get new credentials"):
            by_file("active-passive")


class TestTags:
    """Locate an environment by `--environment NAME --region REGION`."""

    def test_a_lost_region_hides_no_other(self, cloud: Cloud) -> None:
        cloud.faults.lose(HOME)
        found = by_tags("denodo70", HOME, AWAY)
        assert [cluster.name for cluster in found.clusters] == ["passive"]
        (unread,) = found.unread
        assert f"the stacks in {HOME} are unknown: AWS does not answer" in unread

    @pytest.mark.usefixtures("cloud")
    def test_finds_the_same_as_the_file(self) -> None:
        found, configured = by_tags("denodo70", HOME, AWAY), by_file("active-passive")
        assert found.clusters == configured.clusters
        assert found.failover == configured.failover
        assert found.loaded is None

    @pytest.mark.usefixtures("cloud")
    def test_other_regions_are_not_asked(self) -> None:
        found = by_tags("denodo70", HOME)
        assert [cluster.name for cluster in found.clusters] == ["active"]
        assert found.failover is None

    def test_default_is_the_region_of_the_credentials(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", AWAY)
        assert [cluster.name for cluster in by_tags("denodo70").clusters] == ["passive"]
        assert {call.region for call in cloud.calls.made} == {AWAY}

    def test_nowhere_to_look(self) -> None:
        with pytest.raises(UsageError, match="--region"):
            by_tags("denodo70")

    @pytest.mark.usefixtures("cloud")
    def test_unknown_environment_is_told_the_known_ones(self) -> None:
        with pytest.raises(UsageError, match="deployed environments are denodo70: check"):
            by_tags("denodo80", HOME)
        with pytest.raises(
            UsageError, match="no other environment is deployed there either: check"
        ):
            by_tags("denodo70", "us-east-1")

    def test_other_stacks_of_a_cluster_are_no_clusters(self, cloud: Cloud) -> None:
        catalog = cloud.stack("active")
        many = [
            type(catalog)(
                f"denodo70-active-{number}", catalog.account, HOME, {}, dict(catalog.tags)
            )
            for number in range(20)
        ]
        cloud.stacks.all[:0] = many
        assert [cluster.name for cluster in by_tags("denodo70", HOME).clusters] == ["active"]
        assert len(cloud.calls.of("DescribeStacks")) > 1

    def test_a_region_that_is_none(self, cloud: Cloud) -> None:
        with pytest.raises(UsageError, match="is not a region; name a region such as"):
            by_tags("denodo70", "not a region")
        assert cloud.calls.made == []


class TestNeither:
    """Without options, no environment is chosen by default."""

    def test_nothing_given(self) -> None:
        with pytest.raises(UsageError, match=r"-c CONFIG.*--environment NAME with --region"):
            environment_locator.locate_environment(
                Aws(), config=None, environment=None, regions=[HOME]
            )

    def test_both_given(self) -> None:
        with pytest.raises(UsageError, match="give only one of the two options"):
            environment_locator.locate_environment(
                Aws(), config="large", environment="x", regions=[HOME]
            )


class TestCluster:
    """Select a cluster by its name."""

    def test_the_only_one(self, clouds: Clouds) -> None:
        clouds("active-active")
        assert by_file("active-active").cluster(None).name == "main"

    @pytest.mark.usefixtures("cloud")
    def test_one_of_several(self) -> None:
        site = by_file("active-passive")
        assert site.cluster("passive").name == "passive"
        with pytest.raises(UsageError, match=r"clusters active, passive; name .* with --cluster"):
            site.cluster(None)
        with pytest.raises(UsageError, match=r"did you mean active\?"):
            site.cluster("activ")
