"""Pins file: change pins, keep comments and order, and write the file atomically."""

import io
import os
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from denodo_ha.cli.errors import Failed
from denodo_ha.environment.loading.bounded_document import DocumentError, load_commented_yaml
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file
from denodo_ha.environment.loading.yaml_document import LIMITS
from denodo_ha.environment.model.pins import Pin

_HEADER = """\
# What each node runs, by cluster: a deploy changes no node that is listed here
# (docs/reference/pins.md). `denodo-ha pin` writes this file, `rollout` and `replace` change it.
# Commit it.
"""
_WIDTH = 200
"""Project value: maximum line length, long enough for a node's pin on one line."""


def read(file: Path) -> str:
    """Return the text of a pins file; empty if there is no file.

    Raises:
        Failed: The file cannot be read.
    """
    if not file.exists():
        return ""
    try:
        return read_text_file(file, LIMITS.size)
    except UnreadableFileError as error:
        message = f"{file}: {error}; nothing was changed"
        raise Failed(message) from None


def changed(text: str, pins: dict[str, dict[str, Pin]]) -> str:
    """Return the text of a pins file with the pins of some nodes changed.

    Args:
        text: the file's text; empty if there is no file.
        pins: the new pins by cluster and node.

    Raises:
        Failed: The text is not a map of maps.
    """
    try:
        yaml, data = load_commented_yaml(text, LIMITS)
        if data is None:
            before = text or _HEADER
            before += "" if before.endswith("\n") else "\n"
            yaml, data = load_commented_yaml(f"{before}{{}}", LIMITS)
            data.fa.set_block_style()
    except DocumentError as error:
        message = f"the pins file cannot be read: {error.what}{error.suffix}"
        raise Failed(message) from None
    if not isinstance(data, CommentedMap):
        raise Failed("the pins file is not a map of clusters")
    yaml.width = _WIDTH
    for cluster, nodes in pins.items():
        known = data.setdefault(cluster, CommentedMap())
        if not isinstance(known, CommentedMap):
            message = f"the pins file: {cluster} is not a map of nodes"
            raise Failed(message)
        for node, pin in nodes.items():
            _put(known, node, plain(pin))
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def plain(pin: Pin) -> dict[str, Any]:
    """Return a pin as the pins file contains it: without default values."""
    return pin.model_dump(exclude_defaults=True)


def write(file: Path, text: str | None) -> None:
    """Write the text to the file atomically; delete the file if the text is None."""
    if text is None:
        file.unlink(missing_ok=True)
        return
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        if file.exists():
            new.chmod(file.stat().st_mode & 0o777)
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _put(nodes: CommentedMap, node: str, pin: dict[str, Any]) -> None:
    """Write a pin into a node's map key by key, so that the comments in the map are kept."""
    known = nodes.get(node)
    if not isinstance(known, CommentedMap):
        known = CommentedMap()
        known.fa.set_flow_style()
        nodes[node] = known
    for key in [key for key in known if key not in pin]:
        del known[key]
    for key, value in pin.items():
        if known.get(key) != value:
            known[key] = value
