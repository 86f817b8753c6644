"""Parts of templates that could hide a balancer, node, record or check: read, or named as unknown.

A policy that rests on such a part is unknown and never holds.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.drill.drill_run import DrillResult, drill_paths
from denodo_ha.drill.outcome import Failure
from tests.drill.sample_templates import (
    FILES,
    Data,
    Templates,
    attributes,
    check,
    cluster,
    drill,
    get_att,
    listener,
    model,
    properties,
    ref,
    resource,
    two_clusters,
    unknown_policies,
    violations,
)


def one_cluster(**changes: Any) -> Templates:
    return {"site-a": cluster("a") | changes}


def add(templates: Templates, id_: str, kind: str, **settings: Any) -> Templates:
    templates["site-a"]["Resources"][id_] = resource(kind, **settings)
    return templates


def ports(result: DrillResult) -> list[int]:
    (of_cluster,) = result.model.clusters.values()
    (balancer,) = of_cluster.balancers
    return [listener.port for listener in result.model.balancers[balancer].listeners]


def with_loop(collection: Any) -> Templates:
    template = cluster("a", services=())
    template["Transform"] = "AWS::LanguageExtensions"
    template["Resources"].pop("NoneHealthy")
    template["Resources"].pop("Watch")
    template.pop("Outputs")
    body = listener("P&{Port}", 0, ["Box1", "Box2"])
    text = json.dumps(body).replace('"Port": 0', '"Port": {"Ref": "Port"}')
    template["Resources"]["Fn::ForEach::Services"] = ["Port", collection, json.loads(text)]
    return {"site-a": template}


def test_a_loop_is_expanded() -> None:
    result = drill(with_loop(["9999", 9996]))
    assert ports(result) == [9996, 9999]
    assert (violations(result), unknown_policies(result)) == ({}, {})


def test_a_loop_over_a_parameters_default_and_nested_loops_are_expanded() -> None:
    templates = with_loop(ref("Ports"))
    templates["site-a"]["Parameters"] = {"Ports": {"Type": "CommaDelimitedList", "Default": "1,2"}}
    assert ports(drill(templates)) == [1, 2]
    inner = with_loop([{"Fn::Sub": "${Tens}1"}, {"Fn::Sub": "${Tens}2"}])["site-a"]["Resources"]
    loop = {"Fn::ForEach::Services": inner["Fn::ForEach::Services"]}
    templates["site-a"]["Resources"] |= {
        "Fn::ForEach::Services": ["Tens", ["3", "4"], {"Fn::ForEach::Inner": loop.popitem()[1]}]
    }
    assert ports(drill(templates)) == [31, 32, 41, 42]


def test_a_loop_that_only_a_deployment_can_expand_is_unknown() -> None:
    templates = with_loop(ref("Ports"))
    templates["site-a"]["Parameters"] = {"Ports": {"Type": "CommaDelimitedList"}}
    result = drill(templates)
    assert set(unknown_policies(result)) >= {"nothing-failed", "node-unreachable", "dead-site"}
    assert any("Fn::ForEach::Services" in note for note in result.model.notes)


ALL = {
    *("nothing-failed", "node-moves-site", "node-unreachable", "zone-unreachable", "one-zone"),
    *("dead-site", "database-alone", "min-secondary"),
}
HIDING = {
    "Classic Load Balancer": resource("AWS::ElasticLoadBalancing::LoadBalancer"),
    "stack set": resource("AWS::CloudFormation::StackSet"),
    "nested stack": resource("AWS::CloudFormation::Stack", TemplateURL="https://x/y.yaml"),
    "nested stack by parameter": resource("AWS::CloudFormation::Stack", TemplateURL=ref("Url")),
    "module": resource("Our::Own::Cluster::MODULE"),
    "third-party type": resource("Other::Load::Balancer"),
    "macro": {"Fn::Transform": {"Name": "Ours"}},
    "fleet": resource("AWS::EC2::EC2Fleet"),
    "type that is a mapping": {"Type": {"Rain::Module": "x"}},
    "no type": {"Properties": {}},
    "no mapping": "text",
}


@pytest.mark.parametrize("hiding", HIDING.values(), ids=HIDING)
def test_a_resource_that_may_hide_anything_leaves_every_policy_unknown(hiding: Any) -> None:
    templates = one_cluster()
    assert (violations(drill(templates)), unknown_policies(drill(templates))) == ({}, {})
    templates["site-a"]["Resources"]["Hiding"] = hiding
    result = drill(templates)
    assert set(unknown_policies(result)) == ALL
    assert any("site-a/Hiding" in note for note in result.model.notes)


@pytest.mark.parametrize(
    ("transform", "unknown"),
    [
        ("AWS::LanguageExtensions", False),
        (["AWS::Serverless-2016-10-31", "AWS::LanguageExtensions"], False),
        ("Ours", True),
        (["AWS::LanguageExtensions", {"Name": "AWS::Include", "Parameters": {}}], True),
    ],
)
def test_a_macro_over_the_template_may_hide_anything(transform: Any, *, unknown: bool) -> None:
    result = drill(one_cluster(Transform=transform))
    assert set(unknown_policies(result)) == (ALL if unknown else set())


def test_a_custom_resource_hides_nothing() -> None:
    assert unknown_policies(drill(add(one_cluster(), "It", "Custom::Thing"))) == {}


@pytest.mark.parametrize("metadata", [True, False])
def test_a_local_nested_stack_is_read(tmp_path: Path, *, metadata: bool) -> None:
    """With its parameters and outputs; a parent's balancer has nodes in it."""
    template = cluster("a")
    boxes = {id_: template["Resources"].pop(id_) for id_ in ("Box1", "Box2")}
    nets = {id_: template["Resources"][id_] for id_ in ("Neta", "Netb")}
    for letter, box in zip("ab", boxes.values(), strict=True):
        box["Properties"]["SubnetId"] = ref(f"Net{letter}")
    nested: Data = {
        "Parameters": {id_: {"Type": "String"} for id_ in nets},
        "Resources": boxes,
        "Outputs": {id_: {"Value": ref(id_)} for id_ in boxes},
    }
    (tmp_path / "nodes.json").write_text(json.dumps(nested))
    text = json.dumps(template)
    for id_ in boxes:
        text = text.replace(json.dumps(ref(id_)), json.dumps(get_att("Nodes", f"Outputs.{id_}")))
    template = json.loads(text)
    url = {"Fn::Sub": "https://bucket/x"} if metadata else "./nodes.json"
    template["Resources"]["Nodes"] = resource(
        "AWS::CloudFormation::Stack", TemplateURL=url, Parameters={id_: ref(id_) for id_ in nets}
    )
    if metadata:
        template["Resources"]["Nodes"]["Metadata"] = {"aws:asset:path": "nodes.json"}
    (tmp_path / "main.json").write_text(json.dumps(template))
    for paths in (["main.json"], ["nodes.json", "main.json"]):
        result = drill_paths([tmp_path / path for path in paths])
        (of_cluster,) = result.model.clusters.values()
        zones = {result.model.machines[key].zone for key in of_cluster.nodes}
        assert zones == {"eu-west-1a", "eu-west-1b"}
        assert (violations(result), unknown_policies(result)) == ({}, {})


