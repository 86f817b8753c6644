"""Reader of instances, their subnets and addresses, and Auto Scaling groups, in a few calls."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import LiveCall, SiteCalls, batches
from denodo_ha.drill.live.found_resource import FoundResource, Link, chosen, written_tags
from denodo_ha.drill.reading.resource_reader import (
    AUTO_SCALING_GROUP,
    ELASTIC_IP,
    INSTANCE,
    SUBNET,
)

_FILTERED_AT_ONCE: Final = 200
"""Maximum number of values in one filter (AWS, Amazon EC2 API Reference, DescribeInstances,
Filter.N)."""
_GROUPS_AT_ONCE: Final = 50
"""Project default: maximum number of names of Auto Scaling groups in one call."""
_GONE: Final = frozenset({"terminated", "shutting-down"})
"""States of instances that never come back (AWS, Amazon EC2 User Guide, Instance lifecycle)."""
GROUP_TAG: Final = "aws:autoscaling:groupName"


def read_instances(
    calls: SiteCalls, ids: Mapping[str, Iterable[str]], addresses: Mapping[str, Iterable[str]]
) -> dict[str, dict[str, Any]]:
    """Return instances as the API shows them, by id, each with its `Region`.

    Args:
        calls: the caller of AWS.
        ids: ids by region.
        addresses: public and private addresses by region.
    """
    values = [
        *(("instance-id", region, of_region) for region, of_region in ids.items()),
        *(("ip-address", region, of_region) for region, of_region in addresses.items()),
        *(("private-ip-address", region, of_region) for region, of_region in addresses.items()),
    ]
    return {
        instance["InstanceId"]: {**instance, "Region": region}
        for name, region, of_region in values
        for batch in batches(of_region, _FILTERED_AT_ONCE)
        for reservation in _filtered(calls, aws_calls.INSTANCES, region, name, batch)
        for instance in reservation["Instances"]
        if instance["State"]["Name"] not in _GONE
    }


def _filtered(
    calls: SiteCalls, call: LiveCall, region: str, name: str, values: list[str]
) -> list[Any]:
    return calls.items(call, region, Filters=[{"Name": name, "Values": values}]) or []


def instance_resources(instances: Iterable[Mapping[str, Any]]) -> list[FoundResource]:
    """Return instances, given as the API shows them, as found resources."""
    resources = []
    for item in instances:
        id_, tags = item["InstanceId"], item.get("Tags", [])
        placement = item.get("Placement", {})
        properties = {
            **chosen(item, "InstanceType", "ImageId", "SubnetId", "KeyName"),
            **chosen(placement, "AvailabilityZone"),
            "SecurityGroupIds": [group["GroupId"] for group in item.get("SecurityGroups", ())],
            "Tags": written_tags(tags),
        }
        aliases = {id_: ""}
        for name, attribute in (
            ("PrivateIpAddress", "PrivateIp"),
            ("PublicIpAddress", "PublicIp"),
            ("PrivateDnsName", "PrivateDnsName"),
            ("PublicDnsName", "PublicDnsName"),
        ):
            if item.get(name):
                aliases[item[name]] = attribute
        resources.append(
            FoundResource(INSTANCE, item["Region"], id_, id_, properties, aliases=aliases)
        )
    return resources


def list_addresses(calls: SiteCalls, regions: Iterable[str]) -> list[FoundResource]:
    """Return every Elastic IP address of the regions that an instance has."""
    answers = calls.each(aws_calls.ADDRESSES, {region: (region, {}) for region in regions})
    return [
        FoundResource(
            ELASTIC_IP,
            region,
            item["PublicIp"],
            item.get("AllocationId", item["PublicIp"]),
            {"InstanceId": Link(item["InstanceId"]), "Tags": written_tags(item.get("Tags", []))},
            aliases={item["PublicIp"]: "", item.get("AllocationId", ""): "AllocationId"},
        )
        for region, found in answers.items()
        for item in found or ()
        if item.get("InstanceId")
    ]


def read_auto_scaling_groups(
    calls: SiteCalls, names: Mapping[str, Iterable[str]]
) -> tuple[list[FoundResource], dict[str, str]]:
    """Return Auto Scaling groups, and the name of the group of each of their instances.

    Args:
        calls: the caller of AWS.
        names: names by region.
    """
    resources: list[FoundResource] = []
    members: dict[str, str] = {}
    for region, of_region in names.items():
        for batch in batches(of_region, _GROUPS_AT_ONCE):
            found = calls.items(aws_calls.AUTO_SCALING_GROUPS, region, AutoScalingGroupNames=batch)
            for item in found or ():
                name = item["AutoScalingGroupName"]
                members |= {one["InstanceId"]: name for one in item.get("Instances", ())}
                resources.append(_auto_scaling_group(region, item))
    return resources, members


def _auto_scaling_group(region: str, item: Mapping[str, Any]) -> FoundResource:
    name = item["AutoScalingGroupName"]
    subnets = [part for part in item.get("VPCZoneIdentifier", "").split(",") if part]
    properties = {
        **chosen(item, "DesiredCapacity"),
        "MinSize": str(item["MinSize"]),
        "MaxSize": str(item["MaxSize"]),
        "VPCZoneIdentifier": subnets,
        "TargetGroupARNs": [Link(arn) for arn in item.get("TargetGroupARNs", ())],
    }
    return FoundResource(AUTO_SCALING_GROUP, region, name, name, properties, aliases={name: ""})


def read_subnets(calls: SiteCalls, ids: Mapping[str, Iterable[str]]) -> list[FoundResource]:
    """Return the subnets with the given ids by region."""
    return [
        FoundResource(
            SUBNET,
            region,
            item["SubnetId"],
            item["SubnetId"],
            {
                **chosen(item, "AvailabilityZone", "CidrBlock", "VpcId"),
                "Tags": written_tags(item.get("Tags", [])),
            },
            aliases={item["SubnetId"]: ""},
        )
        for region, of_region in ids.items()
        for batch in batches(of_region, _FILTERED_AT_ONCE)
        for item in _filtered(calls, aws_calls.SUBNETS, region, "subnet-id", batch)
    ]
