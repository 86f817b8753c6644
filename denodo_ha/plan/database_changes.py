"""Effect of a deploy on a cluster's shared database, from the old and the new template.

    for change in changes(before, after):
        print(change.database, change.effect, change.when, ", ".join(change.why))

A database is identified by its logical id: a changed id means that a new database is created and
the old database is deleted. A property whose update effect is not known counts as a replacement
(`denodo_ha.environment.facts.update_effects`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import resource_tag, resources_of
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import (
    DATABASE_EFFECTS,
    PARAMETER_GROUP_RESTARTS,
    SUBNET_GROUP_IN_PLACE,
    Effect,
)
from denodo_ha.plan.node_changes import describe_difference

INSTANCE: Final = "AWS::RDS::DBInstance"
AT_ONCE: Final = "at once"
_ORDER = list(Effect)
_LOSING = {Effect.REPLACEMENT, Effect.REMOVED}
_RETENTION: Final = "BackupRetentionPeriod"
_NO_WAY_BACK: Final = {
    "AllocatedStorage": "storage never shrinks, so the deploy would fail",
    "EngineVersion": "RDS does not downgrade, so the deploy would fail",
}

Properties = Mapping[str, Any]
Resources = Mapping[str, tuple[str, Properties]]


@dataclass(frozen=True)
class DatabaseChange:
    """Effect of a deploy on a database.

    Attributes:
        cluster: the cluster whose nodes share the database.
        database: logical id of the database.
        effect: the strongest effect of all changes.
        when: the time of an interruption: at once, or in the maintenance window; empty if the
            database is not interrupted.
        why: descriptions of the changes.
    """

    cluster: str
    database: str
    effect: Effect
    when: str = ""
    why: tuple[str, ...] = ()

    @property
    def loses(self) -> bool:
        """True if the deploy deletes the data of the database."""
        return self.effect in _LOSING


def changes(before: Template | None, after: Template | None) -> list[DatabaseChange]:
    """Return the effect of a deploy on each database of a stack, by logical id.

    Args:
        before: the template before the deploy, None for a new stack.
        after: the template after the deploy, None for a stack that is removed.
    """
    old, new = resources_of(before), resources_of(after)
    ids = sorted({id_ for resources in (old, new) for id_ in _databases(resources)})
    return [_change(old, new, id_) for id_ in ids]


def _databases(resources: Resources) -> dict[str, Properties]:
    return {id_: properties for id_, (kind, properties) in resources.items() if kind == INSTANCE}


def _change(old: Resources, new: Resources, id_: str) -> DatabaseChange:
    before, after = _databases(old).get(id_), _databases(new).get(id_)
    properties = after if after is not None else before
    assert properties is not None  # the database is in at least one of the two templates
    cluster = resource_tag(properties, names.CLUSTER_TAG) or ""
    if before is None:
        return DatabaseChange(cluster, id_, Effect.NEW)
    if after is None:
        return DatabaseChange(cluster, id_, Effect.REMOVED)
    effects = [*_own_changes(before, after), *_group_changes(old, new, before, after)]
    effect = max((effect for effect, _ in effects), key=_ORDER.index, default=Effect.NOTHING)
    when = _when(after) if effect is Effect.INTERRUPTION else ""
    return DatabaseChange(cluster, id_, effect, when, tuple(why for _, why in effects))


def _own_changes(before: Properties, after: Properties) -> Iterator[tuple[Effect, str]]:
    """Yield each changed property of the database itself: its effect and a description."""
    for key in sorted({*before, *after}):
        old_value, new_value = before.get(key), after.get(key)
        if old_value == new_value:
            continue
        effect = DATABASE_EFFECTS.get(key, Effect.REPLACEMENT)
        if key == _RETENTION and "0" in (str(old_value), str(new_value)):
            effect = Effect.INTERRUPTION
        why = describe_difference(key, old_value, new_value)
        if key in _NO_WAY_BACK and _is_less(new_value, old_value):
            why += f" ({_NO_WAY_BACK[key]})"
        yield effect, why


def _group_changes(
    old: Resources, new: Resources, before: Properties, after: Properties
) -> Iterator[tuple[Effect, str]]:
    """Yield each changed property of the database's parameter group and subnet group."""
    for key, inner, effect in (
        ("DBParameterGroupName", PARAMETER_GROUP_RESTARTS, Effect.INTERRUPTION),
        ("DBSubnetGroupName", SUBNET_GROUP_IN_PLACE, Effect.IN_PLACE),
    ):
        if before.get(key) != after.get(key):
            continue  # already reported by `_own_changes`
        old_value, new_value = _group(old, before.get(key)), _group(new, after.get(key))
        for name in inner:
            if old_value.get(name) != new_value.get(name):
                yield effect, "; ".join(_inside(name, old_value.get(name), new_value.get(name)))


def _group(resources: Resources, value: Any) -> Properties:
    """Return the properties of the parameter or subnet group that a value refers to."""
    name = str(value.get("Ref", "")) if isinstance(value, Mapping) else ""
    return resources.get(name, ("", {}))[1]


def _inside(name: str, old_value: Any, new_value: Any) -> Iterator[str]:
    """Yield a description of a changed property; if the property is a map, one for each key."""
    if not (isinstance(old_value, Mapping) and isinstance(new_value, Mapping)):
        yield describe_difference(name, old_value, new_value)
        return
    for key in sorted({*old_value, *new_value}):
        if old_value.get(key) != new_value.get(key):
            yield describe_difference(key, old_value.get(key), new_value.get(key))


def _when(properties: Properties) -> str:
    """Return when RDS applies interrupting changes ("AWS::RDS::DBInstance", ApplyImmediately)."""
    if str(properties.get("ApplyImmediately", True)).lower() == "true":
        return AT_ONCE
    window = properties.get("PreferredMaintenanceWindow")
    return f"in the maintenance window{f', {window}' if isinstance(window, str) else ''}"


def _is_less(value: Any, other: Any) -> bool:
    """Return whether a number or version is lower than another; `16` means any version 16.x."""
    try:
        parts = [[int(part) for part in str(number).split(".")] for number in (value, other)]
    except ValueError:
        return False
    shared = min(map(len, parts))
    return parts[0][:shared] < parts[1][:shared]
