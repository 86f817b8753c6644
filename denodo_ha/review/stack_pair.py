"""Stacks before and after a change: what all findings of a review compare."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from denodo_ha.aws.cloud_assembly import SynthesisedStack
from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import resource_tag, resources_of
from denodo_ha.environment import names

LISTENER: Final = "AWS::ElasticLoadBalancingV2::Listener"
TARGET_GROUP: Final = "AWS::ElasticLoadBalancingV2::TargetGroup"

Properties = Mapping[str, Any]
Resources = Mapping[str, tuple[str, Properties]]


@dataclass(frozen=True)
class StackPair:
    """A stack before and after a change.

    Attributes:
        name: the stack's name.
        before: the stack in the base, None for a new stack.
        after: the stack in the new revision, None for a stack that is removed.
    """

    name: str
    before: SynthesisedStack | None
    after: SynthesisedStack | None

    @cached_property
    def templates(self) -> tuple[Template | None, Template | None]:
        """Templates of the stack before and after the change."""
        return (
            None if self.before is None else self.before.template,
            None if self.after is None else self.after.template,
        )

    @cached_property
    def old(self) -> Resources:
        """Type and properties of the resources before the change, by logical id."""
        return resources_of(self.templates[0])

    @cached_property
    def new(self) -> Resources:
        """Type and properties of the resources after the change, by logical id."""
        return resources_of(self.templates[1])

    @property
    def is_in_both(self) -> bool:
        """Return whether the stack exists before and after the change."""
        return self.before is not None and self.after is not None

    @cached_property
    def cluster(self) -> str:
        """Name of the stack's cluster; for a stack without a cluster, the stack's name."""
        return _first_tag((self.new, self.old), names.CLUSTER_TAG) or self.name

    @cached_property
    def environment(self) -> str | None:
        """Name of the environment, None if no resource has the environment tag."""
        return _first_tag((self.new, self.old), names.ENVIRONMENT_TAG)

    def place(self, part: str = "") -> str:
        """Return the place of a finding as text: the cluster, and a part of the cluster."""
        return f"{self.cluster}: {part}" if part else self.cluster

    def kept(self, kind: str) -> Iterator[tuple[str, Properties, Properties]]:
        """Yield id, old and new properties of each resource that has a type in both revisions."""
        for id_, (type_, after) in self.new.items():
            old_type, before = self.old.get(id_, ("", {}))
            if type_ == old_type == kind:
                yield id_, before, after


def pair_stacks(
    base: Iterable[SynthesisedStack], new: Iterable[SynthesisedStack]
) -> tuple[StackPair, ...]:
    """Return pairs of stacks of two revisions: stacks of the new revision, then removed stacks."""
    before = {stack.name: stack for stack in base}
    after = {stack.name: stack for stack in new}
    return tuple(
        StackPair(name, before.get(name), after.get(name))
        for name in dict.fromkeys((*after, *before))
    )


def of_type(resources: Resources, kind: str) -> dict[str, Properties]:
    """Return the properties of the resources of a type by logical id."""
    return {id_: properties for id_, (type_, properties) in resources.items() if type_ == kind}


def resource_label(resources: Resources, id_: str) -> str:
    """Return the usual name of a resource: node, service, description, or logical id."""
    _, properties = resources.get(id_, ("", {}))
    for tag in (names.NODE_TAG, names.SERVICE_TAG):
        if value := resource_tag(properties, tag):
            return value
    description = properties.get("GroupDescription")
    return description if isinstance(description, str) else id_


def referred_id(value: Any) -> str | None:
    """Return the logical id that a `Ref` or `Fn::GetAtt` refers to, None for another value."""
    match value:
        case {"Ref": str(id_)} | {"Fn::GetAtt": [str(id_), *_]}:
            return id_
    return None


def listener_label(resources: Resources, id_: str) -> str:
    """Return the service of a listener, else its logical id."""
    actions = resources[id_][1].get("DefaultActions")
    for action in actions if isinstance(actions, list) else ():
        group = referred_id(action.get("TargetGroupArn")) if isinstance(action, Mapping) else None
        if group is not None and group in resources:
            return resource_label(resources, group)
    return id_


def attributes(properties: Properties, key: str) -> dict[str, Any]:
    """Return a list of `Key` and `Value`, such as `LoadBalancerAttributes`, as a mapping."""
    entries = properties.get(key)
    if not isinstance(entries, list):
        return {}
    return {
        str(entry.get("Key")): entry.get("Value") for entry in entries if isinstance(entry, Mapping)
    }


def number(value: Any) -> int | None:
    """Return a whole number that a template has as number or text, None for another value."""
    try:
        return int(value) if isinstance(value, int | str) else None
    except ValueError:
        return None


def is_true(value: Any) -> bool:
    """Return whether a template's boolean, which may be a text, is true."""
    return str(value).lower() == "true"


def text_of(value: Any) -> str:
    """Return a value of a template as text: JSON if it is not a text or a number."""
    return str(value) if isinstance(value, str | int) else json.dumps(value, sort_keys=True)


def _first_tag(sides: Iterable[Resources], key: str) -> str | None:
    tags = (
        resource_tag(properties, key) for resources in sides for _, properties in resources.values()
    )
    return next((tag for tag in tags if tag), None)
