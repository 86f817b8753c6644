"""Instances, with the properties that this project's stacks use.

MiniStack's own instances have no metadata options and disks, always get a public address, and
accept any image, subnet and security group, even if it does not exist.
"""

import threading
import uuid
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import (
    addresses,
    capacity_reservations,
    network,
    security_groups,
)
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

_RESERVED = 4
"""First addresses of a subnet, reserved by AWS (AWS, Subnet CIDR blocks)."""
CHANGED = threading.Event()
"""Event that is set after each change of an instance."""
RESTARTS: list[str] = []
"""Ids of instances that EC2 has restarted, and whose machines still run the old programs."""
_NEVER_IN_PLACE = ("BlockDeviceMappings",)
"""Properties whose change replaces an instance (AWS, AWS::EC2::Instance, BlockDeviceMappings)."""


def running(instance_id: str) -> ministack.Record:
    """Return an instance; raise AwsError if the instance does not exist or is terminated."""
    record: ministack.Record | None = ministack.instances.get(instance_id)
    if record is None or record["State"]["Name"] == "terminated":
        message = f"The instance ID '{instance_id}' does not exist"
        raise AwsError("InvalidInstanceID.NotFound", message)
    return record


def restart(instance_id: str) -> None:
    """Restart the programs of an instance."""
    RESTARTS.append(instance_id)
    CHANGED.set()


def launch(
    properties: Properties, *, instance_id: str | None = None, stack: str = "local"
) -> ministack.Record:
    """Start an instance; `properties` are properties of the type AWS::EC2::Instance."""
    properties = _with_network_interface(properties)
    inside = network.subnet(properties.get("SubnetId", ""))
    image = _image(properties.get("ImageId", ""))
    groups = [security_groups.group(id_) for id_ in properties.get("SecurityGroupIds") or []]
    groups = groups or [_default_group(inside["VpcId"])]
    _check_placement(properties, inside, groups)
    profile = _profile(properties.get("IamInstanceProfile"))
    private_ip = _private_ip(properties.get("PrivateIpAddress"), inside)
    id_ = instance_id or f"i-{uuid.uuid4().hex[:17]}"
    region = ministack.region()
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
        "SourceDestCheck": resource_types.truth(properties.get("SourceDestCheck", True)),
        "SecurityGroups": [_group_summary(item) for item in groups],
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
        "LaunchTime": private(ministack.ec2, "_now_ts")(),
        "IamInstanceProfile": profile,
        "MetadataOptions": _metadata(properties),
        "DisableApiTermination": resource_types.truth(
            properties.get("DisableApiTermination", False)
        ),
        "Stack": stack,
    }
    tags = resource_types.tags(properties)
    record["BlockDeviceMappings"] = _disks(record, properties, image, tags)
    capacity_reservations.use_place(record)
    ministack.instances[id_] = record
    ministack.ec2_tags[id_] = tags
    if inside["MapPublicIpOnLaunch"] or resource_types.truth(
        properties.get("AssociatePublicIpAddress")
    ):
        record["PublicIpAddress"] = private(ministack.ec2, "_random_ip")("54.")
    CHANGED.set()
    return record


def _with_network_interface(properties: Properties) -> Properties:
    """Return an instance's properties, with those of its first network interface merged in."""
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


