"""Small servers at a node's address, for protocols that the stand-in nodes do not have."""

import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def web(
    address: str, port: int, answer: Callable[[str], tuple[int, str]], chain: Path | None = None
) -> Iterator[None]:
    """Run a web server that answers with `answer`'s status and text; HTTPS with a certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 4096  # with the default of 5, a loaded machine refuses checks

        def handle_error(self, *_: object) -> None:
            """Ignore clients that disconnect."""

    with Server((address, port), Handler) as server:
        if chain:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(chain)
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(timeout=120)


@contextmanager
def dns(address: str, answers: dict[str, str]) -> Iterator[int]:
    """Run a DNS server for A records; return its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 0))
        server.settimeout(0.1)
        end = threading.Event()

        def serve() -> None:
            while not end.is_set():
                try:
                    asked, client = server.recvfrom(4096)
                except TimeoutError:
                    continue
                server.sendto(_answer(asked, answers), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            end.set()
            thread.join(timeout=120)


def _answer(asked: bytes, answers: dict[str, str]) -> bytes:
    """Return an answer with one A record, or NXDOMAIN for other names (RFC 1035, 4.1)."""
    labels, place = [], 12
    while asked[place]:
        labels.append(asked[place + 1 : place + 1 + asked[place]].decode())
        place += 1 + asked[place]
    question, kind = asked[12 : place + 5], asked[place + 2]
    found = answers.get(".".join(labels).lower())
    if found is None:
        return asked[:2] + b"\x81\x83" + b"\0\1\0\0\0\0\0\0" + question
    count = b"\0\1" if kind == 1 else b"\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4" + socket.inet_aton(found) if kind == 1 else b""
    return asked[:2] + b"\x81\x80" + b"\0\1" + count + b"\0\0\0\0" + question + record
