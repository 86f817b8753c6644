"""Found resource: one deployed resource, with CloudFormation's types and property names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from denodo_ha.drill.reading.resource_reader import HEALTH_CHECK, RECORD_SET

GLOBAL_TYPES: Final = frozenset({HEALTH_CHECK, RECORD_SET})
"""The types of resources that belong to no region."""


@dataclass(frozen=True)
class Link:
    """A value that names another resource: an ARN, an id, an address or a DNS name.

    Attributes:
        text: the text by which the resource is found.
        literal: the value to use if the site does not have the resource; if empty, `text` is used.
    """

    text: str
    literal: str = ""


@dataclass(frozen=True)
class AlarmRule:
    """The rule of a composite alarm, which names other alarms of the same region."""

    text: str


@dataclass(frozen=True)
class FoundResource:
    """A resource that exists.

    Attributes:
        type: its type in CloudFormation.
        region: its region.
        id: its physical id, as `Ref` returns it in CloudFormation.
        name: a name from which a logical id is made if no stack of this project has the resource.
        properties: its properties in CloudFormation; a value that names a resource is a `Link`.
        unread: the properties that could not be read. Their values in a template may be outdated,
            so they are not used.
        aliases: each text by which other resources name this resource, with the attribute
            (`Fn::GetAtt`) whose value is the text; empty for `Ref`.
    """

    type: str
    region: str
    id: str
    name: str
    properties: Mapping[str, Any]
    unread: frozenset[str] = frozenset()
    aliases: Mapping[str, str] = field(default_factory=dict)


def written_tags(tags: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """Return tags without those that AWS sets."""
    return [
        {"Key": tag["Key"], "Value": tag["Value"]}
        for tag in tags
        if not tag["Key"].startswith("aws:")
    ]


def with_links(value: Any, keys: frozenset[str]) -> Any:
    """Return a value in which the texts at the given keys are links."""
    if isinstance(value, list):
        return [with_links(item, keys) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: Link(item) if key in keys and isinstance(item, str) else with_links(item, keys)
        for key, item in value.items()
    }


def chosen(source: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the entries of a map that have one of the given names and a value."""
    return {name: source[name] for name in names if source.get(name) not in (None, "")}
