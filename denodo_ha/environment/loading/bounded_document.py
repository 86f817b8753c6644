"""Readers of YAML and JSON from files, machines and services, with limits on size and depth.

The limits on depth and number of values restrict the time and the memory that reading a text can
take. Every error of a parser is raised as `DocumentError`.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn, cast
from warnings import catch_warnings, simplefilter

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError, YAMLWarning
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from denodo_ha.environment.loading.problem import Position

TOO_DEEP: Final = "maps or lists are nested too deeply"
_VERSIONS: Final = ((1, 1), (1, 2))
_LONGEST_INTEGER: Final = 4300
"""Maximum number of digits that Python converts to an integer (Python, "Integer string conversion
length limitation")."""

_PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("map", "seq", "str", "int", "float", "bool", "null", "merge")
)
"""Tags of the YAML types that are allowed: the types that JSON also has, and merged maps."""

_MARK: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]|\d+', re.DOTALL)
"""A string, the digits of a number, or a character that begins, separates or ends values in
JSON."""


@dataclass(frozen=True)
class Limits:
    """Limits of a document.

    Attributes:
        size: maximum number of bytes of the text.
        depth: maximum number of maps and lists in which a value may be nested.
        values: maximum number of keys and values. The keys and values of a node with an anchor are
            counted again for every alias of the node.
    """

    size: int
    depth: int
    values: int


ANSWER: Final = Limits(size=4 * 1024**2, depth=100, values=200_000)
"""Project limits for responses of machines and services. In real responses, a value is nested in
at most ten maps and lists."""


class DocumentError(ValueError):
    """Text that is not YAML or JSON, or that exceeds a limit.

    Attributes:
        what: the fault, on one line.
        position: the line and column; None if the parser does not report them.
        context: what the parser was reading; None if the parser does not report this.
    """

    def __init__(self, what: str, position: Position | None, context: str | None = None) -> None:
        """Store the fault, with spaces instead of line breaks."""
        self.what = " ".join(what.split())
        self.position = position
        self.context = context
        super().__init__(self.what)

    @property
    def suffix(self) -> str:
        """`:LINE:COLUMN` for a message, after the file's name; empty without a position."""
        return f":{self.position[0]}:{self.position[1]}" if self.position else ""


class NotJsonError(DocumentError):
    """Text that is not JSON."""


def compose_yaml(text: str, limits: Limits) -> Node | None:
    """Return the root node of a YAML text; None for an empty text.

    Raises:
        DocumentError: The text is not YAML, or exceeds a limit.
    """
    with _document_errors(text):
        root: Node | None = _yaml(limits).compose(text)
        return root


def load_yaml(
    text: str,
    limits: Limits,
    constructor: type[SafeConstructor],
    *,
    version: tuple[int, int] | None = None,
) -> Any:
    """Return the data of a YAML text.

    Args:
        text: the text.
        limits: the limits.
        constructor: the class that converts YAML nodes to data.
        version: the version of YAML for a text that does not name a version; None for 1.2.

    Raises:
        DocumentError: The text is not YAML, or exceeds a limit.
    """
    yaml = _yaml(limits)
    yaml.version = version
    yaml.Constructor = constructor
    with _document_errors(text):
        return yaml.load(text)


def load_commented_yaml(text: str, limits: Limits) -> tuple[YAML, Any]:
    """Return a parser that writes YAML with its comments and order, and the data of the text.

    Raises:
        DocumentError: The text is not YAML, or exceeds a limit.
    """
    # The parser that keeps comments has no limits, so the parser with limits must read the text
    # first.
    root = compose_yaml(text, limits)
    for node in _nodes(root):
        if str(node.tag) not in _PLAIN_TAGS:
            position = (node.start_mark.line + 1, node.start_mark.column + 1)
            message = f"the tag {node.tag} is not allowed in this file"
            raise DocumentError(message, position)
    yaml = YAML()
    yaml.preserve_quotes = True
    with _document_errors(text):
        return yaml, yaml.load(text)


def _nodes(root: Node | None) -> Iterator[Node]:
    """Yield each node of a tree only once, even if several aliases refer to the node."""
    waiting, seen = [root] if root is not None else [], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            waiting += [part for pair in node.value for part in pair]
        elif isinstance(node, SequenceNode):
            waiting += node.value


