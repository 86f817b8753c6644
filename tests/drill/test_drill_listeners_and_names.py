"""Listeners, health checks and failover names in templates that other projects may contain."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.drill.drill_run import drill_paths
from denodo_ha.drill.outcome import Failure
from tests.drill.sample_templates import (
    FILES,
    Data,
    Health,
    add,
    drill,
    listener,
    model,
    one_cluster,
    properties,
    ref,
    resource,
    two_clusters,
    unknown_policies,
    violations,
)


def test_a_listeners_rules_forward_too() -> None:
    templates = one_cluster()
    resources = templates["site-a"]["Resources"]
    resources |= listener("Path", 8000, ["Box1", "Box2"])
    resources["Rule"] = resource(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        ListenerArn=ref("P9999In"),
        Actions=[{"Type": "forward", "TargetGroupArn": ref("Path")}],
    )
    del resources["PathIn"]
    failure = Failure("service-down", "site-a", "8000 on all nodes")
    assert drill(templates).by_failure[failure].partial == (9999,)


@pytest.mark.parametrize("kind", ["redirect", "fixed-response"])
def test_a_listener_that_answers_itself_is_no_service(kind: str) -> None:
    templates = one_cluster()
    add(
        templates,
        "Plain",
        "AWS::ElasticLoadBalancingV2::Listener",
        LoadBalancerArn=ref("Front"),
        Port=80,
        DefaultActions=[{"Type": kind}],
    )
    result = drill(templates)
    assert (violations(result), unknown_policies(result)) == ({}, {})
    assert result.by_failure[Failure("balancer-lost", "site-a", "Front")].unreachable == (9999,)


@pytest.mark.parametrize(
    ("protocol", "check_of", "expected"),
    [
        ("HTTP", {}, ("HTTP", "/", 5)),
        ("TCP", {}, ("TCP", "", 10)),
        ("TCP", {"HealthCheckProtocol": "HTTP"}, ("HTTP", "/", 6)),
        ("TCP", {"HealthCheckTimeoutSeconds": "4"}, ("TCP", "", 4)),
    ],
)
def test_the_default_health_check(protocol: str, check_of: Data, expected: tuple[Any, ...]) -> None:
    templates = one_cluster()
    properties(templates, "site-a", "P9999").update(check_of, Protocol=protocol)
    of_group = model(templates).target_groups["site-a/P9999"].health_check
    assert (of_group.protocol, of_group.path, of_group.timeout) == expected


@pytest.mark.parametrize(
    ("protocol", "kind", "moves"),
    [("TCP", "TCP", True), ("TLS", "TCP", False), ("TLS", "HTTPS", True)],
)
def test_a_check_that_only_connects_to_a_tls_listener_sees_the_balancer_only(
    protocol: str, kind: str, *, moves: bool
) -> None:
    templates = two_clusters("endpoint")
    for side in ("site-a", "site-b"):
        properties(templates, side, "P9999In")["Protocol"] = protocol
    for probe in ("Probea", "Probeb"):
        properties(templates, "names", probe)["HealthCheckConfig"]["Type"] = kind
    result = drill(templates)
    down = result.by_failure[Failure("service-down", "site-a", "9999 on all nodes")]
    assert down.moves_site is moves
    assert result.by_failure[Failure("region-lost", "site-a", "eu-west-1")].moves_site


def test_a_dns_threshold_may_count_for_an_alias() -> None:
    templates = two_clusters("alias")
    for side in ("site-a", "site-b"):
        name = "target_group_health.dns_failover.minimum_healthy_targets.count"
        properties(templates, side, "P9999")["TargetGroupAttributes"] = [{"Key": name, "Value": 2}]
    result = drill(templates)
    (change,) = result.without_failure.dns_changes
    assert (change.after, change.standby) == ("site-a", True)
    lost = result.by_failure[Failure("node-lost", "site-a", "Box1")]
    (text,) = lost.interpretations
    assert lost.moves_site
    assert "ignores a target group's dns_failover settings: DNS does not fail over" in text


NAMES = ["sql.example.org", "SQL.Example.org."]


def test_names_compare_without_case_and_the_last_dot() -> None:
    templates = two_clusters()
    for id_, name in zip(("First", "Second"), NAMES, strict=True):
        properties(templates, "names", id_)["Name"] = name
    result = drill(templates)
    assert [name.name for name in result.model.failover_names] == ["sql.example.org"]
    assert (violations(result), unknown_policies(result)) == ({}, {})


def test_a_name_in_two_zones_is_two_names() -> None:
    """The same name is in two hosted zones; only the public one breaks a policy.

    Records in the private zone evaluate their targets' health. Records in the public zone do not,
    and have no health check.
    """
    templates = two_clusters("alias")
    resources = templates["names"]["Resources"]
    for id_ in ("First", "Second"):
        public = json.loads(json.dumps(resources[id_]))
        public["Properties"]["HostedZoneId"] = "PUBLIC"
        public["Properties"]["AliasTarget"]["EvaluateTargetHealth"] = False
        public["Properties"].pop("HealthCheckId", None)
        resources[f"Public{id_}"] = public
        properties(templates, "names", id_)["HostedZoneId"] = "PRIVATE"
    result = drill(templates)
    assert {name.name for name in result.model.failover_names} == {
        "sql.example.org (zone PUBLIC)",
        "sql.example.org (zone PRIVATE)",
    }
    (broken,) = violations(result)["dead-site"]
    assert "zone PUBLIC" in broken


def test_half_a_pair_breaks_the_failover() -> None:
    templates = two_clusters()
    properties(templates, "names", "First")["HostedZoneId"] = "ONE"
    properties(templates, "names", "Second")["HostedZoneId"] = "OTHER"
    assert len(violations(drill(templates))["dead-site"]) == 2


def test_halves_whose_zone_only_a_deployment_knows_are_one_name_and_unknown() -> None:
    templates = two_clusters()
    properties(templates, "names", "First")["HostedZoneId"] = ref("Zone")
    properties(templates, "names", "Second")["HostedZoneName"] = "example.org."
    result = drill(templates)
    assert len(result.model.failover_names) == 1
    assert "dead-site" in unknown_policies(result)
    del templates["names"]["Resources"]["Second"]
    assert violations(drill(templates)) == {}
    assert "dead-site" in unknown_policies(drill(templates))


@pytest.mark.parametrize("policy", [{"Weight": 1}, {"Region": "eu-west-1"}, {"GeoLocation": {}}])
def test_another_routing_policy_is_unknown(policy: Data) -> None:
    templates = two_clusters()
    settings = {"Name": "x.example.org", "Type": "A", "SetIdentifier": "x", **policy}
    templates["names"]["Resources"]["Other"] = resource("AWS::Route53::RecordSet", **settings)
    assert "dead-site" in unknown_policies(drill(templates))


@pytest.mark.parametrize("word", ["yes", "Yes", "on", "TRUE", "true", "'true'"])
def test_booleans_of_yaml_1_1(tmp_path: Path, word: str) -> None:
    names = FILES[2].read_text()
    assert "EvaluateTargetHealth" not in names
    file = tmp_path / "names.yaml"
    record = "{Name: x.example.org, Type: A, AliasTarget: {DNSName: y, EvaluateTargetHealth: %s}"
    file.write_text(
        names
        + "".join(
            f"\n  Alias{role}:\n    Type: AWS::Route53::RecordSet\n    Properties: "
            + record % word
            + f", SetIdentifier: {role}, Failover: {role}}}\n"
            for role in ("PRIMARY", "SECONDARY")
        )
    )
    result = drill_paths([*FILES[:2], file])
    (name,) = [one for one in result.model.failover_names if one.name == "x.example.org"]
    assert name.primary.evaluates


@pytest.mark.parametrize("entry", ["jobs", None], ids=["scheduler", "untagged"])
def test_an_auxiliary_port_belongs_to_the_service_of_its_tag(entry: str | None) -> None:
    """Clients of the Scheduler need the auxiliary port, and clients of jdbc do not."""
    templates = one_cluster()
    resources = templates["site-a"]["Resources"]
    resources |= listener("Jobs", 8000, ["Box1", "Box2"])
    resources["Jobs"]["Properties"]["Tags"] = [{"Key": "denodo:service", "Value": "jobs"}]
    for number in (1, 2):
        resources |= listener(f"Own{number}", 17000 + number, [f"Box{number}"])
        group = resources[f"Own{number}"]["Properties"]
        group["HealthCheckPort"] = "8000"
        group["Tags"] = [{"Key": "denodo:node", "Value": f"box{number}"}]
        if entry:
            group["Tags"].append({"Key": "denodo:auxiliary", "Value": entry})
    result = drill(templates)
    (balancer,) = result.model.balancers.values()
    assert balancer.jdbc_port == (None if entry else 9999)
    closed = result.by_failure[Failure("auxiliary-down", "site-a", "17001 of Box1")]
    assert closed.partial == ((8000,) if entry else (9999,))
    down = result.by_failure[Failure("service-down", "site-a", "jobs on Box1")]
    assert set(down.partial) <= {8000}
    lost = result.by_failure[Failure("node-lost", "site-a", "Box1")]
    assert (lost.unreachable, lost.partial) == ((), ())
    drained = result.by_failure[Failure("node-drained", "site-a", "Box1")]
    assert (drained.unreachable, drained.partial) == ((), ())


def test_the_delays_of_a_nodes_program_come_on_top_of_its_check() -> None:
    templates = one_cluster(Metadata={"Denodo": {"Delays": {"ping": 5, "busy": 20}}})
    properties(templates, "site-a", "P9999").update(
        HealthCheckProtocol="HTTP", HealthCheckPath="/ready/jdbc", HealthCheckTimeoutSeconds=4
    )
    result = drill(templates)
    not_ready = result.by_failure[Failure("node-not-ready", "site-a", "Box1")]
    assert [step.seconds for step in not_ready.steps] == [25, 14]
    lost = result.by_failure[Failure("node-lost", "site-a", "Box1")]
    assert [step.seconds for step in lost.steps] == [14]


@pytest.mark.parametrize(("health", "rest"), [("alarm", [60, 60, 60, 30]), ("alias", [60])])
def test_the_delays_come_on_top_of_what_triggers_a_failover(
    health: Health, rest: list[int]
) -> None:
    templates = two_clusters(health)
    for side in ("site-a", "site-b"):
        templates[side]["Metadata"] = {"Denodo": {"Delays": {"ping": 5, "busy": 20}}}
        check_of_program = {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/ready/jdbc"}
        properties(templates, side, "P9999").update(check_of_program, HealthCheckTimeoutSeconds=4)
    result = drill(templates)
    down = result.by_failure[Failure("service-down", "site-a", "9999 on all nodes")]
    assert [step.seconds for step in down.steps] == [25, 14, *rest]
    lost = result.by_failure[Failure("nodes-lost", "site-a", "Box1 + Box2")]
    assert [step.seconds for step in lost.steps] == [14, *rest]
