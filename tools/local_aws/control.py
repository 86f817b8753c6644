"""Client of the server's control API under `/_local/`: see `emulator/control_api.py`."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from tools.local_aws.errors import LocalAwsError

NAME = "denodo-ha local AWS"
_TIMEOUT_S = 30.0
# Ignore the user's HTTP proxy: client and server are on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(
    endpoint: str, path: str, body: Any = None, *, method: str = "GET", timeout: float = _TIMEOUT_S
) -> dict[str, Any]:
    """Call the control API and return its answer.

    Raises:
        LocalAwsError: the server refused the call; the message has the server's reason.
        OSError: the endpoint does not answer.
    """
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - the endpoint begins with http://127.0.0.1
        f"{endpoint}/_local/{path}", data=content, method=method
    )
    try:
        with _opener.open(request, timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        try:
            reason = json.load(error).get("error", error.reason)
        except ValueError:
            reason = error.reason
        message = f"the local AWS refused {method} {path}: {reason}"
        raise LocalAwsError(message) from None
    except http.client.HTTPException as error:
        message = f"the local AWS closed the connection during {method} {path}"
        raise ConnectionError(message) from error


def identity(endpoint: str, *, timeout: float = _TIMEOUT_S) -> dict[str, Any] | None:
    """Return the identity of the server at an endpoint; None if the server is not a local AWS."""
    try:
        answer = call(endpoint, "identity", timeout=timeout)
        is_local_aws = answer.get("name") == NAME
    except (OSError, ValueError, AttributeError, LocalAwsError):
        return None
    return answer if is_local_aws else None
