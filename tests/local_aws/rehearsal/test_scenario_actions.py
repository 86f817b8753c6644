"""Every scenario of the drill has actions that cause its situation, or a reason why it has none."""

from dataclasses import replace

import pytest

from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.machines import Machine
from denodo_ha.drill.model.model import Cluster, Database, Model
from tools.local_aws.rehearsal.scenario_actions import (
    Action,
    NotPlayableError,
    Verb,
    actions,
)

_ONE = Cluster("one", "eu-west-1", ("one/A", "one/B"), (), ())
_TWO = Cluster("two", "eu-west-1", ("two/A",), (), ())
_DATABASE = Database("one/D", "D", "one", multi_az=False, zones=None, ports=(8000,))
MODEL = Model(
    {"one": _ONE, "two": _TWO},
    {},
    {},
    {},
    {"one/D": _DATABASE, "one/E": replace(_DATABASE, key="one/E", ports=None)},
    license_managers={"one": "sm.example.com", "two": "sm.example.com"},
)


def situation(**state: object) -> Situation:
    return Situation((("one", ClusterState(**state)),))  # type: ignore[arg-type] # tests name the fields


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ({"lost_machines": frozenset({"one/A"})}, [Action(Verb.KILL, "one/A", "one")]),
        ({"unready_nodes": frozenset({"one/A"})}, [Action(Verb.HANG_SERVERS, "one/A", "one")]),
        (
            {"closed_ports": frozenset({("one/A", 9996)})},
            [Action(Verb.CLOSE_PORT, "one/A", "one", 9996)],
        ),
        ({"shifted_zones": frozenset({"a"})}, [Action(Verb.SHIFT_ZONE, "a", "one")]),
        ({"lost_balancers": frozenset({"one/N"})}, [Action(Verb.CUT_BALANCER, "one/N", "one")]),
        (
            {"lost_databases": frozenset({"one/D"})},
            [Action(Verb.LOSE_DATABASE, "one/D", "one")],
        ),
        (
            {"failing_over_databases": frozenset({"one/D"})},
            [Action(Verb.FAIL_OVER_DATABASE, "one/D", "one")],
        ),
        ({"region_lost": True}, [Action(Verb.CUT_REGION, "eu-west-1")]),
        (
            {"license_manager_lost": True},
            [Action(Verb.LOSE_LICENSE_MANAGER, "sm.example.com")],
        ),
    ],
)
def test_a_state_of_a_cluster_has_its_action(
    failures: dict[str, object], expected: list[Action]
) -> None:
    assert actions(MODEL, situation(**failures)) == expected


def test_a_replaced_node_is_drained_before_it_is_lost() -> None:
    node = frozenset({"one/A"})
    done = actions(MODEL, situation(drained_nodes=node, lost_machines=node))
    assert [action.verb for action in done] == [Verb.DRAIN, Verb.KILL]


def test_a_machine_is_suspended_on_request() -> None:
    done = actions(MODEL, situation(lost_machines=frozenset({"one/A"})), suspend=True)
    assert [action.verb for action in done] == [Verb.SUSPEND]


def test_a_zone_and_a_region_of_two_clusters_are_cut_off_once() -> None:
    state = ClusterState(lost_zones=frozenset({"eu-west-1a"}), region_lost=True)
    done = actions(MODEL, Situation((("one", state), ("two", state))))
    assert [action.verb for action in done] == [Verb.CUT_ZONE, Verb.CUT_REGION]


def test_alarms_checks_and_switches() -> None:
    whole = Situation(
        alarms_without_data=frozenset({"f/Alarm"}),
        unhealthy_checks=frozenset({"f/Check"}),
        thrown_switches=frozenset({"f/Switch"}),
    )
    verbs = [action.verb for action in actions(MODEL, whole)]
    assert verbs == [Verb.CUT_ALARM, Verb.CUT_CHECK, Verb.THROW_SWITCH]


@pytest.mark.parametrize(
    ("zone", "health_port", "verb"),
    [
        ("eu-west-1a", 9192, Verb.KILL),
        (None, 9192, Verb.KILL),
        (None, None, Verb.CUT_BALANCER),
    ],
)
def test_an_haproxy_instance_is_killed_and_a_load_balancer_is_cut_off(
    zone: str | None, health_port: int | None, verb: Verb
) -> None:
    proxy = Machine("one/P", "P", "one", zone, "proxy", {}, health_port)
    model = replace(MODEL, machines={"one/P": proxy})
    done = actions(model, situation(lost_machines=frozenset({"one/P"})))
    assert done == [Action(verb, "one/P", "one")]


def test_what_the_local_aws_lacks_has_a_reason() -> None:
    with pytest.raises(NotPlayableError, match="do not show which services need the database"):
        actions(MODEL, situation(lost_databases=frozenset({"one/E"})))


def test_every_field_of_a_situation_is_played() -> None:
    """A new kind of failure in the drill must not be played as if nothing failed."""
    known = {
        "lost_machines",
        "unready_nodes",
        "drained_nodes",
        "closed_ports",
        "shifted_zones",
        "lost_zones",
        "lost_balancers",
        "region_lost",
        "lost_databases",
        "failing_over_databases",
        "license_manager_lost",
    }
    assert set(ClusterState.__dataclass_fields__) == known
    fields = {"clusters", "alarms_without_data", "thrown_switches", "unhealthy_checks"}
    assert set(Situation.__dataclass_fields__) == fields | {"last_statuses"}
