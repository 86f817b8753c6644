"""Days until a server's certificate expires, as clients of this node see the certificate.

The servers are asked, and not their keystores: Python's standard library reads no keystores, and a
certificate that was renewed in a file is not in use before its server has read the file.
"""

from __future__ import annotations

import socket
import ssl
from datetime import datetime, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

SECONDS = 3
"""Time limit for opening a connection, and again for each answer."""

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL, "Message Formats": SSLRequest; the answer S agrees to TLS."""

# X.690 (DER) and RFC 5280, "Basic Certificate Fields".
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_LONG_FORM = 0x80
_YEARS_OF_UTC_TIME = 50
"""RFC 5280, "UTCTime": years from 50 on are those of the twentieth century."""


def days_left(system: System, state: State) -> float | None:
    """Return the days until the first certificate of a node's servers expires.

    Returns:
        None if no server shows a certificate, because none uses TLS or none runs.
    """
    found = (_expiry_of(system, state, service) for service in state.services.values())
    expiries = [time for time in found if time is not None]
    if not expiries:
        return None
    return (min(expiries) - system.now()).total_seconds() / 86_400


def _expiry_of(system: System, state: State, service: Service) -> datetime | None:
    """Return when the certificate of a service expires; None if the service shows none."""
    try:
        certificate = _certificate(system, state, service)
        return expiry(certificate) if certificate else None
    except (OSError, ValueError):
        return None  # the readiness of the service contains the reason


def expiry(certificate: bytes) -> datetime:
    """Return the time at which a certificate in DER form expires.

    Raises:
        ValueError: The bytes are not a certificate.
    """
    # Certificate, TBSCertificate: [version], serial number, signature, issuer, validity, ...
    _, outer = next(_elements(certificate), (0, b""))
    _, fields = next(_elements(outer), (0, b""))
    elements = [element for element in _elements(fields) if element[0] != _VERSION]
    tag, validity = elements[3] if len(elements) > 3 else (0, b"")
    times = list(_elements(validity)) if tag == _SEQUENCE else []
    if len(times) != 2:
        message = "this is not a certificate"
        raise ValueError(message)
    return _time(*times[1])


def _certificate(system: System, state: State, service: Service) -> bytes | None:
    """Return the certificate of a service in DER form; None if the service does not use TLS."""
    # A server of RMI without TLS logs an error for each TLS handshake.
    has_tls = service.tls or (service.kind == "vdp" and bool(state.certificate))
    if not has_tls and service.kind != "odbc":
        return None
    with socket.create_connection((system.local, service.port), SECONDS) as connection:
        if service.kind == "odbc":
            connection.sendall(_SSL_REQUEST)
            if connection.recv(1) != b"S":
                return None
        with _unverified().wrap_socket(connection) as secured:
            return secured.getpeercert(binary_form=True)


def _unverified() -> ssl.SSLContext:
    """Return a context that accepts each certificate, also one that has expired."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element of DER data."""
    while data:
        if len(data) < 2:
            message = "an element of DER is incomplete"
            raise ValueError(message)
        tag, length, start = data[0], data[1], 2
        if length & _LONG_FORM:
            start += length ^ _LONG_FORM
            length = int.from_bytes(data[2:start], "big")
        end = start + length
        if len(data) < end:
            message = "an element of DER is incomplete"
            raise ValueError(message)
        yield tag, data[start:end]
        data = data[end:]


def _time(tag: int, content: bytes) -> datetime:
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        century = "19" if int(text[:2]) >= _YEARS_OF_UTC_TIME else "20"
        text = century + text
    elif tag != _GENERALIZED_TIME:
        message = f"an element with tag {tag} is not a time"
        raise ValueError(message)
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc)
