"""Clients by CIDR, prefix list and security group, in the rules of the load balancer."""

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
