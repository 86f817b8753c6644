"""Site details: data of a site that an adoption needs in addition to the drill's.

The details are security groups and their rules, the networks of VPCs, attributes and tags of
listeners, addresses of instances, and the records as Route 53 has them. A few calls for each region
read the details.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.aws_calls import SiteCalls, batches
from denodo_ha.drill.live.live_site import UnreadPart

_TAGGED_AT_ONCE: Final = 20
"""Maximum number of resources in one call (AWS, Elastic Load Balancing API Reference,
DescribeTags)."""
_FILTERED_AT_ONCE: Final = 200
"""Maximum number of values in one filter (AWS, Amazon EC2 API Reference, DescribeInstances,
Filter.N)."""

_STACK_TAG: Final = "aws:cloudformation:stack-name"
"""Tag that CloudFormation sets (AWS CloudFormation User Guide, Resource tag)."""


@dataclass(frozen=True)
class SiteDetails:
    """Results of the calls of an adoption, each item as the API shows it.

    Attributes:
        balancers: load balancers by ARN.
        stacks: the CloudFormation stack that has each load balancer, by ARN.
        listener_attributes: attributes of each listener by ARN; None if they were not read.
        listener_tags: tags of each listener by ARN.
        instances: instances by id.
        security_groups: security groups by id.
        rules: rules of these security groups.
        networks: IPv4 networks of each VPC.
        health_checkers: prefix list of Route 53's health checkers in each region with a public
            load balancer.
        zone_names: name of each hosted zone by id.
        records: record sets of the site's name.
        unread: the calls that gave no answer.
    """

    balancers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stacks: Mapping[str, str] = field(default_factory=dict)
    listener_attributes: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    listener_tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    instances: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    security_groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: Sequence[Mapping[str, Any]] = ()
    networks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    health_checkers: Mapping[str, str] = field(default_factory=dict)
    zone_names: Mapping[str, str] = field(default_factory=dict)
    records: Sequence[Mapping[str, Any]] = ()
    unread: tuple[UnreadPart, ...] = ()


@dataclass(frozen=True)
class DetailIds:
    """Ids of the resources to read, by region except for Route 53.

    Attributes:
        balancers: ARNs of load balancers.
        listeners: ARNs of listeners.
        instances: ids of instances.
        record: zone id and name of the site's records; empty without records.
    """

    balancers: Mapping[str, Sequence[str]]
    listeners: Mapping[str, Sequence[str]]
    instances: Mapping[str, Sequence[str]]
    record: tuple[str, str] = ("", "")


def read_details(calls: SiteCalls, ids: DetailIds, region: str) -> SiteDetails:
    """Return the details of a site; a call that failed is named in `SiteDetails.unread`.

    Args:
        calls: the caller of AWS.
        ids: ids of the resources to read.
        region: the region in which the calls to Route 53 are made, whose answer does not depend on
            the region.
    """
    balancers = _by(
        "LoadBalancerArn",
        _read(calls, aws_calls.LOAD_BALANCERS, ids.balancers, "LoadBalancerArns"),
    )
    instances = {
        item["InstanceId"]: item
        for reservation in _read(calls, aws_calls.INSTANCES, ids.instances, "InstanceIds")
        for item in reservation["Instances"]
    }
    groups = _regional(
        (arn.split(":")[3], group)
        for arn, item in balancers.items()
        for group in item.get("SecurityGroups", ())
    )
    for of_region, instance_ids in ids.instances.items():
        groups.setdefault(of_region, []).extend(
            group["GroupId"]
            for id_ in instance_ids
            for group in instances.get(id_, {}).get("SecurityGroups", ())
        )
    vpcs = _regional((arn.split(":")[3], item["VpcId"]) for arn, item in balancers.items())
    zone_names = {
        item["Id"].rpartition("/")[2]: item["Name"].rstrip(".")
        for item in (calls.items(aws_calls.HOSTED_ZONES, region) if ids.record[0] else None) or ()
    }
    attributes, tags = _listener_details(calls, ids.listeners)
    balancer_tags = _read(calls, aws_calls.TAGS, ids.balancers, "ResourceArns")
    return SiteDetails(
        balancers,
        {
            item["ResourceArn"]: stack
            for item in balancer_tags
            if (stack := _map(item["Tags"]).get(_STACK_TAG))
        },
        attributes,
        tags,
        instances,
        _by("GroupId", _read(calls, aws_calls.SECURITY_GROUPS, groups, "GroupIds")),
        _rules(calls, groups),
        {
            item["VpcId"]: [
                association["CidrBlock"]
                for association in item.get("CidrBlockAssociationSet")
                or [{"CidrBlock": item["CidrBlock"]}]
            ]
            for item in _read(calls, aws_calls.VPCS, vpcs, "VpcIds")
        },
        _health_checkers(calls, balancers),
        zone_names,
        _records(calls, region, *ids.record),
        calls.unread,
    )


def _regional(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    by_region: dict[str, list[str]] = {}
    for region, id_ in pairs:
        by_region.setdefault(region, []).append(id_)
    return by_region


def _read(
    calls: SiteCalls,
    call: aws_calls.LiveCall,
    ids: Mapping[str, Sequence[str]],
    argument: str,
) -> list[Any]:
    """Return the items that a call returns for the given ids of all regions."""
    keyed = {
        (region, number): (region, {argument: batch})
        for region, of_region in ids.items()
        for number, batch in enumerate(batches(of_region, _TAGGED_AT_ONCE))
    }
    return [item for items in calls.each(call, keyed).values() for item in items or ()]


def _by(key: str, items: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {item[key]: item for item in items}


def _rules(calls: SiteCalls, groups: Mapping[str, Sequence[str]]) -> list[Any]:
    keyed = {
        (region, number): (region, {"Filters": [{"Name": "group-id", "Values": batch}]})
        for region, of_region in groups.items()
        for number, batch in enumerate(batches(of_region, _FILTERED_AT_ONCE))
    }
    answers = calls.each(aws_calls.SECURITY_GROUP_RULES, keyed).values()
    return [item for items in answers for item in items or ()]


def _health_checkers(
    calls: SiteCalls, balancers: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return Route 53's prefix list for each region with a public load balancer.

    The load balancer must admit the health checkers in this prefix list.
    """
    regions = {
        arn.split(":")[3]
        for arn, item in balancers.items()
        if item.get("Scheme") == "internet-facing"
    }
    keyed = {
        region: (region, {"Filters": [{"Name": "prefix-list-name", "Values": [_checkers(region)]}]})
        for region in sorted(regions)
    }
    return {
        region: str(item["PrefixListId"])
        for region, items in calls.each(aws_calls.PREFIX_LISTS, keyed).items()
        for item in items or ()
        if item["PrefixListName"] == _checkers(region)
    }


