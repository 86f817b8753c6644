"""One health check of one target: connect, or ask by HTTP."""

import http.client
import socket
import ssl
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        passed: whether the target is well.
        reason: AWS's reason code where it is not.
        description: AWS's sentence about it.
    """

    passed: bool = False
    reason: str = ""
    description: str = ""


PASSED = Outcome(passed=True)
_FAILED = Outcome(reason="Target.FailedHealthChecks", description="Health checks failed")
_TIMEOUT = Outcome(reason="Target.Timeout", description="Request timed out")


def tcp(address: tuple[str, int], timeout: float) -> Outcome:
    """Connect and hang up."""
    try:
        with socket.create_connection(address, timeout=timeout):
            return PASSED
    except OSError:
        return _FAILED


def http_get(
    address: tuple[str, int], path: str, codes: str, timeout: float, *, secure: bool
) -> Outcome:
    """Ask for a path; AWS does not look at a target's certificate either."""
    connection: http.client.HTTPConnection
    if secure:
        trusting = ssl._create_unverified_context()  # noqa: S323, SLF001 - see the docstring
        connection = http.client.HTTPSConnection(*address, timeout=timeout, context=trusting)
    else:
        connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        connection.request("GET", path, headers={"User-Agent": "ELB-HealthChecker/2.0"})
        status = connection.getresponse().status
    except TimeoutError:
        return _TIMEOUT
    except (OSError, http.client.HTTPException):
        return _FAILED
    finally:
        connection.close()
    if _matches(status, codes):
        return PASSED
    described = f"Health checks failed with these codes: [{status}]"
    return Outcome(reason="Target.ResponseCodeMismatch", description=described)


def _matches(status: int, codes: str) -> bool:
    """Whether a status is one of `200,301` or of `200-399`."""
    for part in codes.split(","):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
