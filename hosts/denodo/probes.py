"""Asks a server on this node, in its own protocol, whether it is ready."""

from __future__ import annotations

import http.client
import socket
import ssl
from typing import TYPE_CHECKING

from hosts.denodo.process import run

if TYPE_CHECKING:
    from hosts.denodo.state import Service, State
    from hosts.denodo.system import System

PING_SECONDS = 10
"""For one `ping.sh`, with its Java; Denodo's own health check of 9.x allows as much."""
_PING_MILLISECONDS = 5000
_SECONDS = 3

# PostgreSQL, "Message Formats": SSLRequest; the answer is one letter.
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")
_SSL_ANSWERS = (b"S", b"N")
# Java Object Serialization and RMI specifications, "RMI Transport Protocol": header, then ack.
_RMI_HELLO = bytes.fromhex("4a524d4900024b")
_RMI_ACK = bytes.fromhex("4e")

_SILENT = "did not answer"


def ask(system: System, state: State, service: Service) -> str:
    """Why a service is not ready; empty when it is."""
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
        return f"{_SILENT} on port {service.port} within {_SECONDS} s"
    except ConnectionRefusedError:
        return f"nothing listens on port {service.port}"
    except (OSError, http.client.HTTPException) as wrong:
        return f"port {service.port}: {wrong!r}"


def listens(system: System, port: int) -> bool:
    """Whether anything listens on a port."""
    try:
        with _connected(system, port):
            return True
    except OSError:
        return False


def _vdp(system: System, state: State, service: Service) -> str:
    # First by a connection, so that a server that is down costs no Java.
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
        return f"{_SILENT}: ping.sh was not done within {PING_SECONDS} s"
    return "" if result.ended_well else f"ping.sh {result}"


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
        # The certificate is for the name that clients use, and this never leaves the node.
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
    # At the root, any answer but an error of the server: what lies there is the site's choice.
    asked_to_log_in = status in (401, 403)
    answers = status < (500 if service.path == "/" else 400)
    if answers or asked_to_log_in:
        return ""
    return f"GET {service.path} on port {service.port} is answered with status {status}"


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _exchange(system: System, port: int, said: bytes) -> bytes:
    with _connected(system, port) as connection:
        connection.sendall(said)
        return connection.recv(1)


def _connected(system: System, port: int) -> socket.socket:
    return socket.create_connection((system.local, port), _SECONDS)
