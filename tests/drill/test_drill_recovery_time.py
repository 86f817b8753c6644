"""Recovery times and their steps, calculated as documented in docs/explanation/failover.md."""

import pytest

from denodo_ha.drill.engine.engine import Engine
from denodo_ha.drill.engine.recovery_time import endpoint_check, target_healthy, target_unhealthy
from denodo_ha.drill.engine.situation import ClusterState, Situation
from denodo_ha.drill.model.dns import HealthCheck
from denodo_ha.drill.model.machines import TargetHealthCheck
from denodo_ha.drill.outcome import Failure, Outcome, RecoveryStep, certain_seconds
from tests.drill.sample_templates import Health, Templates, drill, model, properties, two_clusters


def outcome_of(health: Health, failure: Failure, **settings: str) -> Outcome:
    return drill(two_clusters(health, **settings)).by_failure[failure]


def seconds(outcome: Outcome) -> list[int]:
    assert outcome.recovery == sum(step.seconds for step in outcome.steps)
    return [step.seconds for step in outcome.steps]


REGION = Failure("region-lost", "site-a", "eu-west-1")
PRIMARY_LOST = [
    Failure("balancer-lost", "site-a", "Front"),
    REGION,
    Failure("service-down", "site-a", "9999 on all nodes"),
]


def test_by_alarm() -> None:
    """Target check 5 s x 2 + time-out 10 s, metric, alarm, Route 53's check, and TTL 30 s."""
    assert seconds(outcome_of("alarm", PRIMARY_LOST[2])) == [20, 60, 60, 60, 30]


@pytest.mark.parametrize("failure", PRIMARY_LOST[:2])
def test_by_alarm_without_data(failure: Failure) -> None:
    """No target check is needed, but the alarm has insufficient data only after three minutes."""
    assert seconds(outcome_of("alarm", failure)) == [60, 180, 60, 30]


def test_an_alarm_of_more_periods_than_three_needs_them_all_without_data() -> None:
    templates = two_clusters("alarm")
    properties(templates, "site-a", "NoneHealthy")["EvaluationPeriods"] = 5
    assert seconds(drill(templates).by_failure[REGION]) == [60, 300, 60, 30]


@pytest.mark.parametrize(("datapoints", "raised", "again"), [(None, 4, 1), (4, 4, 1), (3, 3, 2)])
def test_an_alarm_waits_for_as_many_periods_as_it_needs(
    datapoints: int | None, raised: int, again: int
) -> None:
    """The alarm goes to ALARM after enough bad periods, and to OK after enough good periods."""
    templates = two_clusters("alarm")
    properties(templates, "site-a", "NoneHealthy")["EvaluationPeriods"] = 4
    if datapoints is not None:
        properties(templates, "site-a", "NoneHealthy")["DatapointsToAlarm"] = datapoints
    outcome = drill(templates).by_failure[PRIMARY_LOST[2]]
    assert seconds(outcome) == [20, 60, raised * 60, 60, 30]
    back = 10 + 60 + again * 60 + 60 + 30
    assert (
        outcome.after_repair
        == f"DNS answers site-a automatically within {back} s after site-a is healthy"
    )


@pytest.mark.parametrize("failure", PRIMARY_LOST)
def test_by_endpoint(failure: Failure) -> None:
    """Three requests at intervals of 10 s and 10 s to connect make 40 s; the TTL is 30 s."""
    assert seconds(outcome_of("endpoint", failure)) == [40, 30]


@pytest.mark.parametrize("failure", PRIMARY_LOST)
def test_by_target_health(failure: Failure) -> None:
    """Target check 5 s x 2 + time-out 10 s, and the TTL of an alias to a load balancer: 60 s."""
    assert seconds(outcome_of("alias", failure)) == [20, 60]


def test_by_target_health_only_the_check_of_the_failed_service_counts() -> None:
    templates = two_clusters("alias", services=(9999, 9996))
    properties(templates, "site-a", "P9996")["HealthCheckIntervalSeconds"] = 30
    failure = Failure("service-down", "site-a", "9996 on all nodes")
    assert seconds(drill(templates).by_failure[failure]) == [70, 60]