def test_a_nested_stack_that_nests_itself_is_unknown(tmp_path: Path) -> None:
    template = cluster("a")
    template["Resources"]["Again"] = resource(
        "AWS::CloudFormation::Stack", TemplateURL="./main.json"
    )
    (tmp_path / "main.json").write_text(json.dumps(template))
    other = tmp_path / "other.json"
    other.write_text(json.dumps(template))
    assert set(unknown_policies(drill_paths([other]))) == ALL


@pytest.mark.parametrize(
    "subnets",
    [
        ref("Subnets"),
        {"Fn::Split": [",", ref("Text")]},
        {"Fn::Split": [",", {"Fn::ImportValue": "elsewhere"}]},
        {"Fn::If": ["Maybe", ref("Subnets"), [ref("Neta")]]},
        {"Fn::FindInMap": ["None", "of", "these"]},
    ],
)
def test_an_unknown_list_of_subnets_has_the_zones_of_the_targets(subnets: Data) -> None:
    templates = one_cluster(
        Parameters={
            "Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"},
            "Text": {"Type": "String"},
        },
        Conditions={"Maybe": {"Fn::Equals": [ref("Text"), "x"]}},
    )
    properties(templates, "site-a", "Front")["Subnets"] = subnets
    result = drill(templates)
    (balancer,) = result.model.balancers.values()
    assert balancer.zones == ("eu-west-1a", "eu-west-1b")
    assert violations(result) == {}
    assert "zone-unreachable" in unknown_policies(result)


def test_an_unknown_list_of_subnets_and_zones_is_no_zone_that_can_be_lost() -> None:
    templates = one_cluster(Parameters={"Subnets": {"Type": "List<AWS::EC2::Subnet::Id>"}})
    properties(templates, "site-a", "Front")["Subnets"] = ref("Subnets")
    for number, box in enumerate(("Box1", "Box2")):
        net = {"Fn::Select": [number, ref("Subnets")]}
        properties(templates, "site-a", box)["SubnetId"] = net
    for id_ in ("Neta", "Netb"):
        del templates["site-a"]["Resources"][id_]
    result = drill(templates)
    assert not [outcome for outcome in result.outcomes if outcome.failure.kind == "zone-lost"]
    assert violations(result) == {}
    assert set(unknown_policies(result)) == {"zone-unreachable", "one-zone"}


