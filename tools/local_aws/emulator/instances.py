"""Instances as our stacks describe them: where they are, what they may do, what they hold.

MiniStack's own lose metadata options and disks, get a public address wherever they are, and
accept any image, subnet and group.
"""

import uuid
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tools.local_aws.emulator import addresses, emulator, network, security_groups, types
from tools.local_aws.emulator.emulator import private
from tools.local_aws.emulator.faults import FaultError
from tools.local_aws.emulator.types import Made, Properties

_RESERVED = 4
"""The first addresses of a subnet, which AWS keeps (AWS, Subnet CIDR blocks)."""
_NEVER_IN_PLACE = ("BlockDeviceMappings",)
"""A change of disks replaces an instance (AWS, AWS::EC2::Instance, BlockDeviceMappings)."""


def running(instance_id: str) -> emulator.Record:
    """An instance that exists."""
    found: emulator.Record | None = emulator.instances.get(instance_id)
    if found is None or found["State"]["Name"] == "terminated":
        message = f"The instance ID '{instance_id}' does not exist"
        raise FaultError("InvalidInstanceID.NotFound", message)
    return found


def launch(
    properties: Properties, *, instance_id: str | None = None, stack: str = "local"
) -> emulator.Record:
    """Start an instance from the properties of its CloudFormation type."""
    properties = _flat(properties)
    inside = network.subnet(properties.get("SubnetId", ""))
    image = _image(properties.get("ImageId", ""))
    groups = [security_groups.group(id_) for id_ in properties.get("SecurityGroupIds") or []]
    groups = groups or [_default_group(inside["VpcId"])]
    _fits(properties, inside, groups)
    profile = _profile(properties.get("IamInstanceProfile"))
    private_ip = _private_ip(properties.get("PrivateIpAddress"), inside)
    id_ = instance_id or f"i-{uuid.uuid4().hex[:17]}"
    region = emulator.region()
    record = {
        "InstanceId": id_,
        "ImageId": properties["ImageId"],
        "InstanceType": properties.get("InstanceType", "m1.small"),
        "KeyName": properties.get("KeyName", ""),
        "State": {"Code": 16, "Name": "running"},
        "SubnetId": inside["SubnetId"],
        "VpcId": inside["VpcId"],
        "PrivateIpAddress": private_ip,
        "PublicIpAddress": "",
        "PrivateDnsName": f"ip-{private_ip.replace('.', '-')}.{region}.compute.internal",
        "PublicDnsName": "",
        "SourceDestCheck": types.truth(properties.get("SourceDestCheck", True)),
        "SecurityGroups": [_named(one) for one in groups],
        "Architecture": image["Architecture"],
        "RootDeviceType": "ebs",
        "RootDeviceName": image["RootDeviceName"],
        "Hypervisor": "xen",
        "Virtualization": "hvm",
        "Placement": {
            "AvailabilityZone": inside["AvailabilityZone"],
            "Tenancy": properties.get("Tenancy", "default"),
        },
        "Monitoring": {"State": "disabled"},
        "AmiLaunchIndex": 0,
        "UserData": properties.get("UserData", ""),
        "LaunchTime": private(emulator.ec2, "_now_ts")(),
        "IamInstanceProfile": profile,
        "MetadataOptions": _metadata(properties),
        "DisableApiTermination": types.truth(properties.get("DisableApiTermination", False)),
        "Stack": stack,
    }
    tags = types.tags(properties)
    record["BlockDeviceMappings"] = _disks(record, properties, image, tags)
    emulator.instances[id_] = record
    emulator.ec2_tags[id_] = tags
    if inside["MapPublicIpOnLaunch"] or types.truth(properties.get("AssociatePublicIpAddress")):
        record["PublicIpAddress"] = private(emulator.ec2, "_random_ip")("54.")
    return record


def _flat(properties: Properties) -> Properties:
    """Properties with those of the first network interface among them."""
    interfaces = properties.get("NetworkInterfaces") or []
    if not interfaces:
        return properties
    first = interfaces[0]
    moved = {
        "SubnetId": first.get("SubnetId"),
        "SecurityGroupIds": first.get("GroupSet"),
        "PrivateIpAddress": first.get("PrivateIpAddress"),
        "AssociatePublicIpAddress": first.get("AssociatePublicIpAddress"),
    }
    return {**properties, **{key: value for key, value in moved.items() if value is not None}}


def _image(image_id: str) -> emulator.Record:
    found: emulator.Record | None = emulator.images.get(image_id)
    if found is None:
        raise FaultError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return found


def _default_group(vpc_id: str) -> emulator.Record:
    return next(
        one
        for one in emulator.security_groups.values()
        if one["VpcId"] == vpc_id and one["GroupName"] == "default"
    )


def _named(group: emulator.Record) -> dict[str, str]:
    return {"GroupId": group["GroupId"], "GroupName": group["GroupName"]}


