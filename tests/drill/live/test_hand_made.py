"""The drill of a site that was made by hand, without a template."""

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_drill import LiveDrill, drill_live, target_health_rows
from denodo_ha.drill.outcome import Failure
from tests.drill.sample_templates import unknown_policies, violations
from tests.support.hand_made_site import REGIONS, HandMadeSite


def drill_of(locator: SiteLocator, *regions: str) -> LiveDrill:
    return drill_live(profile=None, regions=regions or REGIONS, locator=locator)


def test_a_record_leads_to_the_flaw_of_the_articles_design(site: HandMadeSite) -> None:
    """Each node has its own target group, so an alias record fails over if one node is lost."""
    drill = drill_of(SiteLocator(record=site.record))
    names = {machine.name for machine in drill.result.model.machines.values()}
    assert names == {"denodo-node1", "denodo-node2"}
    assert drill.result.by_failure[Failure("node-lost", "eu-west-1", "denodo-node1")].moves_site
    assert "node-moves-site" in violations(drill.result)
    # No call tells whether the nodes share a database that is not in their VPC.
    assert set(unknown_policies(drill.result)) == {"database-alone"}
    assert [part.hides for part in drill.site.unread] == [{"metadata server"}] * len(REGIONS)


def test_the_health_of_targets_is_shown(site: HandMadeSite) -> None:
    rows = target_health_rows(drill_of(SiteLocator(record=site.record)))
    assert {(row.cluster, row.service) for row in rows} >= {
        ("eu-west-1", "9999"),
        ("eu-west-1", "denodo-node1's 19997"),
    }
    assert {row.state for row in rows} <= {"healthy", "initial", "unhealthy"}


def test_a_balancer_is_a_site_without_records(site: HandMadeSite) -> None:
    """The load balancer's name may exist in each region, so the locator needs a region.

    The ARN and the DNS name already contain the region.
    """
    cluster = site.clusters["eu-central-1"]
    for name, regions in (
        (cluster.balancer_name, ("eu-central-1",)),
        (cluster.balancer, REGIONS),
        (cluster.dns_name, REGIONS),
    ):
        model = drill_of(SiteLocator(balancer=name), *regions).result.model
        assert list(model.clusters) == ["eu-central-1"]
        assert model.failover_names == ()
    with pytest.raises(
        UsageError, match="load balancers in eu-central-1, eu-west-1 have this name"
    ):
        drill_of(SiteLocator(balancer=cluster.balancer_name))


def test_a_region_that_is_not_named_is_unknown(site: HandMadeSite) -> None:
    drill = drill_of(SiteLocator(record=site.record), "eu-west-1")
    (part,) = (part for part in drill.site.unread if "metadata server" not in part.hides)
    assert "add --region eu-central-1" in part.text
    assert "dead-site" in unknown_policies(drill.result)


@pytest.mark.parametrize(
    ("locator", "message"),
    [
        (SiteLocator(record="other.example.com"), "no hosted zone .* has an A or CNAME"),
        (
            SiteLocator(balancer="other"),
            "no load balancer has this name; the load balancers are: denodo-nlb",
        ),
        (
            SiteLocator(environment="other"),
            "no stack of environment other .* no environment is deployed",
        ),
    ],
)
def test_a_site_that_does_not_exist(locator: SiteLocator, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        drill_of(locator)


def test_a_locator_names_one_site() -> None:
    for values in ({}, {"record": "a.example.com", "balancer": "b"}):
        with pytest.raises(UsageError, match="which site"):
            SiteLocator(**values)


def test_credentials_are_read_as_by_other_commands() -> None:
    assert Aws().region == "eu-west-1"
