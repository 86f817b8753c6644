"""`alarms.nodes`: nodes publish metrics, which alarms, permissions and the drill then use."""

import json
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from denodo_ha.drill.notification_column import (
    NEVER_SET_OFF,
    notification_lines,
    reason_without_notification,
)
from denodo_ha.drill.outcome import Failure
from denodo_ha.environment import names
from denodo_ha.environment.derived import node_alarms
from denodo_ha.environment.loading.loader import Loaded, load
from denodo_ha.environment.rules.quotas import max_alarm_resources, max_resources
from hosts.denodo.metrics import node_metrics
from hosts.haproxy import certificate_metric
from tests.drill.test_drill_examples import drill
from tests.stacks.topology import rules
from tests.stacks.topology.cluster_view import ALARM
from tests.support.assembly import ROOT, Assembly, synthesise

STACK, NAMESPACE = "denodo70ha-active", "Denodo/Nodes/denodo70ha"
LOGIN = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:denodo/export-AbCdEf"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """Return the example with HAProxy and `alarms.nodes`: AWS has no metrics of its nodes."""
    text = (ROOT / "config/examples/haproxy.yaml").read_text()
    data: dict[str, Any] = dict(YAML(typ="safe").load(text))
    data["alarms"] = {"nodes": True, "email": ["operators@example.com"]}
    del data["failover"], data["clusters"]["passive"]
    data["clusters"]["active"]["exports"] = {"login": LOGIN}
    third = {"zone": "eu-west-1a", "auxiliary_port": 39997}
    data["clusters"]["active"]["nodes"]["node3"] = third
    file = tmp_path_factory.mktemp("nodes") / "environment.yaml"
    file.write_text(json.dumps(data))
    return load(file)


@pytest.fixture(scope="module")
def assembly(loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    return synthesise(loaded, tmp_path_factory.mktemp("nodes-out"))


def test_the_names_are_those_that_the_program_publishes() -> None:
    def metrics(module: ModuleType) -> set[str]:
        """Return the values of a module's constants that are names of metrics."""
        texts = {name: value for name, value in vars(module).items() if isinstance(value, str)}
        names = {value for name, value in texts.items() if name.isupper() and value.isalpha()}
        return {name for name in names if name[0].isupper()}

    published = metrics(node_metrics) | {certificate_metric.METRIC}
    assert len(published) == 10
    assert metrics(node_alarms) - {"Cluster", "Node"} == published


def test_every_node_has_every_alarm(loaded: Loaded, assembly: Assembly) -> None:
    rules.holds(loaded.environment, assembly)
    alarms = [
        one
        for one in assembly.resources(STACK, ALARM).values()
        if one["Namespace"].startswith("Denodo/Nodes")
    ]
    of_haproxy = [one for one in alarms if len(one["Dimensions"]) == 1]
    assert [one["MetricName"] for one in of_haproxy] == ["HaproxyCertificateDaysLeft"]
    assert of_haproxy[0]["Dimensions"] == [{"Name": "Cluster", "Value": "active"}]
    alarms.remove(of_haproxy[0])
    found = {
        (
            one["MetricName"],
            *(dimension["Value"] for dimension in one["Dimensions"]),
            one["ComparisonOperator"],
            one["Threshold"],
            one["Period"] * one["EvaluationPeriods"] // 60,
        )
        for one in alarms
    }
    above, below = "GreaterThanOrEqualToThreshold", "LessThanThreshold"
    expected = {
        ("UnreadyServices", above, 1, 25),
        ("UnreadyServices", below, 0, 35),
        ("ReadinessLosses", above, 4, 5),
        ("ServersRestarted", above, 1, 5),
        ("DrainedHours", above, 8, 5),
        ("MemoryUsedPercent", above, 95, 30),
        ("DiskUsedPercent", above, 85, 15),
        ("MetadataExportAgeDays", above, 3, 90),
        ("CertificateDaysLeft", below, 30, 15),
        ("LicenseManagerUnreachable", above, 1, 15),
    }
    assert found == {
        (metric, "active", node, *values)
        for metric, *values in expected
        for node in ("node1", "node2", "node3")
    }
    assert {one["Namespace"] for one in alarms} == {NAMESPACE}
    assert all(one["Period"] * one["EvaluationPeriods"] <= 86_400 for one in alarms)


def test_nodes_may_publish_in_their_namespace_alone(assembly: Assembly) -> None:
    policies = [
        (id_, statement)
        for id_, policy in assembly.resources(STACK, "AWS::IAM::Policy").items()
        for statement in policy["PolicyDocument"]["Statement"]
        if "PutMetricData" in str(statement["Action"])
    ]
    namespaces = {
        statement["Condition"]["StringEquals"]["cloudwatch:namespace"] for _, statement in policies
    }
    silence = names.pause_namespace("denodo70ha", "active")
    assert namespaces == {NAMESPACE, silence}
    policies = [item for item in policies if silence not in str(item)]
    assert sorted(id_[:9] for id_, _ in policies) == [
        *("HaproxyRo", "nodenode1", "nodenode2", "nodenode3"),
    ]
    for _, statement in policies:
        assert statement == {
            "Action": "cloudwatch:PutMetricData",
            "Effect": "Allow",
            "Resource": "*",
            "Condition": {"StringEquals": {"cloudwatch:namespace": NAMESPACE}},
        }


def test_the_resources_are_within_the_bound(loaded: Loaded, assembly: Assembly) -> None:
    environment = loaded.environment
    made = len(assembly.templates[STACK]["Resources"])
    bound = max_resources(environment, "active") + max_alarm_resources(environment, "active")
    assert made <= bound <= made + 22


def test_what_nobody_was_told_of_behind_haproxy(assembly: Assembly) -> None:
    """With metrics of nodes, only two kinds of failures behind HAProxy set off no alarm."""
    result = drill(assembly)
    untold = {
        one.failure.kind for one in result.outcomes if reason_without_notification(one) is not None
    }
    assert untold == {"region-lost", "auxiliary-down"}
    unready = result.by_failure[Failure("node-not-ready", "active", "node1")]
    # Parts of the sum: up to five minutes until the period begins, 25 minutes of the alarm, one
    # minute until the metric is there, and 20 s of waiting for the suppressor.
    assert notification_lines([unready]) == ["notice: node not ready, 1880 s"]
    # All nodes run, and a service is ready on none: behind HAProxy, only the nodes' own metrics
    # show this.
    all_down = result.by_failure[Failure("service-down", "active", "odbc on all nodes")]
    assert "one node left" in {one.name for one in all_down.notifications}
    drained = result.by_failure[Failure("node-drained", "active", "node1")]
    assert notification_lines([drained]) == [f"notice: node still drained, {8 * 3600 + 680} s"]
    down = result.by_failure[
        next(one for one in result.by_failure if one.kind == "license-manager-lost")
    ]
    assert [one.name for one in down.notifications] == ["license manager"]
    lost = result.by_failure[Failure("node-lost", "active", "node1")]
    assert [one.name for one in lost.notifications] == ["machine lost", "node silent"]
    names = {one.name for one in result.model.notifications}
    sent = {each.name for outcome in result.outcomes for each in outcome.notifications}
    assert names - sent <= NEVER_SET_OFF.keys()
    assert names - sent >= {"node memory", "node disk", "export overdue", "HAProxy certificate"}
