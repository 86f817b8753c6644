"""A deployed template as plain data, whichever way CloudFormation gives it back.

The CDK CLI sends small templates as YAML, so that is what comes back, as text. The short forms
(`!Ref x`) become the long ones (`{"Ref": "x"}`), as JSON has them.
"""

import json
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from denodo_ha.cli.errors import Failed

Template = Mapping[str, Any]

_BARE = {"Ref", "Condition"}


def parse(body: str | Mapping[str, Any]) -> Template:
    """The template of `get_template`: text of JSON or YAML, or a dict already.

    Raises:
        Failed: it is neither.
    """
    if not isinstance(body, str):
        return body
    try:
        parsed = json.loads(body) if body.lstrip().startswith("{") else _yaml().load(body)
    except (ValueError, YAMLError) as error:
        message = f"the deployed template cannot be read: {' '.join(str(error).split())}"
        raise Failed(message) from None
    if not isinstance(parsed, dict):
        raise Failed("the deployed template cannot be read: it is no map")
    return parsed


class _Constructor(SafeConstructor):
    """Plain data, where a date stays the text that it is."""


def _intrinsic(constructor: SafeConstructor, tag: str, node: Node) -> dict[str, Any]:
    """`!Name value` in the long form."""
    value: Any
    if isinstance(node, ScalarNode):
        value = constructor.construct_scalar(node)
    elif isinstance(node, MappingNode):
        value = constructor.construct_mapping(node, deep=True)
    else:
        value = constructor.construct_sequence(node, deep=True)
    name = tag.removeprefix("!")
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in _BARE else f"Fn::{name}": value}


def _text(constructor: SafeConstructor, node: ScalarNode) -> Any:
    return constructor.construct_scalar(node)


_Constructor.add_multi_constructor("!", _intrinsic)
_Constructor.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    return yaml
