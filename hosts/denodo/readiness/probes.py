"""Probes of the servers on this node: each server is queried in its own protocol."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

from hosts.common.process import run

if TYPE_CHECKING:
    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

PING_SECONDS = 10
"""Limit of one `ping.sh`, which starts a Java; Denodo's own health check of 9.x has the same."""
_PING_MILLISECONDS = 5000
_SECONDS = 3

# PostgreSQL, "Message Formats": SSLRequest; the answer is one letter.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_SSL_ANSWERS = (b"S", b"N")
# Java Object Serialization and RMI specifications, "RMI Transport Protocol": header, then ack.
_RMI_HELLO = bytes.fromhex("4a524d4900024b")
_RMI_ACK = bytes.fromhex("4e")

_NO_ANSWER = "did not answer"


def why_not_ready(system: System, state: State, service: Service) -> str:
    """Probe a service; return why it is not ready, empty if it is ready."""
    probe = {
        "vdp": _vdp,
        "odbc": _odbc,
        "web": _web,
        "scheduler": _scheduler,
        "tcp": _tcp,
    }[service.kind]
    try:
        return probe(system, state, service)
    except (socket.timeout, TimeoutError):
        return f"{_NO_ANSWER} on port {service.port} within {_SECONDS} s"
    except ConnectionRefusedError:
        return f"nothing listens on port {service.port}"
    except (OSError, http.client.HTTPException) as error:
        return f"port {service.port}: {error!r}"


def listens(system: System, port: int) -> bool:
    """Return whether a server listens on a port."""
    try:
        with _connected(system, port):
            return True
    except OSError:
        return False


def _vdp(system: System, state: State, service: Service) -> str:
    # The connection comes first, so that no Java is started for a server that is down.
    with _connected(system, service.port):
        pass
    script = state.home / "bin/ping.sh"
    ready = ["-r"] if state.knows_readiness else []
    address = f"//{system.local}:{service.port}/admin"
    result = run(
        [script, *ready, "-t", str(_PING_MILLISECONDS), address],
        seconds=PING_SECONDS,
    )
    if result.status is None:
        return f"{_NO_ANSWER}: ping.sh was not done within {PING_SECONDS} s"
    return "" if result.succeeded else f"ping.sh {result}"


def _odbc(system: System, _state: State, service: Service) -> str:
    answer = _exchange(system, service.port, _SSL_REQUEST)
    return "" if answer in _SSL_ANSWERS else f"port {service.port} is not PostgreSQL's protocol"


def _scheduler(system: System, _state: State, service: Service) -> str:
    answer = _exchange(system, service.port, _RMI_HELLO)
    return "" if answer == _RMI_ACK else f"port {service.port} is not Java RMI"


def _tcp(system: System, _state: State, service: Service) -> str:
    with _connected(system, service.port):
        return ""


def _web(system: System, _state: State, service: Service) -> str:
    connection = (
        # Not verified: the certificate has the name that clients use, and this stays on the node.
        http.client.HTTPSConnection(
            system.local, service.port, timeout=_SECONDS, context=_unverified()
        )
        if service.tls
        else http.client.HTTPConnection(system.local, service.port, timeout=_SECONDS)
    )
    try:
        connection.request("GET", service.path)
        status = connection.getresponse().status
    finally:
        connection.close()
    # At the root every answer except a server error counts: the site chooses what lies there.
    needs_login = status in (401, 403)
    answers = status < (500 if service.path == "/" else 400)
    if answers or needs_login:
        return ""
    return f"GET {service.path} on port {service.port} is answered with status {status}"


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _exchange(system: System, port: int, request: bytes) -> bytes:
    with _connected(system, port) as connection:
        connection.sendall(request)
        return connection.recv(1)


def _connected(system: System, port: int) -> socket.socket:
    return socket.create_connection((system.local, port), _SECONDS)
