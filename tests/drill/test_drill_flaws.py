"""The drill finds the flaws that take sites down, in templates that somebody else made."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.policies import apply_policies
from tests.drill.handmade import alarm, attributes, got, model, site, written

Templates = dict[str, Any]
Change = Callable[[Templates], None]


def drilled(templates: Templates) -> DrillResult:
    return drill_model(model(templates))


def broken(found: DrillResult) -> dict[str, tuple[str, ...]]:
    verdicts = apply_policies(found, max_recovery=None, min_secondary=1)
    return {one.policy.id: one.violations for one in verdicts if not one.holds}


def _of(templates: Templates, stack: str, id_: str) -> Any:
    return templates[stack]["Resources"][id_]["Properties"]


def _minimum(templates: Templates) -> None:
    _of(templates, "site-a", "NobodyLeft")["Statistic"] = "Minimum"


def _average(templates: Templates) -> None:
    _of(templates, "site-a", "NobodyLeft")["Statistic"] = "Average"


def _gone_group(templates: Templates) -> None:
    dimensions = _of(templates, "site-a", "NobodyLeft")["Dimensions"]
    dimensions[1]["Value"] = "targetgroup/old/0123456789abcdef"


def _detached_group(templates: Templates) -> None:
    resources = templates["site-a"]["Resources"]
    resources["Spare"] = deepcopy(resources["Sql"])
    dimensions = _of(templates, "site-a", "NobodyLeft")["Dimensions"]
    dimensions[1]["Value"] = got("Spare", "TargetGroupFullName")


def _cross_zone_off(templates: Templates) -> None:
    found = attributes(load_balancing__cross_zone__enabled="false")
    _of(templates, "site-a", "Front")["LoadBalancerAttributes"] = found


def _cross_zone_left_out(templates: Templates) -> None:
    del _of(templates, "site-a", "Front")["LoadBalancerAttributes"]


def _cross_zone_off_for_a_group(templates: Templates) -> None:
    found = attributes(load_balancing__cross_zone__enabled="false")
    _of(templates, "site-a", "LeftOnly")["TargetGroupAttributes"] = found


def _empty_group(templates: Templates) -> None:
    _of(templates, "site-a", "Sql")["Targets"] = []


def _no_check(templates: Templates) -> None:
    del _of(templates, "names", "First")["HealthCheckId"]


def _one_zone(templates: Templates) -> None:
    _of(templates, "site-a", "Right")["SubnetId"] = {"Ref": "LeftNet"}


def _missing_auxiliary(templates: Templates) -> None:
    del templates["site-a"]["Resources"]["LeftIn"]


def _private_endpoint(templates: Templates) -> None:
    _of(templates, "names", "First")["HealthCheckId"] = {"Ref": "Outside"}
    name = {"Fn::ImportValue": "site-a-name"}
    config = {"Type": "TCP", "FullyQualifiedDomainName": name, "Port": 9999}
    templates["names"]["Resources"]["Outside"] = {
        "Type": "AWS::Route53::HealthCheck",
        "Properties": {"HealthCheckConfig": config},
    }


def _last_known(templates: Templates) -> None:
    config = _of(templates, "site-a", "Watch")["HealthCheckConfig"]
    config["InsufficientDataHealthStatus"] = "LastKnownStatus"


def _inverted(templates: Templates) -> None:
    _of(templates, "site-a", "Watch")["HealthCheckConfig"]["Inverted"] = True


def _target_health(templates: Templates) -> None:
    for side, id_ in (("a", "First"), ("b", "Second")):
        found = _of(templates, "names", id_)
        for key in ("HealthCheckId", "ResourceRecords", "TTL"):
            del found[key]
        found["Type"] = "A"
        found["AliasTarget"] = {
            "DNSName": {"Fn::ImportValue": f"site-{side}-name"},
            "HostedZoneId": {"Fn::ImportValue": f"site-{side}-zone"},
            "EvaluateTargetHealth": True,
        }


def test_the_site_as_it_is_has_none() -> None:
    found = drilled(written())
    assert broken(found) == {}
    assert all("only connect" in note for note in found.model.notes)


BASELINE = "nothing-failed"
MOVES = "node-moves-site"


@pytest.mark.parametrize(
    ("change", "policies"),
    [
        (_target_health, {MOVES}),
        (_minimum, {MOVES}),
        (_average, {MOVES}),
        (_gone_group, {BASELINE}),
        (_detached_group, {BASELINE}),
        (_cross_zone_off, {BASELINE}),
        (_cross_zone_left_out, {BASELINE}),
        (_cross_zone_off_for_a_group, {"node-unreachable"}),
        (_empty_group, {BASELINE}),
        (_no_check, {"dead-site"}),
        (_one_zone, {"one-zone"}),
        (_missing_auxiliary, {BASELINE, "node-unreachable", "zone-unreachable"}),
        (_private_endpoint, {BASELINE}),
        (_last_known, {"dead-site"}),
        (_inverted, {BASELINE}),
    ],
)
def test_a_flaw_breaks_its_policies(change: Change, policies: set[str]) -> None:
    templates = written()
    change(templates)
    assert set(broken(drilled(templates))) >= policies


@pytest.mark.parametrize("change", [_target_health, _minimum])
def test_losing_one_node_moves_the_site(change: Change) -> None:
    templates = written()
    change(templates)
    found = drilled(templates)
    for node in ("left", "right"):
        outcome = found.by_failure[Failure("node-lost", "site-a", node)]
        assert outcome.moves_site
        assert [(one.before, one.after) for one in outcome.dns_changes] == [("site-a", "site-b")]
    # The primary's nodes are no reason to move, were it not for that.
    assert not drilled(written()).by_failure[Failure("node-lost", "site-a", "left")].moves_site


def test_two_nodes_in_one_zone_die_with_it() -> None:
    templates = written()
    _one_zone(templates)
    del templates["names"], templates["site-b"]
    outcome = drilled(templates).by_failure[Failure("zone-lost", "site-a", "eu-west-1a")]
    assert outcome.unreachable == (9999,)
    assert outcome.recovery is None


@pytest.mark.parametrize("change", [_cross_zone_off, _cross_zone_left_out])
def test_with_cross_zone_off_a_second_connection_may_find_nobody(change: Change) -> None:
    """It goes to any address, and the node's port is behind the address of its own zone only."""
    templates = written()
    change(templates)
    nothing = next(one for one in drilled(templates).outcomes if one.failure.kind == "nothing")
    assert nothing.partial == (9999,)
    assert {gap.address for gap in nothing.gaps} == {"eu-west-1a", "eu-west-1b"}