@pytest.mark.parametrize("health", ["alarm", "endpoint", "ip"])
def test_by_switch(health: Health) -> None:
    """One minute for the switch's alarm, one minute until its metric has data, and TTL 30."""
    thrown = outcome_of(health, Failure("switch-thrown", "site-a", "Lever"))
    assert seconds(thrown) == [60, 60, 30]
    assert thrown.after_repair == (
        "DNS answers site-a within 150 s after operators put the switch back"
    )


def test_by_switch_for_an_alias() -> None:
    thrown = outcome_of("alias", Failure("switch-thrown", "site-a", "Lever"))
    assert seconds(thrown) == [60, 60, 60]


def test_an_alias_is_healthy_again_with_its_last_service() -> None:
    templates = two_clusters("alias", services=(9999, 9996))
    properties(templates, "site-a", "P9996")["HealthCheckIntervalSeconds"] = 30
    outcome = drill(templates).by_failure[REGION]
    assert seconds(outcome) == [20, 60]
    assert (
        outcome.after_repair
        == "DNS answers site-a automatically within 120 s after site-a is healthy"
    )


def test_an_alias_with_a_check_fails_with_the_first_and_is_healthy_with_the_last() -> None:
    templates = two_clusters("alias")
    watch = {"Fn::GetStackOutput": {"StackName": "site-a", "OutputName": "Check"}}
    properties(templates, "names", "First")["HealthCheckId"] = watch
    outcome = drill(templates).by_failure[REGION]
    assert seconds(outcome) == [20, 60]
    back = 10 + 60 + 60 + 60 + 60
    assert (
        outcome.after_repair
        == f"DNS answers site-a automatically within {back} s after site-a is healthy"
    )


def test_a_lost_alarm_needs_no_target_check() -> None:
    """The alarm's data ends at once, without the time of a target's health check."""
    silent = outcome_of("alarm", Failure("missing-data", "site-a", "NoneHealthy"))
    assert silent.moves_site
    assert seconds(silent) == [60, 180, 60, 30]


def test_an_alarm_that_has_data_again_needs_no_target_check() -> None:
    outcome = outcome_of("alarm", Failure("missing-data", "site-a", "NoneHealthy"))
    assert (
        outcome.after_repair
        == "DNS answers site-a automatically within 210 s after site-a is healthy"
    )


def test_an_unhealthy_check_costs_the_ttl_only() -> None:
    outcome = outcome_of("alarm", Failure("check-unhealthy", "site-a", "Watch"))
    assert seconds(outcome) == [30]
    assert (
        outcome.after_repair
        == "DNS answers site-a automatically within 30 s after site-a is healthy"
    )


def test_a_calculated_check_waits_for_as_many_children_as_it_needs() -> None:
    """If one of two children must be healthy, the primary fails only after the slower child."""
    templates = two_clusters("endpoint")
    both = properties(templates, "names", "Both")["HealthCheckConfig"]
    both["ChildHealthChecks"] = [{"Ref": "Probea"}, {"Ref": "Slow"}]
    slow = properties(templates, "names", "Probea")["HealthCheckConfig"] | {"RequestInterval": 30}
    templates["names"]["Resources"]["Slow"] = {
        "Type": "AWS::Route53::HealthCheck",
        "Properties": {"HealthCheckConfig": slow},
    }
    for needed, detection in ((2, 40), (1, 100)):
        both["HealthThreshold"] = needed
        assert seconds(drill(templates).by_failure[REGION]) == [detection, 30]


@pytest.mark.parametrize("health", ["alias", "alarm", "endpoint"])
def test_a_lost_node_gets_no_connections_after_its_target_check(health: Health) -> None:
    outcome = outcome_of(health, Failure("node-lost", "site-a", "Box1"))
    assert seconds(outcome) == [20]
    assert outcome.after_repair == "gets connections within 10 s after the repair"


