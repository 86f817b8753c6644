"""Speaks PostgreSQL as far as a client without a password gets: TLS, start-up, the demand for one.

PostgreSQL documentation, "Frontend/Backend Protocol", message formats.
"""

import struct
from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Final

from denodo_ha.verify.connection import MOST_BYTES, Wire
from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.step import Fault, Log, State, Step

SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
_PROTOCOL_3: Final = 196608
_TERMINATE: Final = b"X\x00\x00\x00\x04"
_PARAMETERS: Final = {
    "user": "denodo-ha",
    "database": "admin",
    "application_name": "denodo-ha verify",
}

_ASKS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "lets us in without a password",
        2: "asks for Kerberos",
        3: "asks for a password in clear text",
        5: "asks for an MD5 password",
        7: "asks for GSSAPI",
        9: "asks for SSPI",
        10: "asks for SASL",
    }
)
_PASSED_OVER: Final = (b"v", b"N")
"""NegotiateProtocolVersion and NoticeResponse may come before the answer."""
_MOST_PASSED_OVER: Final = 10


def probe(log: Log, place: Place) -> None:
    """Ask for TLS, begin a session, and end it where a password is wanted.

    Raises:
        Fault: a step failed.
    """
    if place.tls:
        # The balancer ends TLS from the first byte, so within it none is asked for.
        with place.opened(log) as wire, log.step("start-up") as step:
            _start(step, wire)
        return
    with log.step("ask for TLS") as step:
        wire, offered = _ask(place)
        if not offered:
            step.note("odbc-no-tls", "none offered")
    if offered:
        wire.socket.close()
        with log.step("TLS") as step:
            wire = place.trust.judged(step, lambda: _encryptable(place), place.name)
            if step.code:
                step.state, step.code = State.NOTE, "odbc-certificate"
    with wire, log.step("start-up") as step:
        _start(step, wire)


def _ask(place: Place) -> tuple[Wire, bool]:
    """A connection, and whether TLS may begin on it; else a session may."""
    with ExitStack() as stack:
        wire = stack.enter_context(place.connected())
        wire.send(SSL_REQUEST)
        answer = wire.exactly(1)
        if answer in (b"S", b"N"):
            stack.pop_all()
            return wire, answer == b"S"
    if answer != b"E":
        raise Fault("not-postgresql", f"{place} answers an SSLRequest with {answer!r}")
    # A server from before TLS answers with an error and hangs up.
    return place.connected(), False


def _encryptable(place: Place) -> Wire:
    wire, offered = _ask(place)
    if not offered:
        wire.socket.close()
        raise Fault("not-tls", f"{place} offered TLS once and then no more")
    return wire


def _start(step: Step, wire: Wire) -> None:
    parameters = b"".join(f"{key}\0{value}\0".encode() for key, value in _PARAMETERS.items())
    message = struct.pack(">i", _PROTOCOL_3) + parameters + b"\0"
    wire.send(struct.pack(">i", len(message) + 4) + message)
    for _ in range(_MOST_PASSED_OVER):
        kind, body = _message(wire)
        if kind not in _PASSED_OVER:
            break
    if kind == b"R" and len(body) >= 4:
        (wanted,) = struct.unpack(">i", body[:4])
        step.said = _ASKS.get(wanted, f"asks for authentication of kind {wanted}")
        if wanted == 0:
            step.note("odbc-open", step.said)
    elif kind == b"E":
        _refused(step, body)
    else:
        raise Fault("not-postgresql", f"{wire.place} answers a start-up with {kind + body[:40]!r}")
    wire.send(_TERMINATE)


def _refused(step: Step, body: bytes) -> None:
    """An error of the server's own: it speaks PostgreSQL, and mostly that is all we want."""
    fields = {
        part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if len(part) > 1
    }
    state, text = fields.get(b"C", ""), fields.get(b"M", "no message")
    said = f"answers {state} {text}".replace("  ", " ")
    if state.startswith("57P0"):
        step.wrong("odbc-starting", said)
    elif state.startswith("53"):
        step.wrong("odbc-full", said)
    else:
        step.said = said


def _message(wire: Wire) -> tuple[bytes, bytes]:
    return wire.read(lambda data: _framed(data, wire.place))


def _framed(data: bytes, place: str) -> tuple[tuple[bytes, bytes], int] | None:
    if not data[:1].isalpha():
        raise Fault("not-postgresql", f"{place} answers a start-up with {data[:40]!r}")
    if len(data) < 5:
        return None
    (length,) = struct.unpack(">i", data[1:5])
    if not 4 <= length <= MOST_BYTES:
        raise Fault("not-postgresql", f"{place} answers a start-up with {data[:40]!r}")
    end = 1 + length
    return ((data[:1], data[5:end]), end) if len(data) >= end else None
