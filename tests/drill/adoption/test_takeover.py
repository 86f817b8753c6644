"""Takeover of a load balancer: reasons to refuse it, changes needed first, imported resources."""

from typing import Any

import pytest

from tests.drill.adoption.adoption_samples import (
    BALANCER,
    GROUP,
    NODES,
    ONE,
    Change,
    Data,
    arn,
    ref,
    takeover,
)


def properties(resource: str, **values: Any) -> Change:
    """Return a change that sets properties of a deployed resource."""

    def change(data: Data) -> None:
        data["resources"][resource]["Properties"] |= values

    return change


def declared(resource: str, **values: Any) -> Change:
    """Return a change that sets properties of a resource in the template."""

    def change(resources: Data) -> None:
        resources[resource]["Properties"] |= values

    return change


def detail(name: str, key: str, **values: Any) -> Change:
    def change(data: Data) -> None:
        data["details"][name][key] |= values

    return change


def attributes(resource: str, name: str, **values: str) -> Change:
    listed = [{"Key": key.replace("__", "."), "Value": value} for key, value in values.items()]
    return properties(resource, **{name: listed})


def test_an_equal_site_needs_no_change() -> None:
    result = takeover()
    assert result.refusals == ()
    assert result.changes == ()
    assert result.remarks == ()
    assert result.identifiers == {
        "Nlb": {"LoadBalancerArn": BALANCER},
        "Sg": {"Id": GROUP},
        "Rule": {"Id": "sgr-1"},
        **{
            f"{kind}{name}": {key: arn(type_, f"{prefix}{suffix}")}
            for name, port in (("jdbc", 9999), ("node1", 19997), ("node2", 29997))
            for kind, key, type_, prefix, suffix in (
                ("Group", "TargetGroupArn", "targetgroup", f"group-{name}", "/1"),
                ("Listener", "ListenerArn", "listener", "net/denodo/1/", port),
            )
        },
    }


@pytest.mark.parametrize(
    ("live", "template", "reason"),
    [
        (properties("nlb", SecurityGroups=[]), None, "created without a security group"),
        (properties("nlb", SecurityGroups=[GROUP, "sg-1"]), None, "set-security-groups"),
        (properties("nlb", Scheme="internet-facing"), None, "the load balancer is internet-facing"),
        (
            None,
            declared("Nlb", SubnetMappings=[{"SubnetId": "s", "PrivateIPv4Address": "10.0.0.9"}]),
            "in s the load balancer has an address of AWS and the configuration has 10.0.0.9",
        ),
        (
            properties("group-jdbc", Port=9998),
            None,
            "port 9999: the target group group-jdbc has Port 9998",
        ),
        (properties("group-jdbc", Protocol="TLS"), None, "has Protocol TLS"),
        (
            properties("group-node1", VpcId="vpc-1"),
            None,
            "port 19997: the target group group-node1 has VpcId",
        ),
        (properties("group-jdbc", TargetType="ip"), None, "has TargetType ip"),
        (
            lambda data: data["details"].update(stacks={BALANCER: "terra"}),
            None,
            "belongs to the stack terra",
        ),
        (
            detail("instances", next(iter(NODES)), SecurityGroups=[{"GroupId": GROUP}]),
            None,
            f"node1 and the load balancer have the same security group {GROUP}",
        ),
        (
            None,
            lambda resources: resources.update(Alb={**resources["Nlb"]}),
            "has 2 load balancers",
        ),
    ],
)
def test_refuses_what_only_a_creation_sets(
    live: Change | None, template: Change | None, reason: str
) -> None:
    result = takeover(live, template)
    assert any(reason in refusal for refusal in result.refusals), result.refusals
    # A refused takeover must import nothing and change nothing.
    assert result.identifiers == {}
    assert result.changes == ()


