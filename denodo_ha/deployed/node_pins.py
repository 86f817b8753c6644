"""Pins of the deployed nodes: image, type, disks and first boot from the deployed template.

Pins are not read from EC2: the next synthesised template must contain the same values as the
deployed template, or the next deploy would change the node. If an instance was changed by hand, a
pin with its actual state would cause the deploy to replace the instance.
"""

import re
from collections.abc import Mapping
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.deployed.stack import mapping_in
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.pins import Pin

_SILENCE_METRIC = "ActiveFlowCount"
_FIRST_BOOT = re.compile(f"^{names.FIRST_BOOT_LINE.format('([0-9]+)')}$", re.MULTILINE)


def deployed_pins(cluster: Cluster) -> dict[str, Pin]:
    """Return the pins of the nodes whose instances the stack has created, by node.

    Raises:
        Failed: An instance of the template has unknown properties.
    """
    return {
        node.name: pin_of(node.name, cluster.stack.properties(node.logical_id)).model_copy(
            update={"generation": names.generation_of_instance(node.logical_id)}
        )
        for node in cluster.nodes
        if node.logical_id is not None
    }


def silence_minutes(aws: Aws, cluster: Cluster) -> tuple[int | None, str]:
    """Return the period of the no-data alarm that the health check can monitor, and a message.

    The period is the number of minutes without data after which the alarm becomes active. If the
    state of the newest alarm is OK, the result is that alarm's period and an empty message. Else
    the result is the period of the alarm that the health check monitors now, and the message says
    that the newest alarm is not OK yet. The message is also empty if there is no newer alarm.

    Raises:
        AwsError: AWS did not answer, or denied a call.
    """
    alarms = {
        id_: int(properties["EvaluationPeriods"])
        for id_, properties in cluster.stack.resources("AWS::CloudWatch::Alarm")
        if properties.get("MetricName") == _SILENCE_METRIC
    }
    followed = {
        name.get("Ref")
        for _, properties in cluster.stack.resources("AWS::Route53::HealthCheck")
        if isinstance(
            name := mapping_in(mapping_in(properties, "HealthCheckConfig"), "AlarmIdentifier").get(
                "Name"
            ),
            Mapping,
        )
    }
    current = next((minutes for id_, minutes in alarms.items() if id_ in followed), None)
    for id_, minutes in alarms.items():
        name = cluster.stack.physical_ids.get(id_)
        if id_ in followed or name is None:
            continue
        with translated_errors():
            client = aws.client("cloudwatch", cluster.location.region)
            (state,) = [
                alarm["StateValue"]
                for alarm in client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
            ] or ["unknown"]
        if state == "OK":
            return minutes, ""
        message = (
            f"the alarm {name} for {minutes} minutes without data is {state}, so the health check "
            f"of {cluster.name} continues to follow the alarm for {current} minutes without data: "
            f"run `{full_command('pin')}` again in some minutes"
        )
        return current, message
    return current, ""


def pin_of(node: str, properties: Mapping[str, Any]) -> Pin:
    """Return the pin with the values of a node's instance in the deployed template.

    Raises:
        Failed: The instance lacks a property that this version sets, or a value is invalid.
    """
    try:
        root, *more = properties["BlockDeviceMappings"]
        values = {
            "image": properties["ImageId"],
            "type": properties["InstanceType"],
            "disk_gib": root["Ebs"]["VolumeSize"],
            "root_device": root["DeviceName"],
            "data_disk_gib": more[0]["Ebs"]["VolumeSize"] if more else None,
            "kms_key": root["Ebs"].get("KmsKeyId"),
            "key": properties.get("KeyName"),
            "first_boot": _first_boot(properties.get("UserData")),
        }
        return Pin.model_validate(values)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        message = (
            f"the deployed instance of {node} does not have the properties that this version "
            f"expects: {error}"
        )
        raise Failed(message) from None


def _first_boot(user_data: Any) -> int:
    """Return the version of a first-boot script; the script of version 1 has no version line."""
    text = user_data.get("Fn::Base64") if isinstance(user_data, Mapping) else None
    found = _FIRST_BOOT.search(text) if isinstance(text, str) else None
    return int(found[1]) if found else 1
