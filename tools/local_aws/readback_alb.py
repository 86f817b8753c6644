"""The Application Load Balancer behind a listener, as the API shows it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Behind:
    """A balancer that is a target of another, with its listener on the same port.

    Attributes:
        arn: its ARN.
        protocol: what its listener speaks.
        certificates: what its listener proves itself with.
        group: ARN of the group behind that.
        front: the other balancer's group, of which it is the target.
        raw: what else is shown of it.
        attributes: its attributes.
    """

    arn: str
    protocol: str
    certificates: tuple[str, ...]
    group: str
    front: dict[str, Any] = field(repr=False, compare=False)
    raw: dict[str, Any] = field(repr=False, compare=False)
    attributes: dict[str, str] = field(compare=False)


def behind(client: Any, arn: str) -> Behind | None:
    """What the target of a group is, None if that is no balancer."""
    (front,) = client.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    if front["TargetType"] != "alb":
        return None
    health = client.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    (target,) = (one["Target"] for one in health)
    (raw,) = client.describe_load_balancers(LoadBalancerArns=[target["Id"]])["LoadBalancers"]
    listeners = client.describe_listeners(LoadBalancerArn=target["Id"])["Listeners"]
    (listener,) = (one for one in listeners if one["Port"] == target["Port"])
    (action,) = listener["DefaultActions"]
    shown = client.describe_load_balancer_attributes(LoadBalancerArn=target["Id"])["Attributes"]
    return Behind(
        target["Id"],
        listener["Protocol"],
        tuple(of["CertificateArn"] for of in listener.get("Certificates", [])),
        action["TargetGroupArn"],
        {**front, "State": health[0]["TargetHealth"]["State"]},
        raw,
        {one["Key"]: one["Value"] for one in shown},
    )