def _image(image_id: str) -> ministack.Record:
    record: ministack.Record | None = ministack.images.get(image_id)
    if record is None:
        raise AwsError("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
    return record


def _default_group(vpc_id: str) -> ministack.Record:
    return next(
        item
        for item in ministack.security_groups.values()
        if item["VpcId"] == vpc_id and item["GroupName"] == "default"
    )


def _group_summary(group: ministack.Record) -> dict[str, str]:
    return {"GroupId": group["GroupId"], "GroupName": group["GroupName"]}


def _check_placement(
    properties: Properties, inside: ministack.Record, groups: list[ministack.Record]
) -> None:
    """Check zone and security groups against the subnet, and check that the key pair exists."""
    zone = properties.get("AvailabilityZone")
    if zone and zone != inside["AvailabilityZone"]:
        message = (
            f"Value ({zone}) for parameter availabilityZone is invalid. "
            f"The subnet '{inside['SubnetId']}' is in {inside['AvailabilityZone']}"
        )
        raise AwsError("InvalidParameterValue", message)
    for group in groups:
        if group["VpcId"] != inside["VpcId"]:
            message = (
                f"Security group {group['GroupId']} and subnet {inside['SubnetId']} belong to "
                "different networks."
            )
            raise AwsError("InvalidParameter", message)
    key = properties.get("KeyName")
    if key and key not in ministack.key_pairs:
        raise AwsError("InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")


def _profile(name: str | None) -> dict[str, str] | None:
    if name is None:
        return None
    profile = ministack.instance_profiles.get(name)
    if profile is None:
        message = (
            f"Value ({name}) for parameter iamInstanceProfile.name is invalid. "
            "Invalid IAM Instance Profile name"
        )
        raise AwsError("InvalidParameterValue", message)
    return {"Arn": profile["Arn"], "Id": profile["InstanceProfileId"]}


def taken_addresses(subnet_id: str) -> set[str]:
    """Return the private addresses of a subnet that are in use."""
    instances = {
        item["PrivateIpAddress"]
        for item in ministack.instances.values()
        if item["SubnetId"] == subnet_id and item["State"]["Name"] != "terminated"
    }
    balancers = {
        mapping["PrivateIPv4Address"]
        for item in ministack.load_balancers.values()
        for mapping in item.get("SubnetMappings", [])
        if mapping["SubnetId"] == subnet_id and mapping.get("PrivateIPv4Address")
    }
    return instances | balancers


def _private_ip(requested: str | None, inside: ministack.Record) -> str:
    block = IPv4Network(inside["CidrBlock"])
    taken = taken_addresses(inside["SubnetId"])
    if requested is None:
        first = int(block.network_address) + _RESERVED
        return next(
            str(IPv4Address(number))
            for number in range(first, int(block.broadcast_address))
            if str(IPv4Address(number)) not in taken
        )
    if IPv4Address(requested) not in block:
        message = f"Address {requested} does not fall within the subnet's address range"
        raise AwsError("InvalidParameterValue", message)
    if requested in taken:
        raise AwsError("InvalidIPAddress.InUse", f"Address {requested} is in use.")
    return requested


def _metadata(properties: Properties) -> dict[str, Any]:
    options = properties.get("MetadataOptions") or {}
    return {
        "HttpTokens": options.get("HttpTokens", "optional"),
        "HttpEndpoint": options.get("HttpEndpoint", "enabled"),
        "HttpPutResponseHopLimit": options.get("HttpPutResponseHopLimit", 1),
    }


def _disks(
    instance: ministack.Record,
    properties: Properties,
    image: ministack.Record,
    tags: list[dict[str, str]],
) -> list[dict[str, Any]]:
    """Create the instance's volumes: those of the template, and the image's root disk."""
    requested = {
        item["DeviceName"]: item.get("Ebs") or {}
        for item in properties.get("BlockDeviceMappings") or []
    }
    requested.setdefault(image["RootDeviceName"], {})
    mappings = []
    for device, disk in sorted(requested.items()):
        id_ = f"vol-{uuid.uuid4().hex[:17]}"
        attached = {
            "VolumeId": id_,
            "InstanceId": instance["InstanceId"],
            "Device": device,
            "State": "attached",
            "AttachTime": instance["LaunchTime"],
            "DeleteOnTermination": resource_types.truth(disk.get("DeleteOnTermination", True)),
        }
        ministack.volumes[id_] = {
            "VolumeId": id_,
            "Size": int(disk.get("VolumeSize", 8)),
            "AvailabilityZone": instance["Placement"]["AvailabilityZone"],
            "State": "in-use",
            "VolumeType": disk.get("VolumeType", "gp2"),
            "SnapshotId": "",
            "Iops": int(disk.get("Iops", 3000)),
            "Throughput": 125,
            "Encrypted": resource_types.truth(disk.get("Encrypted", False)),
            "KmsKeyId": disk.get("KmsKeyId", ""),
            "CreateTime": instance["LaunchTime"],
            "Attachments": [attached],
            "MultiAttachEnabled": False,
        }
        if resource_types.truth(properties.get("PropagateTagsToVolumeOnCreation", False)):
            ministack.ec2_tags[id_] = list(tags)
        ebs = {
            "VolumeId": id_,
            "Status": "attached",
            "AttachTime": instance["LaunchTime"],
            "DeleteOnTermination": attached["DeleteOnTermination"],
        }
        mappings.append({"DeviceName": device, "Ebs": ebs})
    return mappings


def _attributes(instance: ministack.Record) -> dict[str, Any]:
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


def _update(instance_id: str, old: Properties, new: Properties, _stack: str) -> Made:
    """Change the properties that AWS changes without replacement."""
    new = _with_network_interface(new)
    instance = running(instance_id)
    groups = [security_groups.group(id_) for id_ in new.get("SecurityGroupIds") or []]
    _check_placement(new, network.subnet(instance["SubnetId"]), groups)
    if instance["InstanceType"] != new.get("InstanceType", instance["InstanceType"]):
        # AWS stops the instance, changes the type and starts the instance again.
        instance["InstanceType"] = new["InstanceType"]
        capacity_reservations.use_place(instance)
        restart(instance_id)
    if groups:
        instance["SecurityGroups"] = [_group_summary(item) for item in groups]
    if instance["UserData"] != new.get("UserData", ""):
        # Like a changed type, changed user data stops and starts the instance; cloud-init does not
        # run the user data again.
        instance["UserData"] = new.get("UserData", "")
        restart(instance_id)
    instance["IamInstanceProfile"] = _profile(new.get("IamInstanceProfile"))
    instance["MetadataOptions"] = _metadata(new)
    instance["DisableApiTermination"] = resource_types.truth(
        new.get("DisableApiTermination", False)
    )
    resource_types.update_tags(ministack.ec2_tags, instance_id, old, new)
    return instance_id, _attributes(instance)


def terminate(instance_id: str) -> None:
    """Terminate an instance and free its addresses and volumes."""
    instance = ministack.instances.get(instance_id)
    if instance is None:
        return
    if instance.get("DisableApiTermination"):
        message = (
            f"The instance '{instance_id}' may not be terminated. Modify its "
            "'disableApiTermination' instance attribute and try again."
        )
        raise AwsError("OperationNotPermitted", message)
    _terminate({"InstanceId.1": [instance_id]})
    _free(instance)


def _free(instance: ministack.Record) -> None:
    for mapping in instance["BlockDeviceMappings"]:
        if mapping["Ebs"]["DeleteOnTermination"]:
            ministack.volumes.pop(mapping["Ebs"]["VolumeId"], None)
            ministack.ec2_tags.pop(mapping["Ebs"]["VolumeId"], None)
    for address in ministack.addresses.values():
        if address["InstanceId"] == instance["InstanceId"]:
            addresses.release(address)


def _delete(instance_id: str, _properties: Properties) -> None:
    terminate(instance_id)


_terminate = private(ministack.ec2, "_terminate_instances")
_instance_xml = private(ministack.ec2, "_instance_xml")
_error = private(ministack.ec2, "_error")


def _terminated_by_call(parameters: dict[str, list[str]]) -> Any:
    """Answer TerminateInstances; refuse to terminate instances with termination protection."""
    named = [item for key, (item, *_) in parameters.items() if key.startswith("InstanceId")]
    kept = [
        id_ for id_ in named if (ministack.instances.get(id_) or {}).get("DisableApiTermination")
    ]
    if kept:
        message = (
            f"The instance '{kept[0]}' may not be terminated. Modify its "
            "'disableApiTermination' instance attribute and try again."
        )
        return _error("OperationNotPermitted", message, 400)
    answer = _terminate(parameters)
    for id_ in named:
        if id_ in ministack.instances and answer[0] == 200:
            _free(ministack.instances[id_])
    return answer


def _with_options(instance: ministack.Record) -> str:
    """Return an instance in DescribeInstances' form, with metadata options."""
    description: str = _instance_xml(instance)
    if not instance.get("PublicIpAddress"):
        description = description.replace("<ipAddress></ipAddress>", "").replace(
            "<dnsName></dnsName>", ""
        )
    options = instance.get("MetadataOptions")
    if not options:
        return description
    place = instance.get(capacity_reservations.USED)
    details = f"<capacityReservationId>{place}</capacityReservationId>" if place else ""
    details += (
        "<metadataOptions><state>applied</state>"
        f"<httpTokens>{options['HttpTokens']}</httpTokens>"
        f"<httpPutResponseHopLimit>{options['HttpPutResponseHopLimit']}</httpPutResponseHopLimit>"
        f"<httpEndpoint>{options['HttpEndpoint']}</httpEndpoint></metadataOptions>"
    )
    head, end, tail = description.rpartition("</item>")
    return f"{head}{details}{end}{tail}"


def install() -> None:
    """Declare the resource type, and replace the calls that describe and terminate instances."""
    resource_types.declare("AWS::EC2::Instance", create=_create, update=_update, delete=_delete)
    ministack.replacing["AWS::EC2::Instance"] = _NEVER_IN_PLACE
    ministack.ec2_actions["TerminateInstances"] = _terminated_by_call
    ministack.replace(ministack.ec2, "_instance_xml", _with_options)
    # Remove MiniStack's own images: only images made as prerequisites may exist.
    ministack.replace(ministack.ec2, "_STUB_AMIS", [])
