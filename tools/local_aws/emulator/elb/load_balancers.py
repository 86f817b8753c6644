"""Load balancers: addresses in the zones, security groups, and DNS names as AWS forms them."""

import uuid
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import addresses, instances, network
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

KIND = "AWS::ElasticLoadBalancingV2::LoadBalancer"
_SHORT = {"network": "net", "application": "app"}

# AWS, Elastic Load Balancing endpoints and quotas, "Route 53 Hosted Zone ID (Network Load
# Balancers)" and "(Application Load Balancers)".
_ZONES = {
    "network": {
        "ap-northeast-1": "Z31USIVHYNEOWT",
        "ap-southeast-1": "ZKVM4W9LS7TM",
        "ap-southeast-2": "ZCT6FZBF4DROD",
        "ca-central-1": "Z2EPGBW3API2WT",
        "eu-central-1": "Z3F0SRJ5LGBH90",
        "eu-north-1": "Z1UDT6IFJ4EJM",
        "eu-west-1": "Z2IFOLAFXWLO4F",
        "eu-west-2": "ZD4D7Y8KGAS4G",
        "eu-west-3": "Z1CMS0P5QUZ6D5",
        "us-east-1": "Z26RNL4JYFTOTI",
        "us-east-2": "ZLMOA37VPKANP",
        "us-west-2": "Z18D5FSROUN65G",
    },
    "application": {
        "eu-central-1": "Z215JYRZR1TBD5",
        "eu-west-1": "Z32O12XQLNTSW2",
        "eu-west-2": "ZHURV8PSTC4K8",
        "us-east-1": "Z35SXDOTRQ7X7K",
        "us-east-2": "Z3AADJGX6KTTL2",
        "us-west-2": "Z1H1FL5HABSF5",
    },
}
_DEFAULTS = {
    "network": {
        "access_logs.s3.enabled": "false",
        "deletion_protection.enabled": "false",
        "load_balancing.cross_zone.enabled": "false",
        "dns_record.client_routing_policy": "any_availability_zone",
        "zonal_shift.config.enabled": "false",
    },
    "application": {
        "access_logs.s3.enabled": "false",
        "deletion_protection.enabled": "false",
        "idle_timeout.timeout_seconds": "60",
        "load_balancing.cross_zone.enabled": "true",
        "routing.http2.enabled": "true",
        "zonal_shift.config.enabled": "false",
    },
}


def balancer(arn: str) -> ministack.Record:
    """Return a load balancer; raise AwsError if the load balancer does not exist."""
    record: ministack.Record | None = ministack.load_balancers.get(arn)
    if record is None:
        message = f"Load balancer '{arn}' not found"
        raise AwsError("LoadBalancerNotFound", message, service="ElasticLoadBalancingV2")
    return record


def canonical_zone(kind: str, region: str) -> str:
    """Return the hosted zone of the DNS names of a region's load balancers."""
    known = _ZONES[kind].get(region)
    return known or f"Z{uuid.uuid5(uuid.NAMESPACE_DNS, kind + region).hex[:13].upper()}"


def attributes_of(declared: Any, defaults: dict[str, str]) -> list[dict[str, str]]:
    """Return attributes with their default values, overridden by the values in the template."""
    given = {item["Key"]: str(item.get("Value", "")) for item in declared or []}
    return [{"Key": key, "Value": value} for key, value in {**defaults, **given}.items()]


def fault(code: str, message: str) -> AwsError:
    """Return an error of Elastic Load Balancing."""
    return AwsError(code, message, service="ElasticLoadBalancingV2")


_LONGEST_PREFIX = 27
"""Prefix length of the smallest subnet of an Application Load Balancer (AWS, Application Load
Balancers, Subnets for your load balancer)."""


def _check_room(subnets: list[ministack.Record]) -> None:
    """Check that an Application Load Balancer has two subnets with enough addresses."""
    if len(subnets) < 2:
        message = "At least two subnets in two different Availability Zones must be specified"
        raise fault("ValidationError", message)
    for item in subnets:
        if IPv4Network(item["CidrBlock"]).prefixlen > _LONGEST_PREFIX:
            message = (
                f"Not enough IP space available in {item['SubnetId']}. ELB requires at least 8 "
                "free IP addresses in each subnet."
            )
            raise fault("InvalidSubnet", message)


