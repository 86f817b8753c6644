"""Fault proxy: delays, truncates, drops or replaces AWS's answers to a command.

    with FaultProxy(local_aws) as proxy:
        proxy.add(Rule(Fault.HANG, region="eu-west-1"))       # the region is lost
        proxy.add(Rule(Fault.LOST, operation="PutParameter", on=1))
        run_with(AWS_ENDPOINT_URL=proxy.endpoint)
        [call.operation for call in proxy.calls]

The local AWS determines the region of a call from the call's signature, whereas AWS has an endpoint
in each region. One proxy therefore replaces all regional endpoints, and a fault can be limited to
one region.
"""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.servers.ports import free_port

GLOBAL: Final = "us-east-1"
"""Region in the signature of global services such as Route 53."""
_TIMEOUT_S: Final = 120
_LATE_S: Final = 0.8
_SIGNED = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request")
_REST: Final = (
    (re.compile(r"^GET .*/hostedzone/[^/]+/rrset"), "ListResourceRecordSets"),
    (re.compile(r"^GET .*/testdnsanswer"), "TestDNSAnswer"),
    (re.compile(r"^GET .*/healthcheck/[^/]+/status"), "GetHealthCheckStatus"),
    (re.compile(r"^GET .*/healthcheck/[^/]+/lastfailure"), "GetHealthCheckLastFailureReason"),
    (re.compile(r"^GET .*/healthcheck/[^/]+"), "GetHealthCheck"),
    (re.compile(r"^GET /zonalshifts"), "ListZonalShifts"),
    (re.compile(r"^POST /zonalshifts"), "StartZonalShift"),
    (re.compile(r"^PATCH /zonalshifts/"), "UpdateZonalShift"),
    (re.compile(r"^DELETE /zonalshifts/"), "CancelZonalShift"),
)
_READS = re.compile(r"^(Describe|Get|List|Test)")
_HTML: Final = b"<!doctype html><html><body><p>Sign in to the network</body></html>"
_PAGED: Final = {
    "ListStackResources": ("StackResourceSummaries", "NextToken"),
    "DescribeInstances": ("reservationSet", "nextToken"),
}
"""Names of list and token in the answers of the operations that may return an empty first page
(AWS, DescribeInstances).
"""
_WITHOUT_KEYS: Final = frozenset(
    {
        *("CreateTags", "DeleteTags", "RegisterTargets", "DeregisterTargets"),
        *("DeleteParameter", "PutMetricData"),
    }
)
"""Operations whose answers have no keys (AWS, API references of these operations)."""
_NEXT: Final = "second-page"


INTERRUPT = threading.Lock()
"""Lock that is held while this process is interrupted, and while a test replaces the handler of
Ctrl-C.
"""


class Fault(StrEnum):
    """Kind of fault that the proxy applies to a call."""

    REFUSE = "refuse"
    """The connection is closed before the call arrives."""
    HANG = "hang"
    """The call does not arrive, and the client gets no answer."""
    UNAVAILABLE = "503"
    """The call does not arrive; a load balancer of AWS answers with status 503 and an HTML page."""
    THROTTLED = "throttled"
    HTML = "html"
    """The call does not arrive; a proxy answers with status 200 and an HTML page."""
    CUT = "cut"
    """The call takes effect, and the connection closes after half of the answer."""
    LOST = "lost"
    """The call takes effect, and its answer is lost."""
    DENIED = "denied"
    EXPIRED = "expired"
    STALE = "stale"
    """A read gets the answer to the first identical request, since the API is eventually
    consistent.
    """
    LATE = "late"
    """The connection closes without an answer, and the call takes effect some time later; a read
    has no effect, and so never arrives."""
    PAGED = "paged"
    """The first page of a list is empty."""
    INTERRUPTED = "interrupted"
    """The command gets Ctrl-C while the call is on its way, and the call takes effect."""
    EMPTY = "empty"
    """The call does not arrive; the answer is well formed, but all keys are missing. Answers that
    never have a key are not changed."""


