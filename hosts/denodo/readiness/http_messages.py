"""HTTP messages of the readiness endpoint: a complete request, and the response to the request."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_LIMIT = 8192
"""Maximum size in bytes of a request; health checks send about 200 bytes."""


@dataclass(frozen=True)
class Response:
    """Response to a request.

    Args:
        status: HTTP status code.
        data: content, sent as JSON.
        settled: whether the response is final; if not, the request waits for a newer result.
    """

    status: int
    data: Mapping[str, object]
    settled: bool = True


class Request(BaseHTTPRequestHandler):
    """Request that was received completely, and the bytes to send to its client.

    Args:
        head: the received bytes; a head that was truncated counts as complete.
    """

    def __init__(self, head: bytes) -> None:
        # Do not call the base class's constructor, which would read from a socket and answer
        # immediately.
        self._output = io.BytesIO()
        self.rfile, self.wfile = io.BytesIO(head), self._output
        self.target: str | None = None
        if len(head) > HEAD_LIMIT:
            self.requestline, self.request_version, self.command = "", "HTTP/1.0", "GET"
            self.send_error(431)
        else:
            self.handle_one_request()

    @property
    def output(self) -> bytes:
        """Return the bytes for the client: an error, or after `answer` was called, the response."""
        return self._output.getvalue()

    def do_GET(self) -> None:
        """Record the path of a GET request; the base class calls this method."""
        self.target = self.path

    def answer(self, response: Response) -> None:
        """Add a response to the bytes for the client."""
        body = json.dumps(response.data).encode() + b"\n"
        self.send_response(response.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: load balancers send several requests per second."""
