"""Failures of different kinds: two at once, zonal shifts, License Managers, and no ready node."""

import json

from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.outcome import Failure, Outcome
from tests.drill.sample_templates import (
    Templates,
    attributes,
    cluster,
    drill,
    properties,
    resource,
    two_clusters,
)


def of_kind(result: DrillResult, kind: str) -> dict[str, Outcome]:
    return {
        outcome.failure.name: outcome for outcome in result.outcomes if outcome.failure.kind == kind
    }


def test_a_node_and_another_zone() -> None:
    outcomes = of_kind(drill({"site-a": cluster("a", nodes="aab")}), "node-and-zone-lost")
    assert set(outcomes) == {"Box1 + eu-west-1b", "Box2 + eu-west-1b", "Box3 + eu-west-1a"}
    assert outcomes["Box1 + eu-west-1b"].load_percent == 300
    assert outcomes["Box3 + eu-west-1a"].unreachable == (9999,)


def test_a_region_and_a_node_of_the_other_side() -> None:
    outcomes = of_kind(drill(two_clusters("alarm")), "region-and-node-lost")
    assert len(outcomes) == 4
    lost = outcomes["eu-west-1 + site-b/Box1"]
    assert (lost.moves_site, lost.unreachable, lost.load_percent) == (True, (), 200)
    assert not outcomes["us-east-1 + site-a/Box1"].moves_site


def test_all_nodes_of_both_sides_not_ready() -> None:
    """Checks that only connect stay healthy: DNS does not change, and no connection is served."""
    (outcome,) = of_kind(drill(two_clusters("alarm")), "nodes-not-ready").values()
    assert (outcome.moves_site, outcome.unreachable) == (False, (9999,))


def test_a_zone_with_an_address_of_the_balancer_and_no_node_is_lost_too() -> None:
    outcomes = of_kind(drill({"site-a": cluster("a", zones="abc")}), "zone-lost")
    assert set(outcomes) == {"eu-west-1a", "eu-west-1b", "eu-west-1c"}
    assert outcomes["eu-west-1c"].unreachable == ()


def shiftable(*, enabled: str) -> Templates:
    templates = {"site-a": cluster("a")}
    front = properties(templates, "site-a", "Front")
    front["LoadBalancerAttributes"] += attributes(zonal_shift__config__enabled=enabled)
    return templates


def test_a_zonal_shift_takes_the_address_and_the_targets_of_a_zone() -> None:
    assert not of_kind(drill(shiftable(enabled="false")), "zone-shifted")
    outcomes = of_kind(drill(shiftable(enabled="true")), "zone-shifted")
    assert set(outcomes) == {"eu-west-1a", "eu-west-1b"}
    shifted = outcomes["eu-west-1a"]
    assert (shifted.unreachable, shifted.partial, shifted.load_percent) == ((), (), 200)


def with_license_managers(first: str, second: str) -> Templates:
    templates = two_clusters("alarm")
    for stack, host in (("site-a", first), ("site-b", second)):
        state = json.dumps({"license_manager": {"host": host, "port": 10091}})
        value = {"Fn::Join": ["", [state]]}
        templates[stack]["Resources"]["State"] = resource("AWS::SSM::Parameter", Value=value)
    return templates


def test_a_license_manager_of_both_sides_is_named() -> None:
    result = drill(with_license_managers("lm.example.org", "lm.example.org"))
    (outcome,) = of_kind(result, "license-manager-lost").values()
    assert outcome.failure.clusters == ["site-a", "site-b"]
    assert (outcome.unreachable, outcome.recovery) == ((), 0)
    assert any("same License Manager, lm.example.org" in note for note in result.model.notes)
    apart = drill(with_license_managers("one.example.org", "two.example.org"))
    assert len(of_kind(apart, "license-manager-lost")) == 2
    assert not any("same License Manager" in note for note in apart.model.notes)


def test_a_replaced_node_costs_nothing_and_a_node_without_capacity_is_a_lost_one() -> None:
    result = drill(two_clusters("alarm"))
    assert of_kind(result, "node-replaced")["Box1"].recovery == 0
    lost = result.by_failure[Failure("node-lost", "site-a", "Box1")]
    no_capacity = result.by_failure[Failure("no-capacity", "site-a", "Box1")]
    assert no_capacity.effect == lost.effect
