"""CloudFormation templates as plain data, from a file or from a deployed stack.

A template is JSON, or YAML with short tags; the CDK CLI sends small templates as YAML. The parser
converts a short tag (`!Ref x`) to its long form (`{"Ref": "x"}`), as JSON has only the long form.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.environment.loading.bounded_document import (
    DocumentError,
    Limits,
    NotJsonError,
    PlainConstructor,
    load_json,
    load_yaml,
)
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file

Template = Mapping[str, Any]

LIMITS: Final = Limits(size=4 * 1024**2, depth=100, values=200_000)
"""Project limits of a template: bytes (4 MB, above CloudFormation's 1 MB, since a file may have
additional indentation), depth of nesting, and number of values."""

_WITHOUT_PREFIX = frozenset({"Ref", "Condition"})
"""Short tags whose long form does not begin with `Fn::` (AWS, CloudFormation intrinsic
functions)."""


def parse_template(body: str | Template) -> Template:
    """Return a deployed template as data.

    Args:
        body: the template from CloudFormation's `GetTemplate`: a mapping if it is JSON, else text.

    Raises:
        Failed: The body is not a template.
    """
    if not isinstance(body, str):
        return body
    try:
        template = _parse(body, json_only=False)
    except DocumentError as error:
        message = f"the deployed template cannot be read: {error.what}{error.suffix}"
        raise Failed(message) from None
    if not isinstance(template, dict):
        raise Failed("the deployed template cannot be read: it is not a mapping")
    return template


def read_template_file(file: Path) -> dict[str, Any]:
    """Return the template in a file as data.

    Raises:
        UsageError: The file cannot be read, or is not a template.
    """
    try:
        text = read_text_file(file, LIMITS.size)
    except UnreadableFileError as error:
        message = f"{file}: {error.reason}; give a cdk.out folder or template files"
        raise UsageError(message) from None
    json_only = file.suffix == ".json"
    try:
        template = _parse(text, json_only=json_only)
    except DocumentError as error:
        expected = "JSON" if json_only and text.lstrip().startswith("{") else "JSON or YAML"
        message = f"{file}{error.suffix}: {error.what}; the file must be {expected}"
        raise UsageError(message) from None
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        message = (
            f"{file}: has no Resources, so the file is not a template; "
            "give a cdk.out folder or CloudFormation templates"
        )
        raise UsageError(message)
    return template


def _parse(text: str, *, json_only: bool) -> Any:
    """Parse JSON or YAML.

    Args:
        text: the text.
        json_only: True if a text that begins with `{` must be JSON; False if such a text may also
            be YAML in flow style.

    Raises:
        DocumentError: The text is neither JSON nor YAML, or exceeds a limit.
    """
    if text.lstrip().startswith("{"):
        try:
            return load_json(text, LIMITS)
        except NotJsonError:
            if json_only:
                raise
    # CloudFormation reads YAML 1.1, in which an unquoted yes or on is a boolean.
    return load_yaml(text, LIMITS, _TemplateConstructor, version=(1, 1))


class _TemplateConstructor(PlainConstructor):
    """YAML constructor of plain data: short tags become their long form, dates remain text."""


def _long_form(constructor: SafeConstructor, tag: str, node: Node) -> dict[str, Any]:
    """Return the long form of `!Tag value`."""
    value: Any
    if isinstance(node, SequenceNode):
        value = constructor.construct_sequence(node, deep=True)
    elif isinstance(node, MappingNode):
        value = constructor.construct_mapping(node, deep=True)
    else:
        value = constructor.construct_scalar(node)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in _WITHOUT_PREFIX else f"Fn::{tag}": value}


def _text(constructor: SafeConstructor, node: Node) -> str:
    return str(constructor.construct_scalar(node))


_TemplateConstructor.add_multi_constructor("!", _long_form)
_TemplateConstructor.add_constructor("tag:yaml.org,2002:timestamp", _text)
