"""Elastic IPs, their associations, and the NAT gateways that use Elastic IPs."""

import uuid
from collections.abc import Callable
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import network
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

_QUOTA = 5
"""Maximum number of Elastic IPs in a region (AWS, Elastic IP addresses, "Elastic IP address
quota")."""

_ec2 = ministack.ec2
_random_ip: Callable[[str], str] = private(_ec2, "_random_ip")


def allocate(allocation_id: str | None = None) -> ministack.Record:
    """Allocate an Elastic IP under the given allocation id, else under a new id."""
    id_ = allocation_id or f"eipalloc-{_identifier()}"
    taken = {item["PublicIp"] for _, item in ministack.addresses.all_items()}
    public = next(ip for ip in iter(lambda: _random_ip("52."), None) if ip and ip not in taken)
    ministack.addresses[id_] = {
        "AllocationId": id_,
        "PublicIp": public,
        "Domain": "vpc",
        "AssociationId": None,
        "InstanceId": None,
        "NetworkInterfaceId": None,
        "PrivateIpAddress": None,
    }
    record: ministack.Record = ministack.addresses[id_]
    return record


def allocation(allocation_id: str) -> ministack.Record:
    """Return an allocated Elastic IP; raise AwsError if the allocation id does not exist."""
    record: ministack.Record | None = ministack.addresses.get(allocation_id)
    if record is None:
        message = f"The allocation ID '{allocation_id}' does not exist"
        raise AwsError("InvalidAllocationID.NotFound", message)
    return record


def associate(
    address: ministack.Record, *, instance: str | None = None, user: str | None = None
) -> None:
    """Associate an Elastic IP with an instance, or with a resource that has a network interface.

    An Elastic IP that is associated with another instance is first disassociated from that instance
    (AWS, Amazon EC2 API Reference, AssociateAddress).
    """
    if instance is not None and address["InstanceId"] not in (None, instance):
        release(address)
    held = address["AssociationId"] and (address["InstanceId"] or address["NetworkInterfaceId"])
    if held and held not in (instance, user):
        message = f"resource {address['AllocationId']} is already associated with {held}"
        raise AwsError("Resource.AlreadyAssociated", message)
    address["AssociationId"] = address["AssociationId"] or f"eipassoc-{_identifier()}"
    address["InstanceId"], address["NetworkInterfaceId"] = instance, user
    if instance in ministack.instances:
        ministack.instances[instance]["PublicIpAddress"] = address["PublicIp"]


def release(address: ministack.Record) -> None:
    """End the association of an Elastic IP."""
    instance = ministack.instances.get(address["InstanceId"] or "")
    if instance and instance.get("PublicIpAddress") == address["PublicIp"]:
        instance["PublicIpAddress"] = ""
    address["AssociationId"] = address["InstanceId"] = address["NetworkInterfaceId"] = None


def _identifier() -> str:
    return uuid.uuid4().hex[:17]


def _attributes(address: ministack.Record) -> dict[str, Any]:
    return {"AllocationId": address["AllocationId"], "PublicIp": address["PublicIp"]}


def _create(_logical_id: str, properties: Properties, _stack: str) -> Made:
    if sum(not item.get("Given") for item in ministack.addresses.values()) >= _QUOTA:
        raise AwsError(
            "AddressLimitExceeded", "The maximum number of addresses has been reached.", status=400
        )
    instance = properties.get("InstanceId")
    if instance and instance not in ministack.instances:
        message = f"The instance ID '{instance}' does not exist"
        raise AwsError("InvalidInstanceID.NotFound", message)
    address = allocate()
    ministack.ec2_tags[address["AllocationId"]] = resource_types.tags(properties)
    if instance:
        associate(address, instance=instance)
    return address["PublicIp"], _attributes(address)


def _by_ip(public: str) -> ministack.Record | None:
    return next((item for item in ministack.addresses.values() if item["PublicIp"] == public), None)


def _update(public: str, old: Properties, new: Properties, _stack: str) -> Made:
    address = _by_ip(public)
    if address is None:
        return _create("", new, "")
    resource_types.update_tags(ministack.ec2_tags, address["AllocationId"], old, new)
    release(address)
    if new.get("InstanceId"):
        associate(address, instance=new["InstanceId"])
    return public, _attributes(address)


def _delete(public: str, _properties: Properties) -> None:
    address = _by_ip(public)
    if address is None:
        return
    if address["NetworkInterfaceId"]:
        message = f"Address {public} is in use by {address['NetworkInterfaceId']}."
        raise AwsError("InvalidIPAddress.InUse", message)
    release(address)
    ministack.addresses.pop(address["AllocationId"], None)
    ministack.ec2_tags.pop(address["AllocationId"], None)


