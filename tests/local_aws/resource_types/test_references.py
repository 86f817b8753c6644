"""A reference to a resource that does not exist fails, with AWS's error code."""

from typing import Any

import pytest

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud, DeployError
from tests.local_aws.resource_types import refused_balancers, refused_names, refused_network
from tests.local_aws.resource_types.refused import CERTIFICATE, INNER, RULE, Refused
from tests.local_aws.templates import attribute, resource

REFUSED: Refused = {
    **refused_network.REFUSED,
    **refused_balancers.REFUSED,
    **refused_names.REFUSED,
}


def sticky_group() -> dict[str, Any]:
    attributes = [{"Key": "stickiness.enabled", "Value": "true"}]
    return templates.group(TargetGroupAttributes=attributes)


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_as_in_aws(cloud: Cloud, what: str) -> None:
    resources, code = REFUSED[what]
    cloud.give({"kind": "image", "id": templates.IMAGE})
    with pytest.raises(DeployError, match=code) as failed:
        cloud.deploy(resources)
    assert str(failed.value).startswith("ROLLBACK_COMPLETE")


def test_tls_group_must_not_be_sticky(cloud: Cloud) -> None:
    cloud.give({"kind": "certificate", "id": CERTIFICATE})
    secure = templates.listener(Protocol="TLS", Certificates=[{"CertificateArn": CERTIFICATE}])
    with pytest.raises(DeployError, match="Stickiness is not supported"):
        cloud.deploy({**templates.behind(), "Group": sticky_group(), "It": secure})


def test_a_balancer_made_without_groups_never_gets_any(cloud: Cloud) -> None:
    cloud.deploy({**templates.network(), "Inner": INNER, "It": templates.balancer()})
    grouped = templates.balancer(SecurityGroups=[attribute("Inner", "GroupId")])
    with pytest.raises(DeployError, match="cannot get any"):
        cloud.deploy({**templates.network(), "Inner": INNER, "It": grouped})


def test_a_protected_balancer_stays(cloud: Cloud) -> None:
    protected = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    stack = cloud.deploy(
        {**templates.network(), "It": templates.balancer(LoadBalancerAttributes=protected)}
    )
    with pytest.raises(DeployError, match="OperationNotPermitted"):
        stack.delete()


def test_a_group_in_use_stays(cloud: Cloud) -> None:
    with_group = {
        **templates.network(),
        "Inner": INNER,
        "Nlb": templates.balancer(SecurityGroups=[attribute("Inner", "GroupId")]),
    }
    stack = cloud.deploy(with_group)
    client = cloud.client("elbv2")
    inner = stack.ids["Inner"]
    # Create a load balancer outside the stack that uses the stack's security group.
    subnet = stack.ids["A"]
    client.create_load_balancer(
        Name="stranger",
        Scheme="internal",
        Subnets=[subnet],
        SecurityGroups=[inner],
        Type="network",
    )
    with pytest.raises(DeployError, match="DependencyViolation"):
        stack.delete()


def test_rules_drop_the_default_way_out(cloud: Cloud) -> None:
    """Without egress rules a security group allows all egress; with rules, only matching egress."""
    stack = cloud.deploy({**templates.network(), "Inner": INNER})
    assert _ways_out(cloud, stack.ids["Inner"]) == ["0.0.0.0/0"]
    way = resource(
        "EC2::SecurityGroupEgress",
        GroupId=attribute("Inner", "GroupId"),
        CidrIp="10.0.0.0/8",
        **RULE,
    )
    stack = cloud.deploy({**templates.network(), "Inner": INNER, "Way": way})
    assert _ways_out(cloud, stack.ids["Inner"]) == ["10.0.0.0/8"]


def _ways_out(cloud: Cloud, group: str) -> list[str]:
    (description,) = cloud.client("ec2").describe_security_groups(GroupIds=[group])[
        "SecurityGroups"
    ]
    return [of["CidrIp"] for item in description["IpPermissionsEgress"] for of in item["IpRanges"]]