@pytest.mark.parametrize("health", ["alias", "alarm", "endpoint"])
def test_a_lost_zone_remains_in_the_balancers_name_for_a_minute(health: Health) -> None:
    outcome = outcome_of(health, Failure("zone-lost", "site-a", "eu-west-1a"))
    assert seconds(outcome) == [20, 60]


def test_a_drained_node_costs_nothing() -> None:
    assert outcome_of("alarm", Failure("node-drained", "site-a", "Box1")).recovery == 0


def test_a_failure_that_no_check_detects_never_ends() -> None:
    """Target checks that only connect do not detect a node that is not ready."""
    outcome = outcome_of("alarm", Failure("node-not-ready", "site-a", "Box1"))
    assert (outcome.recovery, outcome.partial) == (None, (9999,))


def test_with_operators_in_control_no_failure_triggers_a_failover() -> None:
    outcome = outcome_of("alarm", REGION, control="operator")
    assert (outcome.moves_site, outcome.recovery, outcome.unreachable) == (False, None, (9999,))


def test_failures_of_the_secondary_cost_clients_of_the_name_nothing() -> None:
    outcome = outcome_of("alarm", Failure("region-lost", "site-b", "us-east-1"))
    assert (outcome.recovery, outcome.moves_site, outcome.unreachable) == (0, False, ())
    assert [change.standby for change in outcome.dns_changes] == [False]


def with_readiness_checks(templates: Templates) -> Templates:
    """Make the jdbc target groups check the readiness report of the node program."""
    for stack in ("site-a", "site-b"):
        group = properties(templates, stack, "P9999")
        group |= {
            "HealthCheckProtocol": "HTTP",
            "HealthCheckPort": "9191",
            "HealthCheckPath": "/ready/jdbc",
        }
    return templates


@pytest.mark.parametrize(
    "failure",
    [
        Failure("node-not-ready", "site-a", "Box1"),
        Failure("auxiliary-down", "site-a", "20001 of Box1"),
    ],
)
def test_a_readiness_check_detects_promotions_and_auxiliary_ports(failure: Failure) -> None:
    templates = with_readiness_checks(two_clusters("alarm", auxiliary=True))
    outcome = drill(templates).by_failure[failure]
    assert (outcome.recovery, outcome.partial, outcome.unreachable) == (16, (), ())


def test_a_connection_check_does_not_detect_an_auxiliary_port() -> None:
    failure = Failure("auxiliary-down", "site-a", "20001 of Box1")
    outcome = drill(two_clusters("alarm", auxiliary=True)).by_failure[failure]
    assert (outcome.recovery, outcome.partial) == (None, (9999,))


def test_a_promotion_of_all_nodes_triggers_a_failover_if_checks_detect_it() -> None:
    templates = two_clusters("alarm")
    for expected in ("PRIMARY", "SECONDARY"):
        of_templates = model(templates)
        nodes = frozenset(of_templates.clusters["site-a"].nodes)
        situation = Situation((("site-a", ClusterState(unready_nodes=nodes)),))
        (name,) = of_templates.failover_names
        assert Engine(of_templates).health(situation).answer(name) == expected
        with_readiness_checks(templates)


def test_the_certain_terms_of_a_recovery_are_what_checks_and_periods_need_at_the_least() -> None:
    check = TargetHealthCheck("TCP", None, "", interval=5, healthy=3, unhealthy=2, timeout=4)
    assert (target_unhealthy(check).seconds, target_unhealthy(check).certain) == (14, 5)
    assert (target_healthy(check).seconds, target_healthy(check).certain) == (15, 10)
    endpoint = HealthCheck("k", "n", "TCP", interval=10, failures=3)
    step = endpoint_check(endpoint, becomes_healthy=False)
    assert (step.seconds, step.certain) == (40, 20)
    assert certain_seconds((step, RecoveryStep("TTL", 60))) == 20
