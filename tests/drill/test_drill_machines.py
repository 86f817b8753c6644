"""Proxies and existing nodes, which the drill knows from this project's template metadata."""

import pytest

from denodo_ha.drill.outcome import Failure
from tests.drill.sample_templates import (
    SERVES,
    Data,
    Templates,
    drill,
    get_att,
    listener,
    model,
    properties,
    ref,
    resource,
    two_clusters,
    with_proxies,
)


def test_proxies_leave_out_the_nodes_that_fail_their_check() -> None:
    result = drill(with_proxies(SERVES))
    assert len(result.model.clusters["site-a"].nodes) == 2
    assert len(result.model.clusters["site-a"].proxies) == 2
    for failure in (
        Failure("node-lost", "site-a", "Box1"),
        Failure("node-not-ready", "site-a", "Box1"),
        Failure("node-drained", "site-a", "Box1"),
        Failure("proxy-lost", "site-a", "Proxies-1"),
        Failure("zone-lost", "site-a", "eu-west-1a"),
    ):
        outcome = result.by_failure[failure]
        assert (outcome.unreachable, outcome.partial, outcome.moves_site) == ((), (), False)


def test_a_proxy_s_check_and_the_nodes_own_delays_count() -> None:
    """The time until a failure is detected includes the proxy's check and the node's own delays.

    The drill reads both from the template's metadata.
    """
    times = {"Interval": 1, "Timeout": 4, "Unhealthy": 2, "Healthy": 3}
    templates = with_proxies({"9999": {**SERVES["9999"], "Check": times}})
    templates["site-a"]["Metadata"] = {"Denodo": {"Delays": {"ping": 5, "busy": 20}}}
    result = drill(templates)
    not_ready = result.by_failure[Failure("node-not-ready", "site-a", "Box1")]
    assert [step.seconds for step in not_ready.steps] == [25, 1 * 2 + 2 * 4]
    lost = result.by_failure[Failure("node-lost", "site-a", "Box1")]
    assert [step.seconds for step in lost.steps] == [1 * 2 + 2 * 4]
    assert "within 3 s" in lost.after_repair
    drained = result.by_failure[Failure("node-drained", "site-a", "Box1")]
    assert drained.steps == ()


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"VPCZoneIdentifier": [ref("Neta"), ref("Netb")]}, ["eu-west-1a", "eu-west-1b"]),
        ({"AvailabilityZones": ["eu-west-1b"]}, ["eu-west-1b", "eu-west-1b"]),
        ({}, [None, None]),
    ],
)
def test_the_desired_proxies_are_spread_over_the_zones(
    zones: Data, expected: list[str | None]
) -> None:
    templates = with_proxies(SERVES, size=1)
    group = properties(templates, "site-a", "Proxies")
    del group["VPCZoneIdentifier"]
    group |= {"DesiredCapacity": "2", **zones}
    of_templates = model(templates)
    keys = of_templates.clusters["site-a"].proxies
    assert [of_templates.machines[key].zone for key in keys] == expected


def test_a_balancer_does_not_detect_the_loss_of_all_nodes_behind_proxies() -> None:
    """The proxies still accept connections, and the balancer checks only the proxies' ports."""
    outcome = drill(with_proxies(SERVES)).by_failure[Failure("nodes-lost", "site-a", "Box1 + Box2")]
    assert (outcome.unreachable, outcome.moves_site) == ((9999,), False)


@pytest.mark.parametrize("path", ["/health/jdbc", "/health"])
def test_a_balancer_detects_it_by_the_health_that_proxies_report(path: str) -> None:
    """The load balancer requests the proxies' health report. DNS fails over if no node serves."""
    templates = with_proxies(SERVES)
    properties(templates, "site-a", "P9999").update(
        HealthCheckProtocol="HTTP", HealthCheckPort="9192", HealthCheckPath=path
    )
    metadata = templates["site-a"]["Resources"]["Proxies"]["Metadata"]["Denodo"]
    metadata["HealthPort"] = 9192
    by_failure = drill(templates).by_failure
    assert by_failure[Failure("nodes-lost", "site-a", "Box1 + Box2")].moves_site
    for kind, name in (("node-lost", "Box1"), ("proxy-lost", "Proxies-1")):
        outcome = by_failure[Failure(kind, "site-a", name)]
        assert (outcome.unreachable, outcome.partial, outcome.moves_site) == ((), (), False)


def test_proxies_that_only_connect_do_not_detect_a_promotion() -> None:
    serves = {"9999": {"Nodes": [ref("Box1"), ref("Box2")]}}
    outcome = drill(with_proxies(serves)).by_failure[Failure("node-not-ready", "site-a", "Box1")]
    assert outcome.partial == (9999,)


def test_without_metadata_the_reach_is_unknown_and_a_note_says_so() -> None:
    result = drill(with_proxies())
    assert result.without_failure.unknown == (9999,)
    assert any("metadata Denodo.Serves" in note for note in result.model.notes)


def test_losing_a_single_proxy_triggers_a_failover() -> None:
    result = drill(with_proxies(SERVES, size=1))
    assert result.by_failure[Failure("proxy-lost", "site-a", "Proxies-1")].moves_site


