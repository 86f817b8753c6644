"""The rules of the failover: a record and health checks for each of two clusters, one switch."""

import json
from typing import Any

from denodo_ha.environment.derived import failover_plan
from denodo_ha.environment.derived.node_metadata import HISTORY_PREFIX
from denodo_ha.environment.model.environment import Environment
from tests.stacks.topology.cluster_view import ALARM, CHECK, INGRESS, RECORD, Resources, ports_to
from tests.support.assembly import Assembly


def holds(environment: Environment, assembly: Assembly) -> None:
    """Assert every rule: two records of one name and type, and health checks of their clusters."""
    failover = environment.failover
    assert failover is not None
    stack = f"{environment.name}-failover"
    records = {record["Failover"]: record for record in assembly.resources(stack, RECORD).values()}
    assert set(records) == {"PRIMARY", "SECONDARY"}
    assert len({(record["Name"], record["Type"]) for record in records.values()}) == 1
    assert len({record["SetIdentifier"] for record in records.values()}) == 2
    apex = failover.record == "@"
    zone = failover.zone.name
    assert records["PRIMARY"]["Name"] == (f"{zone}." if apex else f"{failover.record}.{zone}.")
    for role, name in (("PRIMARY", failover.primary), ("SECONDARY", failover.secondary)):
        record, cluster = records[role], environment.clusters[name]
        assert record["Comment"].startswith(f"{name} ")
        if "AliasTarget" in record:
            assert record["AliasTarget"]["EvaluateTargetHealth"] is True
            assert "TTL" not in record
            assert ("HealthCheckId" in record) == (role == "PRIMARY")
            continue
        bare = cluster.balancer.kind == "none"
        assert record["Type"] == ("A" if bare else "CNAME")
        assert bare or not apex
        output = record["ResourceRecords"][0]["Fn::GetStackOutput"]
        assert output["OutputName"] == ("NodeAddress" if bare else "BalancerDnsName")
        _check(environment, assembly, role, name, record)
    clusters = {f"{environment.name}-{name}" for name in (failover.primary, failover.secondary)}
    assert clusters <= assembly.dependencies[stack]
    _switch(assembly, stack, records)
    _operators(environment, assembly.templates[stack])


def _check(
    environment: Environment, assembly: Assembly, role: str, name: str, record: dict[str, Any]
) -> None:
    """Assert that a record has a health check of its cluster, if configured and possible.

    A single node without a public address cannot be checked.
    """
    failover, cluster = environment.failover, environment.clusters[name]
    assert failover is not None
    internal = cluster.balancer.scheme == "internal"
    visible = not (internal and cluster.balancer.kind == "none")
    is_primary = role == "PRIMARY"
    expected = visible and (
        failover.control == "automatic" if is_primary else failover.secondary_health
    )
    own = assembly.resources(f"{environment.name}-failover", CHECK)
    checks = [
        check
        for check in _leaves(own, record.get("HealthCheckId"))
        if own.get(check.get("Ref", ""), {}).get("HealthCheckConfig", {}) != _switch_config(own)
    ]
    if not expected:
        assert checks == []
        return
    if not any("Ref" in check for check in checks):
        assert cluster.account == (
            failover.account or environment.clusters[failover.primary].account
        )
        _watched(assembly, f"{environment.name}-{name}", checks)
        return
    (found,) = checks
    config = own[found["Ref"]]["HealthCheckConfig"]
    assert not internal
    if config["Type"] == "TCP":
        assert config["Port"] == environment.services["jdbc"].port
        assert ("IPAddress" in config) == (cluster.balancer.kind == "none")
        everyone = "0.0.0.0/0" in cluster.balancer.clients
        admitted = "0.0.0.0/0" if everyone else str(cluster.network.health_checkers)
        rules = assembly.resources(f"{environment.name}-{name}", INGRESS).values()
        assert config["Port"] in ports_to(rules, admitted)


