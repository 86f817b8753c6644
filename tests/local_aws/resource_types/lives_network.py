"""Life cycles of networks: VPCs, subnets, gateways, routes, addresses."""

from tests.local_aws import templates
from tests.local_aws.cloud import Cloud
from tests.local_aws.resource_types.life import Case, Shown, ec2
from tests.local_aws.templates import ROLE, attribute, ref, resource


def _address(cloud: Cloud, ip: str) -> Shown:
    description = cloud.client("ec2").describe_addresses()["Addresses"]
    return next((item for item in description if item["PublicIp"] == ip), None)


def _association(cloud: Cloud, id_: str) -> Shown:
    description = cloud.client("ec2").describe_addresses()["Addresses"]
    return next((item for item in description if item.get("AssociationId") == id_), None)


def _route(cloud: Cloud, id_: str) -> Shown:
    table, _, destination = id_.partition("|")
    result = ec2("describe_route_tables", "RouteTables", "RouteTableIds")(cloud, table)
    routes = result["Routes"] if result else []
    return next((item for item in routes if item.get("DestinationCidrBlock") == destination), None)


def _subnet_association(cloud: Cloud, id_: str) -> Shown:
    tables = cloud.client("ec2").describe_route_tables()["RouteTables"]
    result = [item for table in tables for item in table["Associations"]]
    return next((item for item in result if item["RouteTableAssociationId"] == id_), None)


def _attachment(cloud: Cloud, id_: str) -> Shown:
    gateways = cloud.client("ec2").describe_internet_gateways()["InternetGateways"]
    result = [item for gateway in gateways for item in gateway["Attachments"]]
    return next((item for item in result if item["VpcId"] == id_.partition("|")[2]), None)


def _zone_address(letter: str) -> dict[str, object]:
    """Return the Elastic IP of a regional NAT gateway in a zone."""
    return {
        "AvailabilityZone": f"eu-west-1{letter.lower()}",
        "AllocationIds": [attribute(f"Ip{letter}", "AllocationId")],
    }


TABLE = {**templates.public(), "Table": resource("EC2::RouteTable", VpcId=ref("Vpc"))}

INTERFACE = {
    "Vpc": resource(
        "EC2::VPC", CidrBlock="10.0.0.0/16", EnableDnsSupport=True, EnableDnsHostnames=True
    ),
    "Inside": resource(
        "EC2::Subnet",
        VpcId=ref("Vpc"),
        CidrBlock="10.0.0.0/24",
        AvailabilityZone="eu-west-1a",
    ),
    "Other": resource(
        "EC2::Subnet",
        VpcId=ref("Vpc"),
        CidrBlock="10.0.1.0/24",
        AvailabilityZone="eu-west-1b",
    ),
    "Group": resource("EC2::SecurityGroup", GroupDescription="endpoints", VpcId=ref("Vpc")),
    "It": resource(
        "EC2::VPCEndpoint",
        VpcId=ref("Vpc"),
        ServiceName="com.amazonaws.eu-west-1.ssm",
        VpcEndpointType="Interface",
        PrivateDnsEnabled=True,
        SubnetIds=[ref("Inside")],
        SecurityGroupIds=[attribute("Group", "GroupId")],
    ),
}

