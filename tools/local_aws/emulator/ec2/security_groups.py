"""Security groups and their rules.

An egress rule that is a separate resource removes the group's default egress rule, as on AWS
(AWS, AWS::EC2::SecurityGroup, SecurityGroupEgress). The quota of rules is enforced, because AWS
refuses a group with too many rules during the deploy.
"""

import uuid
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import network
from tools.local_aws.emulator.errors import AwsError

_QUOTA = 60
"""Maximum number of rules of a security group in each direction (AWS, Amazon VPC quotas, "Security
groups")."""
_WEIGHTS = {"route53-healthchecks": 25}
"""Number of rules that a reference to an AWS-managed prefix list counts as (AWS, AWS-managed prefix
lists, "weight")."""

_WIDEST = 100
"""Project default: `admitted_ports` ignores rules with a wider range, because servers do not listen
on each port of such a range."""
_DIRECTIONS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
_DEFAULT = {
    "IpProtocol": "-1",
    "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    "Ipv6Ranges": [],
    "PrefixListIds": [],
    "UserIdGroupPairs": [],
}


def group(group_id: str) -> ministack.Record:
    """Return a security group; raise AwsError if the security group does not exist."""
    record: ministack.Record | None = ministack.security_groups.get(group_id)
    if record is None:
        message = f"The security group '{group_id}' does not exist"
        raise AwsError("InvalidGroup.NotFound", message)
    return record


def rule(id_: str, direction: str) -> dict[str, Any]:
    """Return the attributes of a rule; raise AwsError if the rule does not exist."""
    rules = (
        item.get("SecurityGroupRuleId")
        for record in ministack.security_groups.values()
        for item in record[_DIRECTIONS[direction]]
    )
    if id_ not in rules:
        message = f"The security group rule ID '{id_}' does not exist"
        raise AwsError("InvalidSecurityGroupRuleId.NotFound", message)
    return {"Id": id_}


