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


PASSED = Outcome(passed=True)
_LOCAL_HEADER = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
"""PROXY protocol, version 2, command LOCAL, without addresses (HAProxy, The PROXY protocol)."""
_FAILED = Outcome(reason="Target.FailedHealthChecks", description="Health checks failed")
TIMEOUT = Outcome(reason="Target.Timeout", description="Request timed out")


def tcp(address: tuple[str, int], timeout: float) -> Outcome:
    """Connect by TCP and disconnect."""
    try:
        with socket.create_connection(address, timeout=timeout):
            return PASSED
    except OSError:
        return _FAILED


def http_get(
    address: tuple[str, int],
    path: str,
    codes: str,
    timeout: float,
    *,
    secure: bool,
    proxied: bool = False,
) -> Outcome:
    """Request a path; certificates are not verified, as on AWS.

    Args:
        address: the target.
        path: the path.
        codes: the status codes of a healthy target.
        timeout: seconds for the connection, and for the answer.
        secure: use TLS.
        proxied: send the header of the PROXY protocol first, without addresses (AWS, Proxy protocol
            of target groups, Health check connections).
    """
    connection: http.client.HTTPConnection
    if secure:
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001 - see the docstring
        connection = http.client.HTTPSConnection(*address, timeout=timeout, context=trusting)
    else:
        connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        if proxied and not secure:
            connection.connect()
            connection.sock.sendall(_LOCAL_HEADER)
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
