"""Calls to the local AWS itself, which are none of AWS's: see `control.py`."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from tools.local_aws.problem import LocalError

NAME = "denodo-ha local AWS"
_TIMEOUT = 30.0
# A proxy of the user's has no business between two processes of one machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(
    endpoint: str, path: str, told: Any = None, *, method: str = "GET", timeout: float = _TIMEOUT
) -> dict[str, Any]:
    """Make one call.

    Raises:
        LocalError: the server refused, with its reason.
        OSError: nobody answered.
    """
    body = None if told is None else json.dumps(told).encode()
    request = urllib.request.Request(  # noqa: S310 - ours begins with http://127.0.0.1
        f"{endpoint}/_local/{path}", data=body, method=method
    )
    try:
        with _direct.open(request, timeout=timeout) as answer:
            content: dict[str, Any] = json.load(answer)
            return content
    except urllib.error.HTTPError as refused:
        try:
            reason = json.load(refused).get("error", refused.reason)
        except ValueError:
            reason = refused.reason
        message = f"the local AWS refused {method} {path}: {reason}"
        raise LocalError(message) from None
    except http.client.HTTPException as broken_off:
        message = f"the local AWS broke off its answer to {method} {path}"
        raise ConnectionError(message) from broken_off


def identity(endpoint: str, *, timeout: float = 5.0) -> dict[str, Any] | None:
    """Who answers at an endpoint, None unless it is a local AWS."""
    try:
        found = call(endpoint, "identity", timeout=timeout)
        ours = found.get("name") == NAME
    except (OSError, ValueError, AttributeError, LocalError):
        return None
    return found if ours else None
