"""Networks, groups and nodes that AWS refuses."""

from tests.local_aws import things
from tests.local_aws.refused import INNER, NOBODY, RULE, Refused
from tests.local_aws.things import attribute, one, ref

SECOND_VPC = {"Vpc2": one("EC2::VPC", CidrBlock="10.9.0.0/16")}

REFUSED: Refused = {
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
}