def test_an_empty_group_is_unhealthy_for_an_alias() -> None:
    """Though every service is reached: the group with no target is of no use to anybody."""
    templates = site("alias", services=(9999, 9996))
    _of(templates, "site-a", "P9996")["Targets"] = []
    found = drilled(templates)
    nothing = next(one for one in found.outcomes if one.failure.kind == "nothing")
    assert [one.after for one in nothing.dns_changes] == ["site-b"]
    assert "DNS answers site-b for sql.example.org" in broken(found)[BASELINE]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_gone_group, "looks at a target group that no listener"),
        (_detached_group, "looks at a target group that no listener"),
        (_cross_zone_off_for_a_group, "address in eu-west-1b is not in its DNS"),
        (_no_check, "has no health check, so it always counts as healthy"),
    ],
)
def test_a_flaw_is_noted(change: Change, said: str) -> None:
    templates = written()
    change(templates)
    assert any(said in note for note in drilled(templates).model.notes)


def test_an_alarm_that_no_template_has_is_noted_and_reports_nothing() -> None:
    templates = written()
    config = _of(templates, "site-a", "Watch")["HealthCheckConfig"]
    config["AlarmIdentifier"]["Name"] = "made-by-hand"
    found = drilled(templates)
    assert any(
        "none of these templates has its alarm (made-by-hand)" in one for one in found.model.notes
    )
    assert BASELINE in broken(found)


def test_an_alarm_is_found_by_its_name_in_another_template() -> None:
    templates = written()
    of_a = templates["site-a"]["Resources"]
    of_a["NobodyLeft"]["Properties"]["AlarmName"] = "nobody-left"
    identifier = {"Name": "nobody-left", "Region": "eu-west-1"}
    of_a["Watch"]["Properties"]["HealthCheckConfig"]["AlarmIdentifier"] = identifier
    templates["names"]["Resources"]["Elsewhere"] = of_a.pop("Watch")
    del templates["site-a"]["Outputs"]["Check"]
    _of(templates, "names", "First")["HealthCheckId"] = {"Ref": "Elsewhere"}
    assert broken(drilled(templates)) == {}


def test_thresholds_of_an_auxiliary_group_leave_a_point_open_and_the_worse_is_shown() -> None:
    templates = site("alias", auxiliary=True)
    off = attributes(target_group_health__dns_failover__minimum_healthy_targets__count="off")
    for stack in ("site-a", "site-b"):
        for group in ("Aux1", "Aux2"):
            _of(templates, stack, group)["TargetGroupAttributes"] = off
    outcome = drilled(templates).by_failure[Failure("node-lost", "site-a", "Box1")]
    assert outcome.moves_site
    (reading,) = outcome.interpretations
    assert "EvaluateTargetHealth goes by a group's dns_failover settings: DNS stays" in reading


def test_what_is_read_in_one_way_only_has_no_readings() -> None:
    assert all(one.interpretations == () for one in drilled(written()).outcomes)


def test_an_alarm_that_treats_no_data_as_well_leaves_a_point_open() -> None:
    templates = written()
    _of(templates, "site-a", "NobodyLeft")["TreatMissingData"] = "notBreaching"
    outcome = drilled(templates).by_failure[Failure("region-lost", "site-a", "eu-west-1")]
    assert outcome.unreachable == (9999,)
    assert "TreatMissingData counts" in outcome.interpretations[0]


def test_the_minimum_of_one_zone_only() -> None:
    """An alarm on one zone of the balancer sees nothing of the other."""
    templates = site()
    settings = alarm("P9999")["Properties"]
    zone = {"Name": "AvailabilityZone", "Value": "eu-west-1a"}
    _of(templates, "site-a", "Nobody")["Dimensions"] = [*settings["Dimensions"], zone]
    found = drilled(templates)
    moving = {
        one.failure.name
        for one in found.outcomes
        if one.failure.kind == "node-lost" and one.moves_site
    }
    assert moving == {"Box1"}
