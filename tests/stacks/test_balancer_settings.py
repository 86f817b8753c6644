"""Settings of load balancers that no example has: kinds of clients, and zonal shift."""

from pathlib import Path

from tests.support.assembly import synthesise
from tests.support.configurations import changed, loaded, minimal

PREFIX_LIST, GROUP = "pl-0123456789abcdef0", "sg-0123456789abcdef0"


def test_every_kind_of_client_gets_in(tmp_path: Path) -> None:
    data = changed(minimal(), {"clusters/main/balancer/clients": [PREFIX_LIST, GROUP]})
    assembly = synthesise(loaded(tmp_path, data), tmp_path / "out")
    rules = assembly.resources("test-main", "AWS::EC2::SecurityGroupIngress").values()
    sources = {
        (rule.get("SourcePrefixListId") or rule.get("SourceSecurityGroupId"), rule["FromPort"])
        for rule in rules
        if isinstance(rule.get("SourceSecurityGroupId", ""), str)
    }
    assert {(PREFIX_LIST, 9999), (GROUP, 9999)} <= sources


def test_zonal_shift_sets_what_aws_demands_of_every_group(tmp_path: Path) -> None:
    """Connections to unhealthy targets are not terminated; operators may shift this balancer."""
    data = changed(minimal("7.0"), {"clusters/main/balancer/zonal_shift": True})
    assembly = synthesise(loaded(tmp_path, data), tmp_path / "out")

    def attributes(kind: str, key: str) -> list[dict[str, str]]:
        resources = assembly.resources("test-main", f"AWS::ElasticLoadBalancingV2::{kind}")
        return [{item["Key"]: item["Value"] for item in of[key]} for of in resources.values()]

    (balancer,) = attributes("LoadBalancer", "LoadBalancerAttributes")
    assert balancer["zonal_shift.config.enabled"] == "true"
    groups = attributes("TargetGroup", "TargetGroupAttributes")
    assert len(groups) == 3
    key = "target_health_state.unhealthy.connection_termination.enabled"
    assert {group[key] for group in groups} == {"false"}
    policies = str(assembly.resources("test-main", "AWS::IAM::ManagedPolicy"))
    assert "arc-zonal-shift:StartZonalShift" in policies
