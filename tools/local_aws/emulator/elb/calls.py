"""Calls that create load balancers, target groups and listeners, as the console and scripts do.

A call and a template create the same resource: the parameters of these calls have the names of the
properties of the resource types, so both run the same checks.
"""

from collections.abc import Callable
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation.resource_types import Create, Properties
from tools.local_aws.emulator.elb import listeners, load_balancers, target_groups
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

Parameters = dict[str, list[str]]

_PROTOCOL = {"Action", "Version"}
_MEMBER = "member"


def properties_of(parameters: Parameters) -> Properties:
    """Return the parameters of a query, such as `Tags.member.1.Key`, as nested values."""
    tree: dict[str, Any] = {}
    for name, (value, *_) in parameters.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    nested: Properties = _lists(tree)
    return {key: value for key, value in nested.items() if key not in _PROTOCOL}


def _lists(value: Any) -> Any:
    """Return nested values with lists instead of the numbered members of the query protocol."""
    if not isinstance(value, dict):
        return value
    if value.keys() == {_MEMBER}:
        members = value[_MEMBER]
        return [_lists(members[number]) for number in sorted(members, key=int)]
    return {key: _lists(item) for key, item in value.items()}


def _created(action: str, answer: str, create: Create, described: Callable[[str], str]) -> Any:
    """Return the handler of a call that creates a resource."""

    def handle(parameters: Parameters) -> Any:
        properties = properties_of(parameters)
        try:
            _check_name(action, properties)
            arn, _ = create("", properties, "")
        except AwsError as refused:
            return private(ministack.alb, "_error")(refused.code, refused.message, refused.status)
        body = f"<{answer}>{described(arn)}</{answer}>"
        return private(ministack.alb, "_xml")(200, action, body)

    return handle


def _check_name(action: str, properties: Properties) -> None:
    """Refuse the name of another load balancer or target group, as AWS does in a region."""
    name = properties.get("Name")
    taken, code, what = {
        "CreateLoadBalancer": (
            [item["LoadBalancerName"] for item in ministack.load_balancers.values()],
            "DuplicateLoadBalancerName",
            "load balancer",
        ),
        "CreateTargetGroup": (
            [item["TargetGroupName"] for item in ministack.target_groups.values()],
            "DuplicateTargetGroupName",
            "target group",
        ),
    }.get(action, ([], "", ""))
    if name in taken:
        raise load_balancers.fault(code, f"A {what} with the name '{name}' already exists")


def _set_security_groups(parameters: Parameters) -> Any:
    """Answer SetSecurityGroups, with the checks of a change by a template."""
    properties = properties_of(parameters)
    try:
        groups = load_balancers.replace_groups(
            properties.get("LoadBalancerArn", ""), properties.get("SecurityGroups") or []
        )
    except AwsError as refused:
        return private(ministack.alb, "_error")(refused.code, refused.message, refused.status)
    members = "".join(f"<member>{item}</member>" for item in groups)
    body = f"<SecurityGroupIds>{members}</SecurityGroupIds>"
    return private(ministack.alb, "_xml")(200, "SetSecurityGroups", body)


def _handler(kind: str) -> Create:
    create: Create = ministack.handlers[kind]["create"]
    return create


def install() -> None:
    """Replace the calls of MiniStack that create resources of Elastic Load Balancing.

    Call this function after the handlers of the resource types are declared.
    """
    tg_xml, listener_xml = (private(ministack.alb, name) for name in ("_tg_xml", "_listener_xml"))
    ministack.alb_actions["CreateLoadBalancer"] = _created(
        "CreateLoadBalancer",
        "LoadBalancers",
        _handler(load_balancers.KIND),
        lambda arn: str(private(ministack.alb, "_lb_xml")(ministack.load_balancers[arn])),
    )
    ministack.alb_actions["CreateTargetGroup"] = _created(
        "CreateTargetGroup",
        "TargetGroups",
        _handler(target_groups.KIND),
        lambda arn: str(tg_xml(ministack.target_groups[arn])),
    )
    ministack.alb_actions["CreateListener"] = _created(
        "CreateListener",
        "Listeners",
        _handler(listeners.KIND),
        lambda arn: str(listener_xml(ministack.listeners[arn])),
    )
    ministack.alb_actions["SetSecurityGroups"] = _set_security_groups
