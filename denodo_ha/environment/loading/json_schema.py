"""The JSON schema of a configuration file, for editors: `make reference` writes it.

It says what one value may be. What values must be to each other is said by `rules.registry`.
"""

import json
from pathlib import Path
from typing import Any

from denodo_ha.environment.model.environment import Environment

FILE = Path(__file__).parents[3] / "config/schema.json"


def schema() -> dict[str, Any]:
    """The schema, from the model: every key with its description."""
    generated = Environment.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_plain(generated),
        "title": "Denodo environment",
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=2) + "\n"


def _plain(part: Any) -> Any:
    """Leave out what an editor would only repeat: titles made from keys, and null for `not given`.

    Keys of a map get their pattern in a form that also refuses the others.
    """
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, dict):
        return part
    result = {
        key: (
            {name: _plain(value) for name, value in item.items()}
            if key in ("properties", "$defs")
            else _plain(item)
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
