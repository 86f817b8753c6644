"""The values of resolved expressions: references, lists, numbers, flags.

A value that only a deployment knows is a reference: `${stack/LogicalId}` for `Ref` and
`${stack/LogicalId.Attribute}` for `Fn::GetAtt`. So two expressions for the same value become the
same text, and the resources that a value depends on can be found in it.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\$\{([^/{}]+)/([^.{}]+)(?:\.([^{}]+))?\}")
MAX_TEXT: Final = 1_000_000
"""The most characters of a text; a longer one is not known here."""

Reference = tuple[str, str, str]
"""The stack, logical id and attribute of a reference; the attribute is empty for a `Ref`."""


def reference(stack: str, id_: str, attribute: str = "") -> str:
    """Return the text that stands for a resource, or for an attribute of it."""
    return f"${{{stack}/{id_}{'.' if attribute else ''}{attribute}}}"


def references(value: object) -> list[Reference]:
    """Return the references in a value, in their order."""
    return _REFERENCE.findall(value) if isinstance(value, str) else []


def unknown(name: str) -> str:
    """Return the text that stands for a value that is not known here."""
    return reference("?", name)


def _select(argument: Any) -> Any:
    """Return an item of a list; of an unknown list, text that differs by index."""
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
    """Return the parts of a text; a text that is only known at deployment is an unknown list."""
    separator, text = argument if has_items(argument, 2) else (" ", "")
    parts = str(text).split(str(separator) or " ")
    is_unknown_list = len(parts) == 1 and _REFERENCE.fullmatch(parts[0]) is not None
    return parts[0] if is_unknown_list else parts


def has_items(argument: Any, least: int) -> bool:
    """Return whether a value is a list of so many items or more."""
    return isinstance(argument, list) and len(argument) >= least


PURE_FUNCTIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "Join": _join,
    "Split": split,
    "Select": _select,
}
"""The functions whose value depends on their argument alone."""


def as_mapping(value: object) -> Mapping[str, Any]:
    """Return a mapping, empty for any other value."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """Return a list, empty for any other value."""
    return value if isinstance(value, list) else []


def as_integer(value: object, default: int) -> int:
    """Return an integer in any spelling, or the default for any other value."""
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return default


def is_infinite(value: object) -> bool:
    """Return whether a number in any spelling is not finite, such as `.inf` and `1e999`."""
    try:
        return not math.isfinite(float(str(value)))
    except ValueError:
        return False


def is_true(value: object) -> bool:
    """Return whether a flag in any spelling is set."""
    return str(value).lower() == "true"