CASES = (
    Case(
        "EC2::VPC",
        {"It": resource("EC2::VPC", CidrBlock="10.0.0.0/16", EnableDnsSupport=True)},
        ec2("describe_vpcs", "Vpcs", "VpcIds"),
        {"CidrBlock": "10.0.0.0/16", "State": "available"},
        replaced_by={"CidrBlock": "10.1.0.0/16"},
    ),
    Case(
        "EC2::Subnet",
        {
            "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "It": resource(
                "EC2::Subnet",
                VpcId=ref("Vpc"),
                CidrBlock="10.0.0.0/24",
                AvailabilityZone="eu-west-1b",
            ),
        },
        ec2("describe_subnets", "Subnets", "SubnetIds"),
        {"AvailabilityZone": "eu-west-1b", "MapPublicIpOnLaunch": False},
        in_place=({"MapPublicIpOnLaunch": True}, {"MapPublicIpOnLaunch": True}),
        replaced_by={"CidrBlock": "10.0.7.0/24"},
    ),
    Case(
        "EC2::InternetGateway",
        {"It": resource("EC2::InternetGateway")},
        ec2("describe_internet_gateways", "InternetGateways", "InternetGatewayIds"),
        {"Attachments": []},
    ),
    Case(
        "EC2::VPCGatewayAttachment",
        {
            "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "Gateway": resource("EC2::InternetGateway"),
            "It": resource(
                "EC2::VPCGatewayAttachment", VpcId=ref("Vpc"), InternetGatewayId=ref("Gateway")
            ),
        },
        _attachment,
        {"State": "available"},
    ),
    Case(
        "EC2::RouteTable",
        {**templates.network(), "It": resource("EC2::RouteTable", VpcId=ref("Vpc"))},
        ec2("describe_route_tables", "RouteTables", "RouteTableIds"),
        {"Associations": []},
    ),
    Case(
        "EC2::Route",
        {
            **TABLE,
            "It": {
                **resource(
                    "EC2::Route",
                    RouteTableId=ref("Table"),
                    DestinationCidrBlock="0.0.0.0/0",
                    GatewayId=ref("Gateway"),
                ),
                "DependsOn": "Attached",
            },
        },
        _route,
        {"DestinationCidrBlock": "0.0.0.0/0", "State": "active"},
        replaced_by={"DestinationCidrBlock": "192.0.2.0/24"},
    ),
    Case(
        "EC2::SubnetRouteTableAssociation",
        {
            **TABLE,
            "It": resource(
                "EC2::SubnetRouteTableAssociation", RouteTableId=ref("Table"), SubnetId=ref("A")
            ),
        },
        _subnet_association,
        {"Main": False},
        replaced_by={"SubnetId": ref("B")},
    ),
    Case(
        "EC2::VPCEndpoint",
        {
            **TABLE,
            "It": resource(
                "EC2::VPCEndpoint",
                VpcId=ref("Vpc"),
                ServiceName="com.amazonaws.eu-west-1.s3",
                VpcEndpointType="Gateway",
            ),
        },
        ec2("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointIds"),
        {"ServiceName": "com.amazonaws.eu-west-1.s3", "State": "available"},
        in_place=({"RouteTableIds": [ref("Table")]}, {}),
        replaced_by={"ServiceName": "com.amazonaws.eu-west-1.dynamodb"},
    ),
    Case(
        "EC2::VPCEndpoint",
        INTERFACE,
        ec2("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointIds"),
        {"VpcEndpointType": "Interface", "State": "available"},
        in_place=({"SubnetIds": [ref("Inside"), ref("Other")]}, {"State": "available"}),
        replaced_by={"ServiceName": "com.amazonaws.eu-west-1.kms"},
    ),
    Case(
        "EC2::FlowLog",
        {
            "Vpc": resource("EC2::VPC", CidrBlock="10.0.0.0/16"),
            "Group": resource("Logs::LogGroup", RetentionInDays=30),
            "Role": ROLE,
            "It": resource(
                "EC2::FlowLog",
                ResourceId=ref("Vpc"),
                ResourceType="VPC",
                TrafficType="ALL",
                LogGroupName=ref("Group"),
                DeliverLogsPermissionArn=attribute("Role", "Arn"),
            ),
        },
        ec2("describe_flow_logs", "FlowLogs", "FlowLogIds"),
        {"FlowLogStatus": "ACTIVE", "TrafficType": "ALL"},
        in_place=({"Tags": [{"Key": "a", "Value": "b"}]}, {"FlowLogStatus": "ACTIVE"}),
        replaced_by={"TrafficType": "REJECT"},
    ),
    Case(
        "EC2::EIP",
        {"It": resource("EC2::EIP", Domain="vpc")},
        _address,
        {"Domain": "vpc"},
        in_place=({"Tags": [{"Key": "a", "Value": "b"}]}, {}),
    ),
    Case(
        "EC2::EIPAssociation",
        {
            **templates.public(),
            "Node": templates.node(),
            "Ip": resource("EC2::EIP", Domain="vpc"),
            "It": {
                **resource(
                    "EC2::EIPAssociation",
                    InstanceId=ref("Node"),
                    AllocationId=attribute("Ip", "AllocationId"),
                ),
                "DependsOn": "Attached",
            },
        },
        _association,
        {"Domain": "vpc"},
    ),
    Case(
        "EC2::NatGateway",
        {
            **templates.public(),
            "Ip": resource("EC2::EIP", Domain="vpc"),
            "It": {
                **resource(
                    "EC2::NatGateway",
                    SubnetId=ref("A"),
                    AllocationId=attribute("Ip", "AllocationId"),
                ),
                "DependsOn": "Attached",
            },
        },
        ec2("describe_nat_gateways", "NatGateways", "NatGatewayIds"),
        {"State": "available"},
        in_place=({"Tags": [{"Key": "a", "Value": "b"}]}, {"State": "available"}),
        gone=lambda shown: shown is None or shown["State"] == "deleted",
    ),
    Case(
        "EC2::NatGateway",
        {
            **templates.public(),
            **{f"Ip{letter}": resource("EC2::EIP", Domain="vpc") for letter in "AB"},
            "It": {
                **resource(
                    "EC2::NatGateway",
                    AvailabilityMode="regional",
                    VpcId=ref("Vpc"),
                    AvailabilityZoneAddresses=[_zone_address("A"), _zone_address("B")],
                ),
                "DependsOn": "Attached",
            },
        },
        ec2("describe_nat_gateways", "NatGateways", "NatGatewayIds"),
        {"State": "available", "SubnetId": ""},
        in_place=(
            {"AvailabilityZoneAddresses": [_zone_address("A")]},
            {"State": "available"},
        ),
        gone=lambda shown: shown is None or shown["State"] == "deleted",
    ),
)
