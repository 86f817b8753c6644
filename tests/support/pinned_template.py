"""Template of a cluster with other pins: what a synth would write, without a synth."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from denodo_ha.environment import names
from denodo_ha.environment.model.pins import Pin
from stacks.nodes.first_boot import node_script
from tests.support.assembly import Template

INSTANCE = "AWS::EC2::Instance"


def with_pins(
    template: Template, pins: Mapping[str, Pin], *, environment: str, cluster: str, region: str
) -> Template:
    """Return a template whose nodes have the machines of their pins.

    Args:
        template: the template of the cluster.
        pins: the pins by node; other nodes are unchanged.
        environment: name of the environment.
        cluster: name of the cluster.
        region: the cluster's region.
    """
    changed = copy.deepcopy(template)
    for node in node_properties(template).keys() & pins.keys():
        changed = _of_generation(changed, node, pins[node].generation)
    for node, properties in node_properties(changed).items():
        if node in pins:
            pin, parameter = pins[node], names.node_parameter(environment, cluster, node)
            properties["ImageId"], properties["InstanceType"] = pin.image, pin.type
            properties["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] = pin.disk_gib
            properties["UserData"] = user_data(parameter, region, pin.first_boot)
    return changed


def user_data(parameter: str, region: str, version: int) -> dict[str, str]:
    """Return the property `UserData` of a node, with a version of the first-boot text."""
    return {"Fn::Base64": node_script(parameter=parameter, region=region, version=version)}


def logical_ids(template: Template) -> dict[str, str]:
    """Return the logical ids of the instances by node."""
    return {node: logical_id for logical_id, node, _ in _instances(template)}


def node_properties(template: Template) -> dict[str, dict[str, Any]]:
    """Return the properties of the instances by node."""
    return {node: properties for _, node, properties in _instances(template)}


def _instances(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield logical id, node and properties of each instance."""
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == INSTANCE:
            tags = {tag["Key"]: tag["Value"] for tag in resource["Properties"]["Tags"]}
            yield logical_id, tags[names.NODE_TAG], resource["Properties"]


def _of_generation(template: Template, node: str, generation: int) -> Template:
    """Return the template with a node's instance renamed to the logical id of a generation."""
    old = logical_ids(template)[node]
    first = re.sub(r"G[0-9]+$", "", old)
    new = names.instance_of_generation(first, generation)
    renamed: Template = json.loads(json.dumps(template).replace(f'"{old}"', f'"{new}"'))
    return renamed
