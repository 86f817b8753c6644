"""Judges data by a JSON schema: as much of that language as `state.schema.json` uses."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TYPES = {
    "object": (dict, "an object"),
    "array": (list, "a list"),
    "string": (str, "a text"),
    "integer": (int, "a whole number"),
    "boolean": (bool, "true or false"),
    "null": (type(None), "null"),
}

_SHOWN = 60


def problems(data: Any, schema: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the data, each with its place and what to write instead."""
    return [f"{place or 'the state'}: {what}" for place, what in _judge(data, schema, schema, "")]


def _judge(
    data: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> Iterator[tuple[str, str]]:
    if "anyOf" in schema:
        # The only alternative in use: null, or something.
        if data is None:
            return
        (other,) = (one for one in schema["anyOf"] if one != {"type": "null"})
        schema = {**other, "description": schema["description"]}
    if "$ref" in schema:
        schema = {**root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], **schema}
    reason = _mismatch(data, schema)
    if reason:
        yield place, f"{_shown(data)} {reason}; write {schema['description']}"
    elif isinstance(data, dict):
        yield from _judge_object(data, schema, root, place)
    elif isinstance(data, list):
        for number, item in enumerate(data):
            yield from _judge(item, schema["items"], root, f"{place}[{number}]")


def _judge_object(
    data: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> Iterator[tuple[str, str]]:
    known = schema.get("properties", {})
    others = schema["additionalProperties"]
    names = schema.get("propertyNames", {}).get("pattern", "")
    for key in schema.get("required", []):
        if key not in data:
            yield _below(place, key), f"is missing; write {known[key]['description']}"
    for key, value in data.items():
        if key in known:
            yield from _judge(value, known[key], root, _below(place, key))
        elif others is False:
            yield _below(place, key), f"is not known here; known are {', '.join(sorted(known))}"
        elif not re.search(names, key):
            yield _below(place, key), f"is no name; it must match {names}"
        else:
            yield from _judge(value, others, root, _below(place, key))


def _mismatch(data: Any, schema: Mapping[str, Any]) -> str:
    """Why a value by itself is not what the schema says, empty when it is."""
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(data, one) for one in types):
        return f"is not {' or '.join(_TYPES[one][1] for one in types)}"
    allowed = schema.get("enum", [schema["const"]] if "const" in schema else [data])
    if not any(_equal(data, one) for one in allowed):
        return f"is not {' or '.join(str(one) for one in allowed)}"
    return _out_of_bounds(data, schema)


def _out_of_bounds(data: Any, schema: Mapping[str, Any]) -> str:
    """Why a value of the right type is not one of the right values."""
    if isinstance(data, str) and not re.search(schema.get("pattern", ""), data):
        return f"does not match {schema['pattern']}"
    if _is(data, "integer") and not schema.get("minimum", data) <= data <= schema.get(
        "maximum", data
    ):
        return f"is not from {schema['minimum']} to {schema['maximum']}"
    if isinstance(data, list):
        if len(data) < schema.get("minItems", 0):
            return "is empty"
        if schema.get("uniqueItems") and len({_shown(one) for one in data}) < len(data):
            return "names something twice"
    return ""


def _is(data: Any, type_: str) -> bool:
    return isinstance(data, _TYPES[type_][0]) and (type_ == "boolean" or not isinstance(data, bool))


def _equal(data: Any, value: Any) -> bool:
    return type(data) is type(value) and bool(data == value)


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key


def _shown(data: Any) -> str:
    text = json.dumps(data)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
