"""Client of RMI's protocol (JRMP): handshake, calls to a registry, and remote references.

The protocol is described by Oracle, "Java Remote Method Invocation Specification", chapter 10, RMI
transport protocol. The operation numbers of the registry are those in
`sun.rmi.registry.RegistryImpl_Stub`, which have not changed since JDK 1.1.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from denodo_ha.verify.connection import Connection
from denodo_ha.verify.findings import Fault, one_line
from denodo_ha.verify.java_stream import (
    MAGIC,
    IncompleteError,
    JavaArray,
    JavaObject,
    MalformedError,
    Reader,
)

HANDSHAKE = bytes.fromhex("4a524d4900024b")
"""Beginning of an RMI connection: `JRMI`, version 2, stream protocol."""
_ACK, _NOT_SUPPORTED = 0x4E, 0x4F
_CALL, _RETURN, _PING_ACK, _DGC_ACK = 0x50, 0x51, 0x53, 0x54
_NORMAL, _EXCEPTIONAL = 1, 2

_REGISTRY = bytes(22)
_REGISTRY_HASH = 4905912898345647071
_LIST, _LOOKUP = 1, 2
_NO_OPERATION = -1
_NO_METHOD = 0
"""Method hash that no known method of a remote object has: the server answers the call with an
error, and calls no method."""

_CLIENT_HOST = b"denodo-ha"
_MAX_NAMES = 1000
_MAX_NAME_LENGTH = 1000
_MAX_OBJECTS = 50
_TLS_ALERT = 0x15


@dataclass(frozen=True)
class Stub:
    """Remote reference of an object: the host and port to which a client connects.

    Attributes:
        host: the host that the server names for this connection.
        port: the port of the object; for Denodo 7.0 the auxiliary port.
        object_id: the id of the object on the server.
        factory: the class that creates the client's sockets; empty for sockets without TLS.
    """

    host: str
    port: int
    object_id: bytes
    factory: str = ""


@dataclass(frozen=True)
class CallResult:
    """The result of a call.

    Attributes:
        process: a random number that a Java process puts into each of its answers: two answers with
            the same number come from the same process (`java.rmi.server.UID`).
        value: the returned object, or the exception of a failed call.
        failed: True if the call failed.
    """

    process: int
    value: Any
    failed: bool

    @property
    def exception(self) -> str:
        """The class name of the exception; empty if the call did not fail."""
        return self.value.name if self.failed and isinstance(self.value, JavaObject) else ""

    def __str__(self) -> str:
        """Return `class: message` of an exception."""
        message = self.value.fields.get("detailMessage") if self.exception else None
        return one_line(
            f"{self.exception}: {message}" if message else self.exception or "an answer"
        )


def handshake(connection: Connection) -> str:
    """Begin an RMI connection, and return the client address that the server sees.

    Raises:
        Fault: The server does not speak RMI.
    """
    connection.send(HANDSHAKE)
    seen = connection.read(lambda data: _parse_acknowledgement(data, connection.endpoint))
    connection.send(struct.pack(">H", len(_CLIENT_HOST)) + _CLIENT_HOST + struct.pack(">i", 0))
    return seen


def list_names(connection: Connection) -> tuple[int, list[str]]:
    """Return the process number of a registry, and the names that are bound in the registry.

    Raises:
        Fault: The server is not a registry, or the call failed.
    """
    result = _call_registry(connection, _LIST, b"")
    if not isinstance(result.value, JavaArray):
        raise Fault("not-registry", f"{connection.endpoint} does not list names")
    names = [name for name in result.value.items if isinstance(name, str)]
    short = [name for name in names if len(name) <= _MAX_NAME_LENGTH]
    return result.process, short[:_MAX_NAMES]


def lookup(connection: Connection, name: str) -> Stub | None:
    """Return the remote reference that is bound to a name; None if no remote object is bound.

    Raises:
        Fault: The server is not a registry, or the call failed.
    """
    text = name.encode()
    result = _call_registry(connection, _LOOKUP, b"\x74" + struct.pack(">H", len(text)) + text)
    return next(_stubs(result.value, set()), None)


def call_unknown_method(connection: Connection, object_id: bytes) -> CallResult:
    """Call a method that an object does not have, to get an answer without any effect.

    Raises:
        Fault: The server's answer is not RMI.
    """
    return _call(connection, object_id, _NO_OPERATION, _NO_METHOD, b"")


def _parse_acknowledgement(data: bytes, endpoint: str) -> tuple[str, int] | None:
    if data[0] == _NOT_SUPPORTED:
        raise Fault("not-rmi", f"{endpoint} speaks RMI but not its stream protocol")
    if data[0] == _TLS_ALERT:
        raise Fault("speaks-tls", f"{endpoint} answers with a TLS alert")
    if data[0] != _ACK:
        raise Fault("not-rmi", f"{endpoint} answers {data[:40]!r}")
    if len(data) < 3:
        return None
    (length,) = struct.unpack(">H", data[1:3])
    end = 3 + length + 4
    return (data[3 : 3 + length].decode("utf-8", "replace"), end) if len(data) >= end else None


def _call_registry(connection: Connection, operation: int, arguments: bytes) -> CallResult:
    result = _call(connection, _REGISTRY, operation, _REGISTRY_HASH, arguments)
    if result.exception == "java.rmi.NoSuchObjectException":
        seen = f"{connection.endpoint} speaks RMI and is not a registry: {result}"
        raise Fault("not-registry", seen)
    if result.failed:
        raise Fault("registry-refuses", f"{connection.endpoint}: {result}")
    return result


def _call(
    connection: Connection, object_id: bytes, operation: int, method: int, arguments: bytes
) -> CallResult:
    head = object_id + struct.pack(">iq", operation, method)
    connection.send(bytes([_CALL]) + MAGIC + bytes([0x77, len(head)]) + head + arguments)
    result, acknowledgement = connection.read(lambda data: _parse_return(data, connection.endpoint))
    # Acknowledge the answer: until then, the server keeps the returned object.
    connection.send(bytes([_DGC_ACK]) + acknowledgement)
    return result


def _parse_return(data: bytes, endpoint: str) -> tuple[tuple[CallResult, bytes], int] | None:
    begin = len(data) - len(data.lstrip(bytes([_PING_ACK])))
    if begin == len(data):
        return None
    if data[begin] != _RETURN:
        raise Fault("malformed", f"{endpoint} answers a call with {data[:40]!r}")
    start = begin + 1 + len(MAGIC)
    if len(data) < start:
        return None
    if data[begin + 1 : start] != MAGIC:
        raise Fault("malformed", f"{endpoint} answers a call with {data[:40]!r}")
    try:
        return _read_result(Reader(data, start), endpoint)
    except IncompleteError:
        return None
    except MalformedError as error:
        seen = f"{endpoint} answers a call with no Java object: {error}"
        raise Fault("malformed", seen) from None


def _read_result(reader: Reader, endpoint: str) -> tuple[tuple[CallResult, bytes], int]:
    head = reader.content()
    if not isinstance(head, bytes) or len(head) != 15 or head[0] not in (_NORMAL, _EXCEPTIONAL):
        raise Fault("malformed", f"{endpoint} answers a call with {head!r}")
    (process,) = struct.unpack(">i", head[1:5])
    result = CallResult(process, reader.content(), failed=head[0] == _EXCEPTIONAL)
    return (result, head[1:]), reader.position


def _stubs(value: Any, seen: set[int]) -> Iterator[Stub]:
    """Yield the remote references in an object, or in the handler of a dynamic proxy."""
    if not isinstance(value, JavaObject) or id(value) in seen or len(seen) > _MAX_OBJECTS:
        return
    seen.add(id(value))
    if any(kind.name == "java.rmi.server.RemoteObject" for kind in value.kind.lineage()):
        stub = _parse_stub(value.annotations)
        if stub is not None:
            yield stub
    for field in value.fields.values():
        yield from _stubs(field, seen)


def _parse_stub(annotations: list[Any]) -> Stub | None:
    """Return the reference (kind, host, port, object id) in a remote object's annotations."""
    data = b"".join(value for value in annotations if isinstance(value, bytes))
    factory = next((value.name for value in annotations if isinstance(value, JavaObject)), "")
    try:
        kind, position = _text(data, 0)
        if kind == "UnicastRef2":
            position += 1
        elif kind != "UnicastRef":
            return None
        host, position = _text(data, position)
        (port,) = struct.unpack_from(">i", data, position)
    except struct.error:
        return None
    object_id = data[position + 4 : position + 26]
    if len(object_id) != 22 or not 0 < port < 65536:
        return None
    return Stub(host, port, object_id, factory)


def _text(data: bytes, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from(">H", data, position)
    begin, end = position + 2, position + 2 + length
    return data[begin:end].decode("utf-8", "replace"), end