def _mappings(properties: Properties, scheme: str) -> list[dict[str, str]]:
    """Return the subnet mappings after checks: one subnet per zone, all in one VPC."""
    requested = [
        *({"SubnetId": id_} for id_ in resource_types.as_list(properties.get("Subnets"))),
        *resource_types.as_list(properties.get("SubnetMappings")),
    ]
    if not requested:
        raise fault("ValidationError", "At least one subnet must be specified")
    inside = []
    for mapping in requested:
        if mapping["SubnetId"] not in ministack.subnets:
            message = f"The subnet ID '{mapping['SubnetId']}' is not valid"
            raise fault("SubnetNotFound", message)
        inside.append(network.subnet(mapping["SubnetId"]))
    if len({item["VpcId"] for item in inside}) > 1:
        raise fault("InvalidConfigurationRequest", "All subnets must belong to the same VPC")
    if len({item["AvailabilityZone"] for item in inside}) < len(inside):
        message = "A load balancer cannot be attached to multiple subnets in the same zone"
        raise fault("InvalidConfigurationRequest", message)
    if properties.get("Type", "application") == "application":
        _check_room(inside)
    if scheme == "internet-facing" and network.internet_gateway_of(inside[0]["VpcId"]) is None:
        message = f"VPC {inside[0]['VpcId']} has no internet gateway"
        raise fault("InvalidSubnet", message)
    for mapping, subnet in zip(requested, inside, strict=True):
        _check_address(mapping, subnet, scheme)
    return requested


def _check_address(mapping: dict[str, str], subnet: ministack.Record, scheme: str) -> None:
    """Check a fixed address: an Elastic IP if internet-facing, else an address of the subnet."""
    allocation, fixed = mapping.get("AllocationId"), mapping.get("PrivateIPv4Address")
    if allocation:
        if scheme != "internet-facing":
            message = "Elastic IP addresses are supported for internet-facing load balancers only"
            raise fault("InvalidConfigurationRequest", message)
        if allocation not in ministack.addresses:
            message = f"The allocation ID '{allocation}' does not exist"
            raise fault("AllocationIdNotFound", message)
    if fixed:
        if scheme != "internal":
            message = "Private IPv4 addresses are supported for internal load balancers only"
            raise fault("InvalidConfigurationRequest", message)
        if IPv4Address(fixed) not in IPv4Network(subnet["CidrBlock"]):
            message = f"The address '{fixed}' is not in the subnet '{subnet['SubnetId']}'"
            raise fault("InvalidConfigurationRequest", message)


def _groups(properties: Properties, vpc_id: str) -> list[str]:
    groups = [str(item) for item in resource_types.as_list(properties.get("SecurityGroups"))]
    for id_ in groups:
        result = ministack.security_groups.get(id_)
        if result is None or result["VpcId"] != vpc_id:
            raise fault("InvalidSecurityGroup", f"One or more security groups are invalid: {id_}")
    return groups


def _associate_addresses(record: ministack.Record) -> None:
    """Associate the Elastic IPs of the mappings, and release the previous Elastic IPs."""
    requested = {
        item["AllocationId"] for item in record["SubnetMappings"] if item.get("AllocationId")
    }
    user = record["LoadBalancerArn"]
    for address in ministack.addresses.values():
        if address["NetworkInterfaceId"] == user and address["AllocationId"] not in requested:
            addresses.release(address)
    for id_ in sorted(requested):
        addresses.associate(ministack.addresses[id_], user=user)


