"""Route 53's health checks: of endpoints, of alarms, and calculated health checks."""

from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.ministack import private
from tools.local_aws.emulator.route53.hosted_zones import fault

KIND = "AWS::Route53::HealthCheck"
_REPLACING = ("Type", "RequestInterval", "MeasureLatency")
"""Settings whose change replaces the health check (AWS, AWS::Route53::HealthCheck)."""
_NUMBERS = ("Port", "RequestInterval", "FailureThreshold", "HealthThreshold")
_FLAGS = ("Inverted", "Disabled", "MeasureLatency", "EnableSNI")
_ENDPOINTS = ("TCP", "HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH")


def _config(properties: Properties) -> dict[str, Any]:
    """Return the settings of a health check, after checking the resources that they refer to."""
    given = properties["HealthCheckConfig"]
    numbers = {key: int(given[key]) for key in _NUMBERS if key in given}
    flags = {key: str(given[key]).lower() for key in _FLAGS if key in given}
    config = {**given, **numbers, **flags}
    kind = config.get("Type")
    if kind == "CLOUDWATCH_METRIC":
        _alarm(config)
    elif kind == "CALCULATED":
        _children(config)
    elif kind in _ENDPOINTS:
        _endpoint(config)
    elif kind != "RECOVERY_CONTROL":
        raise fault("InvalidInput", f"Invalid health check type {kind}")
    return config


def _children(config: dict[str, Any]) -> None:
    for child in config.get("ChildHealthChecks") or []:
        if child not in ministack.health_checks:
            message = f"No health check exists with the specified ID {child}."
            raise fault("InvalidInput", message)


def _alarm(config: dict[str, Any]) -> None:
    """Check that an alarm exists in its region, and that health checks can monitor the alarm."""
    named = config.get("AlarmIdentifier") or {}
    region, name = named.get("Region", ""), named.get("Name", "")
    alarm = ministack.alarms.get_scoped(ministack.account(), region, name)
    if alarm is None:
        message = f"Invalid parameter : The alarm {name} in {region} does not exist"
        raise fault("InvalidInput", message)
    many = alarm.get("DatapointsToAlarm") not in (None, alarm.get("EvaluationPeriods"))
    if many or alarm.get("ExtendedStatistic") or alarm.get("Period", 60) < 60:
        # AWS, Monitoring a CloudWatch alarm, "Supported alarms".
        message = f"Invalid parameter : The alarm {name} cannot be watched by a health check"
        raise fault("InvalidInput", message)


def _endpoint(config: dict[str, Any]) -> None:
    if not (config.get("IPAddress") or config.get("FullyQualifiedDomainName")):
        message = "Invalid parameter : IPAddress or FullyQualifiedDomainName must be given"
        raise fault("InvalidInput", message)
    if config["Type"] == "TCP" and "Port" not in config:
        raise fault("InvalidInput", "Invalid parameter : Port must be given for TCP checks")
    if config.get("RequestInterval", 30) not in (10, 30):
        raise fault("InvalidInput", "Invalid parameter : RequestInterval must be 10 or 30")
    config.setdefault("RequestInterval", 30)
    config.setdefault("FailureThreshold", 3)


def _create(logical_id: str, properties: Properties, stack: str) -> Made:
    config = _config(properties)
    id_ = private(ministack.route53, "_hc_id")()
    ministack.health_checks[id_] = {
        "id": id_,
        "caller_reference": f"{stack}-{logical_id}-{id_}"[:64],
        "config": config,
        "version": 1,
    }
    _tag(id_, properties)
    return id_, {"HealthCheckId": id_}


def _tag(id_: str, properties: Properties) -> None:
    ministack.route53_tags[("healthcheck", id_)] = {
        item["Key"]: item["Value"] for item in resource_types.tags(properties, "HealthCheckTags")
    }


def _update(id_: str, old: Properties, new: Properties, stack: str) -> Made:
    if any(resource_types.changed(old, new, "HealthCheckConfig", key) for key in _REPLACING):
        return _create(id_, new, stack)
    check = ministack.health_checks[id_]
    check["config"] = _config(new)
    check["version"] += 1
    _tag(id_, new)
    return id_, {"HealthCheckId": id_}


def _delete(id_: str, _properties: Properties) -> None:
    for other in ministack.health_checks.values():
        if id_ in (other["config"].get("ChildHealthChecks") or []):
            message = f"The health check {id_} is in use by {other['id']}"
            raise fault("HealthCheckInUse", message)
    ministack.health_checks.pop(id_, None)
    ministack.route53_tags.pop(("healthcheck", id_), None)


def install() -> None:
    """Declare the resource type of health checks."""
    resource_types.declare(KIND, create=_create, update=_update, delete=_delete)