def test_an_imported_list_of_known_subnets_is_known() -> None:
    templates = one_cluster()
    joined = {"Fn::Join": [",", [ref("Neta"), ref("Netb")]]}
    nets = {id_: templates["site-a"]["Resources"].pop(id_) for id_ in ("Neta", "Netb")}
    network = {
        "Resources": nets,
        "Outputs": {"Nets": {"Value": joined, "Export": {"Name": "nets"}}},
    }
    imported = {"Fn::Split": [",", {"Fn::ImportValue": "nets"}]}
    properties(templates, "site-a", "Front")["Subnets"] = imported
    for number, box in enumerate(("Box1", "Box2")):
        properties(templates, "site-a", box)["SubnetId"] = {"Fn::Select": [number, imported]}
    result = drill(templates | {"network": network})
    assert (violations(result), unknown_policies(result)) == ({}, {})


@pytest.mark.parametrize(
    ("targets", "known"),
    [
        (None, False),
        (ref("Given"), False),
        ([{"Id": ref("Given")}], False),
        ([{"Id": "i-0123456789abcdef0"}, {"Id": "i-1123456789abcdef0"}], True),
    ],
)
def test_targets_that_no_template_tells_are_unknown(targets: Any, *, known: bool) -> None:
    templates = one_cluster(Parameters={"Given": {"Type": "String"}})
    group = properties(templates, "site-a", "P9999")
    del group["Targets"]
    if targets is not None:
        group["Targets"] = targets
    result = drill(templates)
    assert violations(result) == {}
    assert ("node-unreachable" in unknown_policies(result)) is not known


def test_what_a_parameter_without_a_default_decides_is_unknown() -> None:
    for type_, default, unknown in (
        ("Number", None, True),
        ("Number", 9999, False),
        ("AWS::SSM::Parameter::Value<String>", "/port", True),
    ):
        parameter = {"Type": type_} | ({} if default is None else {"Default": default})
        templates = one_cluster(Parameters={"Port": parameter})
        properties(templates, "site-a", "P9999In")["Port"] = ref("Port")
        assert ("nothing-failed" in unknown_policies(drill(templates))) is unknown


def test_a_node_whose_existence_only_a_deployment_knows_is_unknown() -> None:
    templates = one_cluster(
        Parameters={"Asked": {"Type": "String"}},
        Conditions={"Maybe": {"Fn::Equals": [ref("Asked"), "x"]}},
    )
    templates["site-a"]["Resources"]["Box2"]["Condition"] = "Maybe"
    assert "node-unreachable" in unknown_policies(drill(templates))
    # A condition of what the drill does not read decides nothing.
    templates = one_cluster()
    templates["site-a"]["Resources"]["Bucket"] = resource("AWS::S3::Bucket") | {"Condition": "No"}
    assert unknown_policies(drill(templates)) == {}


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


NAMES = ["sql.example.org", "SQL.Example.org."]


def test_names_compare_without_case_and_the_last_dot() -> None:
    templates = two_clusters()
    for id_, name in zip(("First", "Second"), NAMES, strict=True):
        properties(templates, "names", id_)["Name"] = name
    result = drill(templates)
    assert [name.name for name in result.model.failover_names] == ["sql.example.org"]
    assert (violations(result), unknown_policies(result)) == ({}, {})


def test_a_name_in_two_zones_is_two_names() -> None:
    """The pair in the public zone has no health, which the private pair must not hide."""
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


def test_an_unknown_check_matters_only_if_a_failover_record_uses_it() -> None:
    templates = two_clusters()
    probe = check(Type="TCP", FullyQualifiedDomainName="other.example.org", Port=1)
    templates["names"]["Resources"]["Aside"] = probe
    assert unknown_policies(drill(templates)) == {}
    properties(templates, "names", "Second")["HealthCheckId"] = ref("Aside")
    assert "dead-site" in unknown_policies(drill(templates))


def test_an_attribute_that_is_not_read_may_be_unknown() -> None:
    templates = one_cluster(Parameters={"Bucket": {"Type": "String"}})
    front = properties(templates, "site-a", "Front")
    front["LoadBalancerAttributes"] += attributes(access_logs__s3__bucket="x")
    front["LoadBalancerAttributes"][-1]["Value"] = ref("Bucket")
    assert unknown_policies(drill(templates)) == {}
    front["LoadBalancerAttributes"][0]["Value"] = ref("Bucket")
    assert "nothing-failed" in unknown_policies(drill(templates))


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


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"EvaluationPeriods": 3, "DatapointsToAlarm": 2}, "2 breaching periods out of 3"),
        ({"ExtendedStatistic": "p90"}, "an extended statistic"),
        ({"Period": 10}, "less than a minute"),
    ],
)
def test_an_alarm_that_route_53_does_not_support_is_unknown(settings: Data, reason: str) -> None:
    templates = two_clusters("alarm")
    properties(templates, "site-a", "NoneHealthy").update(settings)
    unknown = unknown_policies(drill(templates))["dead-site"]
    assert any(reason in text and "site-a/NoneHealthy" in text for text in unknown)
    settings = {"EvaluationPeriods": 3, "DatapointsToAlarm": 3}
    properties(templates, "site-b", "NoneHealthy").update(settings)
    assert unknown_policies(drill(templates))["dead-site"] == unknown
