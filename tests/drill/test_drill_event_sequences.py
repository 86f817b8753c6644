"""Successive events, and the answer of DNS after each event."""

from typing import Any

import pytest

from denodo_ha.drill.engine.aws_rules import Role
from denodo_ha.drill.engine.situation import ClusterState, Situation
from tests.drill.event_history import EventHistory
from tests.drill.sample_templates import (
    Health,
    Templates,
    alarm,
    check,
    get_att,
    metric_check,
    model,
    properties,
    ref,
    two_clusters,
)

A, B = "PRIMARY", "SECONDARY"
ALL_WELL = Situation()
NO_DATA = Situation(alarms_without_data=frozenset({"site-a/NoneHealthy", "site-b/NoneHealthy"}))
THROWN = Situation(thrown_switches=frozenset({"names/Lever"}))
KINDS: tuple[Health, ...] = ("alias", "alarm", "endpoint", "ip")


def regions_lost(*sides: str) -> Situation:
    return Situation(tuple((f"site-{side}", ClusterState(region_lost=True)) for side in sides))


def nodes_lost(side: str, templates: Templates) -> Situation:
    """Return the loss of all nodes of a cluster, whose Region still works."""
    nodes = model(templates).clusters[f"site-{side}"].nodes
    return Situation(((f"site-{side}", ClusterState(lost_machines=frozenset(nodes))),))


def answers(history: EventHistory, *situations: Situation, **settings: Any) -> list[Role]:
    return [history.after(situation, **settings)["sql.example.org"] for situation in situations]


@pytest.mark.parametrize("health", KINDS)
def test_first_deploy(health: Health) -> None:
    """Events: first no node serves and no metric has data, then both clusters serve."""
    templates = two_clusters(health)
    none_serves = nodes_lost("a", templates) | nodes_lost("b", templates) | NO_DATA
    history = EventHistory(model(templates))
    assert answers(history, none_serves, ALL_WELL) == [A, A]


@pytest.mark.parametrize("health", KINDS)
def test_region_lost_and_repaired(health: Health) -> None:
    history = EventHistory(model(two_clusters(health)))
    assert answers(history, ALL_WELL, regions_lost("a"), ALL_WELL) == [A, B, A]
    lost = (regions_lost("b"), regions_lost("a", "b"), regions_lost("a"))
    assert answers(history, *lost) == [A, A, B]


@pytest.mark.parametrize("health", KINDS)
def test_a_thrown_switch_holds_without_new_datapoints(health: Health) -> None:
    history = EventHistory(model(two_clusters(health)))
    no_datapoint = Situation(alarms_without_data=frozenset({"names/Lever"}))
    situations = (ALL_WELL, THROWN, no_datapoint, regions_lost("a"))
    assert answers(history, *situations) == [A, B, B, B]


@pytest.mark.parametrize("health", KINDS)
def test_a_switch_thrown_during_an_outage_prevents_a_failback(health: Health) -> None:
    templates = two_clusters(health)
    lost = nodes_lost("a", templates)
    history = EventHistory(model(templates))
    assert answers(history, lost, lost | THROWN, THROWN) == [B, B, B]


@pytest.mark.parametrize("health", KINDS)
def test_a_thrown_switch_does_not_select_a_dead_secondary(health: Health) -> None:
    templates = two_clusters(health)
    history = EventHistory(model(templates))
    assert answers(history, nodes_lost("b", templates) | THROWN) == [A]


def test_the_secondarys_region_is_lost_with_the_switch_in_it() -> None:
    """The switch's alarm is in the lost region; the switch's health check keeps its last status."""
    history = EventHistory(model(two_clusters("alarm")))
    assert answers(history, ALL_WELL, regions_lost("b"), ALL_WELL) == [A, A, A]
    assert answers(history, THROWN, regions_lost("b"), ALL_WELL) == [B, A, B]


def with_other_jdbc_port(templates: Templates) -> Templates:
    """Replace the primary's jdbc target group and alarm, as a change of the nodes' port does."""
    resources = templates["site-a"]["Resources"]
    resources["Group2"] = resources.pop("P9999")
    (action,) = properties(templates, "site-a", "P9999In")["DefaultActions"]
    action["TargetGroupArn"] = ref("Group2")
    del resources["NoneHealthy"]
    resources["NoneHealthy2"] = alarm("Group2")
    config = properties(templates, "site-a", "Watch")["HealthCheckConfig"]
    config["AlarmIdentifier"]["Name"] = ref("NoneHealthy2")
    return templates


def with_region_checks(templates: Templates) -> Templates:
    """Give each cluster a second check, on a metric that every balancer reports all the time.

    The jdbc check keeps its last status without data; the second check detects a lost region.
    """
    for stack in ("site-a", "site-b"):
        resources = templates[stack]["Resources"]
        config = properties(templates, stack, "Watch")["HealthCheckConfig"]
        config["InsufficientDataHealthStatus"] = "LastKnownStatus"
        region = config["AlarmIdentifier"]["Region"]
        resources["Flows"] = alarm("P9999", MetricName="ActiveFlowCount", Threshold=0)
        name = {"Name": "LoadBalancer", "Value": get_att("Front", "LoadBalancerFullName")}
        resources["Flows"]["Properties"]["Dimensions"] = [name]
        resources["Alive"] = metric_check("Flows", region)
        resources["Whole"] = check(
            Type="CALCULATED", HealthThreshold=2, ChildHealthChecks=[ref("Watch"), ref("Alive")]
        )
        templates[stack]["Outputs"]["Check"]["Value"] = ref("Whole")
    return templates


NEW_ALARM_WITHOUT_DATA = Situation(alarms_without_data=frozenset({"site-a/NoneHealthy2"}))


def test_a_jdbc_port_change_triggers_a_failover_until_the_new_alarm_has_data() -> None:
    """The health check is unhealthy while its alarm has no data, to detect a lost Region."""
    history = EventHistory(model(two_clusters("alarm")))
    assert answers(history, ALL_WELL) == [A]
    changed = model(with_other_jdbc_port(two_clusters("alarm")))
    assert answers(history, NEW_ALARM_WITHOUT_DATA, model=changed) == [B]
    assert answers(history, ALL_WELL) == [A]


def test_with_a_check_of_its_own_for_the_region_a_port_change_triggers_nothing() -> None:
    history = EventHistory(model(with_region_checks(two_clusters("alarm"))))
    assert answers(history, ALL_WELL) == [A]
    changed = model(with_region_checks(with_other_jdbc_port(two_clusters("alarm"))))
    assert answers(history, NEW_ALARM_WITHOUT_DATA, model=changed) == [A]
    lost = (regions_lost("a"), nodes_lost("a", two_clusters("alarm")))
    assert answers(history, ALL_WELL, *lost) == [A, B, B]


@pytest.mark.parametrize("health", ["alias", "alarm", "endpoint"])
def test_balancer_replaced(health: Health) -> None:
    """A load balancer is replaced, and its DNS record is updated later.

    While the record still has the old load balancer's name, DNS answers the secondary.
    """
    history = EventHistory(model(two_clusters(health)))
    lost = ClusterState(lost_balancers=frozenset({"site-a/Front"}))
    assert answers(history, ALL_WELL, Situation((("site-a", lost),))) == [A, B]
    assert answers(history, ALL_WELL, model=model(two_clusters(health))) == [A]
