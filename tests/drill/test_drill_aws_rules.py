"""AWS's documented rules, as the drill applies them: one table of cases for each rule."""

from typing import Any

import pytest

from denodo_ha.drill.engine.aws_rules import RULES, AlarmState
from denodo_ha.drill.model.balancers import HealthThreshold

ONE, OFF = HealthThreshold(1), HealthThreshold(None)
OK, ALARM, INSUFFICIENT = AlarmState.OK, AlarmState.ALARM, AlarmState.INSUFFICIENT
LESS, MORE = "LessThanThreshold", "GreaterThanOrEqualToThreshold"


def _(*values: Any, **named: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return values, named


CASES: dict[str, list[tuple[tuple[tuple[Any, ...], dict[str, Any]], Any]]] = {
    "below-minimum": [
        (_(ONE, healthy=0, registered=2), True),
        (_(ONE, healthy=1, registered=2), False),
        (_(ONE, healthy=0, registered=0), True),
        (_(OFF, healthy=0, registered=2), False),
        (_(OFF, healthy=0, registered=0), False),
        (_(HealthThreshold(2), healthy=1, registered=2), True),
        (_(HealthThreshold(None, 50), healthy=1, registered=2), False),
        (_(HealthThreshold(None, 51), healthy=1, registered=2), True),
        (_(HealthThreshold(1, 100), healthy=1, registered=2), True),
        (_(HealthThreshold(3, 10), healthy=2, registered=12), True),
    ],
    "cross-zone": [
        (_(["a", "b"], at="a", enabled=["a", "b"], cross_zone=True), [0, 1]),
        (_(["a", "b"], at="a", enabled=["a", "b"], cross_zone=False), [0]),
        (_(["a", "c"], at="a", enabled=["a", "b"], cross_zone=True), [0]),
        (_(["b"], at="a", enabled=["a", "b"], cross_zone=False), []),
        (_([None, "b"], at="a", enabled=["a"], cross_zone=False), [0]),
    ],
    "fail-open": [
        (_(ONE, [True, False, True]), [0, 2]),
        (_(ONE, [False, False]), [0, 1]),
        (_(HealthThreshold(2), [True, False]), [0, 1]),
        (_(HealthThreshold(1, 50), [True, False, False]), [0, 1, 2]),
        (_(ONE, []), []),
    ],
    "zone-in-dns": [
        (_([(ONE, 1, 2), (ONE, 2, 2)]), True),
        (_([(ONE, 1, 2), (ONE, 0, 1)]), False),
        (_([(ONE, 1, 2), (OFF, 0, 1)]), True),
        (_([(ONE, 0, 0)]), False),
        (_([(OFF, 0, 0)]), True),
        (_([(HealthThreshold(2), 1, 2)]), False),
    ],
    "dns-fails-open": [
        (_({"a": True, "b": False}), ["a"]),
        (_({"a": False, "b": False}), ["a", "b"]),
        (_({"a": True, "b": True}), ["a", "b"]),
        (_({}), []),
    ],
    "alias-health": [
        (_([2, 1]), True),
        (_([2, 0]), False),
        (_([0]), False),
        (_([]), False),
    ],
    "statistic": [
        (_("Maximum", [0, 1]), 1),
        (_("Minimum", [0, 1]), 0),
        (_("Average", [0, 1]), 0.5),
        (_("Sum", [1, 2]), 3),
        (_("SampleCount", [0, 0]), 2),
        (_("Maximum", []), None),
        (_("p99", [1]), None),
    ],
    "alarm-state": [
        (_(LESS, 1, 0.0, "missing"), ALARM),
        (_(LESS, 1, 1.0, "missing"), OK),
        (_("LessThanOrEqualToThreshold", 1, 1.0, "missing"), ALARM),
        (_("GreaterThanThreshold", 1, 1.0, "missing"), OK),
        (_(MORE, 1, 1.0, "missing"), ALARM),
        (_(LESS, 1, None, "missing"), INSUFFICIENT),
        (_(LESS, 1, None, "ignore"), INSUFFICIENT),
        (_(LESS, 1, None, "breaching"), ALARM),
        (_(LESS, 1, None, "notBreaching"), OK),
    ],
    "metric-check": [
        (_(OK, "Unhealthy", last=None), True),
        (_(ALARM, "Healthy", last=True), False),
        (_(INSUFFICIENT, "Healthy", last=False), True),
        (_(INSUFFICIENT, "Unhealthy", last=True), False),
        (_(INSUFFICIENT, "LastKnownStatus", last=True), True),
        (_(INSUFFICIENT, "LastKnownStatus", last=False), False),
        (_(INSUFFICIENT, "LastKnownStatus", last=None), True),
    ],
    "calculated-check": [
        (_([True, True], 2), True),
        (_([True, False], 2), False),
        (_([True, False], 1), True),
        (_([False, False], 0), True),
        (_([True, True], 3), False),
        (_([], 1), False),
    ],
    "check-status": [
        (_(measured=True, inverted=False, disabled=False), True),
        (_(measured=False, inverted=False, disabled=False), False),
        (_(measured=True, inverted=True, disabled=False), False),
        (_(measured=False, inverted=True, disabled=False), True),
        (_(measured=False, inverted=False, disabled=True), True),
        (_(measured=True, inverted=True, disabled=True), False),
    ],
    "record-health": [
        (_(check=None, target=None), True),
        (_(check=True, target=None), True),
        (_(check=False, target=None), False),
        (_(check=None, target=False), False),
        (_(check=True, target=False), False),
        (_(check=False, target=True), False),
        (_(check=True, target=True), True),
    ],
    "failover": [
        (_(primary=True, secondary=True), "PRIMARY"),
        (_(primary=True, secondary=False), "PRIMARY"),
        (_(primary=False, secondary=True), "SECONDARY"),
        (_(primary=False, secondary=False), "PRIMARY"),
    ],
    "database-failover": [(_(multi_az=True), 120), (_(multi_az=False), None)],
    "private-endpoint": [
        (_(private=False, answering=True), True),
        (_(private=False, answering=False), False),
        (_(private=True, answering=True), False),
    ],
}


def test_every_rule_has_its_table() -> None:
    assert set(CASES) == set(RULES)


@pytest.mark.parametrize("id_", sorted(CASES))
def test_rule(id_: str) -> None:
    results = [RULES[id_].apply(*values, **named) for (values, named), _expected in CASES[id_]]
    assert results == [expected for _arguments, expected in CASES[id_]]


@pytest.mark.parametrize("id_", sorted(RULES))
def test_a_rule_has_a_sentence_and_its_source(id_: str) -> None:
    rule = RULES[id_]
    assert rule.sentence.endswith(".")
    assert rule.source.startswith("AWS, ")