def _fits(properties: Properties, inside: emulator.Record, groups: list[emulator.Record]) -> None:
    """Zone, groups and key are of the subnet's zone, of its VPC, and there."""
    zone = properties.get("AvailabilityZone")
    if zone and zone != inside["AvailabilityZone"]:
        message = (
            f"Value ({zone}) for parameter availabilityZone is invalid. "
            f"The subnet '{inside['SubnetId']}' is in {inside['AvailabilityZone']}"
        )
        raise FaultError("InvalidParameterValue", message)
    for group in groups:
        if group["VpcId"] != inside["VpcId"]:
            message = (
                f"Security group {group['GroupId']} and subnet {inside['SubnetId']} belong to "
                "different networks."
            )
            raise FaultError("InvalidParameter", message)
    key = properties.get("KeyName")
    if key and key not in emulator.key_pairs:
        raise FaultError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")


def _profile(name: str | None) -> dict[str, str] | None:
    if name is None:
        return None
    profile = emulator.instance_profiles.get(name)
    if profile is None:
        message = (
            f"Value ({name}) for parameter iamInstanceProfile.name is invalid. "
            "Invalid IAM Instance Profile name"
        )
        raise FaultError("InvalidParameterValue", message)
    return {"Arn": profile["Arn"], "Id": profile["InstanceProfileId"]}


def taken_addresses(subnet_id: str) -> set[str]:
    """The private addresses of a subnet that somebody has."""
    instances = {
        one["PrivateIpAddress"]
        for one in emulator.instances.values()
        if one["SubnetId"] == subnet_id and one["State"]["Name"] != "terminated"
    }
    balancers = {
        mapping["PrivateIPv4Address"]
        for one in emulator.load_balancers.values()
        for mapping in one.get("SubnetMappings", [])
        if mapping["SubnetId"] == subnet_id and mapping.get("PrivateIPv4Address")
    }
    return instances | balancers


def _private_ip(wanted: str | None, inside: emulator.Record) -> str:
    block = IPv4Network(inside["CidrBlock"])
    taken = taken_addresses(inside["SubnetId"])
    if wanted is None:
        first = int(block.network_address) + _RESERVED
        return next(
            str(IPv4Address(number))
            for number in range(first, int(block.broadcast_address))
            if str(IPv4Address(number)) not in taken
        )
    if IPv4Address(wanted) not in block:
        message = f"Address {wanted} does not fall within the subnet's address range"
        raise FaultError("InvalidParameterValue", message)
    if wanted in taken:
        raise FaultError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
    return wanted


def _metadata(properties: Properties) -> dict[str, Any]:
    options = properties.get("MetadataOptions") or {}
    return {
        "HttpTokens": options.get("HttpTokens", "optional"),
        "HttpEndpoint": options.get("HttpEndpoint", "enabled"),
        "HttpPutResponseHopLimit": options.get("HttpPutResponseHopLimit", 1),
    }


def _disks(
    instance: emulator.Record,
    properties: Properties,
    image: emulator.Record,
    tags: list[dict[str, str]],
) -> list[dict[str, Any]]:
    """The instance's volumes: what the template says, and the image's root disk."""
    wanted = {
        one["DeviceName"]: one.get("Ebs") or {}
        for one in properties.get("BlockDeviceMappings") or []
    }
    wanted.setdefault(image["RootDeviceName"], {})
    mappings = []
    for device, disk in sorted(wanted.items()):
        id_ = f"vol-{uuid.uuid4().hex[:17]}"
        attached = {
            "VolumeId": id_,
            "InstanceId": instance["InstanceId"],
            "Device": device,
            "State": "attached",
            "AttachTime": instance["LaunchTime"],
            "DeleteOnTermination": types.truth(disk.get("DeleteOnTermination", True)),
        }
        emulator.volumes[id_] = {
            "VolumeId": id_,
            "Size": int(disk.get("VolumeSize", 8)),
            "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
            "State": "in-use",
            "VolumeType": disk.get("VolumeType", "gp2"),
            "SnapshotId": "",
            "Iops": int(disk.get("Iops", 3000)),
            "Throughput": 125,
            "Encrypted": types.truth(disk.get("Encrypted", False)),
            "KmsKeyId": disk.get("KmsKeyId", ""),
            "CreateTime": instance["LaunchTime"],
            "Attachments": [attached],
            "MultiAttachEnabled": False,
        }
        if types.truth(properties.get("PropagateTagsToVolumeOnCreation", False)):
            emulator.ec2_tags[id_] = list(tags)
        ebs = {
            "VolumeId": id_,
            "Status": "attached",
            "AttachTime": instance["LaunchTime"],
            "DeleteOnTermination": attached["DeleteOnTermination"],
        }
        mappings.append({"DeviceName": device, "Ebs": ebs})
    return mappings


