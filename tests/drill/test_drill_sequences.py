"""Events one after another, and the side that DNS answers after each."""

from typing import Any

import pytest

from denodo_ha.drill.engine.aws_rules import Role
from denodo_ha.drill.engine.situation import ClusterState, Situation
from tests.drill.handmade import Data, Kind, alarm, check, got, metric_check, model, ref, site
from tests.drill.history import History

A, B = "PRIMARY", "SECONDARY"
WELL = Situation()
SILENT = frozenset({"site-a/Nobody", "site-b/Nobody"})
THROWN = Situation(thrown_switches=frozenset({"names/Lever"}))
KINDS: tuple[Kind, ...] = ("alias", "alarm", "endpoint", "ip")


def lost(*sides: str, **more: Any) -> Situation:
    states = tuple((f"site-{side}", ClusterState(region_lost=True)) for side in sides)
    return Situation(states, **more)


def down(side: str, templates: dict[str, Data]) -> Situation:
    """All nodes of a cluster dead, and its region alive."""
    nodes = model(templates).clusters[f"site-{side}"].nodes
    return Situation(((f"site-{side}", ClusterState(lost_machines=frozenset(nodes))),))


def answered(sides: dict[str, Role]) -> Role:
    return sides["sql.example.org"]


@pytest.mark.parametrize("kind", KINDS)
def test_first_deploy(kind: Kind) -> None:
    """No node serves yet and no metric is there; then the clusters come up, the primary last."""
    templates = site(kind)
    nobody = down("a", templates) | down("b", templates) | Situation(alarms_without_data=SILENT)
    history = History(model(templates))
    assert answered(history.then(nobody)) == A
    assert answered(history.then(WELL)) == A


@pytest.mark.parametrize("kind", KINDS)
def test_region_lost_and_back(kind: Kind) -> None:
    history = History(model(site(kind)))
    assert [answered(history.then(one)) for one in (WELL, lost("a"), WELL)] == [A, B, A]
    assert [answered(history.then(one)) for one in (lost("b"), lost("a", "b"), lost("a"))] == [
        *(A, A, B)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_switch_thrown_holds_without_new_datapoints(kind: Kind) -> None:
    history = History(model(site(kind)))
    assert answered(history.then(WELL)) == A
    assert answered(history.then(THROWN)) == B
    assert answered(history.then(Situation(alarms_without_data=frozenset({"names/Lever"})))) == B
    assert answered(history.then(lost("a"))) == B


@pytest.mark.parametrize("kind", KINDS)
def test_switch_thrown_during_an_outage_keeps_the_site_where_it_is(kind: Kind) -> None:
    """So that it doesn't go back by itself, as soon as the primary is healthy again."""
    templates = site(kind)
    out = down("a", templates)
    history = History(model(templates))
    assert answered(history.then(out)) == B
    assert answered(history.then(out | THROWN)) == B
    assert answered(history.then(THROWN)) == B


@pytest.mark.parametrize("kind", KINDS)
def test_no_force_moves_the_site_onto_a_dead_secondary(kind: Kind) -> None:
    templates = site(kind)
    history = History(model(templates))
    assert answered(history.then(down("b", templates) | THROWN)) == A


def test_the_secondarys_region_is_lost_with_the_switch_in_it() -> None:
    """The switch's alarm is in the secondary's region; its check keeps what it last was."""
    history = History(model(site("alarm")))
    assert [answered(history.then(one)) for one in (WELL, lost("b"), WELL)] == [A, A, A]
    assert [answered(history.then(one)) for one in (THROWN, lost("b"), WELL)] == [B, A, B]


def another_port(*, liveness: bool = False) -> dict[str, Data]:
    """The templates after a change of the port on the primary's nodes.

    Its group is another, and so is its alarm, to which the check is pointed.
    """
    changed = site("alarm")
    resources = changed["site-a"]["Resources"]
    resources["Group2"] = resources.pop("P9999")
    arn = resources["P9999In"]["Properties"]["DefaultActions"][0]
    arn["TargetGroupArn"] = ref("Group2")
    del resources["Nobody"]
    resources["Nobody2"] = alarm("Group2")
    config = resources["Watch"]["Properties"]["HealthCheckConfig"]
    config["AlarmIdentifier"]["Name"] = ref("Nobody2")
    return with_liveness(changed) if liveness else changed


def with_liveness(templates: dict[str, Data]) -> dict[str, Data]:
    """The jdbc check keeps its last status without data, and another sees a lost region.

    That one is on a metric that is always reported and is of no group.
    """
    for side in "ab":
        resources = templates[f"site-{side}"]["Resources"]
        config = resources["Watch"]["Properties"]["HealthCheckConfig"]
        config["InsufficientDataHealthStatus"] = "LastKnownStatus"
        region = config["AlarmIdentifier"]["Region"]
        resources["Flows"] = alarm("P9999", MetricName="ActiveFlowCount", Threshold=0)
        name = {"Name": "LoadBalancer", "Value": got("Front", "LoadBalancerFullName")}
        resources["Flows"]["Properties"]["Dimensions"] = [name]
        resources["Alive"] = metric_check("Flows", region)
        resources["Whole"] = check(
            Type="CALCULATED", HealthThreshold=2, ChildHealthChecks=[ref("Watch"), ref("Alive")]
        )
        templates[f"site-{side}"]["Outputs"]["Check"]["Value"] = ref("Whole")
    return templates


def test_a_jdbc_port_change_moves_the_site_until_the_new_alarm_has_data() -> None:
    """The check counts no data as unhealthy, as it must for a region that is lost."""
    history = History(model(site("alarm")))
    assert answered(history.then(WELL)) == A
    changed = model(another_port())
    assert (
        answered(
            history.then(Situation(alarms_without_data=frozenset({"site-a/Nobody2"})), changed)
        )
        == B
    )
    assert answered(history.then(WELL)) == A


def test_with_a_check_of_its_own_for_the_region_a_port_change_moves_nothing() -> None:
    history = History(model(with_liveness(site("alarm"))))
    assert answered(history.then(WELL)) == A
    changed = model(another_port(liveness=True))
    assert (
        answered(
            history.then(Situation(alarms_without_data=frozenset({"site-a/Nobody2"})), changed)
        )
        == A
    )
    assert answered(history.then(WELL)) == A
    assert answered(history.then(lost("a"))) == B
    assert answered(history.then(down("a", site("alarm")))) == B


@pytest.mark.parametrize("kind", ["alias", "alarm", "endpoint"])
def test_balancer_replaced(kind: Kind) -> None:
    """The new one serves before the old one goes, and the record follows.

    While a record still has the old one's name, the site is on the secondary, as it should be.
    """
    templates = site(kind)
    history = History(model(templates))
    assert answered(history.then(WELL)) == A
    gone = ClusterState(lost_balancers=frozenset({"site-a/Front"}))
    assert answered(history.then(Situation((("site-a", gone),)))) == B
    assert answered(history.then(WELL, model(site(kind)))) == A
