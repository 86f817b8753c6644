"""Targets of target groups as templates would list them: without proxies, with drained nodes.

An instance of a HAProxy layer is not listed, because in templates an Auto Scaling group registers
it. A drained node is listed although it is not registered: the drill must know that the node
exists.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from denodo_ha.deployed.stack import mapping_in
from denodo_ha.drill.live.balancer_reader import FoundBalancers
from denodo_ha.drill.live.found_machines import FoundMachines
from denodo_ha.drill.live.found_resource import FoundResource, Link
from denodo_ha.drill.live.own_stacks import OwnStack
from denodo_ha.drill.reading.resource_reader import TARGET_GROUP
from denodo_ha.drill.reading.values import as_list, as_mapping


def with_registered_targets(
    balancers: FoundBalancers, own: Iterable[OwnStack], machines: FoundMachines
) -> Iterator[FoundResource]:
    """Yield the balancers' resources; target groups get the targets that templates would list."""
    templates = {
        id_: (stack, stack.properties(logical_id))
        for stack in own
        for logical_id, id_ in stack.of_type(TARGET_GROUP)
    }
    for resource in balancers.resources:
        if resource.type != TARGET_GROUP or "Targets" not in resource.properties:
            yield resource
            continue
        targets = [
            target
            for target in resource.properties["Targets"]
            if target["Id"].text not in machines.members
        ]
        registered = {target["Id"].text for target in targets}
        if resource.id in templates:
            deployed = list(_of_template(*templates[resource.id]))
            targets += [
                target for target in deployed if target["Id"].text in machines.drained - registered
            ]
            # Sort the targets as in the template, because the API returns them in any order.
            order = {target["Id"].text: number for number, target in enumerate(deployed)}
            targets.sort(key=lambda target: order.get(target["Id"].text, len(order)))
        yield replace(resource, properties={**resource.properties, "Targets": targets})


def _of_template(stack: OwnStack, template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the targets that a target group in a template registers, with their ids as links."""
    for target in map(as_mapping, as_list(template.get("Targets"))):
        id_ = target.get("Id")
        if not isinstance(id_, str):
            logical_id = str(mapping_in({"Id": id_}, "Id").get("Ref", ""))
            id_ = stack.ids.get(logical_id, ("", ""))[1]
        yield {**target, "Id": Link(id_)}
