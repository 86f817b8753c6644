"""Target groups: health check settings, attributes, and the targets of the template."""

import uuid
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ec2 import network
from tools.local_aws.emulator.elb import alb_targets, target_health
from tools.local_aws.emulator.elb.load_balancers import attributes_of, fault
from tools.local_aws.emulator.errors import AwsError
from tools.local_aws.emulator.ministack import private

KIND = "AWS::ElasticLoadBalancingV2::TargetGroup"
_LAYER4 = ("TCP", "TLS", "UDP", "TCP_UDP")

_ANY = {
    "deregistration_delay.timeout_seconds": "300",
    "stickiness.enabled": "false",
    "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}
# AWS, Target group attributes (of Network Load Balancers, of Application Load Balancers).
_LAYER4_DEFAULTS = {
    **_ANY,
    "stickiness.type": "source_ip",
    "preserve_client_ip.enabled": "true",
    "proxy_protocol_v2.enabled": "false",
    "deregistration_delay.connection_termination.enabled": "false",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}
_LAYER7_DEFAULTS = {
    **_ANY,
    "stickiness.type": "lb_cookie",
    "stickiness.lb_cookie.duration_seconds": "86400",
    "stickiness.app_cookie.duration_seconds": "86400",
    "slow_start.duration_seconds": "0",
    "load_balancing.algorithm.type": "round_robin",
    "load_balancing.algorithm.anomaly_mitigation": "off",
}
_EXTRA = ("stickiness.app_cookie.cookie_name",)


def group(arn: str) -> ministack.Record:
    """Return a target group; raise AwsError if the target group does not exist."""
    record: ministack.Record | None = ministack.target_groups.get(arn)
    if record is None:
        raise fault("TargetGroupNotFound", f"Target group '{arn}' not found")
    return record


def _check_settings(properties: Properties) -> dict[str, Any]:
    """Return the health check settings, with AWS's defaults, after checking AWS's bounds."""
    layer4 = properties.get("Protocol") in _LAYER4
    connects = layer4 and not alb_targets.leads_there(properties)
    protocol = properties.get("HealthCheckProtocol") or ("TCP" if connects else "HTTP")
    if alb_targets.leads_there(properties):
        alb_targets.check_settings(properties, protocol)
    if not layer4 and protocol == "TCP":
        message = "Health check protocol 'TCP' is not supported for target groups of HTTP and HTTPS"
        raise fault("ValidationError", message)
    settings: dict[str, Any] = {
        "HealthCheckProtocol": protocol,
        "HealthCheckPort": str(properties.get("HealthCheckPort", "traffic-port")),
        "HealthCheckEnabled": resource_types.truth(properties.get("HealthCheckEnabled", True)),
        "HealthCheckPath": "" if protocol == "TCP" else properties.get("HealthCheckPath", "/"),
        "HealthCheckIntervalSeconds": int(properties.get("HealthCheckIntervalSeconds", 30)),
        "HealthCheckTimeoutSeconds": int(
            properties.get("HealthCheckTimeoutSeconds", 10 if protocol != "HTTP" else 6)
        ),
        "HealthyThresholdCount": int(properties.get("HealthyThresholdCount", 5)),
        "UnhealthyThresholdCount": int(properties.get("UnhealthyThresholdCount", 2)),
        "Matcher": {
            "HttpCode": (properties.get("Matcher") or {}).get(
                "HttpCode", "200-399" if layer4 else "200"
            )
        },
    }
    bounds = {
        "HealthCheckIntervalSeconds": (5, 300),
        "HealthCheckTimeoutSeconds": (2, 120),
        "HealthyThresholdCount": (2, 10),
        "UnhealthyThresholdCount": (2, 10),
    }
    for key, (low, high) in bounds.items():
        if not low <= settings[key] <= high:
            message = f"{key} '{settings[key]}' must be between {low} and {high}"
            raise fault("ValidationError", message)
    if settings["HealthCheckTimeoutSeconds"] >= settings["HealthCheckIntervalSeconds"]:
        message = "Health check interval must be greater than the timeout."
        raise fault("ValidationError", message)
    if protocol == "TCP" and properties.get("HealthCheckPath"):
        message = "Health check path is not supported for health check protocol 'TCP'"
        raise fault("ValidationError", message)
    return settings


def _group_attributes(properties: Properties) -> list[dict[str, str]]:
    defaults = _LAYER4_DEFAULTS if properties["Protocol"] in _LAYER4 else _LAYER7_DEFAULTS
    declared = properties.get("TargetGroupAttributes") or []
    for item in declared:
        if item["Key"] not in defaults and item["Key"] not in _EXTRA:
            message = f"Target group attribute key '{item['Key']}' is not recognized"
            raise fault("ValidationError", message)
    return attributes_of(declared, defaults)


def _wanted(properties: Properties, vpc_id: str) -> list[dict[str, Any]]:
    """Return the template's targets, after checking that they are in the target group's VPC."""
    requested = []
    for item in properties.get("Targets") or []:
        target = {"Id": item["Id"], "Port": int(item.get("Port") or properties["Port"])}
        if properties.get("TargetType", "instance") == "instance":
            _registrable(target["Id"], vpc_id)
        requested.append(target)
    if alb_targets.leads_there(properties):
        alb_targets.check_targets(requested, vpc_id)
    return requested


def _registrable(instance_id: str, vpc_id: str) -> None:
    instance = ministack.instances.get(instance_id)
    if instance is None:
        message = f"The following targets are not in the target group VPC '{vpc_id}' or do not "
        raise fault("InvalidTarget", f"{message}exist: '{instance_id}'")
    if instance["VpcId"] != vpc_id:
        message = f"The following targets are not in the target group VPC '{vpc_id}': "
        raise fault("InvalidTarget", f"{message}'{instance_id}'")
    if instance["State"]["Name"] != "running":
        message = f"The following targets are not in a running state: '{instance_id}'"
        raise fault("InvalidTarget", message)


def _create(logical_id: str, properties: Properties, stack: str) -> Made:
    for key in ("Protocol", "Port", "VpcId"):
        if properties.get("TargetType") != "lambda" and key not in properties:
            message = f"A {key} must be specified"
            raise fault("ValidationError", message)
    vpc_id = properties["VpcId"]
    if vpc_id not in ministack.vpcs:
        raise fault("ValidationError", f"The VPC ID '{vpc_id}' is not found")
    network.vpc(vpc_id)
    settings, attributes = _check_settings(properties), _group_attributes(properties)
    requested = _wanted(properties, vpc_id)
    name = properties.get("Name") or ministack.physical_name(stack, logical_id, max_len=32)
    arn = (
        f"arn:aws:elasticloadbalancing:{ministack.region()}:{ministack.account()}:"
        f"targetgroup/{name}/{uuid.uuid4().hex[:16]}"
    )
    ministack.target_groups[arn] = {
        "TargetGroupArn": arn,
        "TargetGroupName": name,
        "Protocol": properties["Protocol"],
        "Port": int(properties["Port"]),
        "VpcId": vpc_id,
        "LoadBalancerArns": [],
        "TargetType": properties.get("TargetType", "instance"),
        **settings,
    }
    ministack.target_group_attributes[arn] = attributes
    ministack.alb_tags[arn] = resource_types.tags(properties)
    ministack.targets[arn] = []
    target_health.register(arn, requested)
    return arn, returned_attributes(arn)


def returned_attributes(arn: str) -> dict[str, Any]:
    """Return the attributes of a target group for `Fn::GetAtt`."""
    record = ministack.target_groups[arn]
    return {
        "TargetGroupArn": arn,
        "TargetGroupName": record["TargetGroupName"],
        "TargetGroupFullName": arn.rpartition(":")[2],
        "LoadBalancerArns": record["LoadBalancerArns"],
    }


def _update(arn: str, old: Properties, new: Properties, _stack: str) -> Made:
    """Change a target group; targets that the template never had stay registered, as on AWS."""
    record = group(arn)
    settings, attributes = _check_settings(new), _group_attributes(new)
    requested = _wanted(new, record["VpcId"])
    record.update(settings)
    ministack.target_group_attributes[arn] = attributes
    resource_types.update_tags(ministack.alb_tags, arn, old, new)
    before = [
        {"Id": item["Id"], "Port": int(item.get("Port") or old["Port"])}
        for item in old.get("Targets") or []
    ]
    target_health.deregister(arn, [item for item in before if item not in requested])
    target_health.register(arn, requested)
    return arn, returned_attributes(arn)


def _delete(arn: str, _properties: Properties) -> None:
    record = ministack.target_groups.get(arn)
    if record is None:
        return
    if record["LoadBalancerArns"]:
        message = f"Target group '{arn}' is currently in use by a listener or a rule"
        raise fault("ResourceInUse", message)
    for store in (
        ministack.target_groups,
        ministack.targets,
        ministack.target_group_attributes,
        ministack.alb_tags,
    ):
        store.pop(arn, None)


def _changed_by_call(parameters: dict[str, list[str]], *, comes: bool) -> Any:
    """Answer RegisterTargets (`comes`) or DeregisterTargets; refuse what AWS refuses."""
    (arn,) = parameters.get("TargetGroupArn", [""])
    action = "RegisterTargets" if comes else "DeregisterTargets"
    try:
        record = group(arn)
        named = [
            {"Id": item["Id"], "Port": int(item.get("Port") or record["Port"])}
            for item in private(ministack.alb, "_parse_targets_param")(parameters)
        ]
        if comes:
            if record["TargetType"] == "instance":
                for item in named:
                    _registrable(item["Id"], record["VpcId"])
            target_health.register(arn, named)
        else:
            target_health.deregister(arn, named)
    except AwsError as refused:
        return private(ministack.alb, "_error")(refused.code, refused.message, refused.status)
    return private(ministack.alb, "_empty")(action)


def _deleted_by_call(parameters: dict[str, list[str]]) -> Any:
    (arn,) = parameters.get("TargetGroupArn", [""])
    try:
        _delete(arn, {})
    except AwsError as refused:
        return private(ministack.alb, "_error")(refused.code, refused.message, refused.status)
    return private(ministack.alb, "_empty")("DeleteTargetGroup")


def install() -> None:
    """Declare the resource type, and replace the calls that change targets."""
    resource_types.declare(KIND, create=_create, update=_update, delete=_delete)
    ministack.alb_actions["RegisterTargets"] = lambda p: _changed_by_call(p, comes=True)
    ministack.alb_actions["DeregisterTargets"] = lambda p: _changed_by_call(p, comes=False)
    ministack.alb_actions["DeleteTargetGroup"] = _deleted_by_call
