"""Listeners: one per port, with existing target groups, and with a certificate if they use TLS."""

import uuid
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.elb import load_balancers
from tools.local_aws.emulator.elb.load_balancers import attributes_of, fault
from tools.local_aws.emulator.ministack import private

KIND = "AWS::ElasticLoadBalancingV2::Listener"
_PROTOCOLS = {
    "network": ("TCP", "TLS", "UDP", "TCP_UDP"),
    "application": ("HTTP", "HTTPS"),
}
_SECURE = ("TLS", "HTTPS")
_QUOTA = 50
"""Maximum number of listeners of a load balancer (AWS, Quotas for your Network Load Balancers), not
adjustable."""
_IDLE = "tcp.idle_timeout.seconds"
_DEFAULTS = {"TCP": {_IDLE: "350"}, "TLS": {_IDLE: "350"}}


def listener(arn: str) -> ministack.Record:
    """Return a listener; raise AwsError if the listener does not exist."""
    record: ministack.Record | None = ministack.listeners.get(arn)
    if record is None:
        raise fault("ListenerNotFound", f"Listener '{arn}' not found")
    return record


def groups_of(record: ministack.Record) -> list[str]:
    """Return the target groups of a listener."""
    return [item["TargetGroupArn"] for item in record["DefaultActions"] if "TargetGroupArn" in item]


def _settings(properties: Properties, own: str | None) -> dict[str, Any]:
    """Check a listener's properties and what they refer to; return the listener's settings."""
    balancer = load_balancers.balancer(properties["LoadBalancerArn"])
    arn = balancer["LoadBalancerArn"]
    port, protocol = int(properties.get("Port", 0)), properties.get("Protocol", "")
    if not 1 <= port <= 65535:
        raise fault("ValidationError", "A listener must have a port between 1 and 65535")
    if protocol not in _PROTOCOLS[balancer["Type"]]:
        kinds = ", ".join(_PROTOCOLS[balancer["Type"]])
        message = f"Listener protocol '{protocol}' must be one of '{kinds}'"
        raise fault("ValidationError", message)
    others = [
        item
        for id_, item in ministack.listeners.items()
        if item["LoadBalancerArn"] == arn and id_ != own
    ]
    if any(item["Port"] == port for item in others):
        message = "A listener already exists on this port for this load balancer"
        raise fault("DuplicateListener", f"{message} '{arn}'")
    if len(others) >= _QUOTA:
        raise fault("TooManyListeners", "The maximum number of listeners has been reached")
    actions = _actions(properties, balancer, protocol)
    certificates = _certificates(properties, protocol)
    settings: dict[str, Any] = {
        "LoadBalancerArn": arn,
        "Port": port,
        "Protocol": protocol,
        "DefaultActions": actions,
    }
    if certificates:
        settings["Certificates"] = certificates
        settings["SslPolicy"] = properties.get("SslPolicy", "ELBSecurityPolicy-2016-08")
        settings["AlpnPolicy"] = resource_types.as_list(properties.get("AlpnPolicy"))
    return settings


def _actions(
    properties: Properties, balancer: ministack.Record, protocol: str
) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = private(ministack.provisioners, "_elbv2_listener_actions")(
        properties, ""
    )
    for action in actions:
        arn = action.get("TargetGroupArn")
        if arn is None:
            continue
        group = ministack.target_groups.get(arn)
        if group is None:
            raise fault("TargetGroupNotFound", f"Target group '{arn}' not found")
        if group["VpcId"] != balancer["VpcId"]:
            message = "The target group and the load balancer must be in the same VPC"
            raise fault("InvalidConfigurationRequest", message)
        if (group["Protocol"] in _PROTOCOLS["network"]) != (balancer["Type"] == "network"):
            message = (
                f"The protocol '{group['Protocol']}' of target group '{arn}' is not compatible "
                f"with the listener's '{protocol}'"
            )
            raise fault("IncompatibleProtocols", message)
        balancers = {*group["LoadBalancerArns"], balancer["LoadBalancerArn"]}
        if balancer["Type"] == "network" and len(balancers) > 1:
            message = f"Target group '{arn}' is already associated with another load balancer"
            raise fault("TargetGroupAssociationLimit", message)
        sticky = {"Key": "stickiness.enabled", "Value": "true"}
        if protocol == "TLS" and sticky in ministack.target_group_attributes.get(arn, []):
            # AWS, Edit target group attributes for your Network Load Balancer, "Sticky sessions".
            message = "Stickiness is not supported for target groups of TLS listeners"
            raise fault("InvalidConfigurationRequest", message)
    return actions


