"""Prerequisites: resources that a configuration refers to, made under exactly those ids.

Existing resources are not changed, so that a second deploy finds the networks with the resources
of the first deploy.
"""

import base64
import json
import secrets
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tools.local_aws.emulator import iam, ministack
from tools.local_aws.emulator.ec2 import addresses, instances
from tools.local_aws.emulator.elb import certificates
from tools.local_aws.emulator.errors import InvalidRequestError
from tools.local_aws.emulator.ministack import private
from tools.local_aws.emulator.route53 import hosted_zones

Settings = dict[str, Any]

_SUBNET_BITS = 4
"""Project default: number of bits by which a subnet's prefix is longer than the VPC's prefix."""
_LONGEST_PREFIX = 28
_PASSWORD_BYTES = 16


def make(settings: Settings) -> bool:
    """Make one resource; return False if the resource exists already."""
    kind = settings.get("kind", "")
    if kind not in _KINDS:
        message = (
            f"{kind!r} is not a kind of prerequisite: write one of {', '.join(sorted(_KINDS))}"
        )
        raise InvalidRequestError(message)
    return _KINDS[kind](settings)


def _vpc(settings: Settings) -> bool:
    if settings["id"] in ministack.vpcs:
        return False
    made, _ = ministack.handlers["AWS::EC2::VPC"]["create"](
        "", {"CidrBlock": settings["cidr"], "EnableDnsHostnames": True}, ""
    )
    record = ministack.vpcs.pop(made)
    record["VpcId"] = settings["id"]
    ministack.vpcs[settings["id"]] = record
    for store in (ministack.route_tables, ministack.security_groups, _network_acls()):
        for resource in store.values():
            if resource.get("VpcId") == made:
                resource["VpcId"] = settings["id"]
    gateway, _ = ministack.handlers["AWS::EC2::InternetGateway"]["create"]("", {}, "")
    ministack.internet_gateways[gateway]["Attachments"] = [
        {"VpcId": settings["id"], "State": "available"}
    ]
    return True


def _network_acls() -> Any:
    return private(ministack.ec2, "_network_acls")


def _subnet(settings: Settings) -> bool:
    if settings["id"] in ministack.subnets:
        return False
    addresses_inside = [IPv4Address(address) for address in settings.get("holds", ())]
    block = _free_block(settings["vpc"], addresses_inside)
    made, _ = ministack.handlers["AWS::EC2::Subnet"]["create"](
        "",
        {"VpcId": settings["vpc"], "CidrBlock": str(block), "AvailabilityZone": settings["zone"]},
        "",
    )
    record = ministack.subnets.pop(made)
    record["SubnetId"] = settings["id"]
    ministack.subnets[settings["id"]] = record
    if settings.get("public"):
        _make_public(record)
    return True


def _free_block(vpc_id: str, addresses_inside: list[IPv4Address]) -> IPv4Network:
    """Return a free CIDR block of the VPC that includes the given addresses."""
    whole = IPv4Network(ministack.vpcs[vpc_id]["CidrBlock"])
    taken = [
        IPv4Network(subnet["CidrBlock"])
        for subnet in ministack.subnets.values()
        if subnet["VpcId"] == vpc_id
    ]
    for size in range(min(whole.prefixlen + _SUBNET_BITS, _LONGEST_PREFIX), _LONGEST_PREFIX + 1):
        for block in whole.subnets(new_prefix=size):
            if all(address in block for address in addresses_inside) and not any(
                block.overlaps(other) for other in taken
            ):
                return block
    message = f"{vpc_id} ({whole}) has no free CIDR block for another subnet"
    raise InvalidRequestError(message)


def _make_public(subnet: ministack.Record) -> None:
    """Make a subnet public: add a route table with a route to the internet gateway."""
    vpc_id = subnet["VpcId"]
    gateway = next(
        id_
        for id_, record in ministack.internet_gateways.items()
        if any(attachment["VpcId"] == vpc_id for attachment in record["Attachments"])
    )
    create = {
        kind: ministack.handlers[f"AWS::EC2::{kind}"]["create"]
        for kind in ("RouteTable", "Route", "SubnetRouteTableAssociation")
    }
    table, _ = create["RouteTable"]("", {"VpcId": vpc_id}, "")
    default_route = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0"}
    create["Route"]("", {**default_route, "GatewayId": gateway}, "")
    association = {"RouteTableId": table, "SubnetId": subnet["SubnetId"]}
    create["SubnetRouteTableAssociation"]("", association, "")


def _image(settings: Settings) -> bool:
    if settings["id"] in ministack.images:
        return False
    ministack.images[settings["id"]] = {
        "ImageId": settings["id"],
        "Name": f"denodo-{settings['id']}",
        "ImageLocation": "",
        "Description": "An image that the configuration names",
        "Architecture": "x86_64",
        "RootDeviceType": "ebs",
        "RootDeviceName": settings.get("root_device", "/dev/xvda"),
        "BlockDeviceMappings": [],
        "VirtualizationType": "hvm",
        "CreationDate": private(ministack.ec2, "_now_ts")(),
        "OwnerId": ministack.account(),
        # Programs in the image, such as Denodo: the machines of the image's instances get them.
        "Contents": settings.get("contents") or {},
    }
    return True


def _key_pair(settings: Settings) -> bool:
    if settings["id"] in ministack.key_pairs:
        return False
    ministack.ec2_actions["CreateKeyPair"]({"KeyName": [settings["id"]]})
    return True


