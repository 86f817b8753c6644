"""The DNS server answers hosted zones and names of load balancers as Route 53 does."""

from typing import Any

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, Stack
from tests.local_aws.templates import attribute, ref, resource
from tests.local_aws.test_failover import record
from tests.support import local_aws_server
from tests.support.local_aws_server import PACE
from tests.support.waiting import until
from tools.local_aws.rehearsal.resolver import Response, ask

_SHIFTABLE = {"LoadBalancerAttributes": [{"Key": "zonal_shift.config.enabled", "Value": "true"}]}
_ALIAS = {
    "DNSName": attribute("Nlb", "DNSName"),
    "HostedZoneId": attribute("Nlb", "CanonicalHostedZoneID"),
    "EvaluateTargetHealth": True,
}
ZONE_A, ZONE_B = "eu-west-1a", "eu-west-1b"


class Names:
    """The DNS server of an account, and one stack with a load balancer and records."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        # The domain is unique, since other accounts of the server have zones of other tests.
        self.domain = f"a{cloud.access.account}.example"
        cloud.call("living", {"names": True}, "PUT")
        cloud.give({"kind": "image", "id": templates.IMAGE})
        self.stack = self._deploy()

    def _deploy(self) -> Stack:
        inside = [{"VPCId": ref("Vpc"), "VPCRegion": "eu-west-1"}]
        return self.cloud.deploy(
            {
                **templates.serving(),
                "Nlb": templates.balancer(**_SHIFTABLE),
                "Zone": resource("Route53::HostedZone", Name=self.domain),
                "Inside": resource("Route53::HostedZone", Name=f"in.{self.domain}", VPCs=inside),
                "Node": self.record("node.in", "A", [attribute("Node1", "PrivateIp")], "Inside"),
                "Alias": self.record("alias", "A", alias=_ALIAS),
                "Cname": self.record("cname", "CNAME", [attribute("Nlb", "DNSName")]),
                "Away": self.record("away", "CNAME", ["elsewhere.invalid."]),
                "Text": self.record("deep.text", "TXT", ['"words"']),
                "Star": self.record("*.any", "A", ["192.0.2.7"]),
                "W0": self.record("weighted", "A", ["192.0.2.8"], Weight=0, SetIdentifier="0"),
                "W1": self.record("weighted", "A", ["192.0.2.9"], Weight=1, SetIdentifier="1"),
            }
        )

    def record(
        self,
        name: str,
        kind: str,
        values: list[Any] | None = None,
        zone: str = "Zone",
        *,
        alias: dict[str, Any] | None = None,
        **properties: Any,
    ) -> dict[str, Any]:
        """Return a record set of the domain."""
        content = {"AliasTarget": alias} if alias else {"TTL": "400", "ResourceRecords": values}
        full = f"{name}.{self.domain}."
        zone_id = {"HostedZoneId": ref(zone), "Name": full, "Type": kind}
        return resource("Route53::RecordSet", **zone_id, **content, **properties)

    def ask(
        self, name: str, kind: str = "A", *, view: str = "outside", tcp: bool = False
    ) -> Response:
        """Ask for a name of the domain; a name that ends with a dot is asked for unchanged."""
        address, port = self.cloud.call("names")[view]
        full = name if name.endswith(".") else f"{name}.{self.domain}"
        return ask((address, port), full, kind, tcp=tcp, timeout=60)

    @property
    def balancer(self) -> str:
        """The absolute DNS name of the load balancer: the last character is a dot."""
        (described,) = self.cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
        return f"{described['DNSName']}."

    def address(self, zone: str) -> str:
        """Return the load balancer's address in a zone."""
        (address,) = self.ask(f"{zone}.{self.balancer}").addresses
        return address


@pytest.fixture(scope="module")
def names() -> Names:
    """One deployed stack for all tests of this module."""
    made = Names(Cloud(local_aws_server.endpoint(), local_aws_server.new_account()))
    both = {made.address(ZONE_A), made.address(ZONE_B)}
    until(lambda: set(made.ask("alias").addresses) == both)
    return made


def test_an_alias_has_the_addresses_and_the_ttl_of_its_load_balancer(names: Names) -> None:
    both = {names.address(ZONE_A), names.address(ZONE_B)}
    assert len(both) == 2
    for tcp in (False, True):
        seen = names.ask("alias", tcp=tcp)
        assert (seen.code, set(seen.addresses)) == ("NOERROR", both)
        # The TTL of 60 s of AWS is less than a second at the pace of the tests; the answer has 1 s.
        assert [item.ttl for item in seen.answers] == [1, 1]


def test_a_cname_is_followed_to_the_load_balancer(names: Names) -> None:
    seen = names.ask("cname")
    assert [item.kind for item in seen.answers] == ["CNAME", "A", "A"]
    assert f"{seen.answers[0].value}." == names.balancer
    assert seen.answers[0].ttl == 400 / PACE
    alone = names.ask("cname", "CNAME")
    assert [item.kind for item in alone.answers] == ["CNAME"]


