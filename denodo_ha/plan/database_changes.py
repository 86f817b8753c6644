"""What a deploy would do to a cluster's shared database, from the templates before and after it.

    for change in changes(before, after):
        print(change.database, change.effect, change.when, ", ".join(change.why))

A database is its logical id: one with another id is another, and the old one goes. What is not
known to be harmless counts as a replacement (`denodo_ha.environment.facts.update_effects`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from denodo_ha.aws.template_document import Template
from denodo_ha.deployed.stack import resource_tag
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import DATABASE, PARAMETERS, SUBNETS, Effect
from denodo_ha.plan.node_changes import told

INSTANCE: Final = "AWS::RDS::DBInstance"
AT_ONCE: Final = "at once"
_ORDER = list(Effect)
_LOSING = {Effect.REPLACEMENT, Effect.REMOVED}
_RETENTION: Final = "BackupRetentionPeriod"
_NO_WAY_BACK: Final = {
    "AllocatedStorage": "storage never shrinks, so the deploy would fail",
    "EngineVersion": "RDS goes back to no older version, so the deploy would fail",
}

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class DatabaseChange:
    """What a deploy would do to a database.

    Attributes:
        cluster: the cluster whose nodes share it.
        database: its logical id.
        effect: the strongest of what is done to it.
        when: when it is interrupted: at once, or in the maintenance window; empty if it is not.
        why: what changes.
    """

    cluster: str
    database: str
    effect: Effect
    when: str = ""
    why: tuple[str, ...] = ()

    @property
    def loses(self) -> bool:
        """Whether its data are gone from where the nodes look for them."""
        return self.effect in _LOSING


def changes(before: Template | None, after: Template | None) -> list[DatabaseChange]:
    """What a deploy would do to the databases of a stack, by logical id.

    Args:
        before: the template before, None where the stack is new.
        after: the template after, None where the stack goes.
    """
    old, new = _resources(before), _resources(after)
    ids = sorted({id_ for found in (old, new) for id_ in _databases(found)})
    return [_change(old, new, id_) for id_ in ids]


def _resources(template: Template | None) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (template or {}).get("Resources", {})
    return found


def _databases(resources: Mapping[str, Any]) -> dict[str, Properties]:
    return {
        id_: one.get("Properties", {}) for id_, one in resources.items() if one["Type"] == INSTANCE
    }


def _change(old: Mapping[str, Any], new: Mapping[str, Any], id_: str) -> DatabaseChange:
    before, after = _databases(old).get(id_), _databases(new).get(id_)
    properties = after if after is not None else before
    assert properties is not None  # it is in one of them
    cluster = resource_tag(properties, names.CLUSTER_TAG) or ""
    if before is None:
        return DatabaseChange(cluster, id_, Effect.NEW)
    if after is None:
        return DatabaseChange(cluster, id_, Effect.REMOVED)
    found = [*_own(before, after), *_referred(old, new, before, after)]
    effect = max((one for one, _ in found), key=_ORDER.index, default=Effect.NOTHING)
    when = _when(after) if effect is Effect.INTERRUPTION else ""
    return DatabaseChange(cluster, id_, effect, when, tuple(why for _, why in found))


def _own(before: Properties, after: Properties) -> Iterator[tuple[Effect, str]]:
    """What its own properties that differ do, and how they differ."""
    for key in sorted({*before, *after}):
        one, two = before.get(key), after.get(key)
        if one == two:
            continue
        effect = DATABASE.get(key, Effect.REPLACEMENT)
        if key == _RETENTION and "0" in (str(one), str(two)):
            effect = Effect.INTERRUPTION
        why = told(key, one, two)
        if key in _NO_WAY_BACK and _is_less(two, one):
            why += f" ({_NO_WAY_BACK[key]})"
        yield effect, why


def _referred(
    old: Mapping[str, Any], new: Mapping[str, Any], before: Properties, after: Properties
) -> Iterator[tuple[Effect, str]]:
    """What changes in the groups that it refers to, before and after."""
    for key, inner, effect in (
        ("DBParameterGroupName", PARAMETERS, Effect.INTERRUPTION),
        ("DBSubnetGroupName", SUBNETS, Effect.IN_PLACE),
    ):
        if before.get(key) != after.get(key):
            continue  # told already
        one, two = _group(old, before.get(key)), _group(new, after.get(key))
        for name in inner:
            if one.get(name) != two.get(name):
                yield effect, "; ".join(_inside(name, one.get(name), two.get(name)))


def _group(resources: Mapping[str, Any], value: Any) -> Properties:
    """The properties of the group that a value refers to."""
    name = str(value.get("Ref", "")) if isinstance(value, Mapping) else ""
    found: Properties = resources.get(name, {}).get("Properties", {})
    return found


def _inside(name: str, one: Any, two: Any) -> Iterator[str]:
    """How a group's property differs, key by key where it has some."""
    if not (isinstance(one, Mapping) and isinstance(two, Mapping)):
        yield told(name, one, two)
        return
    for key in sorted({*one, *two}):
        if one.get(key) != two.get(key):
            yield told(key, one.get(key), two.get(key))


def _when(properties: Properties) -> str:
    """When RDS applies what interrupts (AWS, "AWS::RDS::DBInstance", ApplyImmediately)."""
    if str(properties.get("ApplyImmediately", True)).lower() == "true":
        return AT_ONCE
    window = properties.get("PreferredMaintenanceWindow")
    return f"in the maintenance window{f', {window}' if isinstance(window, str) else ''}"


def _is_less(one: Any, two: Any) -> bool:
    """Whether a number or version is below another; `16` is any version of 16."""
    try:
        parts = [[int(part) for part in str(value).split(".")] for value in (one, two)]
    except ValueError:
        return False
    shared = min(map(len, parts))
    return parts[0][:shared] < parts[1][:shared]
