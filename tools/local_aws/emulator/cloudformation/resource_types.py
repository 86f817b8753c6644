"""Resource types of CloudFormation: their handlers, and the checks before a handler runs.

The properties of every type that this project's stacks use are first checked against the published
schema. Further checks verify that the resources that a resource refers to exist. Types that
MiniStack implements correctly keep MiniStack's handlers, which run after these checks.
"""

import json
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.errors import InvalidRequestError

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]
"""Result of a handler: the physical id (`Ref`) and the attributes (`Fn::GetAtt`)."""

Create = Callable[[str, Properties, str], Made]
Delete = Callable[[str, Properties], None]
Update = Callable[[str, Properties, Properties, str], Made]
Check = Callable[[Properties], None]

SCHEMAS: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "schemas.json").read_text()
)


def declare(kind: str, *, create: Create, delete: Delete, update: Update | None = None) -> None:
    """Set the handlers of a resource type; they replace MiniStack's handlers if there are any."""
    handler: dict[str, Any] = {"create": create, "delete": delete}
    if update is not None:
        handler["update"] = update
    ministack.handlers[kind] = handler
    if "Tags" in SCHEMAS.get(kind, {}).get("properties", ()):
        ministack.stack_tags.setdefault(kind, ("Tags", "list"))


def check(kind: str, *checks: Check) -> None:
    """Add checks of the properties before a resource is created or updated."""
    handler = ministack.handlers[kind]
    create = handler["create"]

    def checked_create(logical_id: str, properties: Properties, stack: str) -> Made:
        for item in checks:
            item(properties)
        made: Made = create(logical_id, properties, stack)
        return made

    handler["create"] = checked_create
    if "update" not in handler:
        return
    update = handler["update"]

    def checked_update(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Made:
        for item in checks:
            item(new)
        made: Made = update(physical_id, old, new, stack, *logical_id)
        return made

    handler["update"] = checked_update


def before_create(kind: str, may: Check) -> None:
    """Add a check before a resource is created, which does not apply to updates."""
    handler = ministack.handlers[kind]
    create = handler["create"]

    def checked(logical_id: str, properties: Properties, stack: str) -> Made:
        may(properties)
        made: Made = create(logical_id, properties, stack)
        return made

    handler["create"] = checked


def before_delete(kind: str, may: Callable[[str, Properties], None]) -> None:
    """Add a check before a resource is deleted."""
    handler = ministack.handlers[kind]
    delete = handler["delete"]

    def checked(physical_id: str, properties: Properties, *logical_id: str) -> None:
        may(physical_id, properties)
        delete(physical_id, properties, *logical_id)

    handler["delete"] = checked


def enforce_schemas() -> None:
    """Add to every resource type the schema check, and the properties that replace a resource.

    Call this function after all types are declared.
    """
    for kind, schema in SCHEMAS.items():
        check(kind, schema_check(kind))
        own = ministack.replacing.get(kind, ())
        simple = {path for path in schema["replacing"] if "/" not in path}
        ministack.replacing[kind] = tuple(sorted({*own, *simple}))


def schema_check(kind: str) -> Check:
    """Return a function that checks properties against the published schema of a resource type."""
    schema = SCHEMAS[kind]
    known, required = set(schema["properties"]), schema["required"]

    def allowed(properties: Properties) -> None:
        result = [f"#: required key [{key}] not found" for key in required if key not in properties]
        result += [
            f"#: extraneous key [{key}] is not permitted" for key in properties if key not in known
        ]
        if result:
            message = f"Properties validation failed for a resource of type {kind} with message: "
            raise InvalidRequestError(message + "; ".join(result))

    return allowed


def changed(old: Properties, new: Properties, *path: str) -> bool:
    """Return whether the value at a path differs between the old and the new properties."""
    for key in path:
        old, new = (old or {}).get(key, {}), (new or {}).get(key, {})
    return old != new


def tags(properties: Properties, key: str = "Tags") -> list[dict[str, str]]:
    """Return the tags of a resource in the form that the services return."""
    return [
        {"Key": str(tag["Key"]), "Value": str(tag.get("Value", ""))}
        for tag in properties.get(key) or []
    ]


def update_tags(
    stored: MutableMapping[str, list[dict[str, str]]], id_: str, old: Properties, new: Properties
) -> None:
    """Store the tags of a resource after an update.

    CloudFormation changes the tags of the template and of the stack only. Tags that others have
    added, such as a drain tag, remain.
    """
    own = {item["Key"] for item in (*tags(old), *tags(new))}
    others = [item for item in stored.get(id_) or [] if item["Key"] not in own]
    stored[id_] = [*tags(new), *others]


def as_list(value: Any) -> list[Any]:
    """Return a property as a list; a template may also contain a single value."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def truth(value: Any) -> bool:
    """Return a property as a boolean; a template may also contain text."""
    return str(value).lower() == "true"
