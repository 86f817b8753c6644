"""Auto Scaling groups that start instances and register them with their target groups.

MiniStack's own groups start no instances. The groups of this module start instances from their
launch template. A new launch template replaces the instances one after the other: each new instance
starts before the old instance is terminated. A group replaces a terminated instance only while the
machines of instances run (`replace_lost`).
"""

from itertools import cycle
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import instances, network
from tools.local_aws.emulator.elb import target_groups, target_health
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

KIND = "AWS::AutoScaling::AutoScalingGroup"

_groups = private(ministack.autoscaling, "_asgs")
_templates = private(ministack.ec2, "_launch_templates")


def _fault(message: str) -> AwsError:
    return AwsError("ValidationError", message, service="AutoScaling")


def launch_data(properties: Properties) -> dict[str, Any]:
    """Return the data of the launch template in the version that a group's properties name."""
    named = properties["LaunchTemplate"]
    result = _templates.get(named.get("LaunchTemplateId", ""))
    if result is None:
        raise _fault("You must use a valid fully-formed launch template.")
    for item in result["Versions"]:
        if str(item["VersionNumber"]) == str(named["Version"]):
            data: dict[str, Any] = item["LaunchTemplateData"]
            return data
    message = f"The launch template has no version {named['Version']}"
    raise _fault(message)


_MADE_WITH = "MadeWith"
"""Key, in a group's record, of the properties and the stack with which the group was made."""
_NAME_TAG = "aws:autoscaling:groupName"
"""AWS's own tag on every instance of a group (AWS, Tag Auto Scaling groups and instances)."""


def _launched(properties: Properties, name: str, subnet: str, stack: str) -> dict[str, Any]:
    """Start an instance, and return the instance as DescribeAutoScalingGroups shows instances."""
    data = dict(launch_data(properties))
    profile = data.get("IamInstanceProfile") or {}
    name_of_profile = profile.get("Name") or profile.get("Arn", "").rpartition("/")[2]
    data["IamInstanceProfile"] = name_of_profile or None
    data["SubnetId"] = subnet
    data["Tags"] = [
        {"Key": item["Key"], "Value": item["Value"]}
        for item in properties.get("Tags") or []
        if resource_types.truth(item.get("PropagateAtLaunch"))
    ]
    data["Tags"].append({"Key": _NAME_TAG, "Value": name})
    record = instances.launch(data, stack=stack)
    for arn in properties.get("TargetGroupARNs") or []:
        target_health.register(arn, [_target(arn, record["InstanceId"])])
    named = properties["LaunchTemplate"]
    return {
        "InstanceId": record["InstanceId"],
        "LifecycleState": "InService",
        "HealthStatus": "Healthy",
        "AvailabilityZone": record["Placement"]["AvailabilityZone"],
        "ProtectedFromScaleIn": False,
        "LaunchTemplate": {
            "LaunchTemplateId": named["LaunchTemplateId"],
            "LaunchTemplateName": _templates[named["LaunchTemplateId"]]["LaunchTemplateName"],
            "Version": str(named["Version"]),
        },
        "LaunchConfigurationName": "",
    }


def _target(arn: str, instance_id: str) -> dict[str, Any]:
    return {"Id": instance_id, "Port": target_groups.group(arn)["Port"]}


def _subnets(properties: Properties) -> list[str]:
    subnets = resource_types.as_list(properties.get("VPCZoneIdentifier"))
    for subnet in subnets:
        network.subnet(subnet)
    return [str(subnet) for subnet in subnets]


def _wanted(properties: Properties) -> int:
    least, most = int(properties["MinSize"]), int(properties["MaxSize"])
    requested = int(properties.get("DesiredCapacity") or least)
    if not least <= requested <= most:
        message = (
            f"Desired capacity:{requested} must be between the minimum and maximum size values."
        )
        raise _fault(message)
    return requested


def _fill(name: str, properties: Properties, stack: str) -> None:
    """Start the missing instances of a group, spread over the group's subnets."""
    group = _groups[name]
    places = cycle(_subnets(properties))
    for _ in group["Instances"]:
        next(places)
    while len(group["Instances"]) < _wanted(properties):
        group["Instances"].append(_launched(properties, name, next(places), stack))


