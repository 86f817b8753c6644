"""A template file as plain data, JSON or YAML with CloudFormation's short tags."""

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from denodo_ha.cli.errors import UsageError

_WITHOUT_PREFIX = frozenset({"Ref", "Condition"})
"""The short tags whose long form has no `Fn::` (AWS, CloudFormation intrinsic functions)."""


class _Constructor(SafeConstructor):
    """Reads short tags as their long form, and dates as the text that they are."""


def _tagged(constructor: SafeConstructor, suffix: str, node: Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, SequenceNode):
        value = constructor.construct_sequence(node, deep=True)
    elif isinstance(node, MappingNode):
        value = constructor.construct_mapping(node, deep=True)
    else:
        value = constructor.construct_scalar(node)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in _WITHOUT_PREFIX else f"Fn::{suffix}": value}


def _text(constructor: SafeConstructor, node: Node) -> str:
    return str(constructor.construct_scalar(node))


_Constructor.add_multi_constructor("!", _tagged)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _text)


def read(file: Path) -> dict[str, Any]:
    """A template's data.

    Raises:
        UsageError: it can't be read, or is no template.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        message = f"{file}: {error.strerror or error}; give a cdk.out folder or template files"
        raise UsageError(message) from None
    except UnicodeDecodeError as error:
        message = f"{file}: byte {error.start} is not UTF-8; save it as UTF-8"
        raise UsageError(message) from None
    data = _parsed(file, text)
    if not isinstance(data, dict) or not isinstance(data.get("Resources"), dict):
        message = (
            f"{file}: has no Resources, so it is no template; "
            "give a cdk.out folder or CloudFormation templates"
        )
        raise UsageError(message)
    return data


def _parsed(file: Path, text: str) -> Any:
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            if file.suffix == ".json":
                message = f"{file}:{error.lineno}:{error.colno}: {error.msg}; it must be JSON"
                raise UsageError(message) from None
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except (YAMLError, RecursionError, ValueError) as error:
        problem = getattr(error, "problem", None) or error
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        message = f"{file}{place}: {problem}; it must be JSON or YAML"
        raise UsageError(message) from None
