"""Outbound access in stacks: findings of each kind of NAT, and changes of what is deployed."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.environment.rules.quotas import max_alarm_resources, max_resources
from denodo_ha.plan import node_changes
from tests.environment.rule_cases.haproxy import deployed
from tests.stacks.topology import cluster_view, rules
from tests.support import cfn_lint
from tests.support.assembly import Assembly, Template, synthesise
from tests.support.configurations import Data, changed, loaded, minimal, write

NETWORK = "clusters/main/network"
KINDS: dict[str, Data] = {
    "zone": {},
    "regional": {f"{NETWORK}/nat": "regional"},
    "none": {f"{NETWORK}/nat": "none"},
    "all switches": {
        f"{NETWORK}/nat": "none",
        f"{NETWORK}/endpoints": ["kms", "athena"],
        f"{NETWORK}/flow_logs": True,
        f"{NETWORK}/egress": [
            {"to": "pl-0123456789abcdef0", "ports": [443]},
            {"to": "10.20.0.0/16", "ports": [53], "protocol": "udp"},
        ],
    },
}
AssemblyOf = Callable[[str], Assembly]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> AssemblyOf:
    """Return a function that synthesises the case of a name in `KINDS`, once for all tests."""

    @cache
    def assembly(kind: str) -> Assembly:
        folder = tmp_path_factory.mktemp("outbound")
        data = changed(minimal(), KINDS[kind])
        return synthesise(loaded(folder, data), folder / "out", validated=True)

    return assembly


def _template(made: AssemblyOf, kind: str) -> Template:
    return made(kind).templates["test-main"]


@pytest.mark.parametrize("kind", KINDS)
def test_has_no_finding_without_a_reason(kind: str, made: AssemblyOf, tmp_path: Path) -> None:
    for report in made(kind).report["pluginReports"]:
        assert report["violations"] == []
    assert cfn_lint.findings(_template(made, kind), "eu-west-1") == []
    environment = load(write(tmp_path, changed(minimal(), KINDS[kind]))).environment
    rules.holds(environment, made(kind))
    most = max_resources(environment, "main") + max_alarm_resources(environment, "main")
    assert len(_template(made, kind)["Resources"]) <= most


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_a_deployed_cluster_touches_no_node(kind: str, made: AssemblyOf) -> None:
    """Nodes and their subnets, the balancer and the default route keep their ids and properties."""
    before, after = _template(made, "zone"), _template(made, kind)
    assert node_changes.touched(node_changes.changes(before, after)) == {}
    kept = ("AWS::EC2::Instance", "AWS::ElasticLoadBalancingV2::LoadBalancer")
    for id_, resource in before["Resources"].items():
        if resource["Type"] in kept or id_.startswith("Networkprivate"):
            is_route = resource["Type"] == "AWS::EC2::Route"
            if is_route and "none" in KINDS[kind].values():
                assert id_ not in after["Resources"]
            elif is_route:
                assert after["Resources"][id_]["Type"] == resource["Type"]
            else:
                assert after["Resources"][id_]["Properties"] == resource["Properties"]


def test_a_balancer_on_the_internet_has_public_subnets_without_nat(tmp_path: Path) -> None:
    facing = {f"{NETWORK}/nat": "none", "clusters/main/balancer/scheme": "internet-facing"}
    environment = loaded(tmp_path, changed(minimal(), facing))
    assembly = synthesise(environment, tmp_path / "out")
    rules.holds(environment.environment, assembly)
    (balancer,) = assembly.resources("test-main", cluster_view.LB).values()
    assert all(subnet["Ref"].startswith("Networkpublic") for subnet in balancer["Subnets"])


def test_haproxy_waits_for_the_endpoints(tmp_path: Path) -> None:
    environment = loaded(tmp_path, changed(deployed("8.0"), KINDS["none"]))
    rules.holds(environment.environment, synthesise(environment, tmp_path / "out"))
