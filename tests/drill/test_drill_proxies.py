"""What a template can't show is read from our metadata, and else is unknown."""

from typing import Any

from denodo_ha.drill.drill_run import DrillResult, drill_model
from denodo_ha.drill.outcome import Failure
from tests.drill.handmade import Data, got, model, ref, resource, served, site

SERVES = {"9999": {"Nodes": [ref("Box1"), ref("Box2")], "Path": "/ready/jdbc"}}


def proxied(serves: Data | None = None, *, size: int = 2) -> dict[str, Data]:
    """The primary's balancer has a group of proxies in front of its nodes."""
    templates = site("alarm")
    resources = templates["site-a"]["Resources"]
    resources["P9999"]["Properties"].pop("Targets")
    resources["Proxies"] = resource(
        "AWS::AutoScaling::AutoScalingGroup",
        MinSize=str(size),
        MaxSize="4",
        VPCZoneIdentifier=[ref("Neta"), ref("Netb")],
        TargetGroupARNs=[ref("P9999")],
    )
    if serves is not None:
        resources["Proxies"]["Metadata"] = {"Denodo": {"Serves": serves}}
    return templates


def drilled(templates: dict[str, Data]) -> DrillResult:
    return drill_model(model(templates))


def test_proxies_leave_out_the_nodes_that_they_find_unwell() -> None:
    found = drilled(proxied(SERVES))
    assert len(found.model.clusters["site-a"].nodes) == 2
    assert len(found.model.clusters["site-a"].proxies) == 2
    for failure in (
        Failure("node-lost", "site-a", "Box1"),
        Failure("node-not-ready", "site-a", "Box1"),
        Failure("node-drained", "site-a", "Box1"),
        Failure("proxy-lost", "site-a", "Proxies-1"),
        Failure("zone-lost", "site-a", "eu-west-1a"),
    ):
        outcome = found.by_failure[failure]
        assert (outcome.unreachable, outcome.partial, outcome.moves_site) == ((), (), False)


def test_all_nodes_behind_proxies_are_lost_without_the_balancer_seeing_it() -> None:
    """The proxies still accept, and their own port is all that the balancer checks."""
    outcome = drilled(proxied(SERVES)).by_failure[Failure("nodes-lost", "site-a", "Box1 + Box2")]
    assert (outcome.unreachable, outcome.moves_site) == ((9999,), False)


def test_proxies_that_tell_how_their_nodes_are_are_seen_through() -> None:
    """The balancer asks on a port of their own, and the site moves when nobody serves."""
    templates = proxied(SERVES)
    resources = templates["site-a"]["Resources"]
    resources["P9999"]["Properties"] |= {
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "9192",
        "HealthCheckPath": "/health/jdbc",
    }
    resources["Proxies"]["Metadata"]["Denodo"]["HealthPort"] = 9192
    found = drilled(templates).by_failure
    assert found[Failure("nodes-lost", "site-a", "Box1 + Box2")].moves_site
    for kind, name in (("node-lost", "Box1"), ("proxy-lost", "Proxies-1")):
        outcome = found[Failure(kind, "site-a", name)]
        assert (outcome.unreachable, outcome.partial, outcome.moves_site) == ((), (), False)


def test_without_the_proxies_own_check_of_readiness_a_promotion_is_not_seen() -> None:
    serves = {"9999": {"Nodes": [ref("Box1"), ref("Box2")]}}
    outcome = drilled(proxied(serves)).by_failure[Failure("node-not-ready", "site-a", "Box1")]
    assert outcome.partial == (9999,)


def test_without_metadata_it_is_unknown_and_said() -> None:
    found = drilled(proxied())
    nothing = next(one for one in found.outcomes if one.failure.kind == "nothing")
    assert nothing.unknown == (9999,)
    assert any("metadata Denodo.Serves" in note for note in found.model.notes)


def test_a_single_proxy_is_lost_with_everything() -> None:
    outcome = drilled(proxied(SERVES, size=1)).by_failure[
        Failure("proxy-lost", "site-a", "Proxies-1")
    ]
    assert outcome.moves_site


