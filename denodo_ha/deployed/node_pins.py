"""Pins of the deployed nodes: image, type and disks from the deployed template.

They are not read from EC2: a pin must result in the deployed template, or the next deploy would
change the node. For an instance that was changed by hand, a pin of its state would replace it.
"""

from collections.abc import Mapping
from typing import Any

from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment.model.pins import Pin


def deployed_pins(cluster: Cluster) -> dict[str, Pin]:
    """Return the pins of the nodes that the stack has created, by node.

    Raises:
        Failed: An instance of the template has unknown properties.
    """
    return {
        node.name: _pin(node.name, cluster.stack.properties(node.logical_id))
        for node in cluster.nodes
        if node.logical_id is not None
    }


def _pin(node: str, properties: Mapping[str, Any]) -> Pin:
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
        }
        return Pin.model_validate(values)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        message = (
            f"the deployed instance of {node} does not have the properties of this version: {error}"
        )
        raise Failed(message) from None
