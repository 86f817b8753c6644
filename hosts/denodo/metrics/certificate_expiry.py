"""Days until a server's certificate expires, as clients of this node see the certificate.

The servers are asked, and not their keystores: Python's standard library reads no keystores, and a
certificate that was renewed in a file is not in use before its server has read the file.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from hosts.common.certificate import CertificateError, read_certificate

if TYPE_CHECKING:
    from datetime import datetime

    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

SECONDS = 3
"""Time limit for opening a connection, and again for each answer."""

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""PostgreSQL, "Message Formats": SSLRequest; the answer S agrees to TLS."""


def days_left(system: System, state: State) -> float | None:
    """Return the days until the first certificate of a node's servers expires.

    Returns:
        None if no server shows a certificate, because none uses TLS or none runs.
    """
    of_services = (_expiry_of(system, state, service) for service in state.services.values())
    expiries = [expiry for expiry in of_services if expiry is not None]
    if not expiries:
        return None
    return (min(expiries) - system.now()).total_seconds() / 86_400


def _expiry_of(system: System, state: State, service: Service) -> datetime | None:
    """Return when the certificate of a service expires; None if the service shows none."""
    try:
        certificate = _certificate(system, state, service)
        return read_certificate(certificate).not_after if certificate else None
    except (OSError, CertificateError):
        return None  # the readiness of the service contains the reason


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
