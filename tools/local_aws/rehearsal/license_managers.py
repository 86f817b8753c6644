"""Stand-ins for License Managers: servers in this process that answer each ping until lost.

A light node starts its servers only after its License Manager has answered, as Denodo's servers do
(Denodo, License Management, "Failure of a License Manager"). Servers that run do not ask again.
"""

import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Endpoint = tuple[str, int]

_ADDRESS = "127.0.0.1"


class LicenseManagers:
    """The License Managers of an environment.

    Args:
        hosts: names of the License Managers' hosts in the configuration.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._lost: set[str] = set()
        self._servers: dict[str, ThreadingHTTPServer] = {}
        for host in dict.fromkeys(hosts):
            server = ThreadingHTTPServer((_ADDRESS, 0), _handler(host, self._lost))
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers[host] = server

    def endpoint(self, host: str) -> Endpoint:
        """Return the endpoint of a License Manager on this machine."""
        return _ADDRESS, self._servers[host].server_port

    def lose(self, host: str) -> None:
        """Close connections to a License Manager without an answer from now on.

        The manager's port remains open, because otherwise another process could bind the port
        before the repair.
        """
        self._lost.add(host)

    def repair(self) -> None:
        """Let all License Managers answer again."""
        self._lost.clear()

    def stop(self) -> None:
        """End the servers of all License Managers."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()
        self._servers.clear()


def _handler(host: str, lost: set[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers every request with 200, unless the host is lost."""

        def do_GET(self) -> None:
            if host in lost:
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Write no log."""

    return Handler
