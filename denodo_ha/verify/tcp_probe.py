"""Probes of a TCP connection, and of the beginning of an Arrow Flight connection.

Arrow Flight uses gRPC, and gRPC uses HTTP/2. The Flight probe sends the HTTP/2 client preface and
waits for the server's SETTINGS frame (RFC 9113, section 3.4).
"""

from typing import Final

from denodo_ha.verify.endpoint import Endpoint
from denodo_ha.verify.findings import Fault, StepLog

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_EMPTY_SETTINGS: Final = bytes.fromhex("000000040000000000")
_SETTINGS: Final = 4
_TLS_ALERT: Final = 0x15


def probe_connect(log: StepLog, endpoint: Endpoint) -> None:
    """Connect to an endpoint.

    Raises:
        Fault: The connection failed.
    """
    with log.step(f"connect {endpoint}"), endpoint.connect():
        pass


def probe_tcp(log: StepLog, endpoint: Endpoint) -> None:
    """Verify that the server keeps a connection open.

    Raises:
        Fault: The connection failed or was closed.
    """
    with endpoint.open(log) as connection, log.step("stays open"):
        connection.require_open()


def probe_flight(log: StepLog, endpoint: Endpoint) -> None:
    """Begin an HTTP/2 connection, and verify that the server answers.

    Raises:
        Fault: A step failed.
    """
    with endpoint.open(log) as connection, log.step("HTTP/2") as step:
        connection.send(_PREFACE + _EMPTY_SETTINGS)
        header = connection.read(
            lambda data: (data[:9], 9) if len(data) >= 9 or data[0] != 0 else None
        )
        if header[0] == _TLS_ALERT:
            raise Fault("speaks-tls", f"{endpoint} answers with a TLS alert")
        if len(header) < 9 or header[3] != _SETTINGS:
            raise Fault("not-flight", f"{endpoint} answers {header[:40]!r}")
        step.seen = "the server sends its settings"