def behind_another(probe: Data) -> dict[str, Data]:
    """The jdbc port leads to a second balancer, whose listener leads to the nodes."""
    templates = site("alarm", services=(9999, 9090))
    resources = templates["site-a"]["Resources"]
    nodes = resources["P9090"]["Properties"]["Targets"]
    resources["P9090"]["Properties"] |= {
        "TargetType": "alb",
        "Targets": [{"Id": ref("Inner"), "Port": 80}],
        "HealthCheckProtocol": "HTTP",
        **probe,
    }
    resources["Inner"] = resource(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Type="application",
        Scheme="internal",
        Subnets=[ref("Neta"), ref("Netb")],
    )
    inner: dict[str, Any] = served("Web", 80, [])
    inner["WebIn"]["Properties"]["LoadBalancerArn"] = ref("Inner")
    inner["Web"]["Properties"]["Targets"] = nodes
    return {**templates, "site-a": {**templates["site-a"], "Resources": resources | inner}}


def test_a_balancer_behind_a_balancer_is_read_from_the_template() -> None:
    found = drilled(behind_another({}))
    assert found.model.notes == tuple(
        note for note in found.model.notes if "only connect" in note or "ask for" in note
    )
    node = found.by_failure[Failure("node-lost", "site-a", "Box1")]
    assert (node.unreachable, node.partial) == ((), ())
    down = found.by_failure[Failure("service-down", "site-a", "9090 on all nodes")]
    assert down.unreachable == (9090,)


def test_a_balancer_behind_a_balancer_leaves_out_a_node_by_its_own_check() -> None:
    templates = behind_another({})
    web = templates["site-a"]["Resources"]["Web"]["Properties"]
    web |= {"HealthCheckIntervalSeconds": 7, "UnhealthyThresholdCount": 3}
    found = drilled(templates)
    down = found.by_failure[Failure("service-down", "site-a", "9090 on Box1")]
    assert (down.unreachable, down.partial, down.recovery) == ((), (), 21)
    drained = found.by_failure[Failure("node-drained", "site-a", "Box1")]
    assert (drained.unreachable, drained.partial, drained.recovery) == ((), (), 0)


def test_what_is_asked_through_another_balancer_is_no_open_question() -> None:
    notes = drilled(behind_another({})).model.notes
    assert not any(note.startswith("site-a") and "9090" in note for note in notes)


def test_an_alarm_on_a_group_of_a_balancer_has_no_data() -> None:
    """Its HealthyHostCount leaves Application Load Balancers out (AWS, CloudWatch metrics)."""
    templates = behind_another({})
    settings = templates["site-a"]["Resources"]["Nobody"]["Properties"]
    settings["Dimensions"][1]["Value"] = got("P9090", "TargetGroupFullName")
    nothing = next(one for one in drilled(templates).outcomes if one.failure.kind == "nothing")
    assert [move.after for move in nothing.dns_changes] == ["site-b"]


def test_nodes_that_exist_already_are_known_by_name_with_their_zones() -> None:
    """Two clusters may well call different nodes the same."""
    templates = proxied({"9999": {"Nodes": ["vdp.1", "vdp.2"]}})
    templates["site-a"]["Outputs"] |= {
        "NodeIdvdp1": {"Value": "i-1"},
        "NodeIdvdp2": {"Value": "i-2"},
    }
    templates["site-a"]["Metadata"] = {
        "Denodo": {
            "Nodes": {"NodeIdvdp1": "vdp.1", "NodeIdvdp2": "vdp.2"},
            "Zones": {"i-1": "eu-west-1a", "i-2": "eu-west-1b"},
        }
    }
    found = drilled(templates)
    nodes = {
        one.name: one.zone
        for one in found.model.machines.values()
        if one.key.endswith(("-1", "-2"))
    }
    assert {key: nodes[key] for key in ("vdp.1", "vdp.2")} == {
        "vdp.1": "eu-west-1a",
        "vdp.2": "eu-west-1b",
    }
    lost = found.by_failure[Failure("zone-lost", "site-a", "eu-west-1b")]
    assert (lost.unreachable, lost.partial) == ((), ())
    templates["site-a"]["Metadata"]["Denodo"]["Zones"]["i-1"] = "eu-west-1b"
    lost = drilled(templates).by_failure[Failure("zone-lost", "site-a", "eu-west-1b")]
    assert lost.unreachable == (9999,)