def load_json(text: str | bytes, limits: Limits) -> Any:
    """Return the data of a JSON text. Numbers that are not finite are errors.

    Raises:
        NotJsonError: The text is not JSON.
        DocumentError: The data exceeds a limit.
    """
    if len(text) > limits.size:
        message = f"the text has more than {limits.size} bytes"
        raise DocumentError(message, None)
    try:
        text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        data = json.loads(text, parse_constant=_reject, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise NotJsonError(error.msg, (error.lineno, error.colno)) from None
    except UnicodeDecodeError as error:
        message = f"byte {error.start} is not UTF-8"
        raise NotJsonError(message, None) from None
    except (RecursionError, ValueError) as error:
        # If a limit is the cause, its error has a position. The text after the first fault, at
        # which the parser stopped, may contain invalid escapes, at which the check of limits stops.
        with suppress(json.JSONDecodeError):
            _check_json(str(text), limits)
        raise DocumentError(str(error), None) from None
    _check_json(text, limits)
    return data


def parse_json_answer(text: str | bytes) -> Any:
    """Return the data of a JSON text that a machine or service sent.

    Raises:
        DocumentError: The text is not JSON, or exceeds a limit.
    """
    return load_json(text, ANSWER)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _reject(text)


def _reject(text: str) -> NoReturn:
    message = f"{text} is not a finite number"
    raise ValueError(message)


def has_half_character(text: str) -> bool:
    """Return whether a text contains half a character: a lone surrogate, invalid in UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in text)


HALF_CHARACTER: Final = "an escape from \\ud800 to \\udfff is half a character"


def _check_json(text: str, limits: Limits) -> None:
    """Raise `DocumentError` at the first position where JSON exceeds a limit."""
    depth, values = 0, 1
    for match in _MARK.finditer(text):
        mark = match.group()
        depth += (mark in "[{") - (mark in "]}")
        values += mark in "[{,"
        what = None
        if depth > limits.depth:
            what = TOO_DEEP
        elif values > limits.values:
            what = _too_many(limits)
        elif len(mark) > _LONGEST_INTEGER and mark.isdigit():
            what = f"a number has more than {_LONGEST_INTEGER} digits"
        elif "\\u" in mark and has_half_character(json.loads(mark, strict=False)):
            what = HALF_CHARACTER
        if what is not None:
            raise DocumentError(what, _position(text, match.start()))


def _too_many(limits: Limits) -> str:
    return f"the text has more than {limits.values} keys and values"


def _position(text: str, index: int) -> Position:
    """Return the line and column of an index in a text."""
    before = text[:index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@contextmanager
def _document_errors(text: str) -> Iterator[None]:
    """Convert the errors of ruamel.yaml to `DocumentError`."""
    try:
        with catch_warnings():
            # ruamel.yaml warns about an anchor that is defined twice, which YAML allows.
            simplefilter("ignore", YAMLWarning)
            yield
    except RecursionError:
        raise DocumentError(TOO_DEEP, None) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        position = (mark.line + 1, mark.column + 1) if mark else None
        what = (error.problem or "not YAML").removeprefix("but ")
        raise DocumentError(what, position, error.context) from None
    except ReaderError as error:
        what = f"character {error.character:#x} is not allowed"
        raise DocumentError(what, _position(text, error.position)) from None
    except YAMLError as error:
        raise DocumentError(str(error).split("\n", maxsplit=1)[0], None) from None
    except (ValueError, LookupError) as error:
        # A value does not have the form that the value's YAML tag requires.
        raise DocumentError(str(error), None) from None


def _yaml(limits: Limits) -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Scanner = partial(_BoundedScanner, depth=limits.depth)
    yaml.Composer = cast("type[Composer]", partial(_BoundedComposer, limits=limits))
    return yaml


class _BoundedScanner(Scanner):
    """Scanner that stops at flow collections nested too deeply, which are slow to scan."""

    def __init__(self, loader: Any = None, *, depth: int) -> None:
        super().__init__(loader)
        self._depth = depth

    def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803 - a name of the base class
        if len(self.flow_context) > self._depth:
            raise MarkedYAMLError(problem=TOO_DEEP, problem_mark=self.reader.get_mark())
        super().fetch_flow_collection_start(TokenClass, to_push)

    def scan_yaml_directive_value(self, start_mark: Any) -> Any:
        try:
            version = super().scan_yaml_directive_value(start_mark)
        except ValueError:
            version = None
        if version not in _VERSIONS:
            what = "the version of %YAML is neither 1.1 nor 1.2"
            raise MarkedYAMLError(problem=what, problem_mark=start_mark)
        return version


class _BoundedComposer(Composer):
    """Composer that limits the number and depth of nodes, including nodes that an alias repeats."""

    def __init__(self, loader: Any = None, *, limits: Limits) -> None:
        super().__init__(loader)
        self._limits = limits
        self._level, self._deepest, self._values = 0, 0, 0
        self._anchored: dict[int, tuple[int, int]] = {}
        """Number of values and of levels in every complete node that has an anchor, by the node's
        id."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        if isinstance(event, AliasEvent):
            node = super().compose_node(parent, index)
            # If a node contains an alias of itself, the node has no size yet. The code that reads
            # the nodes handles this case.
            values, levels = self._anchored.get(id(node), (1, 0))
            self._count(values, self._level + levels, event.start_mark, alias=True)
            return node
        before, deepest, self._deepest = self._values, self._deepest, self._level
        self._count(1, self._level, event.start_mark, alias=False)
        self._level += 1
        node = super().compose_node(parent, index)
        self._level -= 1
        if event.anchor is not None:
            self._anchored[id(node)] = (self._values - before, self._deepest - self._level)
        self._deepest = max(deepest, self._deepest)
        return node

    def _count(self, values: int, level: int, mark: Any, *, alias: bool) -> None:
        self._values += values
        self._deepest = max(self._deepest, level)
        if level > self._limits.depth:
            raise MarkedYAMLError(problem=TOO_DEEP, problem_mark=mark)
        if self._values > self._limits.values:
            many = f"aliases expand the document to more than {self._limits.values} values"
            raise MarkedYAMLError(
                problem=many if alias else _too_many(self._limits), problem_mark=mark
            )


class PlainConstructor(SafeConstructor):
    """Constructor of plain data that reports the position of every value that it cannot read."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - the base class's signature
        """Return the data of a YAML node."""
        if isinstance(node, ScalarNode) and has_half_character(str(node.value)):
            raise MarkedYAMLError(problem=HALF_CHARACTER, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError):
            what = f"a value can't be read as {str(node.tag).rpartition(':')[2]}"
            raise MarkedYAMLError(problem=what, problem_mark=node.start_mark) from None
