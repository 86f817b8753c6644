"""An Application Load Balancer as the target of a Network Load Balancer.

AWS, Use an Application Load Balancer as a target of a Network Load Balancer: one for a group, of
its VPC, with a listener on the group's port; the group's attributes can't be changed, and it is
checked by HTTP or HTTPS.
"""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import Properties
from tools.local_aws.emulator.elb import listeners
from tools.local_aws.emulator.elb.load_balancers import fault

Target = dict[str, Any]


def leads_there(properties: Properties) -> bool:
    """Whether a group is for another balancer."""
    return properties.get("TargetType") == "alb"


def check_settings(properties: Properties, checked_by: str) -> None:
    """Refuse what such a group can't have."""
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
    """Refuse what can't be such a target."""
    if len(targets) > 1:
        message = "A target group with target type 'alb' can have one target"
        raise fault("TooManyTargets", message)
    for one in targets:
        balancer = ministack.load_balancers.get(one["Id"])
        if balancer is None or balancer["Type"] != "application" or balancer["VpcId"] != vpc_id:
            raise fault("InvalidTarget", f"The target '{one['Id']}' is not valid")
        if _listener(one) is None:
            message = (
                "If the target type is ALB, the target must have at least one listener that "
                "matches the target group port or any specified port overrides"
            )
            raise fault("ValidationError", message)


def _listener(target: Target) -> ministack.Record | None:
    found = ministack.listeners.values()
    return next(
        (
            one
            for one in found
            if (one["LoadBalancerArn"], one["Port"]) == (target["Id"], target["Port"])
        ),
        None,
    )


def groups(target: Target) -> list[str]:
    """The groups that a balancer which is a target sends to on its port."""
    listener = _listener(target)
    return [] if listener is None else listeners.groups_of(listener)