def _create(logical_id: str, properties: Properties, stack: str) -> Made:
    kind = properties.get("Type", "application")
    scheme = properties.get("Scheme", "internet-facing")
    mappings = _mappings(properties, scheme)
    vpc_id = network.subnet(mappings[0]["SubnetId"])["VpcId"]
    groups = _groups(properties, vpc_id)
    name = properties.get("Name") or ministack.physical_name(stack, logical_id, max_len=32)
    id_, region = uuid.uuid4().hex[:16], ministack.region()
    arn = (
        f"arn:aws:elasticloadbalancing:{region}:{ministack.account()}:"
        f"loadbalancer/{_SHORT[kind]}/{name}/{id_}"
    )
    internal = "internal-" if kind == "application" and scheme == "internal" else ""
    dns = (
        f"{name}-{id_}.elb.{region}.amazonaws.com"
        if kind == "network"
        else f"{internal}{name}-{id_[:10]}.{region}.elb.amazonaws.com"
    )
    record = {
        "LoadBalancerArn": arn,
        "LoadBalancerName": name,
        "DNSName": dns,
        "CanonicalHostedZoneId": canonical_zone(kind, region),
        "Scheme": scheme,
        "VpcId": vpc_id,
        "State": "active",
        "Type": kind,
        "SubnetMappings": mappings,
        "Subnets": [item["SubnetId"] for item in mappings],
        "SecurityGroups": groups,
        "IpAddressType": properties.get("IpAddressType", "ipv4"),
        "CreatedTime": private(ministack.alb, "_now_iso")(),
    }
    _associate_addresses(record)
    ministack.load_balancers[arn] = record
    ministack.alb_tags[arn] = resource_types.tags(properties)
    ministack.load_balancer_attributes[arn] = attributes_of(
        properties.get("LoadBalancerAttributes"), _DEFAULTS[kind]
    )
    return arn, returned_attributes(record)


def returned_attributes(record: ministack.Record) -> dict[str, Any]:
    """Return the attributes of a load balancer for `Fn::GetAtt`."""
    arn = record["LoadBalancerArn"]
    return {
        "LoadBalancerArn": arn,
        "LoadBalancerName": record["LoadBalancerName"],
        "LoadBalancerFullName": arn.partition(":loadbalancer/")[2],
        "DNSName": record["DNSName"],
        "CanonicalHostedZoneID": record["CanonicalHostedZoneId"],
        "SecurityGroups": record["SecurityGroups"],
    }


def replace_groups(arn: str, requested: list[Any]) -> list[str]:
    """Replace the security groups of a load balancer, and return the new groups.

    A Network Load Balancer that was created without security groups never gets any, and a load
    balancer that was created with security groups keeps at least one (AWS, Update the security
    groups for your Network Load Balancer).
    """
    record = balancer(arn)
    groups = _groups({"SecurityGroups": requested}, record["VpcId"])
    if bool(groups) != bool(record["SecurityGroups"]) and record["Type"] == "network":
        message = (
            "A Network Load Balancer that was created without security groups cannot get any, and "
            "a Network Load Balancer that was created with security groups must keep at least one"
        )
        raise fault("InvalidConfigurationRequest", message)
    record["SecurityGroups"] = groups
    return groups


def _update(arn: str, old: Properties, new: Properties, _stack: str) -> Made:
    record = balancer(arn)
    mappings = _mappings(new, record["Scheme"])
    groups = replace_groups(arn, resource_types.as_list(new.get("SecurityGroups")))
    record.update(
        SubnetMappings=mappings,
        Subnets=[item["SubnetId"] for item in mappings],
        SecurityGroups=groups,
        IpAddressType=new.get("IpAddressType", "ipv4"),
    )
    _associate_addresses(record)
    resource_types.update_tags(ministack.alb_tags, arn, old, new)
    ministack.load_balancer_attributes[arn] = attributes_of(
        new.get("LoadBalancerAttributes"), _DEFAULTS[record["Type"]]
    )
    return arn, returned_attributes(record)


def private_addresses(record: ministack.Record) -> dict[str, str]:
    """Return the private address of a load balancer in each zone.

    Without a fixed address, AWS chooses an address. The local AWS uses the subnet's last usable
    address, which no instance gets before the subnet is full.
    """
    subnets = [(item, ministack.subnets.get(item["SubnetId"])) for item in record["SubnetMappings"]]
    return {
        subnet["AvailabilityZone"]: mapping.get("PrivateIPv4Address")
        or str(IPv4Network(subnet["CidrBlock"])[-2])
        for mapping, subnet in subnets
        if subnet is not None
    }


def _protected(arn: str) -> bool:
    attributes = ministack.load_balancer_attributes.get(arn) or []
    return {"Key": "deletion_protection.enabled", "Value": "true"} in attributes


