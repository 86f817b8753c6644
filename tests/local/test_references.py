"""A reference to what is in neither template nor account fails, with AWS's error code."""

from typing import Any

import pytest

from tests.local import things
from tests.local.cloud import Cloud, DeployError
from tests.local.test_types import ALARM, ROLE
from tests.local.things import attribute, one, ref

NOBODY = "0123456789abcdef0"
CERTIFICATE = f"arn:aws:acm:eu-west-1:111122223333:certificate/{NOBODY}"
RECORD = {"Name": "a.example.com", "Type": "A"}
ZONE = {"Zone": one("Route53::HostedZone", Name="example.com")}
VALUE = {"TTL": "10", "ResourceRecords": ["192.0.2.1"]}
INNER = one("EC2::SecurityGroup", GroupDescription="inner", VpcId=ref("Vpc"))
RULE = {"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1}
BEHIND = {**things.network(), "Nlb": things.balancer(), "Group": things.group()}
SECOND_VPC = {"Vpc2": one("EC2::VPC", CidrBlock="10.9.0.0/16")}


def check(**config: Any) -> dict[str, Any]:
    return one("Route53::HealthCheck", HealthCheckConfig=config)


def sticky_group() -> dict[str, Any]:
    attributes = [{"Key": "stickiness.enabled", "Value": "true"}]
    return things.group(TargetGroupAttributes=attributes)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "subnet of no VPC": (
        {"It": one("EC2::Subnet", VpcId=f"vpc-{NOBODY}", CidrBlock="10.0.0.0/24")},
        "InvalidVpcID.NotFound",
    ),
    "subnet outside its VPC": (
        {**things.network(), "It": one("EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.1.0.0/24")},
        "InvalidSubnet.Range",
    ),
    "two subnets in one place": (
        {**things.network(), "It": one("EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/20")},
        "InvalidSubnet.Conflict",
    ),
    "route to a gateway of nobody": (
        {
            **things.network(),
            "Table": one("EC2::RouteTable", VpcId=ref("Vpc")),
            "It": one(
                "EC2::Route",
                RouteTableId=ref("Table"),
                DestinationCidrBlock="0.0.0.0/0",
                GatewayId=f"igw-{NOBODY}",
            ),
        },
        "InvalidGatewayID.NotFound",
    ),
    "NAT gateway without a way out": (
        {
            **things.network(),
            "Ip": one("EC2::EIP", Domain="vpc"),
            "It": one(
                "EC2::NatGateway", SubnetId=ref("A"), AllocationId=attribute("Ip", "AllocationId")
            ),
        },
        "Gateway.NotAttached",
    ),
    "sixth Elastic IP": (
        {f"Ip{number}": one("EC2::EIP", Domain="vpc") for number in range(6)},
        "AddressLimitExceeded",
    ),
    "group of no VPC": (
        {"It": one("EC2::SecurityGroup", GroupDescription="it", VpcId=f"vpc-{NOBODY}")},
        "InvalidVpcID.NotFound",
    ),
    "rule of no group": (
        {"It": one("EC2::SecurityGroupIngress", GroupId=f"sg-{NOBODY}", CidrIp="::/0", **RULE)},
        "InvalidGroup.NotFound",
    ),
    "rule with an unknown prefix list": (
        {
            **things.network(),
            "Inner": INNER,
            "It": one(
                "EC2::SecurityGroupIngress",
                GroupId=attribute("Inner", "GroupId"),
                SourcePrefixListId=f"pl-{NOBODY}",
                **RULE,
            ),
        },
        "InvalidPrefixListID.NotFound",
    ),
    "rule too many": (
        {
            **things.network(),
            "Inner": INNER,
            **{
                f"Rule{port}": one(
                    "EC2::SecurityGroupIngress",
                    GroupId=attribute("Inner", "GroupId"),
                    CidrIp="10.0.0.0/8",
                    IpProtocol="tcp",
                    FromPort=port,
                    ToPort=port,
                )
                for port in range(1, 62)
            },
        },
        "RulesPerSecurityGroupLimitExceeded",
    ),
    "image of nobody": (
        {**things.network(), "It": things.node(ImageId=f"ami-{NOBODY}")},
        "InvalidAMIID.NotFound",
    ),
    "image that MiniStack invents": (
        {**things.network(), "It": things.node(ImageId="ami-0abcdef1234567890")},
        "InvalidAMIID.NotFound",
    ),
    "node in no subnet": (
        {"It": things.node(SubnetId=f"subnet-{NOBODY}")},
        "InvalidSubnetID.NotFound",
    ),
    "node with no group": (
        {**things.network(), "It": things.node(SecurityGroupIds=[f"sg-{NOBODY}"])},
        "InvalidGroup.NotFound",
    ),
    "node with a group of another VPC": (
        {
            **things.network(),
            **SECOND_VPC,
            "Other": one("EC2::SecurityGroup", GroupDescription="other", VpcId=ref("Vpc2")),
            "It": things.node(SecurityGroupIds=[attribute("Other", "GroupId")]),
        },
        "InvalidParameter",
    ),
    "node in another zone than its subnet": (
        {**things.network(), "It": things.node(AvailabilityZone="eu-west-1b")},
        "InvalidParameterValue",
    ),
    "node with a key of nobody": (
        {**things.network(), "It": things.node(KeyName="nobody")},
        "InvalidKeyPair.NotFound",
    ),
    "node with a profile of nobody": (
        {**things.network(), "It": things.node(IamInstanceProfile="nobody")},
        "Invalid IAM Instance Profile name",
    ),
    "balancer in no subnet": (
        {"It": things.balancer(Subnets=[f"subnet-{NOBODY}"])},
        "SubnetNotFound",
    ),
    "public balancer without a gateway": (
        {**things.network(), "It": things.balancer(Scheme="internet-facing")},
        "InvalidSubnet",
    ),
    "balancer with a group of nobody": (
        {**things.network(), "It": things.balancer(SecurityGroups=[f"sg-{NOBODY}"])},
        "InvalidSecurityGroup",
    ),
    "balancer with an address of nobody": (
        {
            **things.public(),
            "It": {
                **one(
                    "ElasticLoadBalancingV2::LoadBalancer",
                    Type="network",
                    Scheme="internet-facing",
                    SubnetMappings=[
                        {"SubnetId": ref("A"), "AllocationId": f"eipalloc-{NOBODY}"},
                    ],
                ),
                "DependsOn": "Attached",
            },
        },
        "AllocationIdNotFound",
    ),
    "private address outside its subnet": (
        {
            **things.network(),
            "It": one(
                "ElasticLoadBalancingV2::LoadBalancer",
                Type="network",
                Scheme="internal",
                SubnetMappings=[{"SubnetId": ref("A"), "PrivateIPv4Address": "10.0.1.9"}],
            ),
        },
        "InvalidConfigurationRequest",
    ),
    "group without a VPC": (
        {"It": things.group(VpcId=f"vpc-{NOBODY}")},
        "ValidationError",
    ),
    "target of nobody": (
        {**things.network(), "It": things.group({"Ref": "AWS::StackName"})},
        "InvalidTarget",
    ),
    "check that outlasts its interval": (
        {**things.network(), "It": things.group(HealthCheckTimeoutSeconds=5)},
        "ValidationError",
    ),
    "attribute that no group has": (
        {
            **things.network(),
            "It": things.group(TargetGroupAttributes=[{"Key": "sticky", "Value": "true"}]),
        },
        "ValidationError",
    ),
    "second listener on a port": (
        {**BEHIND, "First": things.listener(), "Second": things.listener()},
        "DuplicateListener",
    ),
    "listener of HTTP on an NLB": (
        {**BEHIND, "It": things.listener(Protocol="HTTP")},
        "ValidationError",
    ),
    "TLS without a certificate": (
        {**BEHIND, "It": things.listener(Protocol="TLS")},
        "ValidationError",
    ),
    "TLS with a certificate of nobody": (
        {
            **BEHIND,
            "It": things.listener(Protocol="TLS", Certificates=[{"CertificateArn": CERTIFICATE}]),
        },
        "CertificateNotFound",
    ),
    "idle timeout out of bounds": (
        {
            **BEHIND,
            "It": things.listener(
                ListenerAttributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "59"}]
            ),
        },
        "ValidationError",
    ),
    "record in no zone": (
        {"It": one("Route53::RecordSet", HostedZoneId="Z0", **RECORD, **VALUE)},
        "NoSuchHostedZone",
    ),
    "record outside its zone": (
        {
            **ZONE,
            "It": one(
                "Route53::RecordSet", HostedZoneId=ref("Zone"), Name="a.org", Type="A", **VALUE
            ),
        },
        "InvalidChangeBatch",
    ),
    "CNAME at the apex": (
        {
            **ZONE,
            "It": one(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                Name="example.com",
                Type="CNAME",
                **VALUE,
            ),
        },
        "InvalidChangeBatch",
    ),
    "CNAME beside another record": (
        {
            **ZONE,
            "First": one("Route53::RecordSet", HostedZoneId=ref("Zone"), **RECORD, **VALUE),
            "It": {
                **one(
                    "Route53::RecordSet",
                    HostedZoneId=ref("Zone"),
                    **{**RECORD, "Type": "CNAME"},
                    **VALUE,
                ),
                "DependsOn": "First",
            },
        },
        "InvalidChangeBatch",
    ),
    "record with a check of nobody": (
        {
            **ZONE,
            "It": one(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                HealthCheckId="nobody",
                **RECORD,
                **VALUE,
            ),
        },
        "NoSuchHealthCheck",
    ),
    "alias of no balancer": (
        {
            **ZONE,
            "It": one(
                "Route53::RecordSet",
                HostedZoneId=ref("Zone"),
                **RECORD,
                AliasTarget={
                    "DNSName": "none-0123.elb.eu-west-1.amazonaws.com",
                    "HostedZoneId": "Z2IFOLAFXWLO4F",
                },
            ),
        },
        "InvalidChangeBatch",
    ),
    "zone with a VPC of nobody": (
        {
            "It": one(
                "Route53::HostedZone",
                Name="a.internal",
                VPCs=[{"VPCId": f"vpc-{NOBODY}", "VPCRegion": "eu-west-1"}],
            )
        },
        "InvalidVPCId",
    ),
    "check of an alarm of nobody": (
        {
            "It": check(
                Type="CLOUDWATCH_METRIC", AlarmIdentifier={"Name": "none", "Region": "eu-west-1"}
            )
        },
        "InvalidInput",
    ),
    "check of an alarm that is too clever": (
        {
            "Alarm": one(
                "CloudWatch::Alarm", **{**ALARM, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}
            ),
            "It": check(
                Type="CLOUDWATCH_METRIC",
                AlarmIdentifier={"Name": ref("Alarm"), "Region": "eu-west-1"},
            ),
        },
        "InvalidInput",
    ),
    "check of checks of nobody": (
        {"It": check(Type="CALCULATED", ChildHealthChecks=["nobody"], HealthThreshold=1)},
        "InvalidInput",
    ),
    "check of nowhere": ({"It": check(Type="TCP", Port=9999)}, "InvalidInput"),
    "alarm without a comparison": (
        {"It": one("CloudWatch::Alarm", **{**ALARM, "ComparisonOperator": "Below"})},
        "ValidationError",
    ),
    "role with a policy of nobody": (
        {
            "It": one(
                "IAM::Role",
                **{
                    **ROLE["Properties"],
                    "ManagedPolicyArns": ["arn:aws:iam::111122223333:policy/nobody"],
                },
            )
        },
        "NoSuchEntity",
    ),
    "profile with a role of nobody": (
        {"It": one("IAM::InstanceProfile", Roles=["nobody"])},
        "NoSuchEntity",
    ),
    "association of a document of nobody": (
        {"It": one("SSM::Association", Name="nobody")},
        "InvalidDocument",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_as_in_aws(cloud: Cloud, what: str) -> None:
    resources, code = REFUSED[what]
    cloud.give({"kind": "image", "id": things.IMAGE})
    with pytest.raises(DeployError, match=code) as failed:
        cloud.deploy(resources)
    assert str(failed.value).startswith("ROLLBACK_COMPLETE")


def test_tls_group_must_not_be_sticky(cloud: Cloud) -> None:
    cloud.give({"kind": "certificate", "id": CERTIFICATE})
    secure = things.listener(Protocol="TLS", Certificates=[{"CertificateArn": CERTIFICATE}])
    with pytest.raises(DeployError, match="Stickiness is not supported"):
        cloud.deploy({**BEHIND, "Group": sticky_group(), "It": secure})


def test_a_balancer_made_without_groups_never_gets_any(cloud: Cloud) -> None:
    cloud.deploy({**things.network(), "Inner": INNER, "It": things.balancer()})
    grouped = things.balancer(SecurityGroups=[attribute("Inner", "GroupId")])
    with pytest.raises(DeployError, match="cannot be added"):
        cloud.deploy({**things.network(), "Inner": INNER, "It": grouped})


def test_a_protected_balancer_stays(cloud: Cloud) -> None:
    protected = [{"Key": "deletion_protection.enabled", "Value": "true"}]
    stack = cloud.deploy(
        {**things.network(), "It": things.balancer(LoadBalancerAttributes=protected)}
    )
    with pytest.raises(DeployError, match="OperationNotPermitted"):
        stack.delete()


def test_a_group_in_use_stays(cloud: Cloud) -> None:
    with_group = {
        **things.network(),
        "Inner": INNER,
        "Nlb": things.balancer(SecurityGroups=[attribute("Inner", "GroupId")]),
    }
    stack = cloud.deploy(with_group)
    client = cloud.client("elbv2")
    inner = stack.ids["Inner"]
    # A second balancer that no stack knows has the group too.
    subnet = stack.ids["A"]
    client.create_load_balancer(
        Name="stranger", Subnets=[subnet], SecurityGroups=[inner], Type="network"
    )
    with pytest.raises(DeployError, match="DependencyViolation"):
        stack.delete()


def test_rules_drop_the_default_way_out(cloud: Cloud) -> None:
    """Without rules a group lets everything out; with the first one only what is said."""
    stack = cloud.deploy({**things.network(), "Inner": INNER})
    assert _ways_out(cloud, stack.ids["Inner"]) == ["0.0.0.0/0"]
    way = one(
        "EC2::SecurityGroupEgress",
        GroupId=attribute("Inner", "GroupId"),
        CidrIp="10.0.0.0/8",
        **RULE,
    )
    stack = cloud.deploy({**things.network(), "Inner": INNER, "Way": way})
    assert _ways_out(cloud, stack.ids["Inner"]) == ["10.0.0.0/8"]


def _ways_out(cloud: Cloud, group: str) -> list[str]:
    (shown,) = cloud.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    return [of["CidrIp"] for one in shown["IpPermissionsEgress"] for of in one["IpRanges"]]
