"""Configuration that `adopt` writes for a found site: always valid; each guess has a comment."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denodo_ha.cli.errors import UsageError
from denodo_ha.drill.live.adoption.configuration_text import configuration_text
from denodo_ha.drill.live.adoption.site_clusters import cluster_names
from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.loading.problem import ConfigError, Problem
from denodo_ha.environment.model.environment import Environment
from tests.drill.adoption.adoption_samples import (
    BALANCER,
    NODES,
    ONE,
    REGION,
    SECOND_REGION,
    VPC,
    Change,
    Data,
    found_site,
    record,
    ref,
    with_second_region,
)


def loaded(folder: Path, change: Change | None = None) -> Environment:
    file = folder / "prod.yaml"
    file.write_text(configuration_text("prod", found_site(change)), encoding="utf-8")
    return load(file).environment


def group(name: str, **values: Any) -> Change:
    def change(data: Data) -> None:
        data["resources"][f"group-{name}"]["Properties"] |= values

    return change


def attribute(name: str, key: str, value: str) -> Change:
    return group(name, TargetGroupAttributes=[{"Key": key, "Value": value}])


def test_describes_a_site(tmp_path: Path) -> None:
    environment = loaded(tmp_path)
    assert environment.denodo.version == "7.0"
    (cluster,) = environment.clusters.values()
    assert cluster.network.vpc == VPC
    assert {node.instance_id: node.zone for node in cluster.nodes.values()} == NODES
    assert sorted(cluster.nodes) == ["node1", "node2"]
    assert environment.failover is None


def idle_timeout(data: Data) -> None:
    for attributes in data["details"]["listener_attributes"].values():
        attributes["tcp.idle_timeout.seconds"] = "1200"


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (attribute("jdbc", "stickiness.enabled", "true"), "sticky", True),
        (attribute("jdbc", "preserve_client_ip.enabled", "false"), "client_ip", False),
        (
            attribute(
                "jdbc", "target_health_state.unhealthy.connection_termination.enabled", "false"
            ),
            "unhealthy_termination",
            False,
        ),
        (
            idle_timeout,
            "idle_timeout",
            1200,
        ),
    ],
)
def test_keeps_the_options_of_a_service(
    tmp_path: Path, change: Change, key: str, value: object
) -> None:
    assert getattr(loaded(tmp_path, change).services["jdbc"], key) == value


def test_keeps_the_check_of_a_service(tmp_path: Path) -> None:
    change = group(
        "jdbc",
        HealthCheckProtocol="HTTP",
        HealthCheckPath="/ok",
        HealthCheckPort="8080",
        HealthCheckIntervalSeconds=10,
    )
    health = loaded(tmp_path, change).services["jdbc"].health
    assert (health.protocol, health.path, health.port, health.interval) == (
        "http",
        "/ok",
        8080,
        10,
    )


def test_translates_ports(tmp_path: Path) -> None:
    def translated(data: Data) -> None:
        data["resources"]["listener-jdbc"]["Properties"]["Port"] = 19999

    service = loaded(tmp_path, translated).services["jdbc"]
    assert (service.port, service.node_port) == (19999, 9999)


def test_without_ports_of_single_nodes_it_is_a_later_version(tmp_path: Path) -> None:
    def later(data: Data) -> None:
        for name in ("node1", "node2"):
            del data["resources"][f"listener-{name}"], data["ids"][f"listener-{name}"]

    environment = loaded(tmp_path, later)
    assert environment.denodo.version == "8.0"
    assert (
        "no node has an auxiliary port, which Denodo 7.0 needs"
        in (tmp_path / "prod.yaml").read_text()
    )


def test_a_shared_port_with_one_node_left_is_a_service(tmp_path: Path) -> None:
    def drained(data: Data) -> None:
        data["resources"]["group-jdbc"]["Properties"]["Targets"].pop()

    assert list(loaded(tmp_path, drained).services) == ["jdbc"]


def test_a_port_with_several_target_groups_is_left_out(tmp_path: Path) -> None:
    def weighted(data: Data) -> None:
        groups = [{"TargetGroupArn": f"${{eu-west-1/group-{name}}}"} for name in ("jdbc", "node1")]
        data["resources"]["listener-jdbc"]["Properties"]["DefaultActions"] = [
            {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
        ]

    file = tmp_path / "prod.yaml"
    file.write_text(configuration_text("prod", found_site(weighted)))
    assert "port 9999 does not forward to exactly one target group" in file.read_text()


def test_clients_come_from_the_rules(tmp_path: Path) -> None:
    def peers(data: Data) -> None:
        rule = data["details"]["rules"][0]
        data["details"]["rules"] = [
            {**rule, "CidrIpv4": "192.0.2.0/24"},
            {key: value for key, value in rule.items() if key != "CidrIpv4"}
            | {"PrefixListId": "pl-0123456789abcdef0"},
            # Rules for other ports, and outbound rules, must not add clients to the configuration.
            {**rule, "CidrIpv4": "198.51.100.0/24", "FromPort": 22, "ToPort": 22},
            {**rule, "CidrIpv4": "203.0.113.0/24", "IsEgress": True},
        ]

    (cluster,) = loaded(tmp_path, peers).clusters.values()
    assert cluster.balancer.clients == ("192.0.2.0/24", "pl-0123456789abcdef0")


def test_without_a_rule_the_clients_are_a_guess_with_a_comment(tmp_path: Path) -> None:
    (cluster,) = loaded(tmp_path, lambda data: data["details"].update(rules=[])).clusters.values()
    assert cluster.balancer.clients == ("10.0.0.0/16",)
    text = (tmp_path / "prod.yaml").read_text()
    assert "clients: [10.0.0.0/16]   # not visible in AWS" in text


def test_a_rule_for_everything_names_clients(tmp_path: Path) -> None:
    def everything(data: Data) -> None:
        rule = data["details"]["rules"][0] | {"IpProtocol": "-1", "CidrIpv4": "172.16.0.0/12"}
        data["details"]["rules"] = [rule | {"FromPort": -1, "ToPort": -1}]

    (cluster,) = loaded(tmp_path, everything).clusters.values()
    assert cluster.balancer.clients == ("172.16.0.0/12",)


@pytest.mark.parametrize(
    ("change", "line", "missing"),
    [
        (
            lambda data: data["details"]["balancers"][BALANCER]["AvailabilityZones"].pop(),
            "eu-west-1b: {}   # the load balancer has no subnet in this zone",
            "zones.eu-west-1b.balancer: is missing",
        ),
        (
            lambda data: data["details"].update(networks={}),
            "vpc: vpc-0123456789abcdef0\n      zones:",
            "network.cidr: is missing",
        ),
    ],
)
def test_what_aws_does_not_say_is_asked_for(
    tmp_path: Path, change: Change, line: str, missing: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(missing)):
        loaded(tmp_path, change)
    assert line in (tmp_path / "prod.yaml").read_text()


def test_the_network_is_the_one_of_the_nodes(tmp_path: Path) -> None:
    def second(data: Data) -> None:
        data["details"]["networks"][VPC] = ["192.168.0.0/16", "10.0.0.0/16"]

    (cluster,) = loaded(tmp_path, second).clusters.values()
    assert cluster.network.cidr == "10.0.0.0/16"
    assert "the VPC also has 192.168.0.0/16" in (tmp_path / "prod.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda data: data["resources"]["nlb"]["Properties"].update(Type="application"),
            "no Network Load Balancer to adopt",
        ),
        (
            lambda data: [
                item["Properties"].update(Targets=[{"Id": "10.0.0.4", "Port": 9999}])
                for item in data["resources"].values()
                if "Targets" in item["Properties"]
            ],
            "no target of this load balancer is registered by its instance id",
        ),
    ],
)
def test_what_has_no_node_is_refused(change: Change, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        found_site(change)


class TestTwoRegions:
    """Two clusters. The failover records say which cluster is the primary."""

    def test_the_record_says_which_is_the_primary(self, tmp_path: Path) -> None:
        environment = loaded(tmp_path, with_second_region)
        regions = {name: cluster.region for name, cluster in environment.clusters.items()}
        assert regions == {"active": REGION, "passive": SECOND_REGION}
        assert environment.failover is not None
        assert environment.failover.primary == "active"
        assert environment.failover.record == "denodo-ha"
        assert environment.failover.zone.name == "example.com"

    def test_without_roles_clusters_have_the_names_of_regions(self, tmp_path: Path) -> None:
        def simple(data: Data) -> None:
            with_second_region(data)
            for item in data["others"][1][1].values():
                del item["Properties"]["Failover"]

        environment = loaded(tmp_path, simple)
        assert set(environment.clusters) == {REGION, SECOND_REGION}
        assert environment.failover is None
        assert "which cluster is the primary" in (tmp_path / "prod.yaml").read_text()

    def test_two_in_a_region_have_different_names(self) -> None:
        def same(data: Data) -> None:
            with_second_region(data)
            data["others"] = data["others"][:1]

        site = found_site(same)
        (first, second) = (cluster.balancer for cluster in site.clusters)
        names = cluster_names([first, replace(second, region=first.region)], {})
        assert list(names.values()) == [SECOND_REGION, f"{SECOND_REGION}-2"]

    def test_what_differs_has_a_comment(self, tmp_path: Path) -> None:
        def other_port(data: Data) -> None:
            with_second_region(data)
            data["others"][0][1]["listener-jdbc"]["Properties"]["Port"] = 9998

        loaded(tmp_path, other_port)
        assert "jdbc: the clusters have different ports" in (tmp_path / "prod.yaml").read_text()

    def test_a_check_of_one_cluster_is_none_of_the_service(self, tmp_path: Path) -> None:
        def other_check(data: Data) -> None:
            with_second_region(data)
            group("jdbc", HealthCheckIntervalSeconds=20)(data)

        assert loaded(tmp_path, other_check).services["jdbc"].health.interval is None

    def test_options_of_one_cluster_are_none_of_the_service(self, tmp_path: Path) -> None:
        def other_option(data: Data) -> None:
            with_second_region(data)
            attribute("jdbc", "stickiness.enabled", "true")(data)

        assert loaded(tmp_path, other_option).services["jdbc"].sticky is False


def test_a_certificate_is_the_listeners() -> None:
    certificate = f"arn:aws:acm:{REGION}:123456789012:certificate/11111111-2222-3333-4444-5555"
    other = f"{certificate[:-4]}9999"

    def secure(data: Data) -> None:
        data["resources"]["listener-jdbc"]["Properties"] |= {
            "Protocol": "TLS",
            "Certificates": [{"CertificateArn": certificate}, {"CertificateArn": other}],
        }

    text = configuration_text("prod", found_site(secure))
    assert f'tls: {{main: "{certificate}"}}' in text or f"tls: {{main: {certificate}}}" in text


@pytest.mark.parametrize(("port", "is_auxiliary"), [(9997, True), (19997, True), (5000, False)])
def test_the_only_node_has_an_auxiliary_port_if_the_number_is_denodos(
    port: int,
    is_auxiliary: bool,  # noqa: FBT001 - a case's value
) -> None:
    def alone(data: Data) -> None:
        for name in ("listener-node1", "listener-node2"):
            del data["resources"][name], data["ids"][name]
        for name, number in (("jdbc", 9999), ("node1", port)):
            group(name, Port=number, Targets=[{"Id": ref(ONE), "Port": number}])(data)
        data["resources"]["second"] = {
            "Type": data["resources"]["listener-jdbc"]["Type"],
            "Properties": {
                **data["resources"]["listener-jdbc"]["Properties"],
                "Port": port,
                "DefaultActions": [{"Type": "forward", "TargetGroupArn": ref("group-node1")}],
            },
        }
        data["ids"]["second"] = "listener"

    (cluster,) = found_site(alone).clusters
    assert (list(cluster.auxiliary) == [ONE]) is is_auxiliary
    assert (f"port-{port}" in cluster.services) is not is_auxiliary


def test_a_second_port_of_a_node_is_left_out() -> None:
    def twice(data: Data) -> None:
        group("node2", Targets=[{"Id": ref(ONE), "Port": 29997}])(data)

    (cluster,) = found_site(twice).clusters
    assert list(cluster.auxiliary) == [ONE]
    (sentence,) = cluster.left_out
    assert sentence == (
        "port 29997, which only node1 serves, is not in the configuration: "
        "the auxiliary port of node1 is assumed to be 19997"
    )


def records(data: Data) -> None:
    """Add records that lead to the site: records of a stack of this project, and hand-made ones.

    The hand-made secondary record leads to a load balancer of another account.
    """
    leads = ref("nlb.DNSName")
    own = {"Primary": record("denodo-ha.example.com", leads, Failover="PRIMARY")}
    hand_made = {
        "first": record("denodo.example.com", leads, Failover="PRIMARY"),
        "second": record("denodo.example.com", "theirs.elb.amazonaws.com", Failover="SECONDARY"),
    }
    data["others"] = [
        ("prod-failover", own, {"Primary": "denodo-ha.example.com"}),
        ("route53", hand_made, dict.fromkeys(hand_made, "denodo.example.com")),
    ]
    data["details"]["zone_names"] = {"Z1": "example.com"}


def test_the_name_is_the_one_that_no_stack_has(tmp_path: Path) -> None:
    assert found_site(records).record == "denodo.example.com"
    assert loaded(tmp_path, records).failover is None


def test_a_cluster_that_is_not_found_is_named(tmp_path: Path) -> None:
    loaded(tmp_path, records)
    text = (tmp_path / "prod.yaml").read_text()
    assert "denodo.example.com also leads to theirs.elb.amazonaws.com" in text


def tags(values: list[str]) -> Change:
    def change(data: Data) -> None:
        for instance, value in zip(data["details"]["instances"].values(), values, strict=False):
            instance["Tags"] = [{"Key": "Name", "Value": value}]

    return change


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["vdp1", "vdp2"], ["vdp1", "vdp2"]),
        (["vdp", "vdp"], ["node1", "node2"]),
        (["Vdp-1", "vdp1"], ["node1", "node2"]),
        (["vdp 1", "vdp2"], ["node1", "node2"]),
        (["x: {", "\n- y\x1b"], ["node1", "node2"]),
    ],
)
def test_nodes_have_their_own_names_if_these_are_names(
    tmp_path: Path, values: list[str], names: list[str]
) -> None:
    (cluster,) = loaded(tmp_path, tags(values)).clusters.values()
    assert sorted(cluster.nodes) == names


@settings(max_examples=25)
@given(
    names=st.lists(st.text(max_size=40), min_size=2, max_size=2),
    ports=st.tuples(st.integers(1, 65535), st.integers(1, 65535)),
    attributes=st.dictionaries(
        st.sampled_from(
            [
                "stickiness.enabled",
                "preserve_client_ip.enabled",
                "deregistration_delay.timeout_seconds",
                "target_health_state.unhealthy.connection_termination.enabled",
            ]
        ),
        st.sampled_from(["true", "false", "0", "60", "3600"]),
    ),
    path=st.text(max_size=30),
)
def test_any_site_has_a_configuration(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    ports: tuple[int, int],
    attributes: dict[str, str],
    path: str,
) -> None:
    """For any answers of AWS, the file is YAML with known keys. Rules may report missing values."""

    def change(data: Data) -> None:
        tags(names)(data)
        data["resources"]["listener-jdbc"]["Properties"]["Port"], node_port = ports
        properties = data["resources"]["group-jdbc"]["Properties"]
        properties |= {"HealthCheckProtocol": "HTTP", "HealthCheckPath": path, "Port": node_port}
        for target in properties["Targets"]:
            target["Port"] = node_port
        properties["TargetGroupAttributes"] = [
            {"Key": key, "Value": value} for key, value in attributes.items()
        ]

    file = tmp_path_factory.mktemp("any") / "prod.yaml"
    file.write_text(configuration_text("prod", found_site(change)), encoding="utf-8")
    nodes = r"instance_id: i-0[ab]+, zone: eu-west-1[ab], address: 10\.0\.[01]\.4"
    assert len(re.findall(nodes, file.read_text(encoding="utf-8"))) == len(NODES)
    problems = problems_of(file)
    assert [problem for problem in problems if "unknown key" in problem.what] == []
    assert [problem for problem in problems if problem.position <= (1, 1)] == []


def problems_of(file: Path) -> tuple[Problem, ...]:
    """Return the errors of a configuration file; an empty list if the file is valid."""
    try:
        load(file)
    except ConfigError as error:
        return tuple(error.problems)
    return ()