@dataclass(frozen=True)
class Call:
    """A call to AWS: operation, and region and service according to the signature."""

    region: str
    service: str
    operation: str
    at: float

    @property
    def changes(self) -> bool:
        """Return whether the call may change resources."""
        return _READS.match(self.operation) is None


@dataclass
class Rule:
    """A fault, and the calls to which the fault applies.

    Attributes:
        fault: what happens.
        region: region in the signature; empty: every region.
        service: service in the signature; empty: every service.
        operation: the operation; empty: every operation.
        on: which matching call gets the fault, counted from 1; None: every matching call.
        since: the matching call that gets the fault with all later ones; None: see `on`.
        changing: match only calls that may change resources.
        met: number of calls that have matched so far.
    """

    fault: Fault
    region: str = ""
    service: str = ""
    operation: str = ""
    on: int | None = None
    since: int | None = None
    changing: bool = False
    met: int = 0

    def meets(self, call: Call) -> bool:
        """Return whether the fault applies to a call, and count the call if it matches."""
        matches = (
            self.region in {"", call.region}
            and self.service in {"", call.service}
            and self.operation in {"", call.operation}
            and (call.changes or not self.changing)
        )
        self.met += matches
        return matches and self.on in {None, self.met} and (self.since or 0) <= self.met


@dataclass(frozen=True)
class Answer:
    """An answer of AWS."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass
class FaultProxy:
    """A proxy in front of a local AWS; see the module.

    Attributes:
        upstream: URL of the local AWS.
        delay: seconds before every answer.
        calls: all calls that the proxy has received, in order.
        arrived: the calls that the proxy has forwarded to the local AWS.
        disturbed: the calls to which a fault was applied.
        on_call: called with each call before a fault is applied.
        late: seconds after which a late call takes effect.
    """

    upstream: str
    delay: float = 0.0
    late: float = _LATE_S
    calls: list[Call] = field(default_factory=list)
    arrived: list[Call] = field(default_factory=list)
    disturbed: list[Call] = field(default_factory=list)
    on_call: Callable[[Call], None] | None = None
    _rules: list[Rule] = field(default_factory=list)
    _seen: dict[tuple[str, bytes], Answer] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Condition = field(default_factory=threading.Condition)
    _running: int = 0
    _upstream: threading.local = field(default_factory=threading.local)
    _server: Any = None

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", free_port()), _Handler)
        self._server.proxy = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """Return the proxy's URL, to use as the endpoint of AWS."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add(self, *rules: Rule) -> None:
        """Apply the rules to later calls."""
        self._rules += rules

    def heal(self) -> None:
        """Remove all rules and recorded calls, and release calls that hang."""
        self._over.set()
        self._over = threading.Event()
        with self._lock:
            self._rules.clear()
            self.calls.clear()
            self.arrived.clear()
            self.disturbed.clear()
            self._seen.clear()
        self.delay, self.on_call = 0.0, None

    def meet(self, call: Call) -> Fault | None:
        """Record a call, and return the fault that applies to it, if any."""
        with self._lock:
            self.calls.append(call)
            due = [rule.fault for rule in self._rules if rule.meets(call)]
            if due:
                self.disturbed.append(call)
        return due[0] if due else None

    @contextmanager
    def in_progress(self) -> Iterator[None]:
        """Count a call as in progress until the block ends, even if the client has disconnected."""
        with self._ended:
            self._running += 1
        try:
            yield
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def settle(self) -> None:
        """Wait until no call is in progress: calls may take effect after their command has ended.

        Calls that hang are released, as they never arrive.
        """
        self._over.set()
        with self._ended:
            self._ended.wait_for(lambda: not self._running, _TIMEOUT_S)

    def hang(self) -> None:
        """Wait until `heal` is called or the proxy stops."""
        self._over.wait(_TIMEOUT_S)

    def forward(self, call: Call, request: "_Request") -> Answer:
        """Send a request to the local AWS, and return the answer."""
        with self._lock:
            self.arrived.append(call)
        response, content = self._exchange(request)
        kept = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in {"transfer-encoding", "content-length", "connection"}
        ]
        answer = Answer(response.status, tuple(kept), content)
        with self._lock:
            self._seen.setdefault(request.key(call), answer)
        return answer

    def _exchange(self, request: "_Request") -> tuple[http.client.HTTPResponse, bytes]:
        """Send a request to the local AWS; connect again if the thread's kept connection fails."""
        while True:
            kept = getattr(self._upstream, "connection", None)
            connection = kept or http.client.HTTPConnection(
                urlsplit(self.upstream).netloc, timeout=_TIMEOUT_S
            )
            self._upstream.connection = connection
            try:
                connection.request(request.method, request.path, request.body, request.headers)
                response = connection.getresponse()
                return response, response.read()
            except (http.client.HTTPException, OSError):
                self.disconnect()
                if kept is None:
                    raise

    def disconnect(self) -> None:
        """Close the connection of this thread to the local AWS."""
        connection = getattr(self._upstream, "connection", None)
        self._upstream.connection = None
        if connection is not None:
            connection.close()

    def earlier(self, call: Call, request: "_Request") -> Answer | None:
        """Return the first answer to an identical earlier request, None without such a request."""
        return self._seen.get(request.key(call))


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def key(self, call: Call) -> tuple[str, bytes]:
        return f"{call.region} {self.method} {self.path}", self.body

    def call(self) -> Call:
        """Return the call, read from signature, target, path and body."""
        signed = _SIGNED.search(self.headers.get("authorization", ""))
        region, service = (signed[1], signed[2]) if signed else ("", "")
        return Call(region, service, self._operation(), time.monotonic())

    def _operation(self) -> str:
        target = self.headers.get("x-amz-target", "")
        if target:
            return target.rpartition(".")[2]
        if "/operation/" in self.path:
            return self.path.rpartition("/")[2]
        action = parse_qs(self.body.decode(errors="replace")).get("Action")
        if action:
            return action[0]
        line = f"{self.method} {self.path}"
        return next((name for pattern, name in _REST if pattern.match(line)), line)

    @property
    def protocol(self) -> str:
        kind = self.headers.get("content-type", "")
        return "cbor" if "cbor" in kind else "json" if "json" in kind else "xml"


