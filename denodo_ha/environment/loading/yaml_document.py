"""A YAML file as plain data, with the position of every key and value.

ruamel.yaml composes the file into nodes, which have positions. This module converts the nodes to
data, because a constructor of ruamel.yaml would stop at the first duplicate key and lose the
positions.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from denodo_ha.environment.loading.bounded_document import (
    HALF_CHARACTER,
    TOO_DEEP,
    DocumentError,
    Limits,
    compose_yaml,
    has_half_character,
)
from denodo_ha.environment.loading.problem import ConfigError, Path, Position, Problem
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file
from denodo_ha.environment.model.section import INVALID

_MERGE = "tag:yaml.org,2002:merge"
LIMITS: Final = Limits(size=1024**2, depth=50, values=20_000)
"""Project limits: larger than any real configuration or pins file."""


@dataclass
class Document:
    """The data of a file, with positions.

    Attributes:
        file: the file's name, as messages show it.
        data: maps, lists and scalars.
        keys: position of every key by path.
        values: position of every value by path.
        texts: every scalar as it is written in the file, by path; without empty scalars.
        problems: errors of the YAML itself.
        unread: paths of the values that could not be read and are `INVALID` in the data.
    """

    file: str
    data: Any = None
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)

    def position(self, path: Path, *, at_key: bool = False) -> Position:
        """Return the position of a path, or of the nearest parent that exists in the file."""
        while path and path not in self.keys:
            path = path[:-1]
        # A scalar has the position of its value, also if the scalar is the short form of a section.
        # A map or a list has the position of its key.
        positions = self.values if path in self.texts and not at_key else self.keys
        return positions.get(path, (1, 1))

    def located(self, problem: Problem) -> Problem:
        """Return a problem with its position in this file."""
        position = self.position(problem.path, at_key=problem.at_key)
        return replace(problem, file=self.file, position=position)


def read(path: File) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: The file cannot be read, or is not YAML. Duplicate keys, and other errors after
            which validation can continue, are in the document's `problems` instead.
    """
    document = Document(file=str(path))
    try:
        text = read_text_file(path, LIMITS.size)
    except UnreadableFileError as error:
        raise ConfigError([_unreadable(document, error.reason, error.instead)]) from None
    try:
        root = compose_yaml(text, LIMITS)
        if root is not None:
            document.data = _Reader(document).value(root, (), ())
    except DocumentError as error:
        problem = _syntax(error.what, error.context)
        raise ConfigError([_at(document, problem, error.position or (1, 1))]) from None
    return document


def _at(document: Document, problem: Problem, position: Position) -> Problem:
    return replace(problem, file=document.file, position=position)


def _unreadable(document: Document, reason: str, instead: str) -> Problem:
    problem = Problem(
        (), f"the file can't be read ({reason})", "this file describes the environment", instead
    )
    return _at(document, problem, (1, 1))


def _syntax(what: str, context: str | None) -> Problem:
    return Problem(
        (),
        f"the file is not YAML: {what}",
        context or "the file must be YAML 1.2",
        "check indentation, colons and quotes in this line and in the line above",
    )


