"""Probe of ODBC ports: the PostgreSQL protocol until the server requests a password.

The messages are described in the PostgreSQL documentation, "Frontend/Backend Protocol", message
formats.
"""

import struct
from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Final

from denodo_ha.verify.connection import MAX_ANSWER_BYTES, Connection
from denodo_ha.verify.endpoint import Endpoint
from denodo_ha.verify.findings import Fault, Step, StepLog, StepState

SSL_REQUEST: Final = bytes.fromhex("0000000804d2162f")
_PROTOCOL_3: Final = 196608
_TERMINATE: Final = b"X\x00\x00\x00\x04"
_PARAMETERS: Final = {
    "user": "denodo-ha",
    "database": "admin",
    "application_name": "denodo-ha verify",
}

_AUTHENTICATION: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "begins the session without a password",
        2: "asks for Kerberos",
        3: "asks for a password in clear text",
        5: "asks for an MD5 password",
        7: "asks for GSSAPI",
        9: "asks for SSPI",
        10: "asks for SASL",
    }
)
_SKIPPED: Final = (b"v", b"N")
"""Messages that may precede the server's answer to the start of a session:
NegotiateProtocolVersion and NoticeResponse."""
_MAX_SKIPPED: Final = 10


def probe_odbc(log: StepLog, endpoint: Endpoint) -> None:
    """Request TLS, begin a session, and end the session when the server requests a password.

    Raises:
        Fault: A step failed.
    """
    if endpoint.tls:
        # The load balancer terminates TLS, so the connection begins with the TLS handshake; the
        # client sends no SSLRequest.
        with endpoint.open(log) as connection, log.step("start-up") as step:
            _start_session(step, connection)
        return
    with log.step("ask for TLS") as step:
        connection, offers_tls = _request_tls(endpoint)
        if not offers_tls:
            step.note("odbc-no-tls", "the server offers no TLS")
    if offers_tls:
        connection.socket.close()
        with log.step("TLS") as step:
            connection = endpoint.trust.open_judged(
                step, lambda: _tls_ready(endpoint), endpoint.client_name
            )
            if step.finding:
                step.state, step.finding = StepState.NOTE, "odbc-certificate"
    with connection, log.step("start-up") as step:
        _start_session(step, connection)


def _request_tls(endpoint: Endpoint) -> tuple[Connection, bool]:
    """Request TLS; return a connection, and True if the TLS handshake can begin on it."""
    with ExitStack() as stack:
        connection = stack.enter_context(endpoint.connect())
        connection.send(SSL_REQUEST)
        answer = connection.read_bytes(1)
        if answer in (b"S", b"N"):
            stack.pop_all()
            return connection, answer == b"S"
    if answer != b"E":
        raise Fault("not-postgresql", f"{endpoint} answers an SSLRequest with {answer!r}")
    # A server without TLS support answers with an error and closes the connection, so connect
    # again.
    return endpoint.connect(), False


def _tls_ready(endpoint: Endpoint) -> Connection:
    connection, offers_tls = _request_tls(endpoint)
    if not offers_tls:
        connection.socket.close()
        seen = f"{endpoint} offered TLS on the first connection, but not on the second"
        raise Fault("not-tls", seen)
    return connection


def _start_session(step: Step, connection: Connection) -> None:
    parameters = b"".join(f"{key}\0{value}\0".encode() for key, value in _PARAMETERS.items())
    message = struct.pack(">i", _PROTOCOL_3) + parameters + b"\0"
    connection.send(struct.pack(">i", len(message) + 4) + message)
    for _ in range(_MAX_SKIPPED):
        kind, body = _read_message(connection)
        if kind not in _SKIPPED:
            break
    if kind == b"R" and len(body) >= 4:
        (method,) = struct.unpack(">i", body[:4])
        step.seen = _AUTHENTICATION.get(method, f"asks for authentication of kind {method}")
        if method == 0:
            step.note("odbc-open", step.seen)
    elif kind == b"E":
        _report_error(step, body)
    else:
        seen = f"{connection.endpoint} answers a start-up with {kind + body[:40]!r}"
        raise Fault("not-postgresql", seen)
    connection.send(_TERMINATE)


def _report_error(step: Step, body: bytes) -> None:
    """Record a server's error in a step; some, such as an unknown user, are the expected answer."""
    fields = {
        part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0") if len(part) > 1
    }
    sql_state, message = fields.get(b"C", ""), fields.get(b"M", "no message")
    seen = f"answers {sql_state} {message}".replace("  ", " ")
    if sql_state.startswith("57P0"):
        step.fail("odbc-starting", seen)
    elif sql_state.startswith("53"):
        step.fail("odbc-full", seen)
    else:
        step.seen = seen


def _read_message(connection: Connection) -> tuple[bytes, bytes]:
    return connection.read(lambda data: _parse_message(data, connection.endpoint))


def _parse_message(data: bytes, endpoint: str) -> tuple[tuple[bytes, bytes], int] | None:
    if not data[:1].isalpha():
        raise Fault("not-postgresql", f"{endpoint} answers a start-up with {data[:40]!r}")
    if len(data) < 5:
        return None
    (length,) = struct.unpack(">i", data[1:5])
    if not 4 <= length <= MAX_ANSWER_BYTES:
        raise Fault("not-postgresql", f"{endpoint} answers a start-up with {data[:40]!r}")
    end = 1 + length
    return ((data[:1], data[5:end]), end) if len(data) >= end else None
