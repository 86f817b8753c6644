"""What a deploy would do to each node, from the templates before and after it.

    for change in changes(before, after):
        print(change.node, change.effect, ", ".join(change.why))

A property that changes only in what it refers to is followed as far as subnets and VPCs. What
is not known to be harmless counts as a replacement (`denodo_ha.environment.facts.update_effects`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import INSTANCE, RESTARTING_STATE, WHERE, Effect

_INSTANCE = "AWS::EC2::Instance"
_PARAMETER = "AWS::SSM::Parameter"
_ORDER = list(Effect)

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Change:
    """What a deploy would do to a node.

    Attributes:
        cluster: its cluster.
        node: its name.
        effect: the strongest of what is done to it.
        why: what changes.
        restarts: whether `denodo-ha roll` will restart its servers afterwards.
    """

    cluster: str
    node: str
    effect: Effect
    why: tuple[str, ...] = ()
    restarts: bool = False


def changes(before: Template | None, after: Template | None) -> list[Change]:
    """What a deploy would do to the nodes of a stack, by node.

    Args:
        before: the template before, None where the stack is new.
        after: the template after, None where the stack goes.
    """
    old, new = _Stack(before or {}), _Stack(after or {})
    return [_change(old, new, node) for node in sorted({*old.instances, *new.instances})]


def touched(found: Iterable[Change]) -> dict[str, list[str]]:
    """The nodes that do not serve for a while, by cluster."""
    clusters: dict[str, list[str]] = {}
    for change in found:
        if change.effect.touches:
            clusters.setdefault(change.cluster, []).append(change.node)
    return clusters


class _Stack:
    """The nodes of a template: properties of instances, and desired states, by node's name."""

    def __init__(self, template: Template) -> None:
        self._resources: Mapping[str, Any] = template.get("Resources", {})
        self.instances = dict(self._instances())
        self.states = dict(self._states())

    def _instances(self) -> Iterator[tuple[str, Properties]]:
        for resource in self._resources.values():
            properties = resource.get("Properties", {})
            if resource["Type"] == _INSTANCE and (node := resource_tag(properties, names.NODE_TAG)):
                yield node, properties

    def _states(self) -> Iterator[tuple[str, str]]:
        for resource in self._resources.values():
            properties = resource.get("Properties", {})
            tags = properties.get("Tags", {})
            if resource["Type"] == _PARAMETER and isinstance(tags, Mapping):
                yield str(tags.get(names.NODE_TAG, "")), _joined(properties.get("Value", ""))

    def resolved(self, value: Any) -> Any:
        """A value with what decides about a replacement of the subnets and VPCs it refers to."""
        if isinstance(value, Mapping) and set(value) == {"Ref"}:
            resource = self._resources.get(str(value["Ref"]), {})
            kind, properties = str(resource.get("Type", "")), resource.get("Properties", {})
            return {
                **value,
                **{
                    key: self.resolved(properties[key])
                    for key in WHERE.get(kind, ())
                    if key in properties
                },
            }
        return value


def _change(old: _Stack, new: _Stack, node: str) -> Change:
    before, after = old.instances.get(node), new.instances.get(node)
    properties = after if after is not None else before
    assert properties is not None  # it is in one of them
    cluster = resource_tag(properties, names.CLUSTER_TAG) or ""
    if before is None:
        return Change(cluster, node, Effect.NEW)
    if after is None:
        return Change(cluster, node, Effect.REMOVED)
    effects = {
        key: INSTANCE.get(key, Effect.REPLACEMENT)
        for key in sorted({*before, *after})
        if old.resolved(before.get(key)) != new.resolved(after.get(key))
    }
    keys = _state_keys(old.states.get(node, ""), new.states.get(node, ""))
    found = [*effects.values(), *([Effect.STATE] if keys else [])]
    effect = max(found, key=_ORDER.index, default=Effect.NOTHING)
    why = [told(key, before.get(key), after.get(key)) for key in effects]
    return Change(
        cluster,
        node,
        effect,
        (*why, *(f"state: {key}" for key in keys)),
        restarts=bool(keys & RESTARTING_STATE) or "everything" in keys,
    )


def told(key: str, before: Any, after: Any) -> str:
    """How a property differs, with its values where they are plain."""
    plain = [one for one in (before, after) if one is None or isinstance(one, str | int)]
    if len(plain) < 2:
        return key
    return f"{key} {'none' if before is None else before} -> {'none' if after is None else after}"


def _state_keys(before: str, after: str) -> frozenset[str]:
    """The keys in which two desired states differ."""
    if before == after:
        return frozenset()
    try:
        old, new = json.loads(before or "{}"), json.loads(after or "{}")
        return frozenset(key for key in {*old, *new} if old.get(key) != new.get(key))
    except (ValueError, AttributeError):
        return frozenset({"everything"})


def _joined(value: Any) -> str:
    """The text of a parameter; what only the deploy knows stands as a name in it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(_joined(part) for part in parts)
    # Without quotes, as it stands inside of a JSON string.
    return json.dumps(value, sort_keys=True).replace('"', "'")