class _Server(ThreadingHTTPServer):
    """HTTP server of a fault proxy."""

    proxy: "FaultProxy"
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Ignore errors of clients that have disconnected."""


class _Handler(BaseHTTPRequestHandler):
    """Handler of calls, which applies the fault of each call."""

    protocol_version = "HTTP/1.1"
    # Head and body of an answer are sent together. Otherwise the body would be sent only after the
    # client's delayed acknowledgement of the head.
    wbufsize = -1
    server: _Server

    def finish(self) -> None:
        """Close the connection to the local AWS when the client has closed its own connection."""
        self.server.proxy.disconnect()
        super().finish()

    def _handle(self) -> None:
        with self.server.proxy.in_progress():
            self._handle_call(self.server.proxy)

    def _handle_call(self, proxy: FaultProxy) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = _Request(self.command, self.path, headers, self.rfile.read(length))
        call = request.call()
        if proxy.on_call is not None:
            proxy.on_call(call)
        fault = proxy.meet(call)
        if proxy.delay:
            time.sleep(proxy.delay)
        if fault is Fault.INTERRUPTED:
            with INTERRUPT:
                # A thread of a command may make a call after the command has ended and has removed
                # its handler. A Ctrl-C would then end the test run.
                if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
                    os.kill(os.getpid(), signal.SIGINT)
        if fault in {Fault.REFUSE, Fault.HANG, Fault.LOST, Fault.LATE}:
            self._answer_nothing(proxy, call, request, fault)
        else:
            self._answer(proxy, call, request, fault)

    def _answer_nothing(
        self, proxy: FaultProxy, call: Call, request: _Request, fault: Fault | None
    ) -> None:
        if fault is Fault.HANG:
            proxy.hang()
        if fault is Fault.LOST:
            proxy.forward(call, request)
        self._reset()
        if fault is Fault.LATE and call.changes:
            time.sleep(proxy.late)
            with suppress(OSError):
                proxy.forward(call, request)

    def _answer(
        self, proxy: FaultProxy, call: Call, request: _Request, fault: Fault | None
    ) -> None:
        earlier = None if call.changes else proxy.earlier(call, request)
        match fault:
            case Fault.STALE if earlier is not None:
                self._send(earlier)
            case Fault.EMPTY if call.operation in _WITHOUT_KEYS:
                self._send(proxy.forward(call, request))
            case Fault.PAGED if call.operation in _PAGED:
                self._send(_paged(proxy, call, request))
            case None | Fault.CUT | Fault.STALE | Fault.PAGED | Fault.INTERRUPTED:
                self._send(proxy.forward(call, request), cut=fault is Fault.CUT)
            case _:
                self._send(_refusal(fault, request, call))

    def _send(self, answer: Answer, *, cut: bool = False) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) // 2] if cut else answer.body)
        self.wfile.flush()
        if cut:
            self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Write no log message."""


