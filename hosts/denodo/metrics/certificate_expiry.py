"""Days until a server's certificate expires, according to the certificate that clients receive.

This module reads certificates from the servers' ports, not from keystores: Python's standard
library reads no keystores, and a server uses a renewed certificate only after it has read the file
again.
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
"""Time limit in seconds to open a connection, and the same again for each answer."""

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
"""Message SSLRequest; a server that accepts TLS answers `S` (PostgreSQL, "Message Formats")."""


def days_left(system: System, state: State) -> float | None:
    """Return the days until the first expiry among the certificates of a node's servers.

    Returns:
        None if no server presents a certificate, because none uses TLS or none runs.
    """
    of_services = (_expiry_of(system, state, service) for service in state.services.values())
    expiries = [expiry for expiry in of_services if expiry is not None]
    if not expiries:
        return None
    return (min(expiries) - system.now()).total_seconds() / 86_400


def _expiry_of(system: System, state: State, service: Service) -> datetime | None:
    """Return when the certificate of a service expires; None if the service presents none."""
    try:
        certificate = _certificate(system, state, service)
        return read_certificate(certificate).not_after if certificate else None
    except (OSError, CertificateError):
        return None  # readiness reports why the service does not answer


def _certificate(system: System, state: State, service: Service) -> bytes | None:
    """Return the certificate of a service in DER form; None if the service does not use TLS."""
    # Do not try TLS on an RMI port without TLS: its server would log an error for each attempt.
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
    """Return a TLS context that accepts all certificates, even expired certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
