"""Composite alarms in CloudFormation, which MiniStack implements only in its API."""

import json

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.cloudformation import resource_types
from tools.local_aws.emulator.cloudformation.resource_types import Made, Properties
from tools.local_aws.emulator.cloudwatch import action_suppression
from tools.local_aws.emulator.errors import AwsError

KIND = "AWS::CloudWatch::CompositeAlarm"


def _put(name: str, properties: Properties) -> Made:
    """Create or overwrite a composite alarm, with PutCompositeAlarm's own checks."""
    # MiniStack adds CloudFormation's own tags (aws:…) to those of the template; CloudFormation does
    # not send them to PutCompositeAlarm.
    tags = [tag for tag in properties.get("Tags") or [] if not str(tag["Key"]).startswith("aws:")]
    request = {**properties, "AlarmName": name, "Tags": tags}
    if problem := action_suppression.problem(properties):
        raise AwsError("ValidationError", problem, service="CloudWatch")
    put = ministack.private(ministack.cloudwatch, "_put_composite_alarm")
    status, _, body = put({}, request, is_cbor=False, is_json=True)
    if status >= 400:
        message = json.loads(body).get("message") or str(body)
        raise AwsError("ValidationError", message, service="CloudWatch")
    alarm = ministack.composite_alarms[name]
    alarm |= {key: properties[key] for key in action_suppression.PROPERTIES if key in properties}
    return name, {"Arn": str(alarm["AlarmArn"])}


def _create(logical_id: str, properties: Properties, stack: str) -> Made:
    name = properties.get("AlarmName") or ministack.physical_name(stack, logical_id, max_len=255)
    return _put(str(name), properties)


def _update(physical_id: str, _old: Properties, new: Properties, _stack: str) -> Made:
    return _put(physical_id, new)


def _delete(physical_id: str, _properties: Properties) -> None:
    ministack.composite_alarms.pop(physical_id, None)


def install() -> None:
    """Add the resource type of composite alarms, and the suppression of their actions."""
    action_suppression.install()
    resource_types.declare(KIND, create=_create, update=_update, delete=_delete)
