"""Probes of the servers on this node, each in the protocol of its server.

No probe of this module starts Java; `hosts.denodo.readiness.ping` runs `ping.sh`, which does.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hosts.denodo.state import Service
    from hosts.denodo.system import System

SECONDS = 3
"""Time limit in seconds to open a connection, and the same again to receive the answer."""

# Message SSLRequest, which a PostgreSQL server answers with the letter S or N (PostgreSQL,
# "Message Formats").
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_SSL_ANSWERS = (b"S", b"N")
# RMI header of a client, which the server acknowledges (Java Object Serialization and RMI
# specifications, "RMI Transport Protocol").
_RMI_HELLO = bytes.fromhex("4a524d4900024b")
_RMI_ACK = bytes.fromhex("4e")
# First byte of a TLS record that contains an alert (RFC 8446, "Record Protocol").
_TLS_ALERT = bytes.fromhex("15")

NO_ANSWER = "the server did not answer"


@dataclass(frozen=True)
class Failure:
    """Failure of a probe.

    Attributes:
        reason: why the probe failed.
        refused: whether nothing listens on the port.
        silent: whether the server did not answer in time.
    """

    reason: str
    refused: bool = False
    silent: bool = False


def failure(system: System, service: Service, *, paths: Iterable[str] = ()) -> Failure | None:
    """Probe a service; return None if it answers.

    Args:
        system: the machine.
        service: the service; for `vdp`, the probe only opens a connection.
        paths: for `web`: paths of the web applications that must exist.
    """
    try:
        if service.kind == "odbc":
            reason = _odbc(system, service.port)
        elif service.kind == "scheduler":
            reason = _scheduler(system, service)
        elif service.kind == "web":
            reason = _web(system, service, paths)
        else:
            reason = _connection(system, service.port)
    except (socket.timeout, TimeoutError):
        reason = f"{NO_ANSWER} on port {service.port} within {SECONDS} s"
        return Failure(reason, silent=True)
    except ConnectionRefusedError:
        return Failure(f"nothing listens on port {service.port}", refused=True)
    except (OSError, http.client.HTTPException) as error:
        return Failure(f"port {service.port}: {error!r}")
    return Failure(reason) if reason else None


def listens(system: System, port: int) -> bool:
    """Return whether a server listens on a port."""
    try:
        return not _connection(system, port)
    except OSError:
        return False


def application_failure(
    system: System, port: int, path: str, *, tls: bool = False
) -> Failure | None:
    """Request a path of a web application; return None if the path exists."""
    try:
        status = _status(system, port, path, tls=tls)
    except (socket.timeout, TimeoutError):
        return Failure(f"{NO_ANSWER} to GET {path} within {SECONDS} s", silent=True)
    except ConnectionRefusedError:
        return Failure(f"nothing listens on port {port}", refused=True)
    except (OSError, http.client.HTTPException) as error:
        return Failure(f"{path} on port {port}: {error!r}")
    return None if _exists(status) else Failure(_answered(port, path, status))


def _connection(system: System, port: int) -> str:
    with _connected(system, port):
        return ""


def _odbc(system: System, port: int) -> str:
    answer = _exchange(system, port, _SSL_REQUEST)
    return "" if answer in _SSL_ANSWERS else f"port {port} does not answer in PostgreSQL's protocol"


def _scheduler(system: System, service: Service) -> str:
    """Send the RMI header to the Scheduler and check its answer; return why this failed, or empty.

    If the service uses TLS, try TLS first and then plain RMI, otherwise plain RMI first. The second
    attempt is made only if the server ends the connection or answers with a TLS alert: a server
    that expects TLS does so after plain RMI, and a server that expects plain RMI after TLS.
    """
    for tls in (service.tls, not service.tls):
        try:
            answer = _exchange(system, service.port, _RMI_HELLO, tls=tls)
        except (ConnectionRefusedError, socket.timeout, TimeoutError):
            raise
        except OSError:
            answer = b""
        if answer == _RMI_ACK:
            return ""
        if answer not in (b"", _TLS_ALERT):
            break
    return f"port {service.port} does not answer in the protocol of Java RMI"


def _web(system: System, service: Service, paths: Iterable[str]) -> str:
    status = _status(system, service.port, service.path, tls=service.tls)
    # For `/`, only a server error is a failure, because operators choose the content of this page.
    if not (_exists(status) or (service.path == "/" and status < 500)):
        return _answered(service.port, service.path, status)
    for path in paths:
        status = _status(system, service.port, path, tls=service.tls)
        if not _exists(status):
            return _answered(service.port, path, status)
    return ""


def _exists(status: int) -> bool:
    return status < 400 or status in (401, 403)


def _answered(port: int, path: str, status: int) -> str:
    return f"GET {path} on port {port} returns status {status}"


def _status(system: System, port: int, path: str, *, tls: bool) -> int:
    connection = (
        # Do not verify the certificate: it contains the name that clients use, and this connection
        # stays on the node.
        http.client.HTTPSConnection(system.local, port, timeout=SECONDS, context=_unverified())
        if tls
        else http.client.HTTPConnection(system.local, port, timeout=SECONDS)
    )
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _exchange(system: System, port: int, request: bytes, *, tls: bool = False) -> bytes:
    connected = _connected(system, port)
    with _unverified().wrap_socket(connected) if tls else connected as connection:
        connection.sendall(request)
        return connection.recv(1)


def _connected(system: System, port: int) -> socket.socket:
    return socket.create_connection((system.local, port), SECONDS)
