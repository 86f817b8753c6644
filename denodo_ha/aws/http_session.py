"""HTTP session of the AWS clients: every attempt of a call ends in time, with AWS's own answer.

botocore limits the connection to each address of a name and each read separately, so that a name
with several addresses, a resolver that hangs, or an answer that drips may take minutes. And it
takes any page with status 200 for an answer, such as that of a proxy (botocore, httpsession and
parsers). `bound_session` replaces the session of a client by one that does neither.
"""

import json
import threading
from collections.abc import Mapping
from contextvars import copy_context
from typing import Any, Final
from xml.etree import ElementTree

from botocore import exceptions as boto

from denodo_ha.aws import deadline
from denodo_ha.cli.errors import Unreachable

ATTEMPT_S: Final = 15.0
"""Ours: seconds of an attempt outside of every deadline; most calls end within one."""
_NOT_REPEATED: Final = "AmazonSSM.SendCommand"
"""Header of the call that must not arrive twice: each arrival runs a command."""


class UnreadableAnswerError(boto.ConnectionClosedError):  # type: ignore[misc]
    """An answer that is cut, or that is not AWS's; the SDK repeats the call, as after a lost one.

    AWS may have done what the call asks for.
    """

    fmt = "{reason}, from {endpoint_url}"


class BoundSession:
    """A session of botocore, with a limit on time and form of each answer.

    Args:
        session: the session that botocore has created.
        slots: bounds the calls at the same time; each region has its own.
    """

    def __init__(self, session: Any, slots: threading.Semaphore) -> None:
        self._session, self._slots = session, slots

    def send(self, request: Any) -> Any:
        """Send a request, and return AWS's answer.

        Raises:
            Unreachable: The deadline has expired, or the call must not be repeated.
            HTTPClientError: There is no answer, or none of AWS; the SDK may repeat the call.
        """
        seconds = deadline.left(ATTEMPT_S)
        if seconds <= 0:
            message = f"AWS does not answer in time: {request.url} was not called any more"
            raise Unreachable(message)
        try:
            response = self._answer_in_time(request, seconds)
            _require_readable(request, response)
        except boto.HTTPClientError as error:
            if _header(request.headers, "x-amz-target") == _NOT_REPEATED:
                message = f"AWS's answer was lost ({error}), so the command may run on the instance"
                raise Unreachable(message) from error
            raise
        return response

    def _answer_in_time(self, request: Any, seconds: float) -> Any:
        """Send a request in a thread that is abandoned when the time has passed."""
        answers: list[Any] = []
        errors: list[BaseException] = []
        ended = threading.Event()

        def send() -> None:
            try:
                with self._slots:
                    answers.append(self._session.send(request))
            except BaseException as error:  # noqa: BLE001 - raised again below
                errors.append(error)
            ended.set()

        # A daemon, so that an abandoned thread does not keep the process.
        threading.Thread(target=copy_context().run, args=(send,), daemon=True).start()
        if not ended.wait(seconds):
            raise boto.ReadTimeoutError(endpoint_url=request.url)
        if errors:
            raise errors[0]
        return answers[0]

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def bound_session(client: Any, slots: threading.Semaphore) -> None:
    """Replace the session of a client.

    Args:
        client: the client.
        slots: bounds the calls at the same time; each region has its own.
    """
    endpoint = client._endpoint  # noqa: SLF001 - botocore has no setting for the session
    endpoint.http_session = BoundSession(endpoint.http_session, slots)


def _require_readable(request: Any, response: Any) -> None:
    """Return only if an answer is complete and in the form of its service.

    Errors of status 500 and above are read by botocore in every form.
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
    """Return whether an answer has the form that the request's protocol has."""
    kind = _header(response.headers, "content-type")
    if not content:
        # Every answer of AWS has an id (AWS, AWS General Reference, Request IDs).
        return any("requestid" in name.lower().replace("-", "") for name in response.headers)
    asked = _header(request.headers, "content-type")
    if "cbor" in asked:
        return "cbor" in kind
    try:
        # A request without content does not tell which of the two REST protocols it is of.
        if "json" in asked or (not asked and "json" in kind):
            return isinstance(json.loads(content), dict)
        # Not parsed as a document with entities: the parser of botocore reads it afterwards.
        root = ElementTree.fromstring(content)  # noqa: S314
    except (ValueError, RecursionError, ElementTree.ParseError):
        return False
    return not root.tag.lower().endswith("html")


def _header(headers: Mapping[str, Any], name: str) -> str:
    """Return a header's value, empty if it is missing."""
    value = next((value for key, value in headers.items() if key.lower() == name), "")
    return value.decode() if isinstance(value, bytes) else str(value)