def test_a_cname_to_a_foreign_name_ends_with_the_record(names: Names) -> None:
    seen = names.ask("away")
    assert (seen.code, [item.value for item in seen.answers]) == ("NOERROR", ["elsewhere.invalid"])


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [
        ("missing", "A", "NXDOMAIN"),
        ("alias", "AAAA", "NOERROR"),
        ("deep.text", "A", "NOERROR"),
        ("text", "A", "NOERROR"),
        ("node.in", "A", "NXDOMAIN"),
    ],
)
def test_what_a_zone_lacks_is_answered_with_its_soa(
    names: Names, name: str, kind: str, code: str
) -> None:
    seen = names.ask(name, kind)
    assert (seen.code, seen.answers) == (code, ())
    assert [(item.name, item.kind) for item in seen.authority] == [(names.domain, "SOA")]


def test_a_name_of_no_zone_is_refused(names: Names) -> None:
    assert names.ask("www.example.invalid.").code == "REFUSED"


def test_a_private_zone_is_answered_in_its_vpc_with_the_address_of_the_machine(
    names: Names,
) -> None:
    vpc, node = names.stack.ids["Vpc"], names.stack.ids["Node1"]
    (address,) = names.ask("node.in", view=vpc).addresses
    assert address.startswith("127.")
    assert names.ask("alias", view=vpc).code == "NOERROR"
    # The VPC's private zone hides the public zone: names that only the public zone has are unknown.
    assert names.ask("alias.in", view=vpc).code == "NXDOMAIN"
    names.cloud.call(f"stand-ins/{node}", {"address": "127.0.0.9", "checks": False}, "PUT")
    assert names.ask("node.in", view=vpc).addresses == ("127.0.0.9",)


def test_a_wildcard_answers_and_a_record_without_weight_does_not(names: Names) -> None:
    assert names.ask("what.ever.any").addresses == ("192.0.2.7",)
    assert {names.ask("weighted").addresses for _ in range(8)} == {("192.0.2.9",)}


def test_a_zone_that_is_cut_or_shifted_leaves_the_name(names: Names) -> None:
    a, b = names.address(ZONE_A), names.address(ZONE_B)
    names.cloud.call("cuts", {"zones": [ZONE_A]}, "PUT")
    assert names.ask(names.balancer).addresses == (b,)
    names.cloud.call("cuts", {}, "PUT")
    assert set(names.ask(names.balancer).addresses) == {a, b}
    client = names.cloud.client("arc-zonal-shift")
    (balancer,) = names.cloud.client("elbv2").describe_load_balancers()["LoadBalancers"]
    subnets = names.cloud.client("ec2").describe_subnets()["Subnets"]
    zone_ids = {item["AvailabilityZone"]: item["AvailabilityZoneId"] for item in subnets}
    shift = client.start_zonal_shift(
        resourceIdentifier=balancer["LoadBalancerArn"],
        awayFrom=zone_ids[ZONE_B],
        expiresIn="1h",
        comment="test",
    )
    assert names.ask(names.balancer).addresses == (a,)
    client.cancel_zonal_shift(zonalShiftId=shift["zonalShiftId"])


def test_a_zone_without_healthy_targets_leaves_the_name_unless_no_zone_has_any(
    names: Names,
) -> None:
    a, b = names.address(ZONE_A), names.address(ZONE_B)
    client = names.cloud.client("ec2")
    client.stop_instances(InstanceIds=[names.stack.ids["Node1"]])
    until(lambda: names.ask(names.balancer).addresses == (b,))
    client.stop_instances(InstanceIds=[names.stack.ids["Node2"]])
    until(lambda: set(names.ask(names.balancer).addresses) == {a, b})
    client.start_instances(InstanceIds=[names.stack.ids["Node1"], names.stack.ids["Node2"]])
    until(lambda: set(names.ask("alias").addresses) == {a, b})


def test_a_cut_region_fails_its_endpoint_checks_and_the_name_fails_over(cloud: Cloud) -> None:
    names = Names(cloud)
    host = names.balancer.rstrip(".")
    config = {"Type": "TCP", "FullyQualifiedDomainName": host, "Port": 9999}
    named = {"Name": f"site.{names.domain}.", "HostedZoneId": names.stack.ids["Zone"]}
    primary = {"HealthCheckId": ref("Check"), "ResourceRecords": ["one.invalid."]}
    cloud.deploy(
        {
            "Check": resource("Route53::HealthCheck", HealthCheckConfig=config),
            "Primary": record("PRIMARY", "", **named, **primary),
            "Secondary": record("SECONDARY", "two.invalid.", **named),
        },
        stack="records",
    )
    until(lambda: names.ask("site").answers[0].value == "one.invalid")
    cloud.call("cuts", {"regions": ["eu-west-1"]}, "PUT")
    try:
        assert names.ask("site").answers[0].value == "two.invalid"
    finally:
        cloud.call("cuts", {}, "PUT")
