"""The servers of a Denodo stand-in: Virtual DataPort, the web container, the Scheduler.

A server is a process named `java` that listens on the ports in Denodo's files. Clients see the
protocols of Denodo: the registry of Java RMI that directs them to a second port (Virtual DataPort
7.0, Scheduler), `asyncrmi` of Virtual DataPort from 8.0 on, PostgreSQL's protocol, HTTP, the first
frames of Arrow Flight, and TLS once Denodo's TLS script has run. A query on the ODBC port returns
one row with the node's name, and each HTTP answer has the node's name in the header `X-Node`.
"""

# ruff: noqa: PLC0415 - few servers need TLS, and each server is a process that must start fast

import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from tools.local_aws.living.denodo.stand_in import Home

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_RMI_HELLO = bytes.fromhex("4a524d4900024b")
_RMI_CALL, _RMI_RETURN, _RMI_PING = 0x50, 0x51, 0x52
_STREAM = bytes.fromhex("aced0005")
_SECONDS = 60
_VDP = "conf/vdp/VDBConfiguration.properties"
_LIST, _LOOKUP = 1, 2
_HTTP2_SETTINGS = bytes.fromhex("000000040000000000")
"""The first frame of a server of HTTP/2, without settings (RFC 9113, SETTINGS)."""
_OBJECT = os.urandom(8) + os.urandom(14)
"""Id of the remote object on the second port (Java RMI specification, ObjID)."""
_PROCESS = os.urandom(4) + bytes(10)
"""Random part of the UID by which each answer identifies this process (Java RMI specification,
UID)."""


class Session:
    """One connection of a client.

    Args:
        home: the installation, of which only the node's name, statuses and behaviours are used.
        protocol: `http`, `https`, `odbc`, `rmi`, `object`, `vdp` or `flight`.
        second: host and port to which the registry directs its clients.
        certificate: file with certificate and key, once Denodo's TLS script has run; None before.
            Without this file, only `https` uses TLS, with `web.pem` of the installation.
    """

    def __init__(
        self,
        home: "Home",
        protocol: str,
        second: tuple[str, int],
        certificate: "Path | None" = None,
    ) -> None:
        self._home, self._protocol, self._second = home, protocol, second
        self._certificate = certificate

    def talk(self, connection: socket.socket) -> None:
        """Answer a client until the client or the protocol ends the connection."""
        connection.settimeout(_SECONDS)
        is_https = self._protocol == "https"
        begins_with_tls = self._certificate is not None and self._protocol not in ("http", "odbc")
        with connection, suppress(OSError, struct.error):
            if is_https or begins_with_tls:
                certificate = self._certificate or self._home.path / "web.pem"
                with _secured(connection, certificate) as secured:
                    self._answer(secured)
            else:
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        if self._protocol in ("http", "https"):
            self._web(connection)
        elif self._protocol == "odbc":
            _Postgres(self._home, connection, self._certificate).talk()
        elif self._protocol == "flight":
            connection.sendall(_HTTP2_SETTINGS)
            _keep(connection)
        elif self._protocol in ("rmi", "object"):
            self._rmi(connection)
        else:
            self._virtual_dataport(connection)

    def _web(self, connection: socket.socket) -> None:
        request = connection.recv(4096)
        if request.startswith(b"GET "):
            path = request.split()[1].decode("latin-1")
            body = f"{self._home.node}\n"
            head = f"HTTP/1.0 {self._home.status(path)} That\r\nX-Node: {self._home.node}\r\n"
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def _virtual_dataport(self, connection: socket.socket) -> None:
        """Answer Virtual DataPort's protocol of 8.0 and later, whose client sends first.

        The connection stays open afterwards.
        """
        request = connection.recv(1000)
        if request.startswith(b"asyncrmi") and len(request) >= 9:
            connection.sendall(b"asyncrmi" + bytes([(request[8] + 1) % 256]))
        _keep(connection)

    def _rmi(self, connection: socket.socket) -> None:
        """Answer RMI's hello and calls (Java RMI specification, RMI Transport Protocol)."""
        if _exactly(connection, len(_RMI_HELLO)) != _RMI_HELLO:
            return
        host, port = connection.getpeername()[:2]
        seen = host.encode()
        connection.sendall(b"\x4e" + struct.pack(">H", len(seen)) + seen + struct.pack(">i", port))
        length = struct.unpack(">H", _exactly(connection, 2))[0]
        _exactly(connection, length + 4)
        # Clients keep a connection open between calls.
        connection.settimeout(None)
        while kind := connection.recv(1):
            if kind[0] == _RMI_PING:
                connection.sendall(b"\x53")
            elif kind[0] == _RMI_CALL:
                self._call(connection)
            else:
                # Any other byte begins the UID of 14 bytes with which the client acknowledges an
                # answer.
                _exactly(connection, 14)

    def _call(self, connection: socket.socket) -> None:
        head = _exactly(connection, len(_STREAM) + 2)
        block = _exactly(connection, head[-1])
        (operation,) = struct.unpack(">i", block[22:26])
        is_registry = self._protocol == "rmi" and block[:22] == bytes(22)
        if is_registry and operation == _LIST:
            value, kind = _names("vdp"), 1
        elif is_registry and operation == _LOOKUP:
            _exactly(connection, 1)
            _exactly(connection, struct.unpack(">H", _exactly(connection, 2))[0])
            value, kind = _stub(*self._second), 1
        else:
            known = self._protocol == "object" and block[:22] == _OBJECT
            name = "UnmarshalException" if known else "NoSuchObjectException"
            value, kind = _class(f"java.rmi.{name}", parent=b"\x70", is_object=True), 2
        answer = bytes([_RMI_RETURN]) + _STREAM + b"\x77\x0f" + bytes([kind]) + _PROCESS + value
        connection.sendall(answer)