def _delete(arn: str, _properties: Properties) -> None:
    record = ministack.load_balancers.get(arn)
    if record is None:
        return
    if _protected(arn):
        message = f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        raise fault("OperationNotPermitted", message)
    record["SubnetMappings"] = []
    _associate_addresses(record)
    for listener, of in ministack.listeners.items():
        if of["LoadBalancerArn"] == arn:
            ministack.listeners.pop(listener, None)
    for group in ministack.target_groups.values():
        group["LoadBalancerArns"] = [item for item in group["LoadBalancerArns"] if item != arn]
    for store in (
        ministack.load_balancers,
        ministack.load_balancer_attributes,
        ministack.alb_tags,
    ):
        store.pop(arn, None)


def _described(record: ministack.Record) -> str:
    """Return a load balancer in DescribeLoadBalancers' form, with zones and addresses."""
    if "SubnetMappings" not in record:
        old: str = _old_xml(record)
        return old
    zones = "".join(_zone(item) for item in record["SubnetMappings"])
    groups = "".join(f"<member>{item}</member>" for item in record["SecurityGroups"])
    return (
        f"<member><LoadBalancerArn>{record['LoadBalancerArn']}</LoadBalancerArn>"
        f"<LoadBalancerName>{record['LoadBalancerName']}</LoadBalancerName>"
        f"<DNSName>{record['DNSName']}</DNSName>"
        f"<CanonicalHostedZoneId>{record['CanonicalHostedZoneId']}</CanonicalHostedZoneId>"
        f"<CreatedTime>{record['CreatedTime']}</CreatedTime><Scheme>{record['Scheme']}</Scheme>"
        f"<VpcId>{record['VpcId']}</VpcId><State><Code>{record['State']}</Code></State>"
        f"<Type>{record['Type']}</Type><AvailabilityZones>{zones}</AvailabilityZones>"
        f"<SecurityGroups>{groups}</SecurityGroups>"
        f"<IpAddressType>{record['IpAddressType']}</IpAddressType></member>"
    )


def _zone(mapping: dict[str, str]) -> str:
    subnet = ministack.subnets.get(mapping["SubnetId"]) or {}
    address = ""
    if mapping.get("AllocationId"):
        public = (ministack.addresses.get(mapping["AllocationId"]) or {}).get("PublicIp", "")
        address = (
            f"<member><IpAddress>{public}</IpAddress>"
            f"<AllocationId>{mapping['AllocationId']}</AllocationId></member>"
        )
    elif mapping.get("PrivateIPv4Address"):
        fixed = mapping["PrivateIPv4Address"]
        address = f"<member><PrivateIPv4Address>{fixed}</PrivateIPv4Address></member>"
    return (
        f"<member><ZoneName>{subnet.get('AvailabilityZone', '')}</ZoneName>"
        f"<SubnetId>{mapping['SubnetId']}</SubnetId>"
        f"<LoadBalancerAddresses>{address}</LoadBalancerAddresses></member>"
    )


def _deleted_by_call(parameters: dict[str, list[str]]) -> Any:
    (arn,) = parameters.get("LoadBalancerArn", [""])
    try:
        _delete(arn, {})
    except AwsError as refused:
        return private(ministack.alb, "_error")(refused.code, refused.message, refused.status)
    return private(ministack.alb, "_empty")("DeleteLoadBalancer")


def _check_free_address(properties: Properties) -> None:
    """Refuse a fixed private address that is in use."""
    for mapping in resource_types.as_list(properties.get("SubnetMappings")):
        fixed = mapping.get("PrivateIPv4Address")
        if fixed and fixed in instances.taken_addresses(mapping["SubnetId"]):
            raise fault("InvalidConfigurationRequest", f"The address '{fixed}' is in use")


_old_xml = private(ministack.alb, "_lb_xml")


def install() -> None:
    """Declare the resource type, and replace the calls that describe and delete load balancers."""

    def create(logical_id: str, properties: Properties, stack: str) -> Made:
        _check_free_address(properties)
        return _create(logical_id, properties, stack)

    resource_types.declare(KIND, create=create, update=_update, delete=_delete)
    ministack.replace(ministack.alb, "_lb_xml", _described)
    ministack.alb_actions["DeleteLoadBalancer"] = _deleted_by_call
