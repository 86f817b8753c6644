"""HTTP session of the AWS clients: limits the time of each attempt, and checks answers.

botocore has separate timeouts for the connection to each address and for each read, so a name with
several addresses, a resolver that does not answer, or a very slow answer may take minutes. botocore
also accepts any page with status 200 as an answer, for example the page of a proxy (botocore,
httpsession and parsers). `bound_session` replaces a client's session by one that limits the whole
attempt and rejects such pages.
"""

import json
import threading
from collections.abc import Mapping
from typing import Any, Final
from xml.etree import ElementTree

from botocore import exceptions as boto

from denodo_ha.aws import deadline
from denodo_ha.aws.concurrency import call_in_time
from denodo_ha.cli.errors import Unreachable

ATTEMPT_S: Final = 15.0
"""Project default: seconds for an attempt without a deadline; most calls end within a second."""
_NOT_REPEATED: Final = "AmazonSSM.SendCommand"
"""`X-Amz-Target` header of the call that must not be repeated, because each repetition would run
the command on the instances again."""


class UnreadableAnswerError(boto.ConnectionClosedError):  # type: ignore[misc] # botocore has no types
    """An answer that is incomplete or not from AWS; the SDK repeats the call.

    AWS may have carried out the call nevertheless.
    """

    fmt = "{reason}, from {endpoint_url}"


class BoundSession:
    """Wraps a session of botocore: limits the time of each answer and checks its form.

    Args:
        session: the session that botocore has created.
        slots: limits the number of concurrent calls; each client has its own semaphore.
    """

    def __init__(self, session: Any, slots: threading.Semaphore) -> None:
        self._session, self._slots = session, slots

    def send(self, request: Any) -> Any:
        """Send a request, and return AWS's answer.

        Raises:
            Unreachable: The deadline has expired, or the answer was lost and the call must not be
                repeated.
            HTTPClientError: There is no answer, or the answer is not from AWS; the SDK may repeat
                the call.
        """
        seconds = deadline.left(ATTEMPT_S)
        if seconds <= 0:
            message = (
                f"no time was left to call {request.url}: AWS does not answer in time, or this "
                "machine is too busy to read AWS's answers; check the region's state at "
                "https://health.aws.amazon.com and the load of this machine, and run the command "
                "again"
            )
            raise Unreachable(message)
        try:
            response = self._answer_in_time(request, seconds)
            _require_readable(request, response)
        except boto.HTTPClientError as error:
            if _header(request.headers, "x-amz-target") == _NOT_REPEATED:
                message = (
                    f"AWS's answer was lost ({error}), so the instance may run the Systems Manager "
                    "command nevertheless"
                )
                raise Unreachable(message) from error
            raise
        return response

    def _answer_in_time(self, request: Any, seconds: float) -> Any:
        """Send a request in a thread, and abandon the thread after a number of seconds."""

        def send() -> Any:
            with self._slots:
                return self._session.send(request)

        try:
            return call_in_time(send, seconds)
        except TimeoutError:
            raise boto.ReadTimeoutError(endpoint_url=request.url) from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def bound_session(client: Any, slots: threading.Semaphore) -> None:
    """Replace the HTTP session of a client by a `BoundSession`.

    Args:
        client: the client.
        slots: limits the number of concurrent calls; each client has its own semaphore.
    """
    endpoint = client._endpoint  # noqa: SLF001 - botocore has no setting for the session
    endpoint.http_session = BoundSession(endpoint.http_session, slots)


def _require_readable(request: Any, response: Any) -> None:
    """Check that an answer is complete and in the format of its service.

    Answers with status 500 and above are not checked: botocore reads them in every format.
    """
    if response.status_code >= 500 or getattr(request, "stream_output", False):
        return
    content: bytes = response.content
    length = _header(response.headers, "content-length")
    reason = ""
    if length.isdecimal() and len(content) < int(length):
        reason = f"the answer is cut after {len(content)} of {length} bytes"
    elif not _is_of_service(request, response, content):
        begin = " ".join(content[:60].decode(errors="replace").split())
        reason = f"the answer is not AWS's, and begins with {begin!r}"
    if reason:
        raise UnreadableAnswerError(endpoint_url=request.url, reason=reason)


def _is_of_service(request: Any, response: Any, content: bytes) -> bool:
    """Return whether AWS's answer has the format of the request's protocol, such as JSON."""
    kind = _header(response.headers, "content-type")
    if not content:
        # Every answer of AWS has a request id (AWS, AWS General Reference, Request IDs).
        return any("requestid" in name.lower().replace("-", "") for name in response.headers)
    asked = _header(request.headers, "content-type")
    if "cbor" in asked:
        return "cbor" in kind
    try:
        # A request without content does not show whether its protocol is REST-JSON or REST-XML.
        if "json" in asked or (not asked and "json" in kind):
            return isinstance(json.loads(content), dict)
        # Only the root element is checked here; botocore's parser later reads the whole answer with
        # the same XML library, so parsing the answer at this point adds no risk.
        root = ElementTree.fromstring(content)  # noqa: S314 - botocore's parser reads `content`, too
    except (ValueError, RecursionError, ElementTree.ParseError):
        return False
    if "form-urlencoded" in asked:
        # Answers of the query protocols contain the request's id, even if they contain
        # nothing else (AWS, AWS General Reference, Request IDs).
        return any(element.tag.lower().endswith("requestid") for element in root.iter())
    return not root.tag.lower().endswith("html")


def _header(headers: Mapping[str, Any], name: str) -> str:
    """Return the value of an HTTP header; empty if the header is missing."""
    value = next((value for key, value in headers.items() if key.lower() == name), "")
    return value.decode() if isinstance(value, bytes) else str(value)
