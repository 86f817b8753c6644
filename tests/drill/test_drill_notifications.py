"""The drill's proof of complete alarms: each failure that reduces service sets off an alarm."""

import re
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.notification_column import (
    NEVER_SET_OFF,
    REASONS_WITHOUT_NOTIFICATION,
    notification_lines,
    reason_without_notification,
)
from denodo_ha.drill.outcome import Failure
from denodo_ha.drill.reading.notifications import sets_of_alarms
from denodo_ha.environment.derived.failure_kinds import FAILURE_KINDS
from denodo_ha.environment.loading.loader import load
from tests.drill.test_drill_examples import AssemblyOf, drill
from tests.stacks.topology import rules
from tests.support.assembly import EXAMPLES, ROOT, synthesise

OPERATORS = {"node-drained"}
EVERYWHERE = OPERATORS | {"region-lost"}
UNTOLD = {
    "active-active": EVERYWHERE,
    "active-passive": EVERYWHERE | {"check-unhealthy", "missing-data"},
    "adopted": EVERYWHERE | {"node-not-ready"},
    "haproxy": EVERYWHERE | {"check-unhealthy", "node-not-ready", "service-down", "auxiliary-down"},
    "internet-facing": EVERYWHERE | {"check-unhealthy"},
    "large": EVERYWHERE,
    "shared-catalog": EVERYWHERE,
    "standalone-failover": {
        *("region-lost", "check-unhealthy", "node-not-ready", "nodes-not-ready", "service-down"),
    },
    "web-cookies": EVERYWHERE,
}
"""Kinds of failures of each example about which no alarm on AWS's own metrics notifies
operators."""


@pytest.mark.parametrize(
    ("rule", "sets"),
    [
        ('ALARM("a")', ["a"]),
        ('ALARM("a") OR ALARM("b")', ["a", "b"]),
        ("ALARM(a) AND ALARM(b) OR ALARM(c)", ["ab", "c"]),
        ('(ALARM("a") OR ALARM("b")) AND ALARM("c")', ["ac", "bc"]),
        ('ALARM("a") AND (ALARM("a") OR ALARM("b"))', ["a", "ab"]),
        ('NOT ALARM("a")', []),
        ('ALARM("a") OR OK("b")', []),
        ('ALARM("a") ALARM("b")', []),
        ('(ALARM("a")', []),
        ('ALARM("a") AND', []),
        ("", []),
        ("(" * 300 + 'ALARM("a")' + ")" * 300, []),
        (" AND ".join('(ALARM("a") OR ALARM("b"))' for _ in range(99)), ["a", "ab", "b"]),
        (" AND ".join(f'(ALARM("a{n}") OR ALARM("b{n}"))' for n in range(20)), []),
    ],
)
def test_a_rule_is_read_as_sets_of_alarms(rule: str, sets: list[str]) -> None:
    referring = re.sub(r"ALARM\((\"?)(\w+)\"?\)", r"ALARM(\1${s/\2}\1)", rule)
    read = {"".join(sorted(key[2:] for key in keys)) for keys in sets_of_alarms(referring)}
    assert sorted(read) == sets


@pytest.mark.slow
def test_each_failure_sets_off_an_alarm_or_has_a_reason(
    example: str, assembly_of: AssemblyOf
) -> None:
    result = drill(assembly_of(example))
    untold = {
        outcome.failure.kind
        for outcome in result.outcomes
        if reason_without_notification(outcome) is not None
    }
    assert untold == UNTOLD[example]
    assert untold <= REASONS_WITHOUT_NOTIFICATION.keys()
    assert result.without_failure.notifications == ()


@pytest.mark.slow
def test_each_alarm_is_set_off_by_a_failure_or_has_a_reason(
    example: str, assembly_of: AssemblyOf
) -> None:
    result = drill(assembly_of(example))
    names = {notification.name for notification in result.model.notifications}
    sent = {each.name for outcome in result.outcomes for each in outcome.notifications}
    assert names - sent <= NEVER_SET_OFF.keys()
    assert names


def test_the_page_lists_each_alarm_that_no_failure_sets_off() -> None:
    page = (ROOT / "docs/explanation/drill.md").read_text()
    page = page.partition("No failure of the drill sets off")[2]
    listed = re.findall(r"^\| `([^`]+)` \| (.+) \|$", page.partition("\n## ")[0], re.MULTILINE)
    assert dict(listed) == NEVER_SET_OFF


def test_every_reason_is_for_a_kind_of_failure() -> None:
    assert UNTOLD.keys() == {file.stem for file in EXAMPLES}
    assert REASONS_WITHOUT_NOTIFICATION.keys() <= FAILURE_KINDS.keys()


