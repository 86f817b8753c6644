"""Stacks with resources that AWS charges for."""

from typing import Any

from denodo_ha.aws.cloud_assembly import SynthesisedStack


def stack(
    *resources: dict[str, Any], name: str = "s", region: str = "eu-west-1"
) -> SynthesisedStack:
    """Return a stack with these resources."""
    numbered = {f"R{number}": each for number, each in enumerate(resources)}
    return SynthesisedStack(name, region, "", {"Resources": numbered})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def node(type_: object = "m7i.xlarge", **properties: Any) -> dict[str, Any]:
    gp3 = [{"Ebs": {"VolumeSize": 100, "VolumeType": "gp3"}}]
    settings = {"AvailabilityZone": "eu-west-1a", "BlockDeviceMappings": gp3}
    return resource("EC2::Instance", InstanceType=type_, **settings | properties)
