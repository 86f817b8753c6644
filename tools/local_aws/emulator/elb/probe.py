"""One health check of one target, by TCP or HTTP."""

import http.client
import socket
import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """The result of a check.

    Attributes:
        passed: whether the check passed.
        reason: AWS's reason code of a failed check.
        description: AWS's description of a failed check.
    """

    passed: bool = False
    reason: str = ""
    description: str = ""


_CLOSED_AT_ONCE_S = 1.0
"""Project default: real seconds within which a load balancer of a busy machine closes a client's
connection after the target has refused the load balancer's connection."""
PASSED = Outcome(passed=True)
_FAILED = Outcome(reason="Target.FailedHealthChecks", description="Health checks failed")
TIMEOUT = Outcome(reason="Target.Timeout", description="Request timed out")


PROXY_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
"""Header of the PROXY protocol, version 2, that names no client (HAProxy Technologies, The PROXY
protocol, LOCAL). Health checks send this header if the target group uses the protocol (AWS, Edit
target group attributes for your Network Load Balancer, Proxy protocol, Health check
connections)."""


def tcp(address: tuple[str, int], timeout: float, header: bytes = b"") -> Outcome:
    """Connect by TCP, send a header and disconnect."""
    try:
        with socket.create_connection(address, timeout=timeout) as connection:
            connection.sendall(header)
            return PASSED
    except OSError:
        return _FAILED


def stays_open(
    address: tuple[str, int],
    timeout: float,
    *,
    silence: float = _CLOSED_AT_ONCE_S,
    patience: float = _CLOSED_AT_ONCE_S,
) -> bool:
    """Return whether an endpoint accepts a connection and does not end it for lack of a target.

    A load balancer of this machine accepts a connection before it connects to a target. If the
    target refuses, the load balancer closes the connection at once. If the target cannot be
    reached, the load balancer sends nothing, and resets the connection once the client has ended
    its side (`living/balancer/flows.py`). A server that waits for the first bytes of its client
    neither closes nor resets the connection.

    Args:
        address: the endpoint.
        timeout: real seconds until the connection is accepted.
        silence: real seconds to wait for a close after the connection was accepted.
        patience: real seconds to wait for a reset after the client has ended its side.
    """
    try:
        connection = socket.create_connection(address, timeout=timeout)
    except OSError:
        return False
    with connection:
        connection.settimeout(silence)
        try:
            return bool(connection.recv(1))
        except TimeoutError:
            return not _is_reset_at_its_end(connection, patience)
        except OSError:
            return False


def _is_reset_at_its_end(connection: socket.socket, patience: float) -> bool:
    connection.settimeout(patience)
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def http_get(
    address: tuple[str, int],
    path: str,
    codes: str,
    timeout: float,
    *,
    secure: bool,
    header: bytes = b"",
) -> Outcome:
    """Send a header and request a path by HTTP; certificates are not verified, as on AWS."""
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.sock = socket.create_connection(address, timeout=timeout)
        connection.sock.sendall(header)
        if secure:
            trusting = ssl._create_unverified_context()  # noqa: S323, SLF001 - load balancers verify no certificate
            connection.sock = trusting.wrap_socket(connection.sock)
        connection.request("GET", path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
        status = connection.getresponse().status
    except TimeoutError:
        return TIMEOUT
    except (OSError, http.client.HTTPException):
        return _FAILED
    finally:
        connection.close()
    if _matches(status, codes):
        return PASSED
    described = f"Health checks failed with these codes: [{status}]"
    return Outcome(reason="Target.ResponseCodeMismatch", description=described)


def _matches(status: int, codes: str) -> bool:
    """Return whether a status is in a list of codes and ranges: `200,301` or `200-399`."""
    for part in codes.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