def _watched(assembly: Assembly, stack: str, checks: list[dict[str, Any]]) -> None:
    """Assert that a cluster has two health checks, which treat missing data differently.

    Without data, the check of healthy nodes keeps its status, because a new alarm has no data yet.
    Without data, the check of the load balancer is unhealthy, because an unavailable Region sends
    no data.
    """
    outputs = assembly.templates[stack]["Outputs"]
    own, alarms = assembly.resources(stack, CHECK), assembly.resources(stack, ALARM)
    assert len(checks) == len(own) == 2
    seen = {}
    for one in checks:
        assert one["Fn::GetStackOutput"]["StackName"] == stack
        id_ = outputs[one["Fn::GetStackOutput"]["OutputName"]]["Value"]["Ref"]
        config = own[id_]["HealthCheckConfig"]
        assert config["Type"] == "CLOUDWATCH_METRIC"
        alarm = alarms[config["AlarmIdentifier"]["Name"]["Ref"]]
        assert (alarm["Statistic"], alarm["Period"]) == ("Maximum", 60)
        assert alarm["TreatMissingData"] == "missing"
        dimensions = {pair["Name"] for pair in alarm["Dimensions"]}
        seen[alarm["MetricName"], *sorted(dimensions)] = config["InsufficientDataHealthStatus"]
    assert seen == {
        ("HealthyHostCount", "LoadBalancer", "TargetGroup"): "LastKnownStatus",
        ("ActiveFlowCount", "LoadBalancer"): "Unhealthy",
    }


def _leaves(own: Resources, check: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return the checks that must all be healthy for a record's check to be healthy."""
    if check is None:
        return []
    config = own.get(check.get("Ref", ""), {}).get("HealthCheckConfig", {})
    if config.get("Type") != "CALCULATED":
        return [check]
    children: list[dict[str, Any]] = config["ChildHealthChecks"]
    assert config["HealthThreshold"] == len(children) > 1
    return children


def _switch_config(own: Resources) -> dict[str, Any]:
    """Return the settings of the switch's health check.

    The switch's check is the only one in its stack that keeps its last known status without data.
    """
    configs = [one["HealthCheckConfig"] for one in own.values()]
    (found,) = [
        config
        for config in configs
        if config.get("InsufficientDataHealthStatus") == "LastKnownStatus"
    ]
    return dict(found)


def _switch(assembly: Assembly, stack: str, records: Resources) -> None:
    """Assert that the switch depends on one alarm, which goes to ALARM after one datapoint."""
    own = assembly.resources(stack, CHECK)
    config = _switch_config(own)
    assert config["Type"] == "CLOUDWATCH_METRIC"
    alarm = assembly.resources(stack, ALARM)[config["AlarmIdentifier"]["Name"]["Ref"]]
    assert alarm["TreatMissingData"] == "missing"
    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Maximum", 60, 1)
    assert not any(alarm.get(key) for key in ("Metrics", "DatapointsToAlarm", "ExtendedStatistic"))
    (id_,) = [id_ for id_, one in own.items() if one["HealthCheckConfig"] == config]
    assert {"Ref": id_} in _leaves(own, records["PRIMARY"]["HealthCheckId"])
    assert {"Ref": id_} not in _leaves(own, records["SECONDARY"].get("HealthCheckId"))


def _operators(environment: Environment, template: dict[str, Any]) -> None:
    """Assert that operators may read and put one metric, but change no record or health check."""
    failover = environment.failover
    assert failover is not None
    ((id_, policy),) = [
        (id_, resource)
        for id_, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
    ]
    assert template["Outputs"]["OperatorPolicyArn"]["Value"] == {"Ref": id_}
    properties = policy["Properties"]
    assert not properties.keys() & {"Users", "Groups", "ManagedPolicyName"}
    assert properties.get("Roles", []) == []
    writing = 0
    for statement in properties["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            assert "*" not in action
            name = action.partition(":")[2]
            if name == "PutMetricData":
                writing += 1
                condition = statement["Condition"]["StringEquals"]
                namespace = failover_plan.switch_namespace(failover)
                assert condition["cloudwatch:namespace"] == namespace
                assert "aws:RequestedRegion" in condition
            elif name == "PutObject":
                # Operators may write only history entries into the bucket.
                written = statement["Resource"]
                written = [written] if isinstance(written, str) else written
                assert all(one.endswith(HISTORY_PREFIX + "*") for one in written)
            elif name in {"PutParameter", "DeleteParameter"}:
                # A practice takes the locks of both clusters, so operators may write these locks.
                assert all(one.endswith("/.lock") for one in statement["Resource"])
            else:
                assert name.startswith(("Describe", "Get", "List", "TestDNSAnswer"))
    assert writing == 1
    assert environment.name in json.dumps(properties)