def _paged(proxy: FaultProxy, call: Call, request: _Request) -> Answer:
    """Answer with an empty first page, and with all items on the second page."""
    key, token = _PAGED[call.operation]
    if _NEXT.encode() in request.body:
        body = re.sub(rb"&NextToken=[^&]*", b"", request.body)
        return proxy.forward(call, _Request(request.method, request.path, request.headers, body))
    answer = proxy.forward(call, request)
    page = f"<{key}/><{token}>{_NEXT}</{token}>".encode()
    body = re.sub(rf"<{key}>.*</{key}>".encode(), page, answer.body, flags=re.DOTALL)
    return Answer(answer.status, answer.headers, body)


_CODES: Final = {
    Fault.THROTTLED: (400, "ThrottlingException", "Rate exceeded"),
    Fault.DENIED: (403, "AccessDenied", "User: arn:aws:sts::1:role/me is not authorized"),
    Fault.EXPIRED: (403, "ExpiredToken", "The security token in the request is expired"),
}


def _refusal(fault: Fault, request: _Request, call: Call) -> Answer:
    """Return the answer that the proxy gives in place of the local AWS, which gets no call."""
    page = (("Content-Type", "text/html"),)
    if fault is Fault.HTML:
        return Answer(200, page, _HTML)
    if fault is Fault.UNAVAILABLE:
        return Answer(503, page, b"<html><body>503 Service Temporarily Unavailable</body></html>")
    identified = (("x-amzn-RequestId", "00000000-0000-0000-0000-000000000000"),)
    if fault is Fault.EMPTY:
        name = f"{call.operation}Response"
        skeleton = f"<{name}><RequestId>0</RequestId></{name}>".encode()
        body = {"json": b"{}", "cbor": b"\xa0"}.get(request.protocol, skeleton)
        return Answer(200, (("Content-Type", _kind(request)), *identified), body)
    status, code, message = _CODES[fault]
    if request.protocol == "json":
        body = json.dumps({"__type": code, "message": message}).encode()
    elif request.protocol == "cbor":
        body = b"\xa2" + b"".join(map(_cbor_text, ("__type", code, "message", message)))
    elif call.service == "ec2":
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>".encode()
    else:
        error = f"<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>"
        text = f"<ErrorResponse><Error>{error}</Error><RequestId>0</RequestId></ErrorResponse>"
        body = text.encode()
    return Answer(status, (("Content-Type", _kind(request)), *identified), body)


def _kind(request: _Request) -> str:
    kinds = {"json": "application/x-amz-json-1.1", "cbor": "application/cbor"}
    return kinds.get(request.protocol, "text/xml")


def _cbor_text(text: str) -> bytes:
    """Return a text of at most 255 bytes in CBOR (RFC 8949, 3.1)."""
    encoded = text.encode()
    return bytes([0x78, len(encoded)]) + encoded
