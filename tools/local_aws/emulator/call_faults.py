"""Calls that fail as a test demands: throttled, denied, or left without an answer.

The faults of an account are given by operation, such as `GetParameter`, or by service, such as
`s3`. The errors have AWS's codes and the form of each service's protocol (AWS, "Common errors" of
each API).
"""

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Literal, get_args

from tools.local_aws.emulator.errors import InvalidRequestError

Fault = Literal["throttled", "denied", "silent"]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

_CREDENTIAL: Final = re.compile(r"Credential=(\d{12})/\d+/[a-z0-9-]+/([a-z0-9-]+)/")
_ACTION: Final = re.compile(rb"(?:^|&)Action=(\w+)")
_CODES: Final = {
    "throttled": ("ThrottlingException", "Rate exceeded"),
    "denied": ("AccessDeniedException", "User is not authorized to perform this action"),
}
_QUERY_CODES: Final = {"throttled": "Throttling", "denied": "AccessDenied"}
_S3_CODES: Final = {"throttled": ("SlowDown", 503), "denied": ("AccessDenied", 403)}

faults: dict[str, dict[str, Fault]] = {}
"""Faults by account, and by operation or service."""


def set_faults(account: str, given: dict[str, Any]) -> dict[str, Fault]:
    """Replace the faults of an account.

    Raises:
        InvalidRequestError: a fault is not known.
    """
    kinds = get_args(Fault)
    for fault in given.values():
        if fault not in kinds:
            message = f"a fault is one of {', '.join(kinds)}, not {fault}"
            raise InvalidRequestError(message)
    faults.pop(account, None)
    if given:
        faults[account] = dict(given)
    return faults.get(account, {})


def with_faults(application: Application) -> Application:
    """Return an ASGI application that throttles, denies or ignores the calls that have a fault.

    `application` answers all calls without a fault.
    """

    async def answered(scope: Any, receive: Receive, send: Send) -> None:
        if not faults or scope["type"] != "http":
            await application(scope, receive, send)
            return
        body = await whole_body(receive)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        service, fault = _fault_of(headers, body)
        if fault is None:
            await application(scope, replayed(body, receive), send)
        elif fault == "silent":
            while (await receive())["type"] != "http.disconnect":
                continue
        else:
            await _send_error(send, service, fault, is_json="x-amz-target" in headers)

    return answered


async def whole_body(receive: Receive) -> bytes:
    """Return the body of a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` function for a request whose body was read already.

    The first call returns the body, and each later call the next ASGI message.
    """
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay


def _fault_of(headers: dict[str, str], body: bytes) -> tuple[str, Fault | None]:
    """Return the service of a call and the call's fault, None if the call has none."""
    credential = _CREDENTIAL.search(headers.get("authorization", ""))
    if credential is None:
        return "", None
    account, service = credential.groups()
    action = _ACTION.search(body)
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    operation = target or (action[1].decode() if action else "")
    of_account = faults.get(account, {})
    return service, of_account.get(operation, of_account.get(service))


async def _send_error(send: Send, service: str, fault: Fault, *, is_json: bool) -> None:
    code, message = _CODES[fault]
    status, kind = 400, b"application/x-amz-json-1.1"
    content = json.dumps({"__type": code, "message": message})
    if not is_json:
        kind = b"text/xml"
        code = _QUERY_CODES[fault]
        if service == "s3":
            code, status = _S3_CODES[fault]
        content = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        if service != "s3":
            content = f"<ErrorResponse>{content}</ErrorResponse>"
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content.encode()})
