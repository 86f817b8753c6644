"""Checks of VPCs, subnets, routes and gateways, which MiniStack would make without checks.

Resources that are referred to must exist, and resources in use are not deleted.
"""

from ipaddress import IPv4Network

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Properties
from tools.local_aws.emulator.errors import AwsError


def vpc(vpc_id: str) -> ministack.Record:
    """Return a VPC; raise AwsError if the VPC does not exist."""
    record: ministack.Record | None = ministack.vpcs.get(vpc_id)
    if record is None:
        raise AwsError("InvalidVpcID.NotFound", f"The vpc ID '{vpc_id}' does not exist")
    return record


def subnet(subnet_id: str) -> ministack.Record:
    """Return a subnet; raise AwsError if the subnet does not exist."""
    record: ministack.Record | None = ministack.subnets.get(subnet_id)
    if record is None:
        raise AwsError("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
    return record


def route_table(table_id: str) -> ministack.Record:
    """Return a route table; raise AwsError if the route table does not exist."""
    record: ministack.Record | None = ministack.route_tables.get(table_id)
    if record is None:
        message = f"The routeTable ID '{table_id}' does not exist"
        raise AwsError("InvalidRouteTableID.NotFound", message)
    return record


def internet_gateway_of(vpc_id: str) -> str | None:
    """Return the id of the VPC's internet gateway, None if there is none."""
    for id_, gateway in ministack.internet_gateways.items():
        if any(item.get("VpcId") == vpc_id for item in gateway.get("Attachments", [])):
            return str(id_)
    return None


def _check_vpc_block(properties: Properties) -> None:
    block = properties.get("CidrBlock")
    if block is None:
        message = "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided."
        raise AwsError("InvalidParameterValue", message)
    if not 16 <= IPv4Network(block).prefixlen <= 28:
        raise AwsError("InvalidVpc.Range", f"The CIDR '{block}' is invalid.")


def _check_subnet_block(properties: Properties) -> None:
    """Check that the subnet's CIDR block is in the VPC's, and that the zone is in the region."""
    owner = vpc(properties["VpcId"])
    block = IPv4Network(properties.get("CidrBlock", ""))
    if not block.subnet_of(IPv4Network(owner["CidrBlock"])):
        raise AwsError("InvalidSubnet.Range", f"The CIDR '{block}' is invalid.")
    zone = properties.get("AvailabilityZone")
    if zone and not zone.startswith(ministack.region()):
        message = f"Value ({zone}) for parameter availabilityZone is invalid."
        raise AwsError("InvalidParameterValue", message)


def _check_no_overlap(properties: Properties) -> None:
    block = IPv4Network(properties.get("CidrBlock", ""))
    for other in ministack.subnets.values():
        if other["VpcId"] == properties["VpcId"] and block.overlaps(
            IPv4Network(other["CidrBlock"])
        ):
            message = f"The CIDR '{block}' conflicts with another subnet"
            raise AwsError("InvalidSubnet.Conflict", message)


def _check_vpc(properties: Properties) -> None:
    if properties.get("VpcId"):
        vpc(properties["VpcId"])


def _check_attachment(properties: Properties) -> None:
    gateway = properties.get("InternetGatewayId")
    if gateway and gateway not in ministack.internet_gateways:
        message = f"The internetGateway ID '{gateway}' does not exist"
        raise AwsError("InvalidInternetGatewayID.NotFound", message)


def _check_route(properties: Properties) -> None:
    """Check that a route's table and gateway exist; an internet gateway must be of the same VPC."""
    table = route_table(properties["RouteTableId"])
    gateway, nat = properties.get("GatewayId"), properties.get("NatGatewayId")
    if gateway and gateway.startswith("igw-"):
        if gateway not in ministack.internet_gateways:
            message = f"The gateway ID '{gateway}' does not exist"
            raise AwsError("InvalidGatewayID.NotFound", message)
        if internet_gateway_of(table["VpcId"]) != gateway:
            message = (
                f"route table {table['RouteTableId']} and network gateway {gateway} belong to "
                "different networks"
            )
            raise AwsError("InvalidParameterValue", message)
    if nat and nat not in ministack.nat_gateways:
        raise AwsError("InvalidNatGatewayID.NotFound", f"The natGateway ID '{nat}' does not exist")


def _check_association(properties: Properties) -> None:
    table, inside = route_table(properties["RouteTableId"]), subnet(properties["SubnetId"])
    if table["VpcId"] != inside["VpcId"]:
        message = (
            f"Route table {table['RouteTableId']} and subnet {inside['SubnetId']} belong to "
            "different networks"
        )
        raise AwsError("InvalidParameterValue", message)


def _check_endpoint(properties: Properties) -> None:
    for table in properties.get("RouteTableIds") or []:
        route_table(table)
    zones = [subnet(inside)["AvailabilityZone"] for inside in properties.get("SubnetIds") or []]
    if len(zones) > len(set(zones)):
        message = "VPC endpoint subnets should be in different availability zones"
        raise AwsError("DuplicateSubnetsInSameZone", message)
    for group_id in properties.get("SecurityGroupIds") or []:
        group = ministack.security_groups.get(group_id)
        if group is None or group["VpcId"] != properties["VpcId"]:
            message = f"The security group '{group_id}' does not exist in the VPC"
            raise AwsError("InvalidGroup.NotFound", message)
    service = str(properties.get("ServiceName", ""))
    if not service.startswith(("com.amazonaws.", "aws.")):
        message = f"The Vpc Endpoint Service '{service}' does not exist"
        raise AwsError("InvalidServiceName", message)


def _check_private_dns(properties: Properties) -> None:
    """Check that private DNS is possible for an endpoint.

    The VPC must have DNS, and no other endpoint of the VPC may have private DNS for the service.
    """
    if not resource_types.truth(properties.get("PrivateDnsEnabled", False)):
        return
    owner = vpc(properties["VpcId"])
    if not all(owner.get(key) for key in ("EnableDnsSupport", "EnableDnsHostnames")):
        message = (
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC "
            f"attributes set to true for {owner['VpcId']}"
        )
        raise AwsError("InvalidParameter", message)
    for other in ministack.vpc_endpoints.values():
        same = ("VpcId", "ServiceName")
        if other["PrivateDnsEnabled"] and all(other[key] == properties[key] for key in same):
            message = (
                "private-dns-enabled cannot be set because there is already a conflicting DNS "
                f"domain for {properties['ServiceName']} in the VPC {owner['VpcId']}"
            )
            raise AwsError("InvalidParameter", message)


def _check_unused_subnet(subnet_id: str, _properties: Properties) -> None:
    """Refuse to delete a subnet in use."""
    inside = any(
        item["SubnetId"] == subnet_id and item["State"]["Name"] != "terminated"
        for item in ministack.instances.values()
    )
    balanced = any(
        subnet_id in item.get("Subnets", []) for item in ministack.load_balancers.values()
    )
    nat = any(
        item["SubnetId"] == subnet_id and item["State"] != "deleted"
        for item in ministack.nat_gateways.values()
    )
    endpoint = any(subnet_id in item["SubnetIds"] for item in ministack.vpc_endpoints.values())
    if inside or balanced or nat or endpoint:
        message = f"The subnet '{subnet_id}' has dependencies and cannot be deleted."
        raise AwsError("DependencyViolation", message)


def _check_unused_gateway(gateway_id: str, _properties: Properties) -> None:
    gateway = ministack.internet_gateways.get(gateway_id) or {}
    if gateway.get("Attachments"):
        message = f"The internetGateway '{gateway_id}' has dependencies and cannot be deleted."
        raise AwsError("DependencyViolation", message)


def install() -> None:
    """Add the checks of this module to MiniStack's handlers."""
    resource_types.check("AWS::EC2::VPC", _check_vpc_block)
    resource_types.check("AWS::EC2::Subnet", _check_subnet_block)
    resource_types.check("AWS::EC2::RouteTable", _check_vpc)
    resource_types.check("AWS::EC2::VPCGatewayAttachment", _check_vpc, _check_attachment)
    resource_types.check("AWS::EC2::Route", _check_route)
    resource_types.check("AWS::EC2::SubnetRouteTableAssociation", _check_association)
    resource_types.check("AWS::EC2::VPCEndpoint", _check_vpc, _check_endpoint)
    resource_types.before_create("AWS::EC2::Subnet", _check_no_overlap)
    resource_types.before_create("AWS::EC2::VPCEndpoint", _check_private_dns)
    resource_types.before_delete("AWS::EC2::Subnet", _check_unused_subnet)
    resource_types.before_delete("AWS::EC2::InternetGateway", _check_unused_gateway)
