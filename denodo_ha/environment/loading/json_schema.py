"""The JSON schema of a configuration file, for editors; `make reference` writes it.

The schema describes single values. Rules between values are in `denodo_ha.environment.rules`.
"""

import json
from pathlib import Path
from typing import Any

from denodo_ha.environment.model.environment import Environment

FILE = Path(__file__).parents[3] / "config/schema.json"


def schema() -> dict[str, Any]:
    """Return the schema of the model: every key with its description."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_simplified(Environment.model_json_schema()),
        "title": "Denodo environment",
    }


def text() -> str:
    """Return the content of the schema file."""
    return json.dumps(schema(), indent=2) + "\n"


def _simplified(part: Any) -> Any:
    """Return a part of the schema without titles made from keys, null defaults and null types.

    Editors would show these additions of pydantic beside the key and its type.

    A map whose keys have a pattern gets `additionalProperties: false`, so that an editor reports
    other keys as errors.
    """
    if isinstance(part, list):
        return [_simplified(item) for item in part]
    if not isinstance(part, dict):
        return part
    result = {
        key: (
            {name: _simplified(value) for name, value in item.items()}
            if key in ("properties", "$defs")
            else _simplified(item)
        )
        for key, item in part.items()
        if key != "title" and not (key == "default" and item is None)
    }
    if isinstance(result.get("default"), dict):
        result["default"] = {k: v for k, v in result["default"].items() if v is not None}
    choices = [item for item in result.get("anyOf", []) if item != {"type": "null"}]
    if len(choices) == 1 and len(result["anyOf"]) > 1:
        del result["anyOf"]
        result = {**choices[0], **result}
    elif choices:
        result["anyOf"] = choices
    patterns = result.get("patternProperties")
    if patterns and "additionalProperties" not in result:
        result["additionalProperties"] = False
    return result


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