def _hosted_zone(settings: Settings) -> bool:
    if settings["id"] in ministack.zones:
        return False
    vpcs = [{"VPCRegion": vpc["region"], "VPCId": vpc["vpc"]} for vpc in settings.get("vpcs", ())]
    hosted_zones.make_zone(settings["name"], zone_id=settings["id"], vpcs=vpcs)
    return True


def _certificate(settings: Settings) -> bool:
    if settings["id"] in ministack.certificates:
        return False
    now = private(ministack.acm, "now_iso")()
    domain = settings.get("name", "denodo.example.com")
    ministack.certificates[settings["id"]] = {
        "CertificateArn": settings["id"],
        "DomainName": domain,
        "SubjectAlternativeNames": [domain],
        "Status": "ISSUED",
        "Type": "AMAZON_ISSUED",
        "CreatedAt": now,
        "IssuedAt": now,
        "NotBefore": now,
        "NotAfter": private(ministack.acm, "_future_iso")(365 * 24 * 3600),
        "DomainValidationOptions": [],
        "ValidationMethod": "DNS",
        "Tags": [],
        "Options": {},
        "_pem_body": "",
        "_pem_chain": "",
        "_private_key": "",
    }
    return True


def _prefix_list(settings: Settings) -> bool:
    if settings["id"] in ministack.prefix_lists:
        return False
    region = ministack.region()
    ministack.prefix_lists[settings["id"]] = {
        "PrefixListId": settings["id"],
        "PrefixListName": settings.get("name", f"com.amazonaws.{region}.route53-healthchecks"),
        "State": "create-complete",
        "AddressFamily": "IPv4",
        "MaxEntries": 25,
        "Version": 1,
        "Entries": [],
        "Tags": [],
        "OwnerId": "AWS",
        "PrefixListArn": f"arn:aws:ec2:{region}:aws:prefix-list/{settings['id']}",
    }
    return True


def _instance(settings: Settings) -> bool:
    """Make an adopted instance, unless it exists; a terminated instance stays terminated."""
    if settings["id"] in ministack.instances:
        return False
    image = settings.get("image", "ami-00000000000000000")
    _image({"id": image, "contents": settings.get("contents")})
    properties = {
        "SubnetId": settings["subnet"],
        "ImageId": image,
        "InstanceType": settings.get("type", "m5.xlarge"),
        "Tags": [{"Key": "Name", "Value": "adopted"}],
        "SecurityGroupIds": _security_groups(settings),
    }
    instances.launch(properties, instance_id=settings["id"], stack="given")
    return True


def _security_groups(settings: Settings) -> list[str]:
    """Make the security group of an adopted instance, whose rules admit clients."""
    if not settings.get("admits"):
        return []
    properties = {
        "GroupDescription": f"Clients of {settings['id']}",
        "VpcId": ministack.subnets[settings["subnet"]]["VpcId"],
        "SecurityGroupIngress": [
            {"IpProtocol": "-1", "CidrIp": network} for network in settings["admits"]
        ],
    }
    group, _ = ministack.handlers["AWS::EC2::SecurityGroup"]["create"]("given", properties, "given")
    return [group]


def _address(settings: Settings) -> bool:
    if settings["id"] in ministack.addresses:
        return False
    addresses.allocate(settings["id"])["Given"] = True
    return True


def _policy(settings: Settings) -> bool:
    if settings["id"] in ministack.policies:
        return False
    iam.make_policy(settings["id"])
    return True


def _secret(settings: Settings) -> bool:
    """Make a secret for `use`: `nodes`, `clients`, `authority`, `login` or `token`.

    The secret for `nodes` has the parts that Denodo's TLS script reads. Denodo's own key stores are
    Java's; the stand-ins for Denodo's servers use the certificate and its key in PEM form as a key
    store. The secret for `token` has entries of the file with the Security Token.
    """
    name = settings["id"].partition(":secret:")[2].rpartition("-")[0]
    version = settings.get("version")
    existing = ministack.secrets.get(name)
    if existing is not None and (not version or version in existing["Versions"]):
        return False
    if settings["use"] == "authority":
        text = certificates.authority()
    elif settings["use"] == "login":
        text = json.dumps({"username": "admin", "password": secrets.token_hex(_PASSWORD_BYTES)})
    elif settings["use"] == "token":
        text = json.dumps({"sso.enabled": "true", "sso.key": secrets.token_hex(_PASSWORD_BYTES)})
    else:
        chain, key = certificates.issued(settings["names"])
        text = f"{chain}{key}"
        if settings["use"] == "nodes":
            stores = {"keystore": text, "truststore": certificates.authority()}
            parts = {key: base64.b64encode(pem.encode()).decode() for key, pem in stores.items()}
            text = json.dumps({**parts, "certificate": chain, "credentials": ""})
    if existing is None:
        ministack.store_secret(name, secret_string=text)
        ministack.secrets[name]["ARN"] = settings["id"]
    if version:
        versions = ministack.secrets[name]["Versions"]
        versions[version] = {**next(iter(versions.values())), "SecretString": text, "Stages": []}
    return True


_KINDS: dict[str, Callable[[Settings], bool]] = {
    "vpc": _vpc,
    "subnet": _subnet,
    "image": _image,
    "key-pair": _key_pair,
    "hosted-zone": _hosted_zone,
    "certificate": _certificate,
    "secret": _secret,
    "prefix-list": _prefix_list,
    "instance": _instance,
    "address": _address,
    "policy": _policy,
}