def with_second_balancer() -> Templates:
    """Return two clusters; port 9090 leads to a second load balancer, which leads to nodes."""
    templates = two_clusters("alarm", services=(9999, 9090))
    resources = templates["site-a"]["Resources"]
    nodes = resources["P9090"]["Properties"]["Targets"]
    resources["P9090"]["Properties"] |= {
        "TargetType": "alb",
        "Targets": [{"Id": ref("Inner"), "Port": 80}],
        "HealthCheckProtocol": "HTTP",
    }
    resources["Inner"] = resource(
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
        Type="application",
        Scheme="internal",
        Subnets=[ref("Neta"), ref("Netb")],
    )
    resources |= listener("Web", 80, [])
    resources["WebIn"]["Properties"]["LoadBalancerArn"] = ref("Inner")
    resources["Web"]["Properties"]["Targets"] = nodes
    return templates


def test_a_balancer_behind_a_balancer_is_read_from_the_template() -> None:
    result = drill(with_second_balancer())
    expected = ("only connect", "ask for", "of its previous load")
    assert all(any(text in note for text in expected) for note in result.model.notes)
    node = result.by_failure[Failure("node-lost", "site-a", "Box1")]
    assert (node.unreachable, node.partial) == ((), ())
    down = result.by_failure[Failure("service-down", "site-a", "9090 on all nodes")]
    assert down.unreachable == (9090,)


def test_a_balancer_behind_a_balancer_leaves_out_a_node_by_its_own_check() -> None:
    templates = with_second_balancer()
    web = properties(templates, "site-a", "Web")
    web |= {
        "HealthCheckIntervalSeconds": 7,
        "UnhealthyThresholdCount": 3,
        "HealthyThresholdCount": 4,
    }
    result = drill(templates)
    down = result.by_failure[Failure("service-down", "site-a", "9090 on Box1")]
    assert (down.unreachable, down.partial, down.recovery) == ((), (), 31)
    assert down.after_repair == "gets connections within 28 s after the repair"
    drained = result.by_failure[Failure("node-drained", "site-a", "Box1")]
    assert (drained.unreachable, drained.partial, drained.recovery) == ((), (), 0)


def test_a_check_through_another_balancer_has_no_note() -> None:
    notes = drill(with_second_balancer()).model.notes
    assert not any(note.startswith("site-a") and "9090" in note for note in notes)


def test_an_alarm_on_a_target_group_of_a_balancer_has_no_data() -> None:
    """HealthyHostCount does not count Application Load Balancers (AWS, CloudWatch metrics)."""
    templates = with_second_balancer()
    settings = properties(templates, "site-a", "NoneHealthy")
    settings["Dimensions"][1]["Value"] = get_att("P9090", "TargetGroupFullName")
    changes = drill(templates).without_failure.dns_changes
    assert [change.after for change in changes] == ["site-b"]


def test_existing_nodes_have_names_and_zones() -> None:
    """Names and zones are read separately for each template: ids are unique only in a Region."""
    templates = with_proxies({"9999": {"Nodes": ["vdp.1", "vdp.2"]}})
    templates["site-a"]["Outputs"] |= {
        "NodeIdvdp1": {"Value": "i-1"},
        "NodeIdvdp2": {"Value": "i-2"},
    }
    metadata = {
        "Nodes": {"NodeIdvdp1": "vdp.1", "NodeIdvdp2": "vdp.2"},
        "Zones": {"i-1": "eu-west-1a", "i-2": "eu-west-1b"},
    }
    templates["site-a"]["Metadata"] = {"Denodo": metadata}
    result = drill(templates)
    zones = {machine.name: machine.zone for machine in result.model.machines.values()}
    assert (zones["vdp.1"], zones["vdp.2"]) == ("eu-west-1a", "eu-west-1b")
    lost = result.by_failure[Failure("zone-lost", "site-a", "eu-west-1b")]
    assert (lost.unreachable, lost.partial) == ((), ())
    metadata["Zones"]["i-1"] = "eu-west-1b"
    lost = drill(templates).by_failure[Failure("zone-lost", "site-a", "eu-west-1b")]
    assert lost.unreachable == (9999,)


def test_an_instance_tells_the_zone_of_its_subnet() -> None:
    """Box2 has no zone, and a subnet that no template contains: the zone is that of Box1."""
    templates = two_clusters("alarm")
    properties(templates, "site-a", "Box1").update(
        SubnetId="subnet-1", AvailabilityZone="eu-west-1c"
    )
    properties(templates, "site-a", "Box2")["SubnetId"] = "subnet-1"
    machines = model(templates).machines
    assert machines["site-a/Box2"].zone == "eu-west-1c"


def test_an_endpoint_check_that_only_connects_sees_the_proxies_only() -> None:
    """The proxies accept connections even if no node serves, so DNS does not change."""
    result = drill(with_proxies(SERVES, health="endpoint"))
    lost = result.by_failure[Failure("nodes-lost", "site-a", "Box1 + Box2")]
    assert (lost.moves_site, lost.unreachable) == (False, (9999,))
    assert result.by_failure[Failure("region-lost", "site-a", "eu-west-1")].moves_site