def _secured(connection: socket.socket, certificate: "Path") -> "ssl.SSLSocket":
    """Return a client's connection after the TLS handshake."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context.wrap_socket(connection, server_side=True)


def _keep(connection: socket.socket) -> None:
    """Keep a connection open until the client closes it."""
    connection.settimeout(None)
    while connection.recv(1000):
        pass


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionError
        data += part
    return data


def _utf(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def _class(
    name: str,
    *,
    uid: bytes = bytes(8),
    flags: int = 2,
    parent: bytes = b"\x70",
    is_object: bool = False,
) -> bytes:
    """Return a class without fields in the format of Java's serialisation.

    RMI adds a code base to each class, which is null in this program.
    """
    head = b"\x73" if is_object else b""
    return head + b"\x72" + _utf(name) + uid + bytes([flags]) + bytes(2) + b"\x70\x78" + parent


def _names(*names: str) -> bytes:
    uid = bytes.fromhex("add256e7e91d7b47")
    items = b"".join(b"\x74" + _utf(name) for name in names)
    return b"\x75" + _class("[Ljava.lang.String;", uid=uid) + struct.pack(">i", len(names)) + items


def _stub(host: str, port: int) -> bytes:
    """Return a remote reference to the object on the second port."""
    remote = _class("java.rmi.server.RemoteObject", uid=bytes.fromhex("d361b4910c61331e"), flags=3)
    stub = _class(
        "java.rmi.server.RemoteStub", uid=bytes.fromhex("e9fedcc98be1651a"), parent=remote
    )
    head = _class(
        "javax.management.remote.rmi.RMIServerImpl_Stub",
        uid=bytes(7) + b"\x02",
        parent=stub,
        is_object=True,
    )
    reference = _utf("UnicastRef") + _utf(host) + struct.pack(">i", port) + _OBJECT + b"\x00"
    return head + b"\x77" + bytes([len(reference)]) + reference + b"\x78"


class _Postgres:
    """PostgreSQL's protocol: any user may start a session, and each query returns one row."""

    def __init__(self, home: "Home", connection: socket.socket, certificate: "Path | None") -> None:
        self._home, self._connection, self._certificate = home, connection, certificate

    def talk(self) -> None:
        """Answer queries until the client ends the session."""
        try:
            self._talk()
        finally:
            self._connection.close()

    def _talk(self) -> None:
        head = _exactly(self._connection, 8)
        if "silent" in self._home.behaves("odbc"):
            while self._connection.recv(1000):
                pass
            return
        if head == _SSL_REQUEST:
            if self._certificate is None:
                self._connection.sendall(b"N")
            else:
                self._connection.sendall(b"S")
                self._connection = _secured(self._connection, self._certificate)
            head = _exactly(self._connection, 8)
        (length,) = struct.unpack(">i", head[:4])
        _exactly(self._connection, length - 8)
        parameters = {"server_version": "9.5", "client_encoding": "UTF8"}
        self._send(
            b"R" + struct.pack(">ii", 8, 0),
            *(_message(b"S", f"{key}\0{value}\0".encode()) for key, value in parameters.items()),
            _message(b"K", bytes(8)),
            _READY,
        )
        # Clients keep a session open between queries.
        self._connection.settimeout(None)
        while (kind := _exactly(self._connection, 1)) != b"X":
            (length,) = struct.unpack(">i", _exactly(self._connection, 4))
            self._reply(kind, _exactly(self._connection, length - 4))

    def _reply(self, kind: bytes, body: bytes) -> None:
        row = self._home.node.encode()
        columns = struct.pack(">H", 1) + b"node\0" + struct.pack(">ihihih", 0, 0, 25, -1, -1, 0)
        described = _message(b"T", columns)
        answered = (
            _message(b"D", struct.pack(">Hi", 1, len(row)) + row),
            _message(b"C", b"SELECT 1\0"),
        )
        if kind == b"Q":
            self._send(described, *answered, _READY)
        elif kind == b"D" and body[:1] == b"S":
            self._send(_message(b"t", bytes(2)), described)
        else:
            replies = {
                b"P": (_message(b"1", b""),),
                b"B": (_message(b"2", b""),),
                b"C": (_message(b"3", b""),),
                b"D": (described,),
                b"E": answered,
                b"S": (_READY,),
            }
            self._send(*replies.get(kind, ()))

    def _send(self, *messages: bytes) -> None:
        self._connection.sendall(b"".join(messages))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


_READY = _message(b"Z", b"I")
