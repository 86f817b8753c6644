"""Asks a web server, and asks again as a browser would, to see whether it stays on its node."""

import http.client
import io
from collections.abc import Collection
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Literal, cast
from urllib.parse import urlsplit

from denodo_ha.verify.connection import Wire
from denodo_ha.verify.endpoint import Place
from denodo_ha.verify.step import Fault, Log, Step

_SESSION = "JSESSIONID"
"""Tomcat's cookie: a node that does not know a session begins another."""
_TIMES = 6
"""With two nodes, five more requests stay on one by chance in 1 of 32 cases."""
_ASK_TO_LOG_IN = (401, 403)

Sticky = Literal["no", "source", "cookie"]


@dataclass(frozen=True)
class Question:
    """What is asked of a web service.

    Attributes:
        path: what is asked for.
        sticky: how the balancer keeps a client on its node.
        nodes: names of the nodes, which cookies may end in.
        mark: a header or a cookie that names the node; empty if there is none.
    """

    path: str = "/"
    sticky: Sticky = "no"
    nodes: Collection[str] = ()
    mark: str = ""


@dataclass(frozen=True)
class Page:
    """An answer's head.

    Attributes:
        status: its number.
        cookies: the cookies that it sets.
        node: the node that it names, in the configuration's spelling; empty if it names none.
        location: where it sends the browser.
    """

    status: int
    cookies: dict[str, str] = field(default_factory=dict)
    node: str = ""
    location: str = ""


def probe(log: Log, place: Place, question: Question) -> None:
    """Ask once, and if the service is sticky, again.

    Raises:
        Fault: a step failed.
    """
    with place.opened(log) as wire, log.step(f"GET {question.path}") as step:
        page = read(wire.place, _exchange(wire, place, question, {}), question)
        _judge(step, page, place, question)
    if question.sticky != "no":
        with log.step("stays on its node") as step:
            _stays(step, page, place, question)


def ask(place: Place, question: Question, cookies: dict[str, str]) -> Page:
    """One request on a connection of its own.

    Raises:
        Fault: there is no answer.
    """
    with place.opened() as wire:
        return read(wire.place, _exchange(wire, place, question, cookies), question)


def read(place: str, head: bytes, question: Question) -> Page:
    """What an answer's head says.

    Raises:
        Fault: it is no HTTP.
    """
    try:
        answer = http.client.HTTPResponse(cast("Any", _Socket(head)))
        answer.begin()
    except (http.client.HTTPException, ValueError) as error:
        raise Fault("not-http", f"{place}: {error!r}, {head[:40]!r}") from None
    cookies = _cookies(answer.headers.get_all("Set-Cookie", []))
    said = answer.headers.get(question.mark, "") if question.mark else ""
    return Page(
        answer.status,
        cookies,
        said or cookies.get(question.mark, "") or _named(cookies, question.nodes),
        answer.headers.get("Location", ""),
    )


class _Socket:
    """What `http.client` reads a head from that has come already."""

    def __init__(self, head: bytes) -> None:
        self._head = head

    def makefile(self, _mode: str) -> io.BytesIO:
        """The head."""
        return io.BytesIO(self._head)


def _exchange(wire: Wire, place: Place, question: Question, cookies: dict[str, str]) -> bytes:
    host = f"[{place.name}]" if ":" in place.name else place.name
    lines = [
        f"GET {question.path} HTTP/1.1",
        f"Host: {host}:{place.port}",
        "User-Agent: denodo-ha",
        "Accept: */*",
        "Connection: close",
    ]
    if cookies:
        lines.append("Cookie: " + "; ".join(f"{key}={value}" for key, value in cookies.items()))
    wire.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"))
    return wire.read(lambda data: _head(data, wire.place))


def _head(data: bytes, place: str) -> tuple[bytes, int] | None:
    """The head, as soon as it is whole; what is no HTTP is known by its first bytes."""
    beginning = b"HTTP/"
    if not beginning.startswith(data[:5]):
        raise Fault("not-http", f"{place} answers {data[:40]!r}")
    ends = [data.find(mark) + len(mark) for mark in (b"\r\n\r\n", b"\n\n") if mark in data]
    return (data[: min(ends)], min(ends)) if ends else None


def _judge(step: Step, page: Page, place: Place, question: Question) -> None:
    step.said = f"status {page.status}" + (f" from {page.node}" if page.node else "")
    # At the root, any answer but an error of the server: what lies there is the site's choice.
    good = page.status < (500 if question.path == "/" else 400) or page.status in _ASK_TO_LOG_IN
    if not good:
        step.wrong("http-status", step.said)
    elif elsewhere := _elsewhere(page.location, place):
        step.note("redirect-elsewhere", f"{step.said}, to {elsewhere}")


def _elsewhere(location: str, place: Place) -> str:
    """A redirect's target, where it leads past the name or the scheme that clients use."""
    try:
        target = urlsplit(location)
        host = target.hostname
    except ValueError:
        return location
    if host is None:
        return ""
    same_host = host.lower() in (place.name.lower(), place.address.lower())
    less = place.tls and target.scheme == "http"
    return "" if same_host and not less else location


def _stays(step: Step, first: Page, place: Place, question: Question) -> None:
    cookies = dict(first.cookies)
    if question.sticky == "cookie" and not set(cookies) - {_SESSION}:
        step.wrong("cookie-missing", f"cookies: {', '.join(cookies) or 'none'}")
        return
    pages = [ask(place, question, cookies) for _ in range(_TIMES - 1)]
    session = cookies.get(_SESSION, "")
    new = [page for page in pages if session and page.cookies.get(_SESSION, session) != session]
    nodes = sorted({page.node for page in (first, *pages) if page.node})
    if len(nodes) > 1:
        step.wrong("session-lost", f"{_TIMES} requests of one client reached {', '.join(nodes)}")
    elif new:
        step.wrong("session-lost", f"{len(new)} of {_TIMES - 1} more requests got a new session")
    elif not nodes and not session:
        step.note("session-unseen", f"{_TIMES} requests answered")
    else:
        step.said = f"{_TIMES} requests, " + (f"all from {nodes[0]}" if nodes else "one session")


def _cookies(headers: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for header in headers:
        try:
            found |= {key: one.coded_value for key, one in SimpleCookie(header).items()}
        except CookieError:
            continue
    return found


def _named(cookies: dict[str, str], nodes: Collection[str]) -> str:
    """The node whose name a cookie is, or ends in after a dot, as Tomcat's jvmRoute does."""
    for value in cookies.values():
        for node in nodes:
            if f".{value}".lower().endswith(f".{node}".lower()):
                return node
    return ""
