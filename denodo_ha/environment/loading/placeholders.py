"""Warnings about values of the examples that were not replaced."""

import re
from collections.abc import Iterator
from typing import Final

from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.loading.yaml_document import Document

_PLACEHOLDER: Final = re.compile(
    # Account id of AWS's own documentation, alone or in an ARN.
    r"111122223333|.*:111122223333:.*"
    # Domains for documentation (RFC 2606, Reserved Top Level DNS Names).
    r"|(.*[.@])?example\.(com|net|org)"
    # Networks for documentation (RFC 5737, IPv4 Address Blocks Reserved for Documentation).
    r"|(192\.0\.2|198\.51\.100|203\.0\.113)\.[0-9./]+"
    r"|Z0123456789ABCDEFGHIJ"
)
_ID: Final = re.compile(r"(ami|vpc|subnet|pl|sg|i|eipalloc)-(?P<hex>[0-9a-f]{17})")
_EXAMPLE_IDS: Final = frozenset(
    {
        *("0123456789abcdef0", "0fedcba9876543210", "0a1b2c3d4e5f60718", "0f9e8d7c6b5a43210"),
        *("0a9b8c7d6e5f40312", "0aabbccddeeff0011", "0bbccddeeff001122"),
    }
)
"""Ids in the examples, without the part that names the resource type. Ids of one repeated digit are
recognised without this list."""


def placeholders(document: Document) -> Iterator[Problem]:
    """Yield a warning if a configuration still contains values of the examples.

    The warning lists each distinct value with the line of the value's first position.
    """
    paths: dict[str, Path] = {}
    for path, text in sorted(document.texts.items(), key=lambda item: document.values[item[0]]):
        if is_placeholder(text):
            paths.setdefault(text, path)
    if paths:
        values = [f"{text} in line {document.values[path][0]}" for text, path in paths.items()]
        yield Problem(
            next(iter(paths.values())),
            "is a placeholder from the examples"
            if len(paths) == 1
            else "is one of several placeholders from the examples",
            "a deploy would fail, or use resources that are not yours",
            f"replace {', '.join(values)}",
            severity=Severity.WARNING,
            rule="placeholder",
        )


def is_placeholder(text: str) -> bool:
    """Return whether a value is a placeholder, which users of the examples must replace."""
    if _PLACEHOLDER.fullmatch(text):
        return True
    id_ = _ID.fullmatch(text)
    return id_ is not None and (
        id_["hex"] in _EXAMPLE_IDS or len(set(id_["hex"].removeprefix("0"))) == 1
    )
