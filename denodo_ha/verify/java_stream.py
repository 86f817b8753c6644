"""Reader of serialised Java objects, limited to the kinds that RMI registries send.

The format is described by Oracle, "Java Object Serialization Specification", chapter 6, grammar for
the stream format. No class is loaded or created: an object is read as a map of its fields.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

MAGIC = bytes.fromhex("aced0005")
_FIRST_HANDLE = 0x7E0000
_MAX_DEPTH = 64
"""Project limit: maximum nesting of objects; a registry's answers are nested five levels deep."""
_PRIMITIVES = {"B": "b", "C": "H", "D": "d", "F": "f", "I": "i", "J": "q", "S": "h", "Z": "?"}
_PROXY, _WRITES, _SERIALISABLE, _EXTERNALISABLE, _BLOCKS = 0x100, 1, 2, 4, 8


class MalformedError(ValueError):
    """The data is not a valid serialised Java object."""


class IncompleteError(Exception):
    """The data ends before the object is complete."""


@dataclass
class JavaClass:
    """The description of a class; each field is a pair `(type, name)`."""

    name: str
    flags: int
    fields: tuple[tuple[str, str], ...] = ()
    parent: "JavaClass | None" = None

    def lineage(self) -> list["JavaClass"]:
        """Return the class and its superclasses, the topmost superclass first.

        Raises:
            MalformedError: A class is its own superclass.
        """
        classes: list[JavaClass] = []
        ancestor: JavaClass | None = self
        while ancestor is not None:
            if len(classes) > _MAX_DEPTH:
                raise MalformedError("a class has too many superclasses")
            classes.insert(0, ancestor)
            ancestor = ancestor.parent
        return classes


@dataclass
class JavaObject:
    """An object; `annotations` are the additional bytes and objects that its classes wrote."""

    kind: JavaClass
    fields: dict[str, Any] = field(default_factory=dict)
    annotations: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the object's class."""
        return self.kind.name


@dataclass
class JavaArray:
    """A Java array: its class and its items."""

    kind: JavaClass
    items: list[Any] = field(default_factory=list)


class _End:
    """Marker of the end of a class's annotations."""


_END = _End()


class Reader:
    """Reads the content of a serialised stream, after the stream's header.

    Attributes:
        position: the number of bytes read so far.
    """

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data, self.position = data, position
        self._handles: list[Any] = []
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
        """Read the next string, object, array, class, or block of bytes.

        Raises:
            MalformedError: The data does not follow the grammar.
            IncompleteError: The data ends too early.
        """
        value = self._content()
        if value is _END:
            raise MalformedError("an end marker where an object must be")
        return value

    def _content(self) -> Any:
        code = self._number(">B")
        read = self._readers.get(code)
        if read is None:
            raise MalformedError("an unknown type code")
        if self._depth >= _MAX_DEPTH:
            raise MalformedError("objects are nested too deeply")
        self._depth += 1
        value = read()
        self._depth -= 1
        return value

    def _bytes(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self._data):
            raise IncompleteError
        data = self._data[self.position : end]
        self.position = end
        return data

    def _number(self, form: str) -> int:
        number: int
        (number,) = struct.unpack(form, self._bytes(struct.calcsize(form)))
        return number

    def _text(self, length: str) -> str:
        return self._bytes(self._number(length)).decode("utf-8", "replace")

    def _remember(self, value: Any) -> Any:
        self._handles.append(value)
        return value

    def _reference(self) -> Any:
        index = self._number(">I") - _FIRST_HANDLE
        if not 0 <= index < len(self._handles):
            raise MalformedError("a reference to an object that is not in the stream")
        return self._handles[index]

    def _class_description(self) -> JavaClass:
        description = self._content()
        if not isinstance(description, JavaClass):
            raise MalformedError("a class description is missing")
        return description

    def _class(self) -> JavaClass:
        name = self._text(">H")
        self._bytes(8)
        java_class: JavaClass = self._remember(JavaClass(name, 0))
        java_class.flags = self._number(">B")
        java_class.fields = tuple(self._fields(self._number(">H")))
        self._read_parent(java_class)
        return java_class

    def _fields(self, count: int) -> Iterator[tuple[str, str]]:
        for _ in range(count):
            kind = chr(self._number(">B"))
            name = self._text(">H")
            if kind in "[L":
                self._content()
            elif kind not in _PRIMITIVES:
                raise MalformedError("a field with an unknown type")
            yield kind, name

    def _proxy_class(self) -> JavaClass:
        java_class: JavaClass = self._remember(JavaClass("", _PROXY | _SERIALISABLE))
        names = [self._text(">H") for _ in range(self._number(">I"))]
        java_class.name = ", ".join(names)
        self._read_parent(java_class)
        return java_class

    def _read_parent(self, java_class: JavaClass) -> None:
        for _ in self._annotations():
            pass
        parent = self._content()
        if parent is not None and not isinstance(parent, JavaClass):
            raise MalformedError("the parent is not a class")
        java_class.parent = parent

    def _annotations(self) -> Iterator[Any]:
        while (value := self._content()) is not _END:
            yield value

    def _object(self) -> JavaObject:
        java_object: JavaObject = self._remember(JavaObject(self._class_description()))
        for kind in java_object.kind.lineage():
            if kind.flags & _SERIALISABLE:
                for form, name in kind.fields:
                    java_object.fields[name] = self._value(form)
                if kind.flags & _WRITES:
                    java_object.annotations += self._annotations()
            elif kind.flags & _EXTERNALISABLE:
                if not kind.flags & _BLOCKS:
                    raise MalformedError("an object in a form that only its own class can read")
                java_object.annotations += self._annotations()
        return java_object

    def _value(self, form: str) -> Any:
        if form in _PRIMITIVES:
            return self._number(f">{_PRIMITIVES[form]}")
        value = self._content()
        if value is _END:
            raise MalformedError("an end marker where a value must be")
        return value

    def _array(self) -> JavaArray:
        array: JavaArray = self._remember(JavaArray(self._class_description()))
        form = array.kind.name[1:2]
        if form not in _PRIMITIVES and form not in ("[", "L"):
            raise MalformedError("an array with an unknown element type")
        for _ in range(self._number(">I")):
            array.items.append(self._value(form))
        return array

    def _class_object(self) -> JavaClass:
        description = self._class_description()
        self._remember(description)
        return description

    def _enum(self) -> JavaObject:
        constant: JavaObject = self._remember(JavaObject(self._class_description()))
        constant.fields["name"] = self._content()
        return constant
