"""RunInstances: instances that a person or a script starts, without a stack.

MiniStack's own call would start a container for an image that exists.
"""

import uuid
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import Properties
from tools.local_aws.emulator.ec2 import instances
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

Parameters = dict[str, list[str]]

_NAMED = ("ImageId", "InstanceType", "SubnetId", "KeyName", "PrivateIpAddress", "UserData")


def _properties(parameters: Parameters) -> Properties:
    """Return the parameters of a call as properties of the type AWS::EC2::Instance."""
    named = {key: parameters[key][0] for key in _NAMED if key in parameters}
    groups = [value for key, (value, *_) in parameters.items() if key.startswith("SecurityGroupId")]
    return {**named, "SecurityGroupIds": groups, "Tags": _tags(parameters)}


def _tags(parameters: Parameters) -> list[dict[str, str]]:
    """Return the tags that a call gives to instances, without those for volumes."""
    keys = [
        key.removesuffix(".Key")
        for key in parameters
        if key.startswith("TagSpecification.") and key.endswith(".Key")
    ]
    return [
        {"Key": parameters[f"{key}.Key"][0], "Value": parameters.get(f"{key}.Value", [""])[0]}
        for key in keys
        if parameters.get(f"{key.partition('.Tag.')[0]}.ResourceType") == ["instance"]
    ]


def _run(parameters: Parameters) -> Any:
    count = int(parameters.get("MaxCount", ["1"])[0])
    try:
        made = [instances.launch(_properties(parameters)) for _ in range(count)]
    except AwsError as refused:
        return private(ministack.ec2, "_error")(refused.code, refused.message, refused.status)
    items = "".join(private(ministack.ec2, "_instance_xml")(item) for item in made)
    body = (
        f"<instancesSet>{items}</instancesSet>"
        f"<reservationId>r-{uuid.uuid4().hex[:17]}</reservationId>"
        f"<ownerId>{ministack.account()}</ownerId><groupSet/>"
    )
    return private(ministack.ec2, "_xml")(200, "RunInstancesResponse", body)


def install() -> None:
    """Replace MiniStack's call RunInstances."""
    ministack.ec2_actions["RunInstances"] = _run
