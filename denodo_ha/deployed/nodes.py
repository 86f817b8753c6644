"""The nodes of a cluster, from its stack."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.deployed.stack import Stack
from denodo_ha.environment import names


@dataclass(frozen=True)
class Node:
    """A node as it is deployed.

    Attributes:
        name: its name.
        instance_id: id of its instance now; empty where a deploy has not made it yet.
        logical_id: its instance in the template, None for one that existed before.
    """

    name: str
    instance_id: str
    logical_id: str | None


def nodes_of_stack(stack: Stack) -> tuple[Node, ...]:
    """The nodes of a stack by name: one for every output with an instance's id."""
    return tuple(sorted(_nodes(stack), key=lambda node: node.name))


def _nodes(stack: Stack) -> Iterator[Node]:
    for output, told in stack.template.get("Outputs", {}).items():
        if not output.startswith(names.NODE_ID_PREFIX):
            continue
        value = told["Value"]
        logical_id = str(value["Ref"]) if isinstance(value, Mapping) and "Ref" in value else None
        # While a deploy goes on, the outputs are those of before.
        instance_id = stack.value(value) or stack.outputs.get(output, "")
        yield Node(_name(stack, output, logical_id), instance_id, logical_id)


def _name(stack: Stack, output: str, logical_id: str | None) -> str:
    """A node's exact name, of which the output's has only letters and digits."""
    written = (
        stack.template.get("Metadata", {}).get(names.METADATA, {}).get(names.NODES_METADATA, {})
    )
    if output in written:
        return str(written[output])
    if logical_id is not None and (
        tag := resource_tag(stack.properties(logical_id), names.NODE_TAG)
    ):
        return tag
    suffix = output.removeprefix(names.NODE_ID_PREFIX)
    # An instance that existed before is not in the template, but its auxiliary group is.
    return next((name for name in _tagged(stack) if names.alphanumeric(name) == suffix), suffix)


def _tagged(stack: Stack) -> Iterator[str]:
    """Every name of a node that some resource is tagged with."""
    for resource in stack.template.get("Resources", {}).values():
        if name := resource_tag(resource.get("Properties", {}), names.NODE_TAG):
            yield name


def resource_tag(properties: Mapping[str, Any], key: str) -> str | None:
    """A tag of a resource in a template."""
    tags = properties.get("Tags", [])
    if isinstance(tags, Mapping):
        return str(tags[key]) if key in tags else None
    return next((str(tag["Value"]) for tag in tags if tag.get("Key") == key), None)
