"""Effect of a deploy on each node, from the templates before and after the deploy.

    for change in changes(before, after):
        print(change.node, change.effect, ", ".join(change.why))

References to subnets and VPCs are replaced by the properties of these resources, so that a
different logical id alone is not a change. A property whose update effect is not known counts as a
replacement (`denodo_ha.environment.facts.update_effects`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import resource_tag, resources_of
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import (
    INSTANCE_EFFECTS,
    NETWORK_REPLACEMENTS,
    RESTARTING_STATE,
    Effect,
)
from denodo_ha.environment.loading.bounded_document import parse_json_answer

_INSTANCE = "AWS::EC2::Instance"
_PARAMETER = "AWS::SSM::Parameter"
_ORDER = list(Effect)
_MAX_REFERENCES = 5
"""Maximum length of a chain of references; the chain instance, subnet, VPC has length 2."""

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """Effect of a deploy on a node.

    Attributes:
        cluster: the node's cluster.
        node: the node's name.
        effect: the strongest effect of all changes.
        why: descriptions of the changes.
        restarts: True if `denodo-ha roll` will restart the node's servers after the deploy.
    """

    cluster: str
    node: str
    effect: Effect
    why: tuple[str, ...] = ()
    restarts: bool = False


def changes(before: Template | None, after: Template | None) -> list[Change]:
    """Return the effect of a deploy on each node of a stack, by node name.

    Args:
        before: the template before the deploy, None for a new stack.
        after: the template after the deploy, None for a stack that is removed.
    """
    old, new = _Stack(before or {}), _Stack(after or {})
    return [_change(old, new, node) for node in sorted({*old.instances, *new.instances})]


def touched(node_changes: Iterable[Change]) -> dict[str, list[str]]:
    """Return the nodes that stop serving during the deploy, by cluster."""
    clusters: dict[str, list[str]] = {}
    for change in node_changes:
        if change.effect.touches:
            clusters.setdefault(change.cluster, []).append(change.node)
    return clusters


class _Stack:
    """The nodes of a template: each node's instance properties and desired state, by node name."""

    def __init__(self, template: Template) -> None:
        self._resources = resources_of(template)
        nodes = list(self._instances())
        self.instances = {node: properties for node, _, properties in nodes}
        self.logical_ids = {node: logical_id for node, logical_id, _ in nodes}
        self.states = dict(self._states())

    def _instances(self) -> Iterator[tuple[str, str, Properties]]:
        for logical_id, (kind, properties) in self._resources.items():
            if kind == _INSTANCE and (node := resource_tag(properties, names.NODE_TAG)):
                yield node, logical_id, properties

    def _states(self) -> Iterator[tuple[str, str]]:
        for kind, properties in self._resources.values():
            tags = properties.get("Tags", {})
            if kind == _PARAMETER and isinstance(tags, Mapping):
                yield str(tags.get(names.NODE_TAG, "")), joined_text(properties.get("Value", ""))

    def resolved(self, value: Any, depth: int = 0) -> Any:
        """Return a value in a form for comparisons between two templates.

        A `Ref` gets those properties of the resource whose change replaces the resource.
        """
        if isinstance(value, Mapping) and set(value) == {"Ref"} and depth < _MAX_REFERENCES:
            kind, properties = self._resources.get(str(value["Ref"]), ("", {}))
            return {
                **value,
                **{
                    key: self.resolved(properties[key], depth + 1)
                    for key in NETWORK_REPLACEMENTS.get(kind, ())
                    if key in properties
                },
            }
        return value


def _change(old: _Stack, new: _Stack, node: str) -> Change:
    before, after = old.instances.get(node), new.instances.get(node)
    properties = after if after is not None else before
    assert properties is not None  # the node is in at least one of the two templates
    cluster = resource_tag(properties, names.CLUSTER_TAG) or ""
    if before is None:
        return Change(cluster, node, Effect.NEW)
    if after is None:
        return Change(cluster, node, Effect.REMOVED)
    effects = {
        key: INSTANCE_EFFECTS.get(key, Effect.REPLACEMENT)
        for key in sorted({*before, *after})
        if old.resolved(before.get(key)) != new.resolved(after.get(key))
    }
    keys = _state_keys(old.states.get(node, ""), new.states.get(node, ""))
    all_effects = [*effects.values(), *([Effect.STATE] if keys else [])]
    why = [describe_difference(key, before.get(key), after.get(key)) for key in effects]
    if old.logical_ids[node] != new.logical_ids[node]:
        all_effects.append(Effect.REPLACEMENT)
        why.insert(0, _other_resource(old.logical_ids[node], new.logical_ids[node]))
    effect = max(all_effects, key=_ORDER.index, default=Effect.NOTHING)
    return Change(
        cluster,
        node,
        effect,
        (*why, *(f"state: {key}" for key in keys)),
        restarts=bool(keys & RESTARTING_STATE) or "everything" in keys,
    )


def _other_resource(before: str, after: str) -> str:
    """Return the reason for a replacement by a resource with another logical id."""
    old, new = names.generation_of_instance(before), names.generation_of_instance(after)
    return describe_difference("generation", old, new) if old != new else f"{before} -> {after}"


def describe_difference(key: str, before: Any, after: Any) -> str:
    """Return a description of a changed property, with its values if they are texts or numbers."""
    plain = [value for value in (before, after) if value is None or isinstance(value, str | int)]
    if len(plain) < 2:
        return key
    return f"{key} {'none' if before is None else before} -> {'none' if after is None else after}"


def _state_keys(before: str, after: str) -> frozenset[str]:
    """Return the keys in which two desired states differ."""
    if before == after:
        return frozenset()
    try:
        old, new = parse_json_answer(before or "{}"), parse_json_answer(after or "{}")
        return frozenset(key for key in {*old, *new} if old.get(key) != new.get(key))
    except (ValueError, AttributeError, TypeError):
        return frozenset({"everything"})


def joined_text(value: Any) -> str:
    """Return a parameter's text; values that are known only after a deploy remain expressions."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "Fn::Join" in value:
        match value["Fn::Join"]:
            case [str(separator), [*parts]]:
                return separator.join(joined_text(part) for part in parts)
    # Replace double quotes, because the result becomes part of a JSON string.
    return json.dumps(value, sort_keys=True).replace('"', "'")