def _associate(_logical_id: str, properties: Properties, _stack: str) -> Made:
    address = allocation(properties.get("AllocationId", ""))
    instance = properties.get("InstanceId")
    if instance is None:
        raise AwsError(
            "MissingParameter", "Either InstanceId or NetworkInterfaceId must be specified"
        )
    if instance not in ministack.instances:
        message = f"The instance ID '{instance}' does not exist"
        raise AwsError("InvalidInstanceID.NotFound", message)
    inside = ministack.instances[instance]["VpcId"]
    if network.internet_gateway_of(inside) is None:
        message = f"Network {inside} is not attached to any internet gateway"
        raise AwsError("Gateway.NotAttached", message)
    associate(address, instance=instance)
    return address["AssociationId"], {"Id": address["AssociationId"]}


def _dissociate(association: str, _properties: Properties) -> None:
    for address in ministack.addresses.values():
        if address["AssociationId"] == association:
            release(address)


def _create_nat(_logical_id: str, properties: Properties, _stack: str) -> Made:
    is_regional = properties.get("AvailabilityMode") == "regional"
    if is_regional and properties.get("SubnetId"):
        message = "The parameter SubnetId is not allowed for a regional NAT gateway"
        raise AwsError("InvalidParameterCombination", message)
    subnet_id = "" if is_regional else network.subnet(properties.get("SubnetId", ""))["SubnetId"]
    vpc_id = network.vpc(
        properties.get("VpcId", "") if is_regional else network.subnet(subnet_id)["VpcId"]
    )["VpcId"]
    private_only = properties.get("ConnectivityType") == "private"
    if private_only and is_regional:
        message = "A regional NAT gateway has public connectivity only"
        raise AwsError("InvalidParameterCombination", message)
    if not private_only and network.internet_gateway_of(vpc_id) is None:
        message = f"Network {vpc_id} has no Internet gateway attached"
        raise AwsError("Gateway.NotAttached", message)
    id_ = f"nat-{_identifier()}"
    used = [] if private_only else [allocation(item) for item in _allocations(properties)]
    for address in used:
        associate(address, user=id_)
    ministack.nat_gateways[id_] = {
        "NatGatewayId": id_,
        "SubnetId": subnet_id,
        "VpcId": vpc_id,
        "AllocationId": used[0]["AllocationId"] if used else "",
        "ConnectivityType": "private" if private_only else "public",
        "State": "available",
        "CreateTime": private(_ec2, "_now_ts")(),
        "Tags": [],
    }
    ministack.ec2_tags[id_] = resource_types.tags(properties)
    return id_, {"NatGatewayId": id_}


def _allocations(properties: Properties) -> list[str]:
    """Return the allocation ids of a public NAT gateway, several if the gateway is regional."""
    if properties.get("AvailabilityMode") != "regional":
        return [properties.get("AllocationId", "")]
    by_zone = properties.get("AvailabilityZoneAddresses") or []
    return [item for zone in by_zone for item in zone.get("AllocationIds", [])]


def _update_nat(id_: str, old: Properties, new: Properties, _stack: str) -> Made:
    """Change the tags and the zones of a gateway, the properties that change in place."""
    kept = _allocations(new)
    for address in list(ministack.addresses.values()):
        if address["NetworkInterfaceId"] == id_ and address["AllocationId"] not in kept:
            release(address)
    if new.get("AvailabilityMode") == "regional":
        for item in kept:
            associate(allocation(item), user=id_)
    resource_types.update_tags(ministack.ec2_tags, id_, old, new)
    return id_, {"NatGatewayId": id_}


def _delete_nat(id_: str, _properties: Properties) -> None:
    """Delete a NAT gateway: the record remains visible, as on AWS; the address is free at once."""
    gateway = ministack.nat_gateways.get(id_)
    if gateway is None:
        return
    gateway["State"] = "deleted"
    for address in ministack.addresses.values():
        if address["NetworkInterfaceId"] == id_:
            release(address)


def install() -> None:
    """Declare the resource types of Elastic IPs, their associations and NAT gateways."""
    resource_types.declare("AWS::EC2::EIP", create=_create, update=_update, delete=_delete)
    resource_types.declare("AWS::EC2::EIPAssociation", create=_associate, delete=_dissociate)
    resource_types.declare(
        "AWS::EC2::NatGateway", create=_create_nat, update=_update_nat, delete=_delete_nat
    )