class _Reader:
    """Converter of nodes to data, which stores positions and problems in the document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.scalars = SafeConstructor(loader=YAML(typ="safe", pure=True))
        self.number_of_values = 0

    def value(self, node: Node, path: Path, parents: tuple[int, ...]) -> Any:
        """Return the data of a node; `parents` are the ids of the nodes that contain it."""
        self.count(node, len(parents))
        position = _position(node)
        self.document.values[path] = position
        # If a merged map has stored a scalar for this path, this value replaces the scalar.
        self.document.texts.pop(path, None)
        if id(node) in parents:
            self.problem(
                path,
                position,
                "is an alias that contains itself",
                "the data of this alias would be endless",
                "write the value without an alias",
            )
            self.document.unread.append(path)
            return INVALID
        if isinstance(node, MappingNode):
            return self.mapping(node, path, (*parents, id(node)))
        if isinstance(node, SequenceNode):
            return self.sequence(node, path, (*parents, id(node)))
        assert isinstance(node, ScalarNode)  # no other kind of node exists
        return self.scalar(node, path, position)

    def scalar(self, node: ScalarNode, path: Path, position: Position) -> Any:
        """Return the data of a YAML scalar: a string, number, bool or null."""
        if node.value or node.style:
            # Empty values are not stored, so that problems have the positions of their keys:
            # ruamel.yaml gives an empty value the position of the next token.
            self.document.texts[path] = _text(node)
        try:
            return self.scalars.construct_object(node, deep=True)
        except (YAMLError, ValueError, LookupError):
            self.problem(
                path,
                position,
                f"can't be read as {str(node.tag).rpartition(':')[2]}",
                "YAML assigns this type to a value of this form or with this tag",
                "if the value is text, put the value in quotes",
                value=str(node.value),
            )
            self.document.unread.append(path)
            return INVALID

    def sequence(self, node: SequenceNode, path: Path, parents: tuple[int, ...]) -> list[Any]:
        """Return the data of a list.

        The position of a string item is stored twice: for the item's index, and for the item's text
        as if the text were the key of a map.
        """
        items = []
        for index, child in enumerate(node.value):
            items.append(self.value(child, (*path, index), parents))
            self.document.keys[(*path, index)] = self.document.values[(*path, index)]
            if isinstance(items[-1], str):
                self.document.keys[(*path, items[-1])] = self.document.values[(*path, index)]
        return items

    def mapping(self, node: MappingNode, path: Path, parents: tuple[int, ...]) -> dict[Any, Any]:
        """Return the data of a map. A merge (`<<`) adds keys that the map itself does not have."""
        data: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        # Read merged maps (`<<`) first, so that the map's own keys replace the values and positions
        # of merged keys.
        for key_node, value_node in sorted(node.value, key=lambda pair: not _merges(pair[0])):
            position = _position(key_node)
            if _merges(key_node):
                merged |= self.merge(value_node, path, position, parents)
                continue
            key = self.key(key_node, path, position)
            if key is None:
                continue
            if key in data:
                line = self.document.keys[(*path, key)][0]
                self.problem(
                    (*path, key),
                    position,
                    f"is a repeated key: the same key is in line {line}",
                    "only one of the two values could be used",
                    "remove one of the two keys",
                )
                continue
            self.document.keys[(*path, key)] = position
            data[key] = self.value(value_node, (*path, key), parents)
        return {**{key: item for key, item in merged.items() if key not in data}, **data}

    def key(self, node: Node, path: Path, position: Position) -> str | None:
        """Return the text of a key; store a problem and return None if the key is a map or list.

        The keys `7.0:` and `yes:` are names and not numbers or booleans.
        """
        if isinstance(node, ScalarNode):
            return _text(node)
        what = "a key is a map or a list"
        self.problem(path, position, what, "a key must be a name", "write a name as the key")
        return None

    def merge(
        self, node: Node, path: Path, position: Position, parents: tuple[int, ...]
    ) -> dict[Any, Any]:
        """Return the keys and values that `<<: *anchor` or `<<: [*one, *two]` adds to a map.

        If several maps have the same key, the first map takes precedence.
        """
        sources = node.value if isinstance(node, SequenceNode) else [node]
        result: dict[Any, Any] = {}
        # Read the maps in reverse order, so that the values and positions of the first map replace
        # the values and positions of the other maps.
        for source in reversed(sources):
            self.count(source, len(parents))
            if not isinstance(source, MappingNode):
                self.problem(
                    path,
                    position,
                    "<< does not refer to a map",
                    "<< needs an alias of a map",
                    "write <<: *name",
                )
                continue
            if id(source) in parents:
                self.problem(
                    path,
                    position,
                    "is an alias that contains itself",
                    "the data of this alias would be endless",
                    "write the value without an alias",
                )
                continue
            result |= self.mapping(source, path, (*parents, id(source)))
        return result

    def problem(
        self, path: Path, position: Position, what: str, why: str, instead: str, *, value: str = ""
    ) -> None:
        """Store an error of the YAML itself."""
        problem = Problem(path, what, why, instead, value=value)
        self.document.problems.append(_at(self.document, problem, position))

    def count(self, node: Node, depth: int) -> None:
        """Count a value; raise an error if the file has too many values or too many levels."""
        self.number_of_values += 1
        if depth > LIMITS.depth:
            raise DocumentError(TOO_DEEP, _position(node))
        if self.number_of_values > LIMITS.values:
            what = f"aliases expand the document to more than {LIMITS.values} values"
            raise DocumentError(what, _position(node))


def _text(node: ScalarNode) -> str:
    """Return the text of a YAML scalar; raise `DocumentError` for a lone surrogate."""
    text = str(node.value)
    if has_half_character(text):
        raise DocumentError(HALF_CHARACTER, _position(node))
    return text


def _position(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _merges(key: Node) -> bool:
    return isinstance(key, ScalarNode) and (
        key.tag == _MERGE or (key.value == "<<" and not key.style)
    )
