"""The seconds, with the terms of their sum, by the documented arithmetic (docs/failover.md)."""

import pytest

from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.outcome import Failure, Outcome
from tests.drill.handmade import Data, Kind, model, site


def lost(kind: Kind, failure: Failure, **settings: str) -> Outcome:
    return drill_model(model(site(kind, **settings))).by_failure[failure]


def seconds(outcome: Outcome) -> list[int]:
    assert outcome.recovery == sum(term.seconds for term in outcome.steps)
    return [term.seconds for term in outcome.steps]


BALANCER = Failure("balancer-lost", "site-a", "Front")
REGION = Failure("region-lost", "site-a", "eu-west-1")
JDBC = Failure("service-down", "site-a", "9999 on all nodes")


@pytest.mark.parametrize("failure", [BALANCER, REGION, JDBC])
def test_by_alarm(failure: Failure) -> None:
    """Target check 5 x 2, up to a minute, the alarm's minute, up to a minute, TTL 30."""
    assert seconds(lost("alarm", failure)) == [10, 60, 60, 60, 30]


@pytest.mark.parametrize("failure", [BALANCER, REGION, JDBC])
def test_by_endpoint(failure: Failure) -> None:
    """Three requests, one every 10 s, and TTL 30."""
    assert seconds(lost("endpoint", failure)) == [30, 30]


@pytest.mark.parametrize("failure", [BALANCER, REGION, JDBC])
def test_by_target_health(failure: Failure) -> None:
    """Target check 5 x 2, and the TTL of an alias to a balancer."""
    assert seconds(lost("alias", failure)) == [10, 60]


@pytest.mark.parametrize("kind", ["alarm", "endpoint", "ip"])
def test_by_switch(kind: Kind) -> None:
    """A minute of the switch's alarm, one until its metric is there, and TTL 30."""
    thrown = lost(kind, Failure("switch-thrown", "site-a", "Lever"))
    assert seconds(thrown) == [60, 60, 30]
    assert thrown.after_repair == "stays until people put the switch back, then site-a within 150 s"


def test_by_switch_for_an_alias() -> None:
    assert seconds(lost("alias", Failure("switch-thrown", "site-a", "Lever"))) == [60, 60, 60]


@pytest.mark.parametrize("kind", ["alias", "alarm", "endpoint"])
def test_one_node_is_out_after_its_target_check(kind: Kind) -> None:
    node = lost(kind, Failure("node-lost", "site-a", "Box1"))
    assert seconds(node) == [10]
    assert node.after_repair == "gets connections within 10 s of working"


@pytest.mark.parametrize("kind", ["alias", "alarm", "endpoint"])
def test_a_zone_has_left_the_balancers_name_a_minute_later(kind: Kind) -> None:
    assert seconds(lost(kind, Failure("zone-lost", "site-a", "eu-west-1a"))) == [10, 60]


def test_a_drained_node_costs_nobody_anything() -> None:
    assert lost("alarm", Failure("node-drained", "site-a", "Box1")).recovery == 0


def test_what_is_never_noticed_never_ends() -> None:
    """A promotion, where target checks only connect."""
    outcome = lost("alarm", Failure("node-not-ready", "site-a", "Box1"))
    assert (outcome.recovery, outcome.partial) == (None, (9999,))


def test_with_operators_in_control_nobody_moves_the_site() -> None:
    outcome = lost("alarm", REGION, control="operator")
    assert (outcome.moves_site, outcome.recovery, outcome.unreachable) == (False, None, (9999,))


def test_the_secondarys_failures_cost_clients_of_the_name_nothing() -> None:
    outcome = lost("alarm", Failure("region-lost", "site-b", "us-east-1"))
    assert (outcome.recovery, outcome.moves_site, outcome.unreachable) == (0, False, ())
    assert [move.standby for move in outcome.dns_changes] == [False]


def asking(templates: dict[str, Data], service: str) -> dict[str, Data]:
    """The services' groups ask the node's own program."""
    for stack in ("site-a", "site-b"):
        group = templates[stack]["Resources"]["P9999"]["Properties"]
        group |= {
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": "9191",
            "HealthCheckPath": f"/ready/{service}",
        }
    return templates


def ready() -> DrillResult:
    return drill_model(model(asking(site("alarm", auxiliary=True), "jdbc")))


def test_readiness_sees_a_promotion() -> None:
    outcome = ready().by_failure[Failure("node-not-ready", "site-a", "Box1")]
    assert (outcome.recovery, outcome.partial, outcome.unreachable) == (10, (), ())


def test_readiness_of_jdbc_sees_the_auxiliary_port() -> None:
    outcome = ready().by_failure[Failure("auxiliary-down", "site-a", "20001 of Box1")]
    assert (outcome.recovery, outcome.partial) == (10, ())


def test_a_connection_check_does_not() -> None:
    found = drill_model(model(site("alarm", auxiliary=True)))
    outcome = found.by_failure[Failure("auxiliary-down", "site-a", "20001 of Box1")]
    assert (outcome.recovery, outcome.partial) == (None, (9999,))


@pytest.mark.parametrize(("seen", "side"), [(True, "SECONDARY"), (False, "PRIMARY")])
def test_a_promotion_of_all_nodes_moves_the_site_if_it_is_seen(seen: bool, side: str) -> None:  # noqa: FBT001 - a case
    templates = site("alarm")
    found = model(asking(templates, "jdbc") if seen else templates)
    nodes = frozenset(found.clusters["site-a"].nodes)
    situation = Situation((("site-a", ClusterState(unready_nodes=nodes)),))
    assert Engine(found).health(situation).answer(found.failover_names[0]) == side
