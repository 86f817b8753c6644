"""A real web server with sessions, with or without TLS, like Denodo's web container."""

import secrets
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.servers.certificates import Identity


@dataclass
class Web:
    """A running web server.

    Attributes:
        port: port of the server.
        status: status code of each response.
        headers: additional headers of each response.
        sessions: suffix of session cookies, such as `.node1`; None: no sessions.
        known: the sessions that the server has started.
        asked: the requested paths, in order.
    """

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    sessions: str | None = None
    known: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@contextmanager
def web(
    settings: Web, *, host: str = "127.0.0.1", identity: Identity | None = None
) -> Iterator[Web]:
    """Run a server until the block ends, with TLS if an identity is given."""
    server = _Server((host, settings.port), _handler(settings))
    if identity is not None:
        server.context = server_context(identity)
    settings.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield settings
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    context: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the TLS handshake in the request's thread, and ignore clients that disconnect."""
        try:
            if self.context is not None:
                request = self.context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
        except OSError:
            return
        finally:
            request.close()


def _handler(settings: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            settings.asked.append(self.path)
            self.send_response(settings.status)
            for name, value in settings.headers.items():
                self.send_header(name, value)
            if settings.sessions is not None:
                self._session(settings.sessions)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _session(self, suffix: str) -> None:
            cookies = self.headers.get("Cookie", "")
            if any(f"JSESSIONID={item}" in cookies for item in settings.known):
                return
            settings.known.add(begun := secrets.token_hex(8) + suffix)
            self.send_header("Set-Cookie", f"JSESSIONID={begun}; Path=/; HttpOnly")

        def log_message(self, *_: object) -> None:
            """Write no log message."""

    return Handler


def server_context(identity: Identity) -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain"), Path(folder, "key")
        chain.write_bytes(identity.chain)
        key.write_bytes(identity.key)
        context.load_cert_chain(chain, key)
    return context