@pytest.mark.slow
def test_no_note_is_about_an_alarm_that_only_notifies(
    example: str, assembly_of: AssemblyOf
) -> None:
    notes = drill(assembly_of(example)).model.notes
    assert [note for note in notes if "Alarms" in note] == []


@pytest.mark.slow
def test_an_alarm_that_is_removed_leaves_a_failure_untold(assembly_of: AssemblyOf) -> None:
    """The proof finds unreported failures if an alarm or an alarm's action is removed."""
    assembly = assembly_of("active-active")
    complete = drill(assembly)
    (cluster_stack,) = assembly.templates
    template = assembly.templates[cluster_stack]
    for change in (_without_actions, _without_machines):
        changed = {**template, "Resources": change(template["Resources"])}
        result = drill(type(assembly)({cluster_stack: changed}, {}))
        assert _untold(result) > _untold(complete)


def _untold(result: DrillResult) -> set[Failure]:
    return {one.failure for one in result.outcomes if reason_without_notification(one) is not None}


def _without_actions(resources: dict[str, Any]) -> dict[str, Any]:
    return {
        id_: {**one, "Properties": {**one["Properties"], "AlarmActions": []}}
        if id_.startswith(("AlarmsNodeOut", "AlarmsNoNode"))
        else one
        for id_, one in resources.items()
    }


def _without_machines(resources: dict[str, Any]) -> dict[str, Any]:
    """Remove the alarms on unhealthy targets; alarms on lost instances remain."""
    return {id_: one for id_, one in resources.items() if "AlarmsNodeOut" not in id_}


@pytest.mark.slow
def test_the_times_are_those_of_check_alarm_and_metric(assembly_of: AssemblyOf) -> None:
    result = drill(assembly_of("active-passive"))
    lost = result.by_failure[Failure("node-lost", "active", "node1")]
    # The seconds below are sums: 14 s until the target is unhealthy, 60 s until the next minute of
    # the metric begins, 60 s until CloudWatch has the metric's value, the five or ten minutes of
    # the alarm, and 20 s of waiting for the suppressor.
    assert [(one.urgency, one.name, one.seconds) for one in lost.notifications] == [
        ("urgent", "node out", 14 + 60 + 5 * 60 + 60 + 20),
        ("urgent", "machine lost", 60 + 10 * 60 + 60 + 20),
    ]
    assert notification_lines([lost]) == ["urgent: node out, 454 s", "urgent: machine lost, 740 s"]
    standby = result.by_failure[Failure("balancer-lost", "passive", _nlb(result, "passive"))]
    assert [one.name for one in standby.notifications] == ["balancer silent"]
    region = result.by_failure[Failure("region-lost", "active", "denodo70-active")]
    assert region.notifications == ()


@pytest.mark.slow
def test_route_53_tells_of_a_lost_region_and_of_a_failed_check(tmp_path: Path) -> None:
    text = (ROOT / "config/examples/active-passive.yaml").read_text()
    assert "\nalarms:\n" in text
    file = tmp_path / "environment.yaml"
    file.write_text(text.replace("\nalarms:\n", "\nalarms:\n  route53: true\n"))
    loaded = load(file)
    assembly = synthesise(loaded, tmp_path / "out")
    rules.holds(loaded.environment, assembly)
    assert assembly.dependencies["denodo70-route53"] >= {"denodo70-failover"}
    result = drill(assembly)
    untold = {
        one.failure.kind for one in result.outcomes if reason_without_notification(one) is not None
    }
    assert untold == OPERATORS
    lost = result.by_failure[Failure("region-lost", "active", "denodo70-active")]
    # The alarm `site moved` takes the time until DNS changes, without the TTL, and then one minute
    # of its own.
    assert [(one.name, one.seconds) for one in lost.notifications] == [("site moved", 300 + 180)]
    standby = result.by_failure[Failure("region-lost", "passive", "denodo70-passive")]
    assert [one.name for one in standby.notifications] == ["no standby"]
    thrown = next(one for one in result.outcomes if one.failure.kind == "switch-thrown")
    # The alarm `switch still thrown` needs twelve full hours with a thrown switch. Up to an hour
    # passes until the first full hour begins.
    assert [(one.name, one.seconds // 3600) for one in thrown.notifications] == [
        ("switch thrown", 0),
        ("site moved", 0),
        ("switch still thrown", 13),
    ]


def _nlb(result: DrillResult, cluster_name: str) -> str:
    (key,) = result.model.clusters[cluster_name].balancers
    return key.partition("/")[2]
