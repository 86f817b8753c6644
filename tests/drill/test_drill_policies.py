"""Policies: in templates of other projects, the drill finds flaws that make sites unreachable."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

import pytest

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.drill.drill_run import drill_model
from denodo_ha.drill.model.model import Unknown
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.reading.model_builder import build_model
from tests.drill.sample_templates import (
    Templates,
    alarm,
    attributes,
    cluster,
    drill,
    get_att,
    model,
    properties,
    two_clusters,
    unknown_policies,
    violations,
    yaml_templates,
)

Change = Callable[[Templates], None]

NOTHING_FAILED = "nothing-failed"
NODE_MOVES_SITE = "node-moves-site"


def _minimum(templates: Templates) -> None:
    properties(templates, "site-a", "NoneHealthy")["Statistic"] = "Minimum"


def _average(templates: Templates) -> None:
    properties(templates, "site-a", "NoneHealthy")["Statistic"] = "Average"


def _removed_group(templates: Templates) -> None:
    dimensions = properties(templates, "site-a", "NoneHealthy")["Dimensions"]
    dimensions[1]["Value"] = "targetgroup/old/0123456789abcdef"


def _detached_group(templates: Templates) -> None:
    resources = templates["site-a"]["Resources"]
    resources["Spare"] = deepcopy(resources["Sql"])
    dimensions = properties(templates, "site-a", "NoneHealthy")["Dimensions"]
    dimensions[1]["Value"] = get_att("Spare", "TargetGroupFullName")


def _cross_zone_off(templates: Templates) -> None:
    off = attributes(load_balancing__cross_zone__enabled="false")
    properties(templates, "site-a", "Front")["LoadBalancerAttributes"] = off


def _cross_zone_left_out(templates: Templates) -> None:
    del properties(templates, "site-a", "Front")["LoadBalancerAttributes"]


def _cross_zone_off_for_a_group(templates: Templates) -> None:
    off = attributes(load_balancing__cross_zone__enabled="false")
    properties(templates, "site-a", "LeftOnly")["TargetGroupAttributes"] = off


def _empty_group(templates: Templates) -> None:
    properties(templates, "site-a", "Sql")["Targets"] = []


def _no_check(templates: Templates) -> None:
    del properties(templates, "names", "First")["HealthCheckId"]


def _one_zone(templates: Templates) -> None:
    properties(templates, "site-a", "Right")["SubnetId"] = {"Ref": "LeftNet"}


def _missing_auxiliary(templates: Templates) -> None:
    del templates["site-a"]["Resources"]["LeftIn"]


def _private_endpoint(templates: Templates) -> None:
    properties(templates, "names", "First")["HealthCheckId"] = {"Ref": "Outside"}
    name = {"Fn::ImportValue": "site-a-name"}
    config = {"Type": "TCP", "FullyQualifiedDomainName": name, "Port": 9999}
    templates["names"]["Resources"]["Outside"] = {
        "Type": "AWS::Route53::HealthCheck",
        "Properties": {"HealthCheckConfig": config},
    }


def _last_known(templates: Templates) -> None:
    config = properties(templates, "site-a", "Watch")["HealthCheckConfig"]
    config["InsufficientDataHealthStatus"] = "LastKnownStatus"


def _inverted(templates: Templates) -> None:
    properties(templates, "site-a", "Watch")["HealthCheckConfig"]["Inverted"] = True


def _target_health(templates: Templates) -> None:
    for side, id_ in (("a", "First"), ("b", "Second")):
        record = properties(templates, "names", id_)
        for key in ("HealthCheckId", "ResourceRecords", "TTL"):
            del record[key]
        record["Type"] = "A"
        record["AliasTarget"] = {
            "DNSName": {"Fn::ImportValue": f"site-{side}-name"},
            "HostedZoneId": {"Fn::ImportValue": f"site-{side}-zone"},
            "EvaluateTargetHealth": True,
        }


def test_the_unchanged_templates_break_no_policy() -> None:
    result = drill(yaml_templates())
    assert violations(result) == {}
    expected = ("only connect", "of its previous load", "must be replaced")
    assert all(any(text in note for text in expected) for note in result.model.notes)


@pytest.mark.parametrize(
    ("change", "policies"),
    [
        (_target_health, {NODE_MOVES_SITE}),
        (_minimum, {NODE_MOVES_SITE}),
        (_average, {NODE_MOVES_SITE}),
        (_removed_group, {NOTHING_FAILED}),
        (_detached_group, {NOTHING_FAILED}),
        (_cross_zone_off, {NOTHING_FAILED}),
        (_cross_zone_left_out, {NOTHING_FAILED}),
        (_cross_zone_off_for_a_group, {"node-unreachable"}),
        (_empty_group, {NOTHING_FAILED}),
        (_no_check, {"dead-site"}),
        (_one_zone, {"one-zone"}),
        (_missing_auxiliary, {NOTHING_FAILED, "node-unreachable", "zone-unreachable"}),
        (_private_endpoint, {NOTHING_FAILED}),
        (_last_known, {"dead-site"}),
        (_inverted, {NOTHING_FAILED}),
    ],
)
def test_a_flaw_breaks_its_policies(change: Change, policies: set[str]) -> None:
    templates = yaml_templates()
    change(templates)
    assert set(violations(drill(templates))) >= policies


@pytest.mark.parametrize("change", [_target_health, _minimum])
def test_losing_one_node_triggers_a_site_failover(change: Change) -> None:
    templates = yaml_templates()
    change(templates)
    result = drill(templates)
    for node in ("left", "right"):
        outcome = result.by_failure[Failure("node-lost", "site-a", node)]
        assert outcome.moves_site
        assert [(change.before, change.after) for change in outcome.dns_changes] == [
            ("site-a", "site-b")
        ]
    unchanged = drill(yaml_templates())
    assert not unchanged.by_failure[Failure("node-lost", "site-a", "left")].moves_site


def test_two_nodes_in_one_zone_are_lost_with_the_zone() -> None:
    templates = yaml_templates()
    _one_zone(templates)
    del templates["names"], templates["site-b"]
    result = drill(templates)
    outcome = result.by_failure[Failure("zone-lost", "site-a", "eu-west-1a")]
    assert (outcome.unreachable, outcome.recovery) == ((9999,), None)
    assert violations(result)["one-zone"] == ("site-a: all nodes are in eu-west-1a",)


def test_the_only_node_of_a_cluster_breaks_no_policy_on_single_nodes_or_zones() -> None:
    result = drill({"site-a": cluster("a", nodes="a")})
    assert result.by_failure[Failure("node-lost", "site-a", "Box1")].unreachable == (9999,)
    assert violations(result) == {}


@pytest.mark.parametrize("change", [_cross_zone_off, _cross_zone_left_out])
def test_with_cross_zone_off_the_second_connection_may_fail(change: Change) -> None:
    """The second connection may use any address, but only the address in the node's zone works."""
    templates = yaml_templates()
    change(templates)
    outcome = drill(templates).without_failure
    assert outcome.partial == (9999,)
    assert {gap.address for gap in outcome.gaps} == {"eu-west-1a", "eu-west-1b"}