def _checkers(region: str) -> str:
    """Return the name of the health checkers' prefix list in a region.

    Source: AWS, Amazon VPC User Guide, AWS-managed prefix lists.
    """
    return f"com.amazonaws.{region}.route53-healthchecks"


def _listener_details(
    calls: SiteCalls, listeners: Mapping[str, Sequence[str]]
) -> tuple[dict[str, dict[str, str] | None], dict[str, dict[str, str]]]:
    """Return the attributes and the tags of listeners by ARN."""
    keyed = {
        arn: (region, {"ListenerArn": arn})
        for region, of_region in listeners.items()
        for arn in of_region
    }
    attributes = {
        arn: None if items is None else _map(items)
        for arn, items in calls.each(aws_calls.LISTENER_ATTRIBUTES, keyed).items()
    }
    tagged = _read(calls, aws_calls.TAGS, listeners, "ResourceArns")
    return attributes, {item["ResourceArn"]: _map(item["Tags"]) for item in tagged}


def _map(pairs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {pair["Key"]: pair.get("Value", "") for pair in pairs}


def _records(calls: SiteCalls, region: str, zone: str, name: str) -> list[Any]:
    """Return the record sets of a name with all fields: a change of a record set repeats them."""
    if not zone:
        return []
    page = calls.first_page(aws_calls.RECORDS, region, HostedZoneId=zone, StartRecordName=name)
    record_name = name.rstrip(".").lower()
    return [item for item in page or () if item["Name"].rstrip(".").lower() == record_name]
