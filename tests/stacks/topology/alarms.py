"""The rules of the alarms: each has a topic that it notifies, and none stays without data."""

import json
import re
from pathlib import Path
from typing import Any

from denodo_ha.environment.model.environment import Environment
from denodo_ha.environment.names import NODE_METRICS_PREFIX
from tests.stacks.topology.cluster_view import ALARM, CHECK, COMPOSITE, GROUP, LB, Resources
from tests.support.assembly import ROOT, Assembly

_COUNTS = {"UnhealthyRoutingFlowCount", "PortAllocationErrorCount"}
"""Metrics that AWS reports only while they are not zero."""
_ALWAYS = {
    "HealthyHostCount",
    "UnHealthyHostCount",
    "StatusCheckFailed",
    "ActiveFlowCount",
    "HealthCheckStatus",
}
"""Metrics that AWS reports in a healthy cluster."""
_DATABASE = {"FreeStorageSpace", "DatabaseConnections"}


def holds(environment: Environment, assembly: Assembly) -> None:
    """Assert that each alarm notifies operators, or is part of a composite alarm that does.

    Alarms that Route 53's health checks follow are the exception.
    """
    clusters = {f"{environment.name}-{name}" for name in environment.clusters}
    for stack in assembly.templates:
        alarms = assembly.resources(stack, ALARM)
        composites = assembly.resources(stack, COMPOSITE)
        of_checks = _alarms_of_checks(assembly.resources(stack, CHECK))
        parts = {part for one in composites.values() for part in _parts(one)}
        assert not parts & of_checks
        suppressors = _suppressors(composites, in_cluster=stack in clusters)
        # A suppressor is neither an alarm that a health check follows, nor part of a composite
        # alarm.
        assert not suppressors & (of_checks | parts)
        for id_, alarm in alarms.items():
            assert alarm["AlarmDescription"]
            actions = [value for key in _ACTIONS for value in alarm.get(key, ())]
            if id_ in of_checks:
                assert actions == []
                continue
            if id_ in suppressors:
                _silences(alarm, stack)
                assert actions == []
                continue
            # Commands recognise an alarm that a health check may follow by its metric,
            # ActiveFlowCount, so no other alarm of a cluster may use this metric.
            followable = stack in clusters and alarm["MetricName"] == "ActiveFlowCount"
            assert not followable or "Alive" in id_
            _has_data(alarm)
            assert bool(actions) != (id_ in parts), id_
            if actions:
                _describes(alarm)
        for composite in composites.values():
            _describes(composite)
            assert composite["AlarmActions"] == composite["OKActions"]
            assert composite.get("ActionsEnabled", True) is True
        if not environment.alarms.enabled:
            assert composites == {}
    if environment.alarms.enabled:
        for name in environment.clusters:
            _watches_everything(f"{environment.name}-{name}", assembly)


_ACTIONS = ("AlarmActions", "OKActions", "InsufficientDataActions")


def _alarms_of_checks(checks: Resources) -> set[str]:
    configs = (check["HealthCheckConfig"] for check in checks.values())
    return {
        config["AlarmIdentifier"]["Name"]["Ref"]
        for config in configs
        if "AlarmIdentifier" in config
    }


def _suppressors(composites: Resources, *, in_cluster: bool) -> set[str]:
    """Return the suppressors: the logical ids of the alarms that suppress the composite alarms.

    A template of a cluster with composite alarms has one suppressor, other templates have none.
    """
    named = {json.dumps(one.get("ActionsSuppressor")) for one in composites.values()}
    if not in_cluster or not composites:
        assert named <= {"null"}
        return set()
    assert len(named) <= 1
    assert "null" not in named
    for composite in composites.values():
        # The wait for the suppressor delays every notification, so it is shorter than an alarm's
        # period.
        assert 0 < composite["ActionsSuppressorWaitPeriod"] < 60
        assert composite["ActionsSuppressorExtensionPeriod"] >= 120
    return {str(json.loads(name)["Ref"]) for name in named}


def _silences(alarm: dict[str, Any], stack: str) -> None:
    """Assert that an alarm is a suppressor, which is not in ALARM while its metric has no data."""
    assert alarm["TreatMissingData"] == "notBreaching"
    assert alarm["Namespace"] == f"Denodo/Pause/{stack}"
    assert "Dimensions" not in alarm


def _parts(composite: dict[str, Any]) -> list[str]:
    """Return the logical ids of the alarms in a composite alarm's rule."""
    text = json.dumps(composite["AlarmRule"])
    return re.findall(r'\{"Ref": "(\w+)"\}', text)


def _has_data(alarm: dict[str, Any]) -> None:
    """Assert that an alarm does not stay without data in a healthy environment."""
    metric, missing = alarm["MetricName"], alarm["TreatMissingData"]
    if metric == "SecondaryActive":
        # The switch's metric has no data until the switch is used for the first time.
        assert missing == "ignore"
    elif metric == "StandbyReady":
        # Only `failover check --record` puts datapoints of this metric.
        assert missing in {"ignore", "breaching"}
    elif metric == "DaysToExpiry":
        # ACM publishes the metric twice a day, until the certificate expires.
        assert missing == "ignore"
    elif alarm["Namespace"].startswith(NODE_METRICS_PREFIX):
        # Of the alarms on node metrics, only those that treat missing data as `missing` notify when
        # data stops; nodes publish data from the first roll on.
        assert (missing == "missing") == bool(alarm.get("InsufficientDataActions"))
        assert missing in {"missing", "notBreaching"}
    elif metric in _COUNTS:
        assert missing == "notBreaching"
    else:
        assert metric in _ALWAYS | _DATABASE
        assert missing in {"notBreaching", "breaching"} or alarm["InsufficientDataActions"]


def _describes(alarm: dict[str, Any]) -> None:
    """Assert that a description has urgency, name, sentences, and a link to an existing section."""
    text = alarm["AlarmDescription"]
    assert len(text) <= 1024
    assert re.match(r"(urgent|notice), [A-Za-z ]+: .+\. .+\.", text), text
    page, anchor = re.findall(r"What to do: (\S+)#([a-z-]+),", text)[0]
    lines = (ROOT / Path(page)).read_text().splitlines()
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in lines if line[:2] == "##"}
    assert anchor in headings, (page, anchor)


def _watches_everything(stack: str, assembly: Assembly) -> None:
    """Assert that an alarm watches each instance, and each target group that contains machines."""
    alarms = assembly.resources(stack, ALARM).values()
    watched = json.dumps([alarm.get("Dimensions") for alarm in alarms if "Metrics" not in alarm])
    outputs = assembly.templates[stack]["Outputs"]
    for name, output in outputs.items():
        if name.startswith("NodeId"):
            assert json.dumps(output["Value"]) in watched, name
    for id_, group in assembly.resources(stack, GROUP).items():
        if group["TargetType"] != "alb":
            assert json.dumps({"Fn::GetAtt": [id_, "TargetGroupFullName"]}) in watched, id_
    for id_, balancer in assembly.resources(stack, LB).items():
        if balancer["Type"] == "network":
            assert json.dumps({"Fn::GetAtt": [id_, "LoadBalancerFullName"]}) in watched, id_