@pytest.mark.parametrize(
    ("live", "what", "command"),
    [
        (
            attributes(
                "nlb", "LoadBalancerAttributes", load_balancing__cross_zone__enabled="false"
            ),
            "load_balancing.cross_zone.enabled false → true",
            "modify-load-balancer-attributes",
        ),
        (
            properties("group-jdbc", HealthCheckIntervalSeconds=30, HealthyThresholdCount=5),
            "HealthCheckIntervalSeconds 30, HealthyThresholdCount 5 → 5, 2",
            "--health-check-interval-seconds 5 --healthy-threshold-count 2",
        ),
        (
            properties("group-jdbc", HealthCheckPort="80"),
            "HealthCheckPort 80 → 9999",
            "--health-check-port 9999",
        ),
        (
            attributes("group-node1", "TargetGroupAttributes", preserve_client_ip__enabled="false"),
            "preserve_client_ip.enabled false → true",
            "modify-target-group-attributes",
        ),
        (
            lambda data: data["resources"]["group-jdbc"]["Properties"].pop("TargetGroupAttributes"),
            "preserve_client_ip.enabled not known → true",
            "modify-target-group-attributes",
        ),
        (
            properties("nlb", Tags=[]),
            "1 resource lacks tags by which commands find resources",
            f"aws elbv2 add-tags --region eu-west-1 --resource-arns {BALANCER}",
        ),
        (
            detail("security_groups", GROUP, Tags=[]),
            "1 resource lacks tags",
            f"aws ec2 create-tags --region eu-west-1 --resources {GROUP}",
        ),
        (
            lambda data: data["details"]["balancers"][BALANCER]["AvailabilityZones"].pop(),
            "subnets subnet-0aaaaaaaaaaaaaaaa → ",
            "aws elbv2 set-subnets",
        ),
        (
            lambda data: data["resources"]["group-jdbc"]["Properties"]["Targets"].pop(),
            "i-0bbbbbbbbbbbbbbbb is not registered",
            "--targets Id=i-0bbbbbbbbbbbbbbbb,Port=9999",
        ),
        (
            properties("listener-jdbc", Protocol="TLS"),
            "port 9999, listener: TLS → TCP",
            "modify-listener",
        ),
    ],
)
def test_what_differs_in_place_has_a_command(live: Change, what: str, command: str) -> None:
    result = takeover(live)
    assert result.refusals == ()
    (change,) = result.changes
    assert what in change.what
    assert command in change.command
    assert len(result.identifiers) == 9


@pytest.mark.parametrize(
    ("live", "template", "remark"),
    [
        (
            detail("security_groups", GROUP, Description="mine"),
            None,
            "the description of this security group remains 'mine'",
        ),
        (
            lambda data: data["details"]["rules"].append(
                {**data["details"]["rules"][0], "SecurityGroupRuleId": "sgr-2", "ToPort": 65535}
            ),
            None,
            "the rules sgr-2 are in no stack and remain",
        ),
        (None, declared("Listenerjdbc", Port=9000), "port 9000: the load balancer has no listener"),
        (
            None,
            declared("Listenerjdbc", Port=9000),
            "port 9999: the configuration does not have this port",
        ),
    ],
)
def test_says_what_stays(live: Change | None, template: Change | None, remark: str) -> None:
    result = takeover(live, template)
    assert result.refusals == ()
    assert any(remark in text for text in result.remarks), result.remarks


def test_an_equal_fixed_address_is_kept() -> None:
    mapping = {"SubnetId": "subnet-0aaaaaaaaaaaaaaaa", "PrivateIPv4Address": "10.0.0.9"}
    result = takeover(
        properties("nlb", SubnetMappings=[mapping]), declared("Nlb", SubnetMappings=[mapping])
    )
    assert result.refusals == ()


def test_a_certificate_is_changed_with_the_protocol() -> None:
    template = declared("Listenerjdbc", Protocol="TLS", Certificates=[{"CertificateArn": "arn:x"}])
    (change,) = takeover(None, template).changes
    assert change.command.endswith("--protocol TLS --certificates CertificateArn=arn:x")


def test_names_what_the_configuration_leaves_out() -> None:
    def twice(data: Data) -> None:
        data["resources"]["group-node2"]["Properties"]["Targets"][0]["Id"] = ref(ONE)

    assert any(
        "which only node1 serves, is not in the configuration" in remark
        for remark in takeover(twice).remarks
    )


@pytest.mark.parametrize(
    "values", [{"IpProtocol": "udp"}, {"FromPort": 1}, {"IsEgress": True}, {"CidrIpv4": None}]
)
def test_only_the_same_rule_is_imported(values: dict[str, Any]) -> None:
    def other(data: Data) -> None:
        data["details"]["rules"][0] |= values

    assert "Rule" not in takeover(other).identifiers


def test_a_rule_that_differs_is_not_imported() -> None:
    def narrower(data: Data) -> None:
        data["details"]["rules"][0]["CidrIpv4"] = "10.1.0.0/16"

    assert "Rule" not in takeover(narrower).identifiers


def test_a_stack_that_has_the_load_balancer_is_done() -> None:
    def own(data: Data) -> None:
        data["owner"] = "prod-main"
        for resource in data["resources"].values():
            for value in (resource["Properties"], *resource["Properties"].get("Targets", [])):
                for key, item in value.items():
                    if isinstance(item, str):
                        value[key] = item.replace("${eu-west-1/", "${prod-main/")
                for action in value.get("DefaultActions", []):
                    action["TargetGroupArn"] = action["TargetGroupArn"].replace(
                        "${eu-west-1/", "${prod-main/"
                    )

    result = takeover(own)
    assert result.is_done
    assert result.changes == ()
