"""Probe of web services: a request, then requests with the cookies of the answer (stickiness)."""

import http.client
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from denodo_ha.verify.connection import Connection
from denodo_ha.verify.endpoint import Endpoint
from denodo_ha.verify.findings import Fault, Step, StepLog

_SESSION_COOKIE = "JSESSIONID"
"""Tomcat's session cookie: a node that does not know the session sets a new cookie."""
_REQUESTS = 6
"""Project default: requests to verify stickiness.

Without stickiness, all five further requests reach the first of two nodes in 1 of 32 cases.
"""
_LOGIN_STATUS = (401, 403)

Sticky = Literal["no", "source", "cookie"]


@dataclass(frozen=True)
class WebRequest:
    """A request to a web service, and the data with which its answers are checked.

    Attributes:
        path: the path to request.
        sticky: how the load balancer keeps a client on its node.
        nodes: names of the nodes, which may be at the end of cookie values.
        node_mark: name of the header or cookie that contains the node's name; empty if there is
            none.
    """

    path: str = "/"
    sticky: Sticky = "no"
    nodes: Collection[str] = ()
    node_mark: str = ""


@dataclass(frozen=True)
class WebResponse:
    """The status line and headers of a response.

    Attributes:
        status: the status code.
        cookies: the cookies that the response sets.
        node: the node that the response names, spelled as in the configuration; empty if the
            response names no node.
        location: the target of a redirect.
    """

    status: int
    cookies: dict[str, str] = field(default_factory=dict)
    node: str = ""
    location: str = ""


def probe_web(log: StepLog, endpoint: Endpoint, request: WebRequest) -> None:
    """Send a request; if the service is sticky, send several more with the cookies of the answer.

    Raises:
        Fault: A step failed.
    """
    with endpoint.open(log) as connection, log.step(f"GET {request.path}") as step:
        head = _exchange(connection, endpoint, request, {})
        response = parse_response(connection.endpoint, head, request)
        _judge_response(step, response, endpoint, request)
    if request.sticky != "no":
        with log.step("stays on its node") as step:
            _judge_stickiness(step, response, endpoint, request)


def send_request(endpoint: Endpoint, request: WebRequest, cookies: dict[str, str]) -> WebResponse:
    """Send a request on a new connection, and return the response.

    Raises:
        Fault: There is no answer.
    """
    with endpoint.open() as connection:
        head = _exchange(connection, endpoint, request, cookies)
        return parse_response(connection.endpoint, head, request)


def parse_response(endpoint: str, head: bytes, request: WebRequest) -> WebResponse:
    """Parse the status line and headers of a response.

    Raises:
        Fault: The response is not HTTP.
    """
    try:
        response = http.client.HTTPResponse(cast("Any", _HeadSocket(head)))
        response.begin()
    except (http.client.HTTPException, ValueError) as error:
        raise Fault("not-http", f"{endpoint}: {error!r}, {head[:40]!r}") from None
    cookies = _parse_cookies(response.headers.get_all("Set-Cookie", []))
    mark = request.node_mark
    node = response.headers.get(mark, "") if mark else ""
    return WebResponse(
        response.status,
        cookies,
        node or cookies.get(mark, "") or _node_in_cookies(cookies, request.nodes),
        response.headers.get("Location", ""),
    )


class _HeadSocket:
    """Substitute for a socket, from which `http.client` reads the received headers."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return a file with the status line and headers."""
        return io.BytesIO(self._head)


def _exchange(
    connection: Connection, endpoint: Endpoint, request: WebRequest, cookies: dict[str, str]
) -> bytes:
    name = endpoint.client_name
    lines = [
        f"GET {request.path} HTTP/1.1",
        f"Host: {f'[{name}]' if ':' in name else name}:{endpoint.port}",
        "User-Agent: denodo-ha",
        "Accept: */*",
        "Connection: close",
    ]
    if cookies:
        lines.append("Cookie: " + "; ".join(f"{key}={value}" for key, value in cookies.items()))
    connection.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
    return connection.read(lambda data: _complete_head(data, connection.endpoint))


def _complete_head(data: bytes, endpoint: str) -> tuple[bytes, int] | None:
    """Return the status line and headers, None while incomplete; raise `Fault` if not HTTP."""
    if not b"HTTP/".startswith(data[:5]):
        raise Fault("not-http", f"{endpoint} answers {data[:40]!r}")
    ends = [data.find(blank) + len(blank) for blank in (b"\r\n\r\n", b"\n\n") if blank in data]
    return (data[: min(ends)], min(ends)) if ends else None


def _judge_response(
    step: Step, response: WebResponse, endpoint: Endpoint, request: WebRequest
) -> None:
    step.seen = f"status {response.status}" + (f" from {response.node}" if response.node else "")
    # For the path /, any status below 500 is correct: what a server returns there is not defined.
    first_error = 500 if request.path == "/" else 400
    if response.status >= first_error and response.status not in _LOGIN_STATUS:
        step.fail("http-status", step.seen)
    elif target := _foreign_redirect(response.location, endpoint):
        step.note("redirect-elsewhere", f"{step.seen}, to {target}")


def _foreign_redirect(location: str, endpoint: Endpoint) -> str:
    """Return a redirect's target if it has another host or leads to plain HTTP; else empty."""
    try:
        target = urlsplit(location)
        host = target.hostname
    except ValueError:
        return location
    if host is None:
        return ""
    is_same_host = host.lower() in (endpoint.client_name.lower(), endpoint.address.lower())
    loses_tls = endpoint.tls and target.scheme == "http"
    return "" if is_same_host and not loses_tls else location


def _judge_stickiness(
    step: Step, first: WebResponse, endpoint: Endpoint, request: WebRequest
) -> None:
    cookies = dict(first.cookies)
    if request.sticky == "cookie" and not set(cookies) - {_SESSION_COOKIE}:
        step.fail("cookie-missing", f"cookies: {', '.join(cookies) or 'none'}")
        return
    more = [send_request(endpoint, request, cookies) for _ in range(_REQUESTS - 1)]
    session = cookies.get(_SESSION_COOKIE, "")
    new_sessions = sum(
        bool(session) and response.cookies.get(_SESSION_COOKIE, session) != session
        for response in more
    )
    nodes = sorted({response.node for response in (first, *more) if response.node})
    if len(nodes) > 1:
        step.fail("session-lost", f"{_REQUESTS} requests of one client reached {', '.join(nodes)}")
    elif new_sessions:
        seen = f"{new_sessions} of {_REQUESTS - 1} more requests got a new session"
        step.fail("session-lost", seen)
    elif not nodes and not session:
        step.note("session-unseen", f"{_REQUESTS} requests answered")
    else:
        step.seen = f"{_REQUESTS} requests, " + (f"all from {nodes[0]}" if nodes else "one session")


def _parse_cookies(headers: list[str]) -> dict[str, str]:
    cookies: dict[str, str] = {}
    for header in headers:
        try:
            cookies |= {key: cookie.coded_value for key, cookie in SimpleCookie(header).items()}
        except CookieError:
            continue
    return cookies


def _node_in_cookies(cookies: dict[str, str], nodes: Collection[str]) -> str:
    """Return the node named in a cookie: as its value, or after a dot like Tomcat's jvmRoute."""
    for value in cookies.values():
        for node in nodes:
            if f".{value}".lower().endswith(f".{node}".lower()):
                return node
    return ""
