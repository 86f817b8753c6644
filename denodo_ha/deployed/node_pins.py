"""What the nodes of a cluster run, as pins, from the deployed template.

Not from EC2: a pin has to give the template that is deployed, or the next deploy would change the
node. Where an instance was changed by hand, pinning what it is would replace it.
"""

from collections.abc import Mapping
from typing import Any

from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment.model.pins import Pin


def deployed_pins(cluster: Cluster) -> dict[str, Pin]:
    """The pins of the nodes that the stack has made, by node.

    Raises:
        Failed: an instance in the template is none of ours.
    """
    return {
        node.name: _pin(node.name, cluster.stack.properties(node.logical_id))
        for node in cluster.nodes
        if node.logical_id is not None
    }


def _pin(node: str, properties: Mapping[str, Any]) -> Pin:
    try:
        root, *more = properties["BlockDeviceMappings"]
        told = {
            "image": properties["ImageId"],
            "type": properties["InstanceType"],
            "disk_gib": root["Ebs"]["VolumeSize"],
            "root_device": root["DeviceName"],
            "data_disk_gib": more[0]["Ebs"]["VolumeSize"] if more else None,
            "kms_key": root["Ebs"].get("KmsKeyId"),
            "key": properties.get("KeyName"),
        }
        return Pin.model_validate(told)
    except (KeyError, TypeError, ValueError) as error:
        message = f"the deployed instance of {node} is not as this version makes it: {error}"
        raise Failed(message) from None