def replace_lost() -> None:
    """Start an instance for each terminated instance, as a group with EC2 health checks does."""
    for (account, region, name), group in list(_groups.all_items()):
        with ministack.acting_for(account, region):
            lost = [item for item in group["Instances"] if _is_lost(item)]
            if lost and _MADE_WITH in group:
                properties, stack = group[_MADE_WITH]
                for item in lost:
                    group["Instances"].remove(item)
                _fill(name, properties, stack)


def _is_lost(instance: dict[str, Any]) -> bool:
    record = ministack.instances.get(instance["InstanceId"])
    return record is None or record["State"]["Name"] in ("terminated", "stopped")


def _drop(instance: dict[str, Any], arns: list[str]) -> None:
    """Deregister an instance from its target groups and terminate it."""
    for arn in arns:
        if arn in ministack.target_groups:
            target_health.deregister(arn, [_target(arn, instance["InstanceId"])])
    instances.terminate(instance["InstanceId"])


def _replace(name: str, properties: Properties, arns: list[str], stack: str) -> None:
    """Replace each instance of a group by a new instance in the same subnet."""
    group = _groups[name]
    for place, old in enumerate(list(group["Instances"])):
        subnet = ministack.instances[old["InstanceId"]]["SubnetId"]
        group["Instances"][place] = _launched(properties, name, subnet, stack)
        _drop(old, arns)


def _follow(group: dict[str, Any], old: Properties, new: Properties) -> None:
    """Register a group's instances with added target groups; deregister them from removed ones."""
    before, after = (set(item.get("TargetGroupARNs") or []) for item in (old, new))
    for item in group["Instances"]:
        for arn in after - before:
            target_health.register(arn, [_target(arn, item["InstanceId"])])
        for arn in before - after:
            target_health.deregister(arn, [_target(arn, item["InstanceId"])])


def install() -> None:
    """Wrap MiniStack's handlers, so that Auto Scaling groups start and terminate instances."""
    handler = ministack.handlers[KIND]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    instances_xml = private(ministack.autoscaling, "_instances_xml")

    def described(group: dict[str, Any]) -> str:
        arns = "".join(f"<member>{arn}</member>" for arn in group.get("TargetGroupARNs", ()))
        return f"<TargetGroupARNs>{arns}</TargetGroupARNs>{instances_xml(group)}"

    def created(logical_id: str, properties: Properties, stack: str) -> Made:
        made: Made = create(logical_id, properties, stack)
        _groups[made[0]][_MADE_WITH] = [properties, stack]
        try:
            _fill(made[0], properties, stack)
            _groups[made[0]]["TargetGroupARNs"] = properties.get("TargetGroupARNs") or []
        except Exception:  # The exception is raised again, so that the stack fails.
            # A rollback does not delete a resource whose creation failed, so delete it here.
            deleted(made[0], properties)
            raise
        return made

    def updated(
        id_: str, old: Properties, new: Properties, stack: str, logical_id: str | None = None
    ) -> Made:
        group, arns = _groups[id_], old.get("TargetGroupARNs") or []
        if resource_types.changed(old, new, "LaunchTemplate"):
            _replace(id_, {**new, "TargetGroupARNs": arns}, arns, stack)
        made: Made = update(id_, old, new, stack, logical_id)
        while len(group["Instances"]) > _wanted(new):
            _drop(group["Instances"].pop(), arns)
        _groups[id_][_MADE_WITH] = [new, stack]
        _follow(group, old, new)
        group["TargetGroupARNs"] = new.get("TargetGroupARNs") or []
        _fill(id_, new, stack)
        return made

    def deleted(id_: str, properties: Properties) -> None:
        for item in (_groups.get(id_) or {}).get("Instances", []):
            _drop(item, properties.get("TargetGroupARNs") or [])
        delete(id_, properties)

    ministack.replace(ministack.autoscaling, "_instances_xml", described)
    handler.update(create=created, update=updated, delete=deleted)
