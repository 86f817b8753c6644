"""Pins of the deployed nodes: image, type, disks and first boot from the deployed template.

They are not read from EC2: a pin must result in the deployed template, or the next deploy would
change the node. For an instance that was changed by hand, a pin of its state would replace it.
"""

import re
from collections.abc import Mapping
from typing import Any

from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.cluster import Cluster
from denodo_ha.environment.model.pins import Pin
from denodo_ha.environment.names import FIRST_BOOT_LINE

_FIRST_BOOT = re.compile(f"^{FIRST_BOOT_LINE.format('([0-9]+)')}$", re.MULTILINE)


def deployed_pins(cluster: Cluster) -> dict[str, Pin]:
    """Return the pins of the nodes that the stack has created, by node.

    Raises:
        Failed: An instance of the template has unknown properties.
    """
    return {
        node.name: pin_of(node.name, cluster.stack.properties(node.logical_id))
        for node in cluster.nodes
        if node.logical_id is not None
    }


def pin_of(node: str, properties: Mapping[str, Any]) -> Pin:
    """Return the pin that results in the properties of a node's instance.

    Raises:
        Failed: The instance has other properties than those of this project.
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
            f"the deployed instance of {node} does not have the properties of this version: {error}"
        )
        raise Failed(message) from None


def _first_boot(user_data: Any) -> int:
    """Return the version of a first-boot text; the first version has no line that says so."""
    text = user_data.get("Fn::Base64") if isinstance(user_data, Mapping) else None
    found = _FIRST_BOOT.search(text) if isinstance(text, str) else None
    return int(found[1]) if found else 1