def _certificates(properties: Properties, protocol: str) -> list[str]:
    named = [
        str(item["CertificateArn"])
        for item in properties.get("Certificates") or []
        if item.get("CertificateArn")
    ]
    if protocol in _SECURE and not named:
        message = f"A certificate must be specified for {protocol} listeners"
        raise fault("ValidationError", message)
    if protocol not in _SECURE and named:
        message = f"Certificates cannot be specified for {protocol} listeners"
        raise fault("ValidationError", message)
    if len(named) > 1:
        message = f"Up to '1' certificate ARNs can be specified, but '{len(named)}' were specified"
        raise fault("TooManyCertificates", message)
    for arn in named:
        if arn not in ministack.certificates:
            raise fault("CertificateNotFound", f"Certificate '{arn}' not found")
    return named


def _attributes(properties: Properties) -> list[dict[str, str]]:
    protocol = str(properties.get("Protocol", ""))
    declared = properties.get("ListenerAttributes") or []
    for item in declared:
        if item["Key"] == _IDLE and protocol == "TLS" and str(item["Value"]) != "350":
            message = f"The attribute '{_IDLE}' cannot be changed on TLS listeners"
            raise fault("InvalidConfigurationRequest", message)
        if item["Key"] == _IDLE and not 60 <= int(item["Value"]) <= 6000:
            message = f"Value '{item['Value']}' of '{_IDLE}' must be between 60 and 6000"
            raise fault("ValidationError", message)
    return attributes_of(declared, _DEFAULTS.get(protocol, {}))


def _attach(record: ministack.Record) -> None:
    for arn in groups_of(record):
        group = ministack.target_groups[arn]
        if record["LoadBalancerArn"] not in group["LoadBalancerArns"]:
            group["LoadBalancerArns"].append(record["LoadBalancerArn"])


def detach_unused(balancer: str) -> None:
    """Detach a load balancer from target groups that none of its listeners uses."""
    used = {
        group
        for item in ministack.listeners.values()
        if item["LoadBalancerArn"] == balancer
        for group in groups_of(item)
    }
    for arn, group in ministack.target_groups.items():
        if arn not in used:
            group["LoadBalancerArns"] = [
                item for item in group["LoadBalancerArns"] if item != balancer
            ]


def _create(_logical_id: str, properties: Properties, _stack: str) -> Made:
    settings, attributes = _settings(properties, None), _attributes(properties)
    balancer = settings["LoadBalancerArn"]
    arn = f"{balancer.replace(':loadbalancer/', ':listener/')}/{uuid.uuid4().hex[:16]}"
    ministack.listeners[arn] = {"ListenerArn": arn, **settings}
    ministack.listener_attributes[arn] = attributes
    ministack.alb_tags[arn] = resource_types.tags(properties)
    rule = f"{arn.replace(':listener/', ':listener-rule/')}/{uuid.uuid4().hex[:16]}"
    ministack.rules[rule] = {
        "RuleArn": rule,
        "ListenerArn": arn,
        "Priority": "default",
        "Conditions": [],
        "Actions": settings["DefaultActions"],
        "IsDefault": True,
    }
    _attach(ministack.listeners[arn])
    return arn, {"ListenerArn": arn}


def _update(arn: str, old: Properties, new: Properties, _stack: str) -> Made:
    record = listener(arn)
    settings, attributes = _settings(new, arn), _attributes(new)
    record.clear()
    record.update(ListenerArn=arn, **settings)
    ministack.listener_attributes[arn] = attributes
    resource_types.update_tags(ministack.alb_tags, arn, old, new)
    for rule in ministack.rules.values():
        if rule["ListenerArn"] == arn and rule["IsDefault"]:
            rule["Actions"] = settings["DefaultActions"]
    _attach(record)
    detach_unused(settings["LoadBalancerArn"])
    return arn, {"ListenerArn": arn}


def _delete(arn: str, _properties: Properties) -> None:
    record = ministack.listeners.pop(arn, None)
    ministack.listener_attributes.pop(arn, None)
    ministack.alb_tags.pop(arn, None)
    for rule, of in ministack.rules.items():
        if of["ListenerArn"] == arn:
            ministack.rules.pop(rule, None)
    if record is not None:
        detach_unused(record["LoadBalancerArn"])


def install() -> None:
    """Declare the resource type of listeners."""
    resource_types.declare(KIND, create=_create, update=_update, delete=_delete)