def test_the_baseline_names_the_ports_that_are_not_reached() -> None:
    templates = yaml_templates()
    _cross_zone_off(templates)
    some = [text for text in violations(drill(templates))[NOTHING_FAILED] if "some" in text]
    assert "9999 through site-a at eu-west-1a is reached only by some connections" in some
    templates = {"site-a": cluster("a")}
    properties(templates, "site-a", "P9999")["Targets"] = []
    assert violations(drill(templates))[NOTHING_FAILED] == (
        "9999 through site-a at eu-west-1a is not reached",
        "9999 through site-a at eu-west-1b is not reached",
    )


def test_an_empty_group_is_unhealthy_for_an_alias() -> None:
    """An alias needs a healthy target in every group, even in a group that no client uses."""
    templates = two_clusters("alias", services=(9999, 9996))
    properties(templates, "site-a", "P9996")["Targets"] = []
    result = drill(templates)
    assert [change.after for change in result.without_failure.dns_changes] == ["site-b"]
    assert "DNS answers site-b for sql.example.org" in violations(result)[NOTHING_FAILED]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_removed_group, "monitors a target group that no listener"),
        (_detached_group, "monitors a target group that no listener"),
        (_cross_zone_off_for_a_group, "does not resolve to the address in eu-west-1b"),
        (_no_check, "PRIMARY record has no health check, so this record always counts as healthy"),
    ],
)
def test_a_flaw_has_a_note(change: Change, text: str) -> None:
    templates = yaml_templates()
    change(templates)
    assert any(text in note for note in drill(templates).model.notes)


