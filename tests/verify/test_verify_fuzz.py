"""A probe ends in time with an answer or a fault, whatever bytes the server sends."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from hypothesis import example, given, settings
from hypothesis import strategies as st

from denodo_ha.verify import jrmp
from denodo_ha.verify.connection import Connection
from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import Fault, StepLog
from denodo_ha.verify.java_stream import IncompleteError, MalformedError, Reader
from denodo_ha.verify.postgres_probe import probe_odbc
from denodo_ha.verify.web_probe import WebRequest, parse_response

# Recorded from a real RMI server (Java 25).
GREETING = bytes.fromhex("4e00093132372e302e302e310000dd44")
HEAD = bytes.fromhex("51aced0005770f01b523c8d1000001a2011a4a008003")
LISTED = HEAD + bytes.fromhex(
    "7572" + "00135b4c6a6176612e6c616e672e537472696e673b" + "add256e7e91d7b47020000"
    "70787000000001" + "74" + "00066a6d78726d69"
)
STUB = HEAD + bytes.fromhex(
    "7372002e"
    + b"javax.management.remote.rmi.RMIServerImpl_Stub".hex()
    + "00000000000000020200007078"
    + "72001a"
    + b"java.rmi.server.RemoteStub".hex()
    + "e9fedcc98be1651a0200007078"
    + "72001c"
    + b"java.rmi.server.RemoteObject".hex()
    + "d361b4910c61331e0300007078"
    + "707734000b"
    + b"UnicastRef2".hex()
    + "000009"
    + b"127.0.0.2".hex()
    + "00004e1d"
    + "0c9115839ea43d96b523c8d1000001a2011a4a008001"
    + "0178"
)


@st.composite
def bent(draw: st.DrawFn, right: bytes) -> bytes:
    """Return a correct answer in which some bytes are changed, inserted or cut off."""
    data = bytearray(right)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data) - 1)) if data else 0
        match draw(st.integers(0, 3)):
            case 0:
                data[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case 1:
                data[place:place] = draw(st.binary(max_size=8))
            case 2:
                del data[place : place + draw(st.integers(1, 8))]
            case _:
                del data[place:]
    return bytes(data)


def talked(data: bytes, talk: Callable[[Connection], object]) -> None:
    """Probe a server that sends these bytes, regardless of the request, and disconnects."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        with suppress(OSError):
            theirs.sendall(data)
            theirs.shutdown(socket.SHUT_WR)

    server = threading.Thread(target=serve)
    server.start()
    try:
        with Connection(ours, "there:1", 5) as connection, suppress(Fault):
            talk(connection)
    finally:
        ours.close()
        server.join()
        theirs.close()


def ask_registry(connection: Connection) -> None:
    jrmp.handshake(connection)
    for name in jrmp.list_names(connection)[1]:
        jrmp.lookup(connection, name)


def test_what_is_bent_was_right() -> None:
    seen: list[object] = []

    def talk(connection: Connection) -> None:
        jrmp.handshake(connection)
        seen.extend(jrmp.list_names(connection)[1])
        seen.append(jrmp.lookup(connection, "jmxrmi"))

    talked(GREETING + LISTED + STUB, talk)
    (name, stub) = seen
    assert name == "jmxrmi"
    assert isinstance(stub, jrmp.Stub)
    assert (stub.host, stub.port, stub.factory) == ("127.0.0.2", 19997, "")


@settings(max_examples=150)
@given(st.one_of(bent(GREETING + LISTED + STUB), st.binary(max_size=200).map(GREETING.__add__)))
@example(GREETING + HEAD + b"\x75" * 300)
@example(GREETING + HEAD + b"\x7a\xff\xff\xff\xff")
def test_registry(data: bytes) -> None:
    talked(data, ask_registry)


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=300), bent(LISTED[6:]), bent(STUB[6:])))
@example(b"\x7d\xff\xff\xff\xff")
@example(b"\x73\x72\x00\x01A" + bytes(8) + b"\x02\x00\x00\x78\x71\x00\x7e\x00\x00")
def test_java_objects(data: bytes) -> None:
    reader = Reader(data)
    with suppress(MalformedError, IncompleteError):
        while True:
            reader.content()
    assert reader.position <= len(data)


@settings(max_examples=150)
@given(
    st.one_of(
        bent(b"R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\0\0"),
        bent(b"E\x00\x00\x00\x1dSFATAL\0C57P03\0Mstarting\0\0"),
        st.binary(max_size=100),
    )
)
def test_postgres(data: bytes) -> None:
    def talk(connection: Connection) -> None:
        class Here(Endpoint):
            def connect(self) -> Connection:
                return connection

        probe_odbc(StepLog("odbc"), Here("there", 1, "there", 5, Trust()))

    talked(b"N" + data, talk)


@settings(max_examples=150)
@given(
    st.one_of(
        bent(b"HTTP/1.1 302 Found\r\nLocation: http://[::1/\r\nSet-Cookie: a=b; Path=/\r\n\r\n"),
        st.binary(max_size=100).map(b"HTTP/1.1 200 ".__add__),
    )
)
def test_web(data: bytes) -> None:
    with suppress(Fault):
        parse_response("there:1", data, WebRequest(sticky="source", nodes=["node1"]))


def test_words_of_a_server_are_harmless() -> None:
    log = StepLog("jdbc")
    with suppress(Fault), log.step("lookup \x1b[2J\nname") as step:
        step.seen = "a\x1b]0;title\x07\r\n" + "b" * 1000
    assert log.steps[0].name == "lookup [2J name"
    assert log.steps[0].seen.isprintable()
    assert len(log.steps[0].seen) == 300
