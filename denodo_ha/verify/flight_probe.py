"""Arrow Flight is gRPC, and gRPC is HTTP/2: greets, and waits for the server's settings.

RFC 9113, section 3.4: the client's preface, and each side's SETTINGS frame as its first.
"""

from typing import Final

from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.step import Fault, Log

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_NO_SETTINGS: Final = bytes.fromhex("000000040000000000")
_SETTINGS: Final = 4
_TLS_ALERT: Final = 0x15


def probe(log: Log, place: Place) -> None:
    """Greet an HTTP/2 server.

    Raises:
        Fault: a step failed.
    """
    with place.opened(log) as wire, log.step("HTTP/2") as step:
        wire.send(_PREFACE + _NO_SETTINGS)
        head = wire.read(lambda data: (data[:9], 9) if len(data) >= 9 or data[0] != 0 else None)
        if head[0] == _TLS_ALERT:
            raise Fault("speaks-tls", f"{place} answers with a TLS alert")
        if len(head) < 9 or head[3] != _SETTINGS:
            raise Fault("not-flight", f"{place} answers {head[:40]!r}")
        step.said = "the server sends its settings"
