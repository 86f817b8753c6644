"""Reads serialised Java objects, as far as RMI registries send them.

Oracle, "Java Object Serialization Specification", chapter 6, grammar for the stream format.
Nothing is made of what is read: no class is known, objects stay maps of their fields.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

MAGIC = bytes.fromhex("aced0005")
_FIRST_HANDLE = 0x7E0000
_DEEPEST = 64
"""Answers of a registry nest five deep; what nests deeper is none."""
_PRIMITIVES = {"B": "b", "C": "H", "D": "d", "F": "f", "I": "i", "J": "q", "S": "h", "Z": "?"}
_PROXY, _WRITES, _SERIALISABLE, _EXTERNALISABLE, _BLOCKS = 0x100, 1, 2, 4, 8


class MalformedError(ValueError):
    """No serialised Java object."""


class IncompleteError(Exception):
    """The object goes on after what is there."""


@dataclass
class JavaClass:
    """A class's description; fields are `(type, name)`."""

    name: str
    flags: int
    fields: tuple[tuple[str, str], ...] = ()
    parent: "JavaClass | None" = None

    def lineage(self) -> list["JavaClass"]:
        """The class and its ancestors, the eldest first.

        Raises:
            MalformedError: a class that is its own ancestor.
        """
        found: list[JavaClass] = []
        one: JavaClass | None = self
        while one is not None:
            if len(found) > _DEEPEST:
                raise MalformedError("too many ancestors")
            found.insert(0, one)
            one = one.parent
        return found


@dataclass
class JavaObject:
    """An object; `written` is what its classes wrote themselves, bytes and objects in turn."""

    kind: JavaClass
    fields: dict[str, Any] = field(default_factory=dict)
    written: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its class's name."""
        return self.kind.name


@dataclass
class JavaArray:
    """An array."""

    kind: JavaClass
    items: list[Any] = field(default_factory=list)


class _End:
    """The end of what a class wrote."""


_END = _End()


class Reader:
    """Reads from the beginning of a stream, without the magic.

    Attributes:
        place: how many bytes were read.
    """

    def __init__(self, data: bytes, place: int = 0) -> None:
        self._data, self.place = data, place
        self._known: list[Any] = []
        self._depth = 0
        self._readers: dict[int, Callable[[], Any]] = {
            0x70: lambda: None,
            0x71: self._reference,
            0x72: self._class,
            0x73: self._object,
            0x74: lambda: self._remember(self._text(">H")),
            0x75: self._array,
            0x76: self._class_object,
            0x77: lambda: self._bytes(self._number(">B")),
            0x78: lambda: _END,
            0x7A: lambda: self._bytes(self._number(">I")),
            0x7C: lambda: self._remember(self._text(">Q")),
            0x7D: self._proxy_class,
            0x7E: self._enum,
        }

    def content(self) -> Any:
        """The next string, object, array, class, or block of bytes.

        Raises:
            MalformedError: it is nothing of the kind.
            IncompleteError: it goes on.
        """
        found = self._content()
        if found is _END:
            raise MalformedError("an end without a beginning")
        return found

    def _content(self) -> Any:
        code = self._number(">B")
        read = self._readers.get(code)
        if read is None:
            raise MalformedError("unknown code")
        if self._depth >= _DEEPEST:
            raise MalformedError("nests too deep")
        self._depth += 1
        found = read()
        self._depth -= 1
        return found

    def _bytes(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self._data):
            raise IncompleteError
        found = self._data[self.place : end]
        self.place = end
        return found

    def _number(self, form: str) -> int:
        found: int
        (found,) = struct.unpack(form, self._bytes(struct.calcsize(form)))
        return found

    def _text(self, length: str) -> str:
        return self._bytes(self._number(length)).decode("utf-8", "replace")

    def _remember(self, one: Any) -> Any:
        self._known.append(one)
        return one

    def _reference(self) -> Any:
        place = self._number(">I") - _FIRST_HANDLE
        if not 0 <= place < len(self._known):
            raise MalformedError("a reference to nothing")
        return self._known[place]

    def _described(self) -> JavaClass:
        found = self._content()
        if not isinstance(found, JavaClass):
            raise MalformedError("no class where one must be")
        return found

    def _class(self) -> JavaClass:
        name = self._text(">H")
        self._bytes(8)
        found: JavaClass = self._remember(JavaClass(name, 0))
        found.flags = self._number(">B")
        found.fields = tuple(self._fields(self._number(">H")))
        self._annotated(found)
        return found

    def _fields(self, count: int) -> Iterator[tuple[str, str]]:
        for _ in range(count):
            kind = chr(self._number(">B"))
            name = self._text(">H")
            if kind in "[L":
                self._content()
            elif kind not in _PRIMITIVES:
                raise MalformedError("unknown type")
            yield kind, name

    def _proxy_class(self) -> JavaClass:
        found: JavaClass = self._remember(JavaClass("", _PROXY | _SERIALISABLE))
        names = [self._text(">H") for _ in range(self._number(">I"))]
        found.name = ", ".join(names)
        self._annotated(found)
        return found

    def _annotated(self, found: JavaClass) -> None:
        for _ in self._written():
            pass
        parent = self._content()
        if parent is not None and not isinstance(parent, JavaClass):
            raise MalformedError("a parent that is no class")
        found.parent = parent

    def _written(self) -> Iterator[Any]:
        while (one := self._content()) is not _END:
            yield one

    def _object(self) -> JavaObject:
        found: JavaObject = self._remember(JavaObject(self._described()))
        for kind in found.kind.lineage():
            if kind.flags & _SERIALISABLE:
                for form, name in kind.fields:
                    found.fields[name] = self._value(form)
                if kind.flags & _WRITES:
                    found.written += self._written()
            elif kind.flags & _EXTERNALISABLE:
                if not kind.flags & _BLOCKS:
                    raise MalformedError("an old form that only its class can read")
                found.written += self._written()
        return found

    def _value(self, form: str) -> Any:
        if form in _PRIMITIVES:
            return self._number(f">{_PRIMITIVES[form]}")
        found = self._content()
        if found is _END:
            raise MalformedError("an end where a value must be")
        return found

    def _array(self) -> JavaArray:
        found: JavaArray = self._remember(JavaArray(self._described()))
        form = found.kind.name[1:2]
        if form not in _PRIMITIVES and form not in ("[", "L"):
            raise MalformedError("an array of nothing")
        for _ in range(self._number(">I")):
            found.items.append(self._value(form))
        return found

    def _class_object(self) -> JavaClass:
        found = self._described()
        self._remember(found)
        return found

    def _enum(self) -> JavaObject:
        found: JavaObject = self._remember(JavaObject(self._described()))
        found.fields["name"] = self._content()
        return found