class TestDeadSite:
    """Policy `dead-site`: DNS must not answer with a cluster whose region is lost."""

    def test_the_violation_names_the_region_and_the_primary(self) -> None:
        templates = yaml_templates()
        _no_check(templates)
        assert violations(drill(templates))["dead-site"] == (
            "region-lost site-a eu-west-1: DNS still answers site-a for sql.example.org",
        )

    def test_a_lost_region_with_both_sides_breaks_nothing(self) -> None:
        """Both clusters are in the lost Region, so DNS cannot fail over."""
        stacks = [
            SynthesisedStack(name, "eu-west-1", "", template)
            for name, template in two_clusters("alarm").items()
        ]
        result = drill_model(build_model(tuple(stacks)))
        assert {cluster.region for cluster in result.model.clusters.values()} == {"eu-west-1"}
        (lost,) = (outcome for outcome in result.outcomes if outcome.failure.kind == "region-lost")
        assert [change.after for change in lost.dns_changes] == ["site-a"]
        assert "dead-site" not in violations(result)

    def test_operators_alone_may_decide(self) -> None:
        assert "dead-site" not in violations(drill(two_clusters("alarm", control="operator")))

    def test_a_record_with_a_switch_and_another_check_is_not_for_operators_alone(self) -> None:
        templates = two_clusters("alarm")
        for side in "ab":
            config = properties(templates, f"site-{side}", "Watch")["HealthCheckConfig"]
            config["InsufficientDataHealthStatus"] = "Healthy"
        assert "dead-site" in violations(drill(templates))

    def test_what_could_not_be_read_may_be_what_is_missing(self) -> None:
        """If health checks could not be read, a missing one makes a policy unknown, not broken."""
        templates = yaml_templates()
        _no_check(templates)
        unknown = Unknown("the checks", frozenset({"check"}))
        result = drill_model(replace(model(templates), unknowns=(unknown,)))
        assert "dead-site" not in violations(result)
        texts = unknown_policies(result)["dead-site"]
        assert any(
            text.startswith("broken unless unread resources change this: region-lost")
            for text in texts
        )

    def test_an_unknown_side_is_left_out(self) -> None:
        templates = yaml_templates()
        _no_check(templates)
        del templates["site-b"]
        assert "dead-site" not in violations(drill(templates))


class TestSettings:
    """Policies with a limit that users set: `max-recovery` and `min-secondary`."""

    def test_max_recovery(self) -> None:
        result = drill(yaml_templates())
        assert violations(result, max_recovery=330) == {}
        assert (
            "region-lost site-a eu-west-1: 330 s"
            in (violations(result, max_recovery=329)["max-recovery"])
        )
        never = drill({"site-a": cluster("a", nodes="a")})
        texts = violations(never, max_recovery=1000)["max-recovery"]
        assert "node-lost site-a Box1: only after a repair" in texts

    def test_min_secondary(self) -> None:
        result = drill(two_clusters("alarm"))
        assert "min-secondary" not in violations(result, min_secondary=2)
        assert violations(result, min_secondary=3)["min-secondary"] == ("site-b: 2 of 3",)

    def test_a_single_node_is_one_target_and_an_unknown_secondary_none(self) -> None:
        single = drill(two_clusters("ip"))
        assert "min-secondary" not in violations(single, min_secondary=1)
        assert violations(single, min_secondary=2)["min-secondary"] == ("site-b: 1 of 2",)
        (gap,) = single.by_failure[Failure("node-lost", "site-b", "Box1")].gaps
        assert (gap.through, gap.address) == ("site-b", "us-east-1a")
        templates = two_clusters("alarm")
        del templates["site-b"]
        assert "min-secondary" not in violations(drill(templates), min_secondary=9)