def _attributes(instance: emulator.Record) -> dict[str, Any]:
    return {
        "InstanceId": instance["InstanceId"],
        "PrivateIp": instance["PrivateIpAddress"],
        "PublicIp": instance["PublicIpAddress"],
        "PrivateDnsName": instance["PrivateDnsName"],
        "PublicDnsName": instance["PublicDnsName"],
        "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
        "VpcId": instance["VpcId"],
        "State.Name": instance["State"]["Name"],
    }


def _create(_logical_id: str, properties: Properties, stack: str) -> Made:
    instance = launch(properties, stack=stack)
    return instance["InstanceId"], _attributes(instance)


def _update(instance_id: str, _old: Properties, new: Properties, _stack: str) -> Made:
    """Change in place what AWS changes in place; a stop and a start are not seen here."""
    new = _flat(new)
    instance = running(instance_id)
    groups = [security_groups.group(id_) for id_ in new.get("SecurityGroupIds") or []]
    _fits(new, network.subnet(instance["SubnetId"]), groups)
    instance["InstanceType"] = new.get("InstanceType", instance["InstanceType"])
    if groups:
        instance["SecurityGroups"] = [_named(one) for one in groups]
    instance["UserData"] = new.get("UserData", "")
    instance["IamInstanceProfile"] = _profile(new.get("IamInstanceProfile"))
    instance["MetadataOptions"] = _metadata(new)
    instance["DisableApiTermination"] = types.truth(new.get("DisableApiTermination", False))
    emulator.ec2_tags[instance_id] = types.tags(new)
    return instance_id, _attributes(instance)


def terminate(instance_id: str) -> None:
    """Terminate an instance, and free what it held."""
    instance = emulator.instances.get(instance_id)
    if instance is None:
        return
    if instance.get("DisableApiTermination"):
        message = (
            f"The instance '{instance_id}' may not be terminated. Modify its "
            "'disableApiTermination' instance attribute and try again."
        )
        raise FaultError("OperationNotPermitted", message)
    _terminate({"InstanceId.1": [instance_id]})
    _free(instance)


def _free(instance: emulator.Record) -> None:
    for mapping in instance["BlockDeviceMappings"]:
        if mapping["Ebs"]["DeleteOnTermination"]:
            emulator.volumes.pop(mapping["Ebs"]["VolumeId"], None)
            emulator.ec2_tags.pop(mapping["Ebs"]["VolumeId"], None)
    for address in emulator.addresses.values():
        if address["InstanceId"] == instance["InstanceId"]:
            addresses.let_go(address)


def _delete(instance_id: str, _properties: Properties) -> None:
    terminate(instance_id)


_terminate = private(emulator.ec2, "_terminate_instances")
_instance_xml = private(emulator.ec2, "_instance_xml")
_error = private(emulator.ec2, "_error")


def _terminated_by_call(parameters: dict[str, list[str]]) -> Any:
    """TerminateInstances, with protection and with what is freed."""
    named = [one for key, (one, *_) in parameters.items() if key.startswith("InstanceId")]
    kept = [
        id_ for id_ in named if (emulator.instances.get(id_) or {}).get("DisableApiTermination")
    ]
    if kept:
        message = (
            f"The instance '{kept[0]}' may not be terminated. Modify its "
            "'disableApiTermination' instance attribute and try again."
        )
        return _error("OperationNotPermitted", message, 400)
    answer = _terminate(parameters)
    for id_ in named:
        if id_ in emulator.instances and answer[0] == 200:
            _free(emulator.instances[id_])
    return answer


def _with_options(instance: emulator.Record) -> str:
    """An instance as DescribeInstances shows it, metadata options included."""
    shown: str = _instance_xml(instance)
    if not instance.get("PublicIpAddress"):
        shown = shown.replace("<ipAddress></ipAddress>", "").replace("<dnsName></dnsName>", "")
    options = instance.get("MetadataOptions")
    if not options:
        return shown
    told = (
        "<metadataOptions><state>applied</state>"
        f"<httpTokens>{options['HttpTokens']}</httpTokens>"
        f"<httpPutResponseHopLimit>{options['HttpPutResponseHopLimit']}</httpPutResponseHopLimit>"
        f"<httpEndpoint>{options['HttpEndpoint']}</httpEndpoint></metadataOptions>"
    )
    head, end, tail = shown.rpartition("</item>")
    return f"{head}{told}{end}{tail}"


def install() -> None:
    """Declare the type, and mend the calls that show and end instances."""
    types.declare("AWS::EC2::Instance", create=_create, update=_update, delete=_delete)
    emulator.replacing["AWS::EC2::Instance"] = _NEVER_IN_PLACE
    emulator.ec2_actions["TerminateInstances"] = _terminated_by_call
    emulator.replace(emulator.ec2, "_instance_xml", _with_options)
    # Images that MiniStack invents: what is not given must not be found.
    emulator.replace(emulator.ec2, "_STUB_AMIS", [])