def _permission(properties: Properties, owner: ministack.Record) -> dict[str, Any]:
    """Return a rule in EC2's form, after checking that the rule's source or destination exists."""
    peers: dict[str, list[dict[str, str]]] = {
        "IpRanges": [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [],
    }
    details = {"Description": properties["Description"]} if properties.get("Description") else {}
    prefix_list = properties.get("SourcePrefixListId") or properties.get("DestinationPrefixListId")
    other = properties.get("SourceSecurityGroupId") or properties.get("DestinationSecurityGroupId")
    if properties.get("CidrIp"):
        peers["IpRanges"].append({"CidrIp": properties["CidrIp"], **details})
    elif properties.get("CidrIpv6"):
        peers["Ipv6Ranges"].append({"CidrIpv6": properties["CidrIpv6"], **details})
    elif prefix_list:
        if not _known_prefix_list(prefix_list):
            message = f"The prefix list ID '{prefix_list}' does not exist"
            raise AwsError("InvalidPrefixListID.NotFound", message)
        peers["PrefixListIds"].append({"PrefixListId": prefix_list, **details})
    elif other:
        if group(other)["VpcId"] != owner["VpcId"]:
            message = (
                f"You have specified two resources that belong to different networks: {other} and "
                f"{owner['GroupId']}"
            )
            raise AwsError("InvalidGroup.NotFound", message)
        peers["UserIdGroupPairs"].append(
            {"GroupId": other, "UserId": ministack.account(), **details}
        )
    else:
        message = "Invalid value 'null' for peer: a CIDR, a prefix list or a group must be given"
        raise AwsError("InvalidParameterValue", message)
    protocol = str(properties["IpProtocol"])
    ports: dict[str, Any] = {
        key: int(properties[key]) for key in ("FromPort", "ToPort") if key in properties
    }
    if protocol in ("tcp", "udp", "6", "17") and ports.keys() != {"FromPort", "ToPort"}:
        message = "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."
        raise AwsError("InvalidParameterValue", message)
    permission: dict[str, Any] = {"IpProtocol": protocol, **peers}
    permission |= ports
    return permission


def _known_prefix_list(id_: str) -> bool:
    managed = ministack.private(ministack.ec2, "_is_aws_managed_prefix_id")
    return id_ in ministack.prefix_lists or bool(managed(id_))


def rules(group_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rules of a group in the form of `ec2.admission`."""
    record = ministack.security_groups.get(group_id) or {}
    return {
        direction: [_plain(item) for item in record.get(key, [])]
        for direction, key in _DIRECTIONS.items()
    }


def admitted_ports() -> list[int]:
    """Return the TCP ports that ingress rules of any security group admit.

    Ranges wider than `_WIDEST` are ignored.
    """
    ranges = [
        range(int(item["FromPort"]), int(item["ToPort"]) + 1)
        for _, record in [*ministack.security_groups.all_items()]
        for item in record[_DIRECTIONS["ingress"]]
        if str(item["IpProtocol"]) in ("tcp", "6")
    ]
    return sorted({port for ports in ranges if len(ports) <= _WIDEST for port in ports})


def _plain(permission: dict[str, Any]) -> dict[str, Any]:
    listed = [
        entry["Cidr"]
        for item in permission.get("PrefixListIds", [])
        for entry in (ministack.prefix_lists.get(item["PrefixListId"]) or {}).get("Entries", [])
    ]
    return {
        "protocol": str(permission["IpProtocol"]),
        "from": permission.get("FromPort"),
        "to": permission.get("ToPort"),
        "cidrs": [
            *(item["CidrIp"] for item in permission.get("IpRanges", [])),
            *(item["CidrIpv6"] for item in permission.get("Ipv6Ranges", [])),
            *listed,
        ],
        "groups": [item["GroupId"] for item in permission.get("UserIdGroupPairs", [])],
    }


def _weight(permission: dict[str, Any]) -> int:
    weight = len(permission["IpRanges"]) + len(permission["Ipv6Ranges"])
    weight += len(permission["UserIdGroupPairs"])
    for item in permission["PrefixListIds"]:
        named = ministack.prefix_lists.get(item["PrefixListId"]) or {}
        name = str(named.get("PrefixListName", "")).rpartition(".")[2]
        weight += _WEIGHTS.get(name, int(named.get("MaxEntries", 1)))
    return weight


def _comparable(permission: dict[str, Any]) -> dict[str, Any]:
    """Return a rule without the keys that EC2 ignores when it compares rules."""
    unwanted = ("Description", "SecurityGroupRuleId", "UserId")
    return {
        key: [{k: v for k, v in item.items() if k not in unwanted} for item in value]
        if isinstance(value, list)
        else value
        for key, value in permission.items()
        if key not in unwanted
    }


class _Rules:
    """The resource type of ingress rules or of egress rules."""

    def __init__(self, direction: str) -> None:
        self._direction, self._key = direction, _DIRECTIONS[direction]

    def create(self, _logical_id: str, properties: Properties, _stack: str) -> Made:
        owner = group(properties.get("GroupId", ""))
        permission = _permission(properties, owner)
        rules = owner[self._key]
        if self._direction == "egress":
            rules[:] = [item for item in rules if _comparable(item) != _comparable(_DEFAULT)]
        if any(_comparable(item) == _comparable(permission) for item in rules):
            message = f"the specified rule already exists in {owner['GroupId']}"
            raise AwsError("InvalidPermission.Duplicate", message)
        if sum(_weight(item) for item in rules) + _weight(permission) > _QUOTA:
            message = "The maximum number of rules per security group has been reached."
            raise AwsError("RulesPerSecurityGroupLimitExceeded", message)
        id_ = f"sgr-{uuid.uuid4().hex[:17]}"
        rules.append({**permission, "SecurityGroupRuleId": id_})
        return id_, {"Id": id_}

    def update(self, id_: str, _old: Properties, new: Properties, _stack: str) -> Made:
        """Change the description of a rule, the only property that changes in place."""
        owner = group(new.get("GroupId", ""))
        rules = owner[self._key]
        kept = [item for item in rules if item.get("SecurityGroupRuleId") != id_]
        rules[:] = [*kept, {**_permission(new, owner), "SecurityGroupRuleId": id_}]
        return id_, {"Id": id_}

    def delete(self, id_: str, properties: Properties) -> None:
        owner = ministack.security_groups.get(properties.get("GroupId", ""))
        if owner is not None:
            rules = owner[self._key]
            rules[:] = [item for item in rules if item.get("SecurityGroupRuleId") != id_]


def _check_vpc(properties: Properties) -> None:
    if properties.get("VpcId"):
        network.vpc(properties["VpcId"])


def _check_unused(group_id: str, _properties: Properties) -> None:
    """Refuse to delete a security group that a resource or a rule of another group uses."""
    instances = any(
        group_id == item["GroupId"]
        for instance in ministack.instances.values()
        if instance["State"]["Name"] != "terminated"
        for item in instance["SecurityGroups"]
    )
    balancers = any(
        group_id in item.get("SecurityGroups", []) for item in ministack.load_balancers.values()
    )
    rules = any(
        pair.get("GroupId") == group_id
        for other in ministack.security_groups.values()
        if other["GroupId"] != group_id
        for key in _DIRECTIONS.values()
        for permission in other[key]
        for pair in permission["UserIdGroupPairs"]
    )
    endpoints = any(
        group_id in item["SecurityGroupIds"] for item in ministack.vpc_endpoints.values()
    )
    if instances or balancers or rules or endpoints:
        raise AwsError("DependencyViolation", f"resource {group_id} has a dependent object")


def install() -> None:
    """Declare the resource types of rules, and add checks to the groups that MiniStack makes."""
    for direction in _DIRECTIONS:
        rules = _Rules(direction)
        kind = f"AWS::EC2::SecurityGroup{direction.capitalize()}"
        resource_types.declare(kind, create=rules.create, update=rules.update, delete=rules.delete)
    resource_types.check("AWS::EC2::SecurityGroup", _check_vpc)
    resource_types.before_delete("AWS::EC2::SecurityGroup", _check_unused)
