"""Template parts that may hide a balancer, node, record or check are read, or reported unknown.

A policy that depends on an unknown part is reported as unknown, and not as holding.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.drill.drill_run import DrillResult, drill_model, drill_paths
from denodo_ha.drill.live.live_site import LiveSite, LiveTemplate, UnreadPart, build_live_model
from tests.drill.sample_templates import (
    Data,
    Templates,
    add,
    attributes,
    check,
    cluster,
    drill,
    get_att,
    listener,
    one_cluster,
    properties,
    ref,
    resource,
    two_clusters,
    unknown_policies,
    violations,
)


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
    """The nested stack's parameters and outputs are read: its nodes are the balancer's targets."""
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


def test_unknown_targets_take_no_zone_out_of_dns() -> None:
    """The unknown targets of port 8000 do not take zone a out of DNS.

    Zone b is out of DNS, because port 9999 has no target in zone b.
    """
    templates = {"site-a": cluster("a", nodes="a", zones="ab", cross_zone=False)}
    templates["site-a"]["Resources"] |= listener("P8000", 8000, [])
    del properties(templates, "site-a", "P8000")["Targets"]
    assert {gap.address for gap in drill(templates).without_failure.gaps} == {"eu-west-1a"}


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
    # A condition on a resource that the drill does not read has no effect.
    templates = one_cluster()
    templates["site-a"]["Resources"]["Bucket"] = resource("AWS::S3::Bucket") | {"Condition": "No"}
    assert unknown_policies(drill(templates)) == {}


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


def test_a_load_balancer_that_serves_no_port_is_unknown() -> None:
    """Without a listener, no failure has an effect: clients probably use another load balancer."""
    template = one_cluster()["site-a"]
    for id_, part in [*template["Resources"].items()]:
        if part["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
            del template["Resources"][id_]
    site = LiveSite((LiveTemplate("site-a", "", "eu-west-1", template),))
    unknown = unknown_policies(drill_model(build_live_model(site)))
    assert {"nothing-failed", "node-unreachable", "zone-unreachable"} <= unknown.keys()
    assert "the load balancer Front has no listener" in unknown["nothing-failed"][0]
    denied = UnreadPart("", "eu-west-1", "the listeners", frozenset({"balancer", "node"}))
    model = build_live_model(LiveSite(site.templates, (denied,)))
    assert [one.text for one in model.unknowns if "balancer" in one.hides] == ["the listeners"]
