"""Resource types of CloudFormation: what a template may say of them, and who makes them.

Every type that our stacks use is checked against its published schema before anything is
made. A check of our own looks at what it refers to. Types that MiniStack makes well keep its
handlers, with our checks in front.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.local_aws.emulator import ministack
from tools.local_aws.emulator.errors import InvalidRequestError

Properties = dict[str, Any]
Made = tuple[str, dict[str, Any]]
"""What a handler gives back: the physical id (`Ref`) and the attributes (`Fn::GetAtt`)."""

Create = Callable[[str, Properties, str], Made]
Delete = Callable[[str, Properties], None]
Update = Callable[[str, Properties, Properties, str], Made]
Check = Callable[[Properties], None]

SCHEMAS: dict[str, dict[str, list[str]]] = json.loads(
    (Path(__file__).parent / "schemas.json").read_text()
)


def declare(kind: str, *, create: Create, delete: Delete, update: Update | None = None) -> None:
    """Say who makes a type, in MiniStack's place where it knows the type."""
    handler: dict[str, Any] = {"create": create, "delete": delete}
    if update is not None:
        handler["update"] = update
    ministack.handlers[kind] = handler
    if "Tags" in SCHEMAS.get(kind, {}).get("properties", ()):
        ministack.stack_tags.setdefault(kind, ("Tags", "list"))


def check(kind: str, *checks: Check) -> None:
    """Have properties checked before the type is created or updated."""
    handler = ministack.handlers[kind]
    create = handler["create"]

    def checked_create(logical_id: str, properties: Properties, stack: str) -> Made:
        for one in checks:
            one(properties)
        made: Made = create(logical_id, properties, stack)
        return made

    handler["create"] = checked_create
    if "update" not in handler:
        return
    update = handler["update"]

    def checked_update(
        physical_id: str, old: Properties, new: Properties, stack: str, *logical_id: str
    ) -> Made:
        for one in checks:
            one(new)
        made: Made = update(physical_id, old, new, stack, *logical_id)
        return made

    handler["update"] = checked_update


def before_delete(kind: str, may: Callable[[str, Properties], None]) -> None:
    """Have a deletion refused where AWS refuses it."""
    handler = ministack.handlers[kind]
    delete = handler["delete"]

    def checked(physical_id: str, properties: Properties, *logical_id: str) -> None:
        may(physical_id, properties)
        delete(physical_id, properties, *logical_id)

    handler["delete"] = checked


def enforce_schemas() -> None:
    """Check every known type against its schema, and replace what its schema says to.

    To be called when every type has been declared.
    """
    for kind, schema in SCHEMAS.items():
        check(kind, _allows(kind, schema))
        own = ministack.replacing.get(kind, ())
        simple = {path for path in schema["replacing"] if "/" not in path}
        ministack.replacing[kind] = tuple(sorted({*own, *simple}))


def _allows(kind: str, schema: dict[str, list[str]]) -> Check:
    known, required = set(schema["properties"]), schema["required"]

    def allowed(properties: Properties) -> None:
        found = [f"#: required key [{key}] not found" for key in required if key not in properties]
        found += [
            f"#: extraneous key [{key}] is not permitted" for key in properties if key not in known
        ]
        if found:
            message = f"Properties validation failed for a resource of type {kind} with message: "
            raise InvalidRequestError(message + "; ".join(found))

    return allowed


def changed(old: Properties, new: Properties, *path: str) -> bool:
    """Whether what stands at a path of the properties is another now."""
    for key in path:
        old, new = (old or {}).get(key, {}), (new or {}).get(key, {})
    return old != new


def tags(properties: Properties, key: str = "Tags") -> list[dict[str, str]]:
    """The tags of a resource, as the services keep them."""
    return [
        {"Key": str(tag["Key"]), "Value": str(tag.get("Value", ""))}
        for tag in properties.get(key) or []
    ]


def as_list(value: Any) -> list[Any]:
    """A list property that a template may also give as a single value."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def truth(value: Any) -> bool:
    """A boolean property, which a template may also give as text."""
    return str(value).lower() == "true"
