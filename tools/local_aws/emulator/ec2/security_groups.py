"""Security groups and their rules.

A rule that is a resource of its own takes the group's default egress away, as on AWS: it is
there only as long as nobody has said what may leave (AWS, AWS::EC2::SecurityGroup,
SecurityGroupEgress). The quota counts, since a group that is too full fails at deploy.
"""

import uuid
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import network
from tools.local_aws.emulator.errors import AwsError

_QUOTA = 60
"""Rules of a group in each direction (AWS, Amazon VPC quotas, "Security groups")."""
_WEIGHTS = {"route53-healthchecks": 25}
"""What an AWS-managed prefix list counts (AWS, AWS-managed prefix lists, "weight")."""

_DIRECTIONS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
_DEFAULT = {
    "IpProtocol": "-1",
    "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
    "Ipv6Ranges": [],
    "PrefixListIds": [],
    "UserIdGroupPairs": [],
}


def group(group_id: str) -> ministack.Record:
    """A security group that exists."""
    found: ministack.Record | None = ministack.security_groups.get(group_id)
    if found is None:
        message = f"The security group '{group_id}' does not exist"
        raise AwsError("InvalidGroup.NotFound", message)
    return found


def _permission(properties: Properties, owner: ministack.Record) -> dict[str, Any]:
    """A rule's properties as the service keeps them, its peer made sure of."""
    peers: dict[str, list[dict[str, str]]] = {
        "IpRanges": [],
        "Ipv6Ranges": [],
        "PrefixListIds": [],
        "UserIdGroupPairs": [],
    }
    told = {"Description": properties["Description"]} if properties.get("Description") else {}
    prefix_list = properties.get("SourcePrefixListId") or properties.get("DestinationPrefixListId")
    other = properties.get("SourceSecurityGroupId") or properties.get("DestinationSecurityGroupId")
    if properties.get("CidrIp"):
        peers["IpRanges"].append({"CidrIp": properties["CidrIp"], **told})
    elif properties.get("CidrIpv6"):
        peers["Ipv6Ranges"].append({"CidrIpv6": properties["CidrIpv6"], **told})
    elif prefix_list:
        if not _known_prefix_list(prefix_list):
            message = f"The prefix list ID '{prefix_list}' does not exist"
            raise AwsError("InvalidPrefixListID.NotFound", message)
        peers["PrefixListIds"].append({"PrefixListId": prefix_list, **told})
    elif other:
        if group(other)["VpcId"] != owner["VpcId"]:
            message = (
                f"You have specified two resources that belong to different networks: {other} and "
                f"{owner['GroupId']}"
            )
            raise AwsError("InvalidGroup.NotFound", message)
        peers["UserIdGroupPairs"].append({"GroupId": other, "UserId": ministack.account(), **told})
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


def _weight(permission: dict[str, Any]) -> int:
    weight = len(permission["IpRanges"]) + len(permission["Ipv6Ranges"])
    weight += len(permission["UserIdGroupPairs"])
    for one in permission["PrefixListIds"]:
        named = ministack.prefix_lists.get(one["PrefixListId"]) or {}
        name = str(named.get("PrefixListName", "")).rpartition(".")[2]
        weight += _WEIGHTS.get(name, int(named.get("MaxEntries", 1)))
    return weight


def _plain(permission: dict[str, Any]) -> dict[str, Any]:
    """A rule without what does not tell it from another."""
    unwanted = ("Description", "SecurityGroupRuleId", "UserId")
    return {
        key: [{k: v for k, v in one.items() if k not in unwanted} for one in value]
        if isinstance(value, list)
        else value
        for key, value in permission.items()
        if key not in unwanted
    }


class _Rules:
    """The type of the rules of one direction."""

    def __init__(self, direction: str) -> None:
        self._direction, self._key = direction, _DIRECTIONS[direction]

    def create(self, _logical_id: str, properties: Properties, _stack: str) -> Made:
        owner = group(properties.get("GroupId", ""))
        permission = _permission(properties, owner)
        rules = owner[self._key]
        if self._direction == "egress":
            rules[:] = [one for one in rules if _plain(one) != _plain(_DEFAULT)]
        if any(_plain(one) == _plain(permission) for one in rules):
            message = f"the specified rule already exists in {owner['GroupId']}"
            raise AwsError("InvalidPermission.Duplicate", message)
        if sum(_weight(one) for one in rules) + _weight(permission) > _QUOTA:
            message = "The maximum number of rules per security group has been reached."
            raise AwsError("RulesPerSecurityGroupLimitExceeded", message)
        id_ = f"sgr-{uuid.uuid4().hex[:17]}"
        rules.append({**permission, "SecurityGroupRuleId": id_})
        return id_, {"Id": id_}

    def update(self, id_: str, _old: Properties, new: Properties, _stack: str) -> Made:
        """Change the description, which is all that can be changed in place."""
        owner = group(new.get("GroupId", ""))
        rules = owner[self._key]
        kept = [one for one in rules if one.get("SecurityGroupRuleId") != id_]
        rules[:] = [*kept, {**_permission(new, owner), "SecurityGroupRuleId": id_}]
        return id_, {"Id": id_}

    def delete(self, id_: str, properties: Properties) -> None:
        owner = ministack.security_groups.get(properties.get("GroupId", ""))
        if owner is not None:
            rules = owner[self._key]
            rules[:] = [one for one in rules if one.get("SecurityGroupRuleId") != id_]


def _in_a_vpc(properties: Properties) -> None:
    if properties.get("VpcId"):
        network.vpc(properties["VpcId"])


def _unused(group_id: str, _properties: Properties) -> None:
    """A group that something has, or that a rule of another group names, stays."""
    instances = any(
        group_id == one["GroupId"]
        for instance in ministack.instances.values()
        if instance["State"]["Name"] != "terminated"
        for one in instance["SecurityGroups"]
    )
    balancers = any(
        group_id in one.get("SecurityGroups", []) for one in ministack.load_balancers.values()
    )
    rules = any(
        pair.get("GroupId") == group_id
        for other in ministack.security_groups.values()
        if other["GroupId"] != group_id
        for key in _DIRECTIONS.values()
        for permission in other[key]
        for pair in permission["UserIdGroupPairs"]
    )
    if instances or balancers or rules:
        raise AwsError("DependencyViolation", f"resource {group_id} has a dependent object")


def install() -> None:
    """Declare the rules, and check the groups that MiniStack makes."""
    for direction in _DIRECTIONS:
        rules = _Rules(direction)
        kind = f"AWS::EC2::SecurityGroup{direction.capitalize()}"
        resource_types.declare(kind, create=rules.create, update=rules.update, delete=rules.delete)
    resource_types.check("AWS::EC2::SecurityGroup", _in_a_vpc)
    resource_types.before_delete("AWS::EC2::SecurityGroup", _unused)
