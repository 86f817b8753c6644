"""A YAML file as plain data, with the place of every key and value.

The file is composed into nodes, which know their places, and the nodes are turned
into data here: a constructor would stop at the first duplicate key and forget places.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path as File
from typing import Any
from warnings import catch_warnings, simplefilter

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from denodo_ha.environment.loading.problem import ConfigError, Path, Problem
from denodo_ha.environment.model.section import INVALID

Place = tuple[int, int]
_MERGE = "tag:yaml.org,2002:merge"
_DEEPEST = 50
_LONGEST = 100_000
"""Ours: more than any configuration has, and no more than can be read at once."""

_TOO_DEEP = "maps or lists nested too deeply"


@dataclass
class Document:
    """A file's data and places.

    Attributes:
        file: the file's name, as messages show it.
        data: maps, lists and scalars.
        keys: place of every key by path, from line 1 and column 1.
        values: place of every value by path.
        texts: every scalar as it is written, by path, but for those that are left out.
        problems: what is wrong with the YAML itself.
        unread: values that could not be read and are `INVALID` in the data.
    """

    file: str
    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    texts: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)

    def place(self, path: Path, *, at_key: bool = False) -> Place:
        """Where a path stands; for one that the file lacks, where its nearest parent does."""
        while path and path not in self.keys:
            path = path[:-1]
        # The scalar that a path ends at may be the short form of what it leads to.
        places = self.values if path in self.texts and not at_key else self.keys
        return places.get(path, (1, 1))

    def located(self, problem: Problem) -> Problem:
        """The problem with its place in this file."""
        return replace(problem, file=self.file, at=self.place(problem.path, at_key=problem.at_key))


def read(path: File) -> Document:
    """Read a YAML file.

    Raises:
        ConfigError: the file can't be read, or is no YAML. Duplicate keys and other faults that
            leave data to check are in the document's `problems`.
    """
    document = Document(file=str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise ConfigError([_unreadable(document, reason, "check its name")]) from None
    except UnicodeDecodeError as error:
        reason = f"byte {error.start} is not UTF-8"
        raise ConfigError([_unreadable(document, reason, "save it as UTF-8")]) from None
    try:
        with catch_warnings():
            # Such as an anchor that is used again, which YAML allows.
            simplefilter("ignore", YAMLWarning)
            root = YAML(typ="safe", pure=True).compose(text)
        if root is not None:
            document.data = _Reader(document).value(root, (), ())
    except RecursionError:
        raise ConfigError([_put(document, _syntax(_TOO_DEEP, None), (1, 1))]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = _syntax((error.problem or "not YAML").removeprefix("but "), error.context)
        at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigError([_put(document, problem, at)]) from None
    except ReaderError as error:
        before = text[: error.position]
        at = before.count("\n") + 1, len(before) - before.rfind("\n")
        problem = _syntax(f"character {error.character:#x} is not allowed", None)
        raise ConfigError([_put(document, problem, at)]) from None
    except YAMLError as error:
        raise ConfigError(
            [_put(document, _syntax(str(error).split("\n")[0], None), (1, 1))]
        ) from None
    return document


def _put(document: Document, problem: Problem, at: Place) -> Problem:
    return replace(problem, file=document.file, at=at)


def _unreadable(document: Document, reason: str, instead: str) -> Problem:
    problem = Problem(
        (), f"the file can't be read ({reason})", "it describes the environment", instead
    )
    return _put(document, problem, (1, 1))


def _syntax(what: str, context: str | None) -> Problem:
    return Problem(
        (),
        f"not YAML: {what}",
        context or "the file is YAML 1.2",
        "check indentation, colons and quotes here and in the line above",
    )


class _Reader:
    """Turns composed nodes into data, and remembers their places in the document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.scalars = SafeConstructor(loader=YAML(typ="safe", pure=True))
        self.steps = 0

    def value(self, node: Node, path: Path, open_: tuple[int, ...]) -> Any:
        """The data of a node; `open_` are the nodes that contain it."""
        self.step(node, len(open_))
        place = _place(node)
        self.document.values[path] = place
        # A merge may have put a scalar here that does not count.
        self.document.texts.pop(path, None)
        if id(node) in open_:
            self.problem(
                path, place, "an alias that contains itself", "it has no end", "write it out"
            )
            self.document.unread.append(path)
            return INVALID
        if isinstance(node, MappingNode):
            return self.mapping(node, path, (*open_, id(node)))
        if isinstance(node, SequenceNode):
            return self.sequence(node, path, (*open_, id(node)))
        assert isinstance(node, ScalarNode)  # the only kind left
        return self.scalar(node, path, place)

    def scalar(self, node: ScalarNode, path: Path, place: Place) -> Any:
        """A string, number, bool or null."""
        if node.value or node.style:
            # Else there is nothing, which has its place where the next thing begins.
            self.document.texts[path] = _text(node)
        try:
            return self.scalars.construct_object(node, deep=True)
        except (YAMLError, ValueError, LookupError):
            self.problem(
                path,
                place,
                f"can't be read as {str(node.tag).rpartition(':')[2]}",
                "YAML took it for that by its looks or its tag",
                "put it in quotes if it is text",
                value=str(node.value),
            )
            self.document.unread.append(path)
            return INVALID

    def sequence(self, node: SequenceNode, path: Path, open_: tuple[int, ...]) -> list[Any]:
        """A list. A string in it is also known by its text, as a key of a map would be."""
        items = []
        for index, child in enumerate(node.value):
            items.append(self.value(child, (*path, index), open_))
            self.document.keys[(*path, index)] = self.document.values[(*path, index)]
            if isinstance(items[-1], str):
                self.document.keys[(*path, items[-1])] = self.document.values[(*path, index)]
        return items

    def mapping(self, node: MappingNode, path: Path, open_: tuple[int, ...]) -> dict[Any, Any]:
        """A map. A merge (`<<`) gives what the map itself does not have."""
        data: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        # Merges first, so that the map's own keys have the last word on places, too.
        for key_node, value_node in sorted(node.value, key=lambda pair: not _merges(pair[0])):
            place = _place(key_node)
            if _merges(key_node):
                merged |= self.merge(value_node, path, place, open_)
                continue
            key = self.key(key_node, path, place)
            if key is None:
                continue
            if key in data:
                line = self.document.keys[(*path, key)][0]
                self.problem(
                    (*path, key),
                    place,
                    f"the key stands here a second time, after line {line}",
                    "only one of the two could count",
                    "remove one of them",
                )
                continue
            self.document.keys[(*path, key)] = place
            data[key] = self.value(value_node, (*path, key), open_)
        return {**{key: item for key, item in merged.items() if key not in data}, **data}

    def key(self, node: Node, path: Path, place: Place) -> str | None:
        """A key as the text that is written: `7.0:` and `yes:` are names like any other."""
        if isinstance(node, ScalarNode):
            return _text(node)
        self.problem(path, place, "a key is a map or a list", "keys are names", "write a name")
        return None

    def merge(self, node: Node, path: Path, place: Place, open_: tuple[int, ...]) -> dict[Any, Any]:
        """What `<<: *anchor` or `<<: [*one, *two]` brings; of two, the first wins."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        result: dict[Any, Any] = {}
        # The first comes last, so that it has the last word on places, too.
        for source in reversed(sources):
            self.step(source, len(open_))
            if not isinstance(source, MappingNode):
                self.problem(
                    path, place, "<< merges no map", "it takes an alias of one", "write <<: *name"
                )
                continue
            if id(source) in open_:
                self.problem(
                    path, place, "an alias that contains itself", "it has no end", "write it out"
                )
                continue
            result |= self.mapping(source, path, (*open_, id(source)))
        return result

    def problem(
        self, path: Path, place: Place, what: str, why: str, instead: str, *, value: str = ""
    ) -> None:
        """Note a fault of the YAML itself."""
        problem = Problem(path, what, why, instead, value=value)
        self.document.problems.append(_put(self.document, problem, place))

    def step(self, node: Node, depth: int) -> None:
        """Stop where a file has no end that anybody would wait for."""
        self.steps += 1
        if depth > _DEEPEST:
            raise MarkedYAMLError(problem=_TOO_DEEP, problem_mark=node.start_mark)
        if self.steps > _LONGEST:
            raise MarkedYAMLError(
                problem=f"aliases make more than {_LONGEST} values of it",
                problem_mark=node.start_mark,
            )


def _text(node: ScalarNode) -> str:
    """A scalar as it is written, if it can be: an escape may stand for half a character."""
    text = str(node.value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        what = "an escape from \\ud800 to \\udfff is half a character"
        raise MarkedYAMLError(problem=what, problem_mark=node.start_mark)
    return text


def _place(node: Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _merges(key: Node) -> bool:
    return isinstance(key, ScalarNode) and (
        key.tag == _MERGE or (key.value == "<<" and not key.style)
    )
