"""What a configuration takes as given, made under exactly the ids that it names.

Each kind of thing is made once: what is there already is left alone, so that a second deploy
finds the networks that the first one has filled.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tools.local_aws.emulator import addresses, dns, emulator, identity, instances
from tools.local_aws.emulator.emulator import private
from tools.local_aws.emulator.faults import MalformedError

Wanted = dict[str, Any]

_SUBNET_BITS = 4
"""A given subnet's block is this much smaller than its VPC's, as nobody tells its size."""
_MOST_BITS = 28


def make(wanted: Wanted) -> bool:
    """Make one given thing; whether it was not there."""
    kind = wanted.get("kind", "")
    if kind not in _KINDS:
        message = f"cannot make a given {kind!r}: known are {', '.join(sorted(_KINDS))}"
        raise MalformedError(message)
    return _KINDS[kind](wanted)


def _vpc(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.vpcs:
        return False
    made, _ = emulator.handlers["AWS::EC2::VPC"]["create"](
        "", {"CidrBlock": wanted["cidr"], "EnableDnsHostnames": True}, ""
    )
    record = emulator.vpcs.pop(made)
    record["VpcId"] = wanted["id"]
    emulator.vpcs[wanted["id"]] = record
    for store in (emulator.route_tables, emulator.security_groups, _acls()):
        for one in store.values():
            if one.get("VpcId") == made:
                one["VpcId"] = wanted["id"]
    gateway, _ = emulator.handlers["AWS::EC2::InternetGateway"]["create"]("", {}, "")
    emulator.internet_gateways[gateway]["Attachments"] = [
        {"VpcId": wanted["id"], "State": "available"}
    ]
    return True


def _acls() -> Any:
    return private(emulator.ec2, "_network_acls")


def _subnet(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.subnets:
        return False
    block = _free_block(wanted["vpc"], [IPv4Address(one) for one in wanted.get("holds", ())])
    made, _ = emulator.handlers["AWS::EC2::Subnet"]["create"](
        "",
        {"VpcId": wanted["vpc"], "CidrBlock": str(block), "AvailabilityZone": wanted["zone"]},
        "",
    )
    record = emulator.subnets.pop(made)
    record["SubnetId"] = wanted["id"]
    emulator.subnets[wanted["id"]] = record
    if wanted.get("public"):
        _make_public(record)
    return True


def _free_block(vpc_id: str, holds: list[IPv4Address]) -> IPv4Network:
    """A block of the VPC that no subnet has, with the addresses that it must hold."""
    whole = IPv4Network(emulator.vpcs[vpc_id]["CidrBlock"])
    taken = [
        IPv4Network(one["CidrBlock"]) for one in emulator.subnets.values() if one["VpcId"] == vpc_id
    ]
    for size in range(min(whole.prefixlen + _SUBNET_BITS, _MOST_BITS), _MOST_BITS + 1):
        for block in whole.subnets(new_prefix=size):
            if all(one in block for one in holds) and not any(block.overlaps(o) for o in taken):
                return block
    message = f"no block is left in {vpc_id} ({whole}) for another subnet"
    raise MalformedError(message)


def _make_public(subnet: emulator.Record) -> None:
    """Give a subnet its way to the internet gateway."""
    vpc_id = subnet["VpcId"]
    gateway = next(
        id_
        for id_, one in emulator.internet_gateways.items()
        if any(attached["VpcId"] == vpc_id for attached in one["Attachments"])
    )
    create = {
        kind: emulator.handlers[f"AWS::EC2::{kind}"]["create"]
        for kind in ("RouteTable", "Route", "SubnetRouteTableAssociation")
    }
    table, _ = create["RouteTable"]("", {"VpcId": vpc_id}, "")
    everywhere = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    create["Route"]("", {**everywhere, "GatewayId": gateway}, "")
    here = {"RouteTableId": table, "SubnetId": subnet["SubnetId"]}
    create["SubnetRouteTableAssociation"]("", here, "")


def _image(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.images:
        return False
    emulator.images[wanted["id"]] = {
        "ImageId": wanted["id"],
        "Name": f"denodo-{wanted['id']}",
        "ImageLocation": "",
        "Description": "An image that the configuration names",
        "Architecture": "x86_64",
        "RootDeviceType": "ebs",
        "RootDeviceName": wanted.get("root_device", "/dev/xvda"),
        "BlockDeviceMappings": [],
        "VirtualizationType": "hvm",
        "CreationDate": private(emulator.ec2, "_now_ts")(),
        "OwnerId": emulator.account(),
    }
    return True


def _key_pair(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.key_pairs:
        return False
    emulator.ec2_actions["CreateKeyPair"]({"KeyName": [wanted["id"]]})
    return True


def _hosted_zone(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.zones:
        return False
    vpcs = [{"VPCRegion": one["region"], "VPCId": one["vpc"]} for one in wanted.get("vpcs", ())]
    dns.make_zone(wanted["name"], zone_id=wanted["id"], vpcs=vpcs)
    return True


def _certificate(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.certificates:
        return False
    now = private(emulator.acm, "now_iso")()
    domain = wanted.get("name", "denodo.example.com")
    emulator.certificates[wanted["id"]] = {
        "CertificateArn": wanted["id"],
        "DomainName": domain,
        "SubjectAlternativeNames": [domain],
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        "CreatedAt": now,
        "IssuedAt": now,
        "NotBefore": now,
        "NotAfter": private(emulator.acm, "_future_iso")(365 * 24 * 3600),
        "DomainValidationOptions": [],
        "ValidationMethod": "DNS",
        "Tags": [],
        "Options": {},
        "_pem_body": "",
        "_pem_chain": "",
        "_private_key": "",
    }
    return True


def _prefix_list(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.prefix_lists:
        return False
    region = emulator.region()
    emulator.prefix_lists[wanted["id"]] = {
        "PrefixListId": wanted["id"],
        "PrefixListName": wanted.get("name", f"com.amazonaws.{region}.route53-healthchecks"),
        "State": "create-complete",
        "AddressFamily": "IPv4",
        "MaxEntries": 25,
        "Version": 1,
        "Entries": [],
        "Tags": [],
        "OwnerId": "AWS",
        "PrefixListArn": f"arn:aws:ec2:{region}:aws:prefix-list/{wanted['id']}",
    }
    return True


def _instance(wanted: Wanted) -> bool:
    """An instance that exists already; one that was terminated meanwhile stays so."""
    if wanted["id"] in emulator.instances:
        return False
    image = wanted.get("image", "ami-00000000000000000")
    _image({"id": image})
    properties = {
        "SubnetId": wanted["subnet"],
        "ImageId": image,
        "InstanceType": wanted.get("type", "m5.xlarge"),
        "Tags": [{"Key": "Name", "Value": "adopted"}],
    }
    instances.launch(properties, instance_id=wanted["id"], stack="given")
    return True


def _address(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.addresses:
        return False
    addresses.allocate(wanted["id"])["Given"] = True
    return True


def _policy(wanted: Wanted) -> bool:
    if wanted["id"] in emulator.policies:
        return False
    identity.make_policy(wanted["id"])
    return True


_KINDS: dict[str, Callable[[Wanted], bool]] = {
    "vpc": _vpc,
    "subnet": _subnet,
    "image": _image,
    "key-pair": _key_pair,
    "hosted-zone": _hosted_zone,
    "certificate": _certificate,
    "prefix-list": _prefix_list,
    "instance": _instance,
    "address": _address,
    "policy": _policy,
}