def test_an_alarm_that_no_template_has_reports_nothing() -> None:
    templates = yaml_templates()
    config = properties(templates, "site-a", "Watch")["HealthCheckConfig"]
    config["AlarmIdentifier"]["Name"] = "made-by-hand"
    result = drill(templates)
    text = "is not among the resources that were read (made-by-hand)"
    assert any(text in note for note in result.model.notes)
    assert NOTHING_FAILED in violations(result)


def test_an_alarm_of_a_balancer_that_no_template_has_reports_nothing() -> None:
    templates = yaml_templates()
    dimensions = properties(templates, "site-a", "NoneHealthy")["Dimensions"]
    dimensions[0]["Value"] = "net/old/0123456789abcdef"
    result = drill(templates)
    text = (
        "monitors a balancer that is not among the resources that were read "
        "(net/old/0123456789abcdef)"
    )
    assert any(text in note for note in result.model.notes)
    assert NOTHING_FAILED in violations(result)


def test_an_alarm_is_found_by_its_name_in_another_template() -> None:
    templates = yaml_templates()
    of_a = templates["site-a"]["Resources"]
    of_a["NoneHealthy"]["Properties"]["AlarmName"] = "none-healthy"
    identifier = {"Name": "none-healthy", "Region": "eu-west-1"}
    of_a["Watch"]["Properties"]["HealthCheckConfig"]["AlarmIdentifier"] = identifier
    templates["names"]["Resources"]["Elsewhere"] = of_a.pop("Watch")
    del templates["site-a"]["Outputs"]["Check"]
    properties(templates, "names", "First")["HealthCheckId"] = {"Ref": "Elsewhere"}
    assert violations(drill(templates)) == {}


def test_an_open_point_shows_the_worse_interpretation() -> None:
    """AWS does not document whether an alias applies the thresholds of a target group."""
    templates = two_clusters("alias", auxiliary=True)
    off = attributes(target_group_health__dns_failover__minimum_healthy_targets__count="off")
    for stack in ("site-a", "site-b"):
        for group in ("Aux1", "Aux2"):
            properties(templates, stack, group)["TargetGroupAttributes"] = off
    outcome = drill(templates).by_failure[Failure("node-lost", "site-a", "Box1")]
    assert outcome.moves_site
    (text,) = outcome.interpretations
    assert (
        "EvaluateTargetHealth applies a target group's dns_failover settings: "
        "DNS does not fail over" in text
    )


def test_without_an_open_point_there_are_no_interpretations() -> None:
    assert all(outcome.interpretations == () for outcome in drill(yaml_templates()).outcomes)


def test_an_alarm_that_is_ok_without_data_leaves_a_point_open() -> None:
    templates = yaml_templates()
    properties(templates, "site-a", "NoneHealthy")["TreatMissingData"] = "notBreaching"
    outcome = drill(templates).by_failure[Failure("region-lost", "site-a", "eu-west-1")]
    assert outcome.unreachable == (9999,)
    assert "TreatMissingData decides" in outcome.interpretations[0]


def test_an_alarm_on_one_zone_does_not_see_the_other() -> None:
    templates = two_clusters()
    settings = alarm("P9999")["Properties"]
    zone = {"Name": "AvailabilityZone", "Value": "eu-west-1a"}
    properties(templates, "site-a", "NoneHealthy")["Dimensions"] = [*settings["Dimensions"], zone]
    moving = {
        outcome.failure.name
        for outcome in drill(templates).outcomes
        if outcome.failure.kind == "node-lost" and outcome.moves_site
    }
    assert moving == {"Box1"}
