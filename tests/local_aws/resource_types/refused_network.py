"""Networks, security groups and instances that AWS refuses."""

from tests.local_aws import templates
from tests.local_aws.resource_types.lives_network import INTERFACE
from tests.local_aws.resource_types.refused import INNER, NOBODY, RULE, Refused
from tests.local_aws.templates import ROLE, attribute, ref, resource

SECOND_VPC = {"Vpc2": resource("EC2::VPC", CidrBlock="10.9.0.0/16")}

PLACE = {
    "InstanceType": "m5.xlarge",
    "InstancePlatform": "Linux/UNIX",
    "AvailabilityZone": "eu-west-1a",
    "InstanceCount": 1,
}
REFUSED: Refused = {
    "subnet of no VPC": (
        {"It": resource("EC2::Subnet", VpcId=f"vpc-{NOBODY}", CidrBlock="10.0.0.0/24")},
        "InvalidVpcID.NotFound",
    ),
    "subnet outside its VPC": (
        {
            **templates.network(),
            "It": resource("EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.1.0.0/24"),
        },
        "InvalidSubnet.Range",
    ),
    "two subnets in one place": (
        {
            **templates.network(),
            "It": resource("EC2::Subnet", VpcId=ref("Vpc"), CidrBlock="10.0.0.0/20"),
        },
        "InvalidSubnet.Conflict",
    ),
    "route to a gateway of nobody": (
        {
            **templates.network(),
            "Table": resource("EC2::RouteTable", VpcId=ref("Vpc")),
            "It": resource(
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
            **templates.network(),
            "Ip": resource("EC2::EIP", Domain="vpc"),
            "It": resource(
                "EC2::NatGateway", SubnetId=ref("A"), AllocationId=attribute("Ip", "AllocationId")
            ),
        },
        "Gateway.NotAttached",
    ),
    "regional NAT gateway in a subnet": (
        {
            **templates.network(),
            "It": resource(
                "EC2::NatGateway",
                AvailabilityMode="regional",
                VpcId=ref("Vpc"),
                SubnetId=ref("A"),
            ),
        },
        "InvalidParameterCombination",
    ),
    "regional NAT gateway without a way out": (
        {
            **templates.network(),
            "It": resource("EC2::NatGateway", AvailabilityMode="regional", VpcId=ref("Vpc")),
        },
        "Gateway.NotAttached",
    ),
    "endpoint with private DNS in a VPC without DNS": (
        {
            **INTERFACE,
            "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16", EnableDnsHostnames=False),
        },
        "InvalidParameter",
    ),
    "two endpoints with one private DNS name": (
        {**INTERFACE, "Second": {**INTERFACE["It"], "DependsOn": "It"}},
        "conflicting DNS domain",
    ),
    "flow log to a group of nobody": (
        {
            **templates.network(),
            "Role": ROLE,
            "It": resource(
                "EC2::FlowLog",
                ResourceId=ref("Vpc"),
                ResourceType="VPC",
                LogGroupName="nobody",
                DeliverLogsPermissionArn=attribute("Role", "Arn"),
            ),
        },
        "log group 'nobody'",
    ),
    "reservation for a platform that EC2 does not have": (
        {"It": resource("EC2::CapacityReservation", **{**PLACE, "InstancePlatform": "RHEL"})},
        "instancePlatform",
    ),
    "reservation in a zone of another region": (
        {"It": resource("EC2::CapacityReservation", **{**PLACE, "AvailabilityZone": "us-east-1a"})},
        "availability zone",
    ),
    "reservation of nothing": (
        {"It": resource("EC2::CapacityReservation", **{**PLACE, "InstanceCount": 0})},
        "instanceCount",
    ),
    "sixth Elastic IP": (
        {f"Ip{number}": resource("EC2::EIP", Domain="vpc") for number in range(6)},
        "AddressLimitExceeded",
    ),
    "group of no VPC": (
        {"It": resource("EC2::SecurityGroup", GroupDescription="it", VpcId=f"vpc-{NOBODY}")},
        "InvalidVpcID.NotFound",
    ),
    "rule of no group": (
        {
            "It": resource(
                "EC2::SecurityGroupIngress", GroupId=f"sg-{NOBODY}", CidrIp="::/0", **RULE
            )
        },
        "InvalidGroup.NotFound",
    ),
    "rule with an unknown prefix list": (
        {
            **templates.network(),
            "Inner": INNER,
            "It": resource(
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
            **templates.network(),
            "Inner": INNER,
            **{
                f"Rule{port}": resource(
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
        {**templates.network(), "It": templates.node(ImageId=f"ami-{NOBODY}")},
        "InvalidAMIID.NotFound",
    ),
    "image that MiniStack invents": (
        {**templates.network(), "It": templates.node(ImageId="ami-0abcdef1234567890")},
        "InvalidAMIID.NotFound",
    ),
    "node in no subnet": (
        {"It": templates.node(SubnetId=f"subnet-{NOBODY}")},
        "InvalidSubnetID.NotFound",
    ),
    "node with no group": (
        {**templates.network(), "It": templates.node(SecurityGroupIds=[f"sg-{NOBODY}"])},
        "InvalidGroup.NotFound",
    ),
    "node with a group of another VPC": (
        {
            **templates.network(),
            **SECOND_VPC,
            "Other": resource("EC2::SecurityGroup", GroupDescription="other", VpcId=ref("Vpc2")),
            "It": templates.node(SecurityGroupIds=[attribute("Other", "GroupId")]),
        },
        "InvalidParameter",
    ),
    "node in another zone than its subnet": (
        {**templates.network(), "It": templates.node(AvailabilityZone="eu-west-1b")},
        "InvalidParameterValue",
    ),
    "node with a key of nobody": (
        {**templates.network(), "It": templates.node(KeyName="nobody")},
        "InvalidKeyPair.NotFound",
    ),
    "node with a profile of nobody": (
        {**templates.network(), "It": templates.node(IamInstanceProfile="nobody")},
        "Invalid IAM Instance Profile name",
    ),
}
