"""Values of resolved expressions: references, lists, numbers, flags.

A value that is known only after deployment becomes a reference: `${stack/LogicalId}` for `Ref` and
`${stack/LogicalId.Attribute}` for `Fn::GetAtt`. Two expressions for the same value thus become the
same text, and this text names the resources that the value depends on.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\$\{([^/{}]+)/([^.{}]+)(?:\.([^{}]+))?\}")
MAX_TEXT: Final = 1_000_000
"""Maximum length of a text; a longer text is treated as unknown."""

Reference = tuple[str, str, str]
"""The stack, logical id and attribute of a reference; the attribute is empty for a `Ref`."""


def reference(stack: str, id_: str, attribute: str = "") -> str:
    """Return the text that represents a resource, or an attribute of a resource."""
    return f"${{{stack}/{id_}{'.' if attribute else ''}{attribute}}}"


def references(value: object) -> list[Reference]:
    """Return the references in a value, in the order in which they occur."""
    return _REFERENCE.findall(value) if isinstance(value, str) else []


def unknown(name: str) -> str:
    """Return the text that represents an unknown value."""
    return reference("?", name)


def _select(argument: Any) -> Any:
    """Return the result of `Fn::Select`; for an unknown list, a reference to the list's item."""
    index, items = argument if isinstance(argument, list) and len(argument) == 2 else (0, [])
    if isinstance(items, str) and (found := references(items)):
        stack, id_, attribute = found[0]
        return reference(stack, id_, f"{attribute}#{index}")
    items = items if isinstance(items, list) else []
    try:
        return items[int(str(index))]
    except (IndexError, ValueError):
        return next((item for item in items if references(item)), unknown("Select"))


def _join(argument: Any) -> Any:
    separator, parts = argument if isinstance(argument, list) and len(argument) == 2 else ("", [])
    if not isinstance(parts, list):
        return parts
    texts = [str(part) for part in parts]
    length = sum(map(len, texts)) + len(str(separator)) * len(texts)
    return str(separator).join(texts) if length <= MAX_TEXT else unknown("Join")


def split(argument: Any) -> Any:
    """Return the parts of a text; return an unknown text unchanged."""
    separator, text = argument if has_items(argument, 2) else (" ", "")
    parts = str(text).split(str(separator) or " ")
    is_unknown_list = len(parts) == 1 and _REFERENCE.fullmatch(parts[0]) is not None
    return parts[0] if is_unknown_list else parts


def has_items(argument: Any, least: int) -> bool:
    """Return whether a value is a list with at least this number of items."""
    return isinstance(argument, list) and len(argument) >= least


PURE_FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "Join": _join,
    "Split": split,
    "Select": _select,
}
"""The intrinsic functions whose value depends only on their argument."""


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return the value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return the value if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def as_integer(value: object, default: int) -> int:
    """Return a number or numeric text as an integer, or the default for any other value."""
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return default


def is_infinite(value: object) -> bool:
    """Return whether a number or numeric text is not finite, such as YAML's `.inf` or `1e999`."""
    try:
        return not math.isfinite(float(str(value)))
    except ValueError:
        return False


def is_true(value: object) -> bool:
    """Return whether a flag, given as a boolean or as text, is true."""
    return str(value).lower() == "true"
