"""Speaks RMI's own protocol as a client does: greets, asks a registry, and reads its stubs.

Oracle, "Java Remote Method Invocation Specification", chapter 10, RMI transport protocol; the
registry's numbers are those of `sun.rmi.registry.RegistryImpl_Stub`, fixed since JDK 1.1.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denodo_ha.verify.connection import Wire
from denodo_ha.verify.java_stream import (
    MAGIC,
    IncompleteError,
    JavaArray,
    JavaObject,
    MalformedError,
    Reader,
)
from denodo_ha.verify.step import Fault, shown

HELLO = bytes.fromhex("4a524d4900024b")
"""`JRMI`, version 2, stream protocol."""
_ACK, _NOT_SUPPORTED = 0x4E, 0x4F
_CALL, _RETURN, _PING_ACK, _DGC_ACK = 0x50, 0x51, 0x53, 0x54
_NORMAL, _EXCEPTIONAL = 1, 2

_REGISTRY = bytes(22)
_REGISTRY_HASH = 4905912898345647071
_LIST, _LOOKUP = 1, 2
_NO_OPERATION = -1
_NO_METHOD = 0
"""No method of a remote object hashes to it, as far as anybody knows: nothing is called."""

_US = b"denodo-ha"
_MOST_NAMES = 1000
_LONGEST = 1000
_MOST_OBJECTS = 50
_TLS_ALERT = 0x15


@dataclass(frozen=True)
class Stub:
    """Where a client goes on for an object.

    Attributes:
        host: what the server calls itself.
        port: its port; Denodo's auxiliary port.
        object_id: which object it is, there.
        factory: the class that makes the client's sockets; empty for plain ones.
    """

    host: str
    port: int
    object_id: bytes
    factory: str = ""


@dataclass(frozen=True)
class Answer:
    """What a call gave.

    Attributes:
        process: a number that every Java process draws at its start and puts into every answer,
            so that two answers tell whether one process gave them (`java.rmi.server.UID`).
        value: the object; the exception of a failed call.
        failed: whether the call failed.
    """

    process: int
    value: Any
    failed: bool

    @property
    def exception(self) -> str:
        """The class of the exception."""
        return self.value.name if self.failed and isinstance(self.value, JavaObject) else ""

    def __str__(self) -> str:
        """`class: message` of an exception."""
        message = self.value.fields.get("detailMessage") if self.exception else None
        return shown(f"{self.exception}: {message}" if message else self.exception or "an answer")


def greet(wire: Wire) -> str:
    """Begin the protocol; gives the address by which the server sees us.

    Raises:
        Fault: it is no RMI.
    """
    wire.send(HELLO)
    seen = wire.read(lambda data: _acknowledged(data, wire.place))
    wire.send(struct.pack(">H", len(_US)) + _US + struct.pack(">i", 0))
    return seen


def names(wire: Wire) -> tuple[int, list[str]]:
    """The process of a registry, and the names that it knows.

    Raises:
        Fault: the answer is none, or the registry refuses.
    """
    answer = _asked(wire, _LIST, b"")
    if not isinstance(answer.value, JavaArray):
        raise Fault("not-registry", f"{wire.place} does not list names")
    found = [one for one in answer.value.items if isinstance(one, str) and len(one) <= _LONGEST]
    return answer.process, found[:_MOST_NAMES]


def lookup(wire: Wire, name: str) -> Stub | None:
    """Where a client goes on for a name; None where the name is no remote object.

    Raises:
        Fault: the answer is none, or the registry refuses.
    """
    text = name.encode()
    answer = _asked(wire, _LOOKUP, b"\x74" + struct.pack(">H", len(text)) + text)
    return next(_stubs(answer.value, set()), None)


def touch(wire: Wire, object_id: bytes) -> Answer:
    """Ask an object for a method that it does not have: it answers that, and does nothing.

    Raises:
        Fault: the answer is none.
    """
    return _call(wire, object_id, _NO_OPERATION, _NO_METHOD, b"")


def _acknowledged(data: bytes, place: str) -> tuple[str, int] | None:
    if data[0] == _NOT_SUPPORTED:
        raise Fault("not-rmi", f"{place} speaks RMI but not its stream protocol")
    if data[0] == _TLS_ALERT:
        raise Fault("speaks-tls", f"{place} answers with a TLS alert")
    if data[0] != _ACK:
        raise Fault("not-rmi", f"{place} answers {data[:40]!r}")
    if len(data) < 3:
        return None
    (length,) = struct.unpack(">H", data[1:3])
    end = 3 + length + 4
    return (data[3 : 3 + length].decode("utf-8", "replace"), end) if len(data) >= end else None


def _asked(wire: Wire, operation: int, arguments: bytes) -> Answer:
    answer = _call(wire, _REGISTRY, operation, _REGISTRY_HASH, arguments)
    if answer.exception == "java.rmi.NoSuchObjectException":
        raise Fault("not-registry", f"{wire.place} is RMI, and no registry: {answer}")
    if answer.failed:
        raise Fault("registry-refuses", f"{wire.place}: {answer}")
    return answer


def _call(wire: Wire, object_id: bytes, operation: int, method: int, arguments: bytes) -> Answer:
    head = object_id + struct.pack(">iq", operation, method)
    wire.send(bytes([_CALL]) + MAGIC + bytes([0x77, len(head)]) + head + arguments)
    answer, acknowledgement = wire.read(lambda data: _returned(data, wire.place))
    # The server keeps what it returned until the client has said that it is there.
    wire.send(bytes([_DGC_ACK]) + acknowledgement)
    return answer


def _returned(data: bytes, place: str) -> tuple[tuple[Answer, bytes], int] | None:
    begin = len(data) - len(data.lstrip(bytes([_PING_ACK])))
    if begin == len(data):
        return None
    if data[begin] != _RETURN:
        raise Fault("malformed", f"{place} answers a call with {data[:40]!r}")
    start = begin + 1 + len(MAGIC)
    if len(data) < start:
        return None
    if data[begin + 1 : start] != MAGIC:
        raise Fault("malformed", f"{place} answers a call with {data[:40]!r}")
    try:
        return _read(Reader(data, start), place)
    except IncompleteError:
        return None
    except MalformedError as wrong:
        raise Fault("malformed", f"{place} answers a call with no Java object: {wrong}") from None


def _read(reader: Reader, place: str) -> tuple[tuple[Answer, bytes], int]:
    head = reader.content()
    if not isinstance(head, bytes) or len(head) != 15 or head[0] not in (_NORMAL, _EXCEPTIONAL):
        raise Fault("malformed", f"{place} answers a call with {head!r}")
    (process,) = struct.unpack(">i", head[1:5])
    answer = Answer(process, reader.content(), failed=head[0] == _EXCEPTIONAL)
    return (answer, head[1:]), reader.place


def _stubs(value: Any, seen: set[int]) -> Iterator[Stub]:
    """The references in an object: its own, or that of the handler behind a proxy."""
    if not isinstance(value, JavaObject) or id(value) in seen or len(seen) > _MOST_OBJECTS:
        return
    seen.add(id(value))
    if any(kind.name == "java.rmi.server.RemoteObject" for kind in value.kind.lineage()):
        found = _reference(value.written)
        if found is not None:
            yield found
    for one in value.fields.values():
        yield from _stubs(one, seen)


def _reference(written: list[Any]) -> Stub | None:
    """What a remote object wrote: the kind of reference, then host, port and object."""
    data = b"".join(one for one in written if isinstance(one, bytes))
    factory = next((one.name for one in written if isinstance(one, JavaObject)), "")
    try:
        kind, place = _text(data, 0)
        if kind == "UnicastRef2":
            place += 1
        elif kind != "UnicastRef":
            return None
        host, place = _text(data, place)
        (port,) = struct.unpack_from(">i", data, place)
    except struct.error:
        return None
    object_id = data[place + 4 : place + 26]
    if len(object_id) != 22 or not 0 < port < 65536:
        return None
    return Stub(host, port, object_id, factory)


def _text(data: bytes, place: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", data, place)
    begin, end = place + 2, place + 2 + length
    return data[begin:end].decode("utf-8", "replace"), end
