"""An Application Load Balancer as the target of a Network Load Balancer.

AWS, Use an Application Load Balancer as a target of a Network Load Balancer: the target group has
exactly one target, in the group's VPC, with a listener on the group's port; the group's attributes
can't be changed, and its health checks use HTTP or HTTPS.
"""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import Properties
from tools.local_aws.emulator.elb import listeners
from tools.local_aws.emulator.elb.load_balancers import fault

Target = dict[str, Any]


def leads_there(properties: Properties) -> bool:
    """Return whether the target of a target group is an Application Load Balancer."""
    return properties.get("TargetType") == "alb"


def check_settings(properties: Properties, checked_by: str) -> None:
    """Refuse settings that a target group of type `alb` can't have."""
    if properties.get("Protocol") != "TCP":
        message = "The protocol of a target group with target type 'alb' must be 'TCP'"
        raise fault("ValidationError", message)
    if properties.get("TargetGroupAttributes"):
        message = "The attributes of a target group with target type 'alb' can't be modified"
        raise fault("InvalidConfigurationRequest", message)
    if checked_by not in ("HTTP", "HTTPS"):
        message = f"Health check protocol '{checked_by}' is not supported for target type 'alb'"
        raise fault("ValidationError", message)


def check_targets(targets: list[Target], vpc_id: str) -> None:
    """Require one Application Load Balancer in the VPC, with a listener on the target's port."""
    if len(targets) > 1:
        message = "A target group with target type 'alb' can have one target"
        raise fault("TooManyTargets", message)
    for item in targets:
        balancer = ministack.load_balancers.get(item["Id"])
        if balancer is None or balancer["Type"] != "application" or balancer["VpcId"] != vpc_id:
            raise fault("InvalidTarget", f"The target '{item['Id']}' is not valid")
        if _listener(item) is None:
            message = (
                "If the target type is ALB, the target must have at least one listener that "
                "matches the target group port or any specified port overrides"
            )
            raise fault("ValidationError", message)


def _listener(target: Target) -> ministack.Record | None:
    result = ministack.listeners.values()
    return next(
        (
            item
            for item in result
            if (item["LoadBalancerArn"], item["Port"]) == (target["Id"], target["Port"])
        ),
        None,
    )


def groups(target: Target) -> list[str]:
    """Return the target groups to which an Application Load Balancer, as a target, forwards."""
    listener = _listener(target)
    return [] if listener is None else listeners.groups_of(listener)
