"""Body of the dashboard: it has AWS's structure, and shows the metrics that operators need."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from denodo_ha.environment.derived.dashboard import (
    ClusterMetrics,
    FailoverMetrics,
    GroupMetrics,
    dashboard_body,
)
from denodo_ha.environment.model.environment import Environment
from tests.support.configurations import OTHER_ACCOUNT, changed, loaded, minimal, twins

_GRID = {
    "x": {"type": "integer", "minimum": 0, "maximum": 23},
    "y": {"type": "integer", "minimum": 0},
    "width": {"type": "integer", "minimum": 1, "maximum": 24},
    "height": {"type": "integer", "minimum": 1, "maximum": 1000},
}
_AXIS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"min": {"type": "number"}, "max": {"type": "number"}},
}
_METRIC = {
    "type": "object",
    "additionalProperties": False,
    "required": ["metrics", "region"],
    "properties": {
        "metrics": {
            "type": "array",
            "minItems": 1,
            "maxItems": 500,
            "items": {"type": "array", "minItems": 5},
        },
        "region": {"type": "string", "pattern": "^[a-z]{2}(-[a-z]+)+-[0-9]$"},
        "title": {"type": "string"},
        "view": {"enum": ["timeSeries", "singleValue", "bar", "pie", "gauge", "table"]},
        "period": {"type": "integer", "multipleOf": 60, "minimum": 60},
        "stat": {"enum": ["Average", "Minimum", "Maximum", "Sum", "SampleCount"]},
        "yAxis": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"left": _AXIS, "right": _AXIS},
        },
    },
}
_OPTIONS = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "label": {"type": "string"},
        "stat": _METRIC["properties"]["stat"],  # type: ignore[index] # a literal above
        "yAxis": {"enum": ["left", "right"]},
    },
}
_ALARM = {
    "type": "object",
    "additionalProperties": False,
    "required": ["alarms"],
    "properties": {
        "title": {"type": "string"},
        "alarms": {
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "items": {"type": "string", "pattern": "^arn:"},
        },
    },
}
_TEXT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["markdown"],
    "properties": {"markdown": {"type": "string", "minLength": 1}},
}


def _widget(kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["type", "properties", *_GRID],
        "properties": {"type": {"const": kind}, "properties": properties, **_GRID},
    }


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["widgets"],
    "properties": {
        "widgets": {
            "type": "array",
            "maxItems": 500,
            "items": {
                "oneOf": [
                    _widget("metric", _METRIC),
                    _widget("alarm", _ALARM),
                    _widget("text", _TEXT),
                ]
            },
        }
    },
}
"""Structure of a body (AWS, CloudWatch API Reference, Dashboard Body Structure and Syntax): the
kinds of widgets and the properties that this project uses."""


def is_a_dashboard(body: dict[str, Any]) -> None:
    """Assert that a body has AWS's structure, and that no widgets overlap."""
    jsonschema.validate(body, SCHEMA)
    cells: set[tuple[int, int]] = set()
    for widget in body["widgets"]:
        x, y = widget["x"], widget["y"]
        assert x + widget["width"] <= 24
        own = {(x + dx, y + dy) for dx in range(widget["width"]) for dy in range(widget["height"])}
        assert not cells & own
        cells |= own
        for metric in widget["properties"].get("metrics", ()):
            *names, options = metric
            assert len(names) % 2 == 0
            assert all(isinstance(name, str) and name for name in names)
            jsonschema.validate(options, _OPTIONS)


def metrics(region: str, **changes: Any) -> ClusterMetrics:
    """Return sample resources of a cluster, whose metrics the dashboard shows."""
    dimensions = {"LoadBalancer": "net/one/1", "TargetGroup": "targetgroup/one/1"}
    groups = {"jdbc": GroupMetrics("AWS/NetworkELB", dimensions)}
    alarms = [f"arn:aws:cloudwatch:{region}:111122223333:alarm:one"]
    given: dict[str, Any] = {"groups": groups, "alarms": alarms, "load_balancer": "net/one/1"}
    return ClusterMetrics(
        region=region, **{**given, "instances": {"node1": "i-1", "node2": "i-2"}, **changes}
    )


def shown(body: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Return region, namespace and name of each metric that a body shows."""
    return {
        (widget["properties"]["region"], metric[0], metric[1])
        for widget in body["widgets"]
        for metric in widget["properties"].get("metrics", ())
    }


@pytest.fixture
def pair(tmp_path: Path) -> Environment:
    return loaded(tmp_path, twins("7.0")).environment


def test_one_screen_shows_who_serves_how_loaded_and_what_will_fail(pair: Environment) -> None:
    clusters = {
        "main": metrics("eu-west-1", database="database-1"),
        "spare": metrics("us-east-1", fleet="fleet-1"),
    }
    failover = FailoverMetrics(
        "us-east-1", "Denodo/test", {"main": "1", "spare": "2"}, ["arn:aws:cloudwatch:x:y:alarm:s"]
    )
    body = dashboard_body(pair, clusters, failover)
    is_a_dashboard(body)
    # A screen of 1080 lines shows 18 rows of the dashboard's grid.
    assert max(widget["y"] + widget["height"] for widget in body["widgets"]) <= 18
    expected = {
        ("us-east-1", "AWS/Route53", "HealthCheckStatus"),
        ("us-east-1", "Denodo/test", "SecondaryActive"),
        ("eu-west-1", "AWS/RDS", "FreeStorageSpace"),
    }
    for region in ("eu-west-1", "us-east-1"):
        expected |= {
            (region, "AWS/NetworkELB", "HealthyHostCount"),
            (region, "AWS/NetworkELB", "UnHealthyHostCount"),
            (region, "AWS/NetworkELB", "ActiveFlowCount"),
            (region, "AWS/NetworkELB", "PortAllocationErrorCount"),
            (region, "AWS/EC2", "CPUUtilization"),
            (region, "AWS/EC2", "StatusCheckFailed"),
        }
    assert expected <= shown(body)
    titles = [widget["properties"].get("title") for widget in body["widgets"]]
    assert titles.count("main (eu-west-1): alarms") == titles.count("Alarms of the failover") == 1
    # Route 53's metrics exist in one region of each partition only (AWS, Monitoring health checks
    # using CloudWatch).
    assert {region for region, name, _ in shown(body) if name == "AWS/Route53"} == {"us-east-1"}


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1", "cn-north-1"])
def test_a_single_cluster_in_each_partition(tmp_path: Path, region: str) -> None:
    environment = loaded(tmp_path, minimal()).environment
    bare = metrics(region, load_balancer=None, groups={}, alarms=[])
    is_a_dashboard(dashboard_body(environment, {"main": bare}, None))
    body = dashboard_body(environment, {"main": bare}, FailoverMetrics(region, "Denodo"))
    is_a_dashboard(body)
    assert "AWS/Route53" not in {namespace for _, namespace, _ in shown(body)}
    assert "Route 53 publishes no metrics" in json.dumps(body)


def test_clusters_in_another_account_are_named(tmp_path: Path) -> None:
    data = changed(twins(), {"clusters/spare/account": OTHER_ACCOUNT})
    environment = loaded(tmp_path, data).environment
    body = dashboard_body(environment, {"main": metrics("eu-west-1")}, None)
    is_a_dashboard(body)
    assert f"in another account: spare ({OTHER_ACCOUNT})" in json.dumps(body)
    everything = {"main": metrics("eu-west-1"), "spare": metrics("us-east-1")}
    assert "another account" not in json.dumps(dashboard_body(environment, everything, None))
