"""A node of the rehearsal: one process that listens as a Denodo node does, and starts quickly.

    python -m tools.local_aws.rehearsal.light_node   # its settings are the first line of its input

The sessions are those of the stand-in for Denodo (`living/denodo/denodo_servers.py`). A service is
ready as on a real node: while its ports are open, and for the time that the node program's own
checks would take to notice that a port is closed (`delay` of the settings). The servers start once
the License Manager has answered; until then only the readiness endpoint listens, and no service is
ready.

Each further line of the input changes the servers: `{"closed": [9996]}` closes ports and ends their
sessions, and `{"closed": []}` opens all ports. With `"hung": true`, all servers accept connections
and answer nothing. With `"silent": [9090]`, the servers on these ports accept connections and
answer nothing, while their services remain ready. The process ends when its input ends.
"""

import contextlib
import http.client
import json
import select
import socket
import sys
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from denodo_ha.environment.facts.denodo_ports import LICENSE_MANAGER_PING
from tools.local_aws.living.denodo.denodo_servers import Session

_ASK_AGAIN_S, _LICENSE_TIMEOUT_S = 0.2, 10.0
"""Project default: real seconds after which a node without a licence asks again, and real seconds
that it waits for an answer of the License Manager."""
_HTTP2_SETTINGS = bytes.fromhex("000000040000000000")
READY_PATH = "/ready/"


@dataclass(frozen=True)
class LightHome:
    """The parts of a Denodo installation that the sessions of a stand-in use.

    Attributes:
        node: the node's name.
        address: the node's address on this machine.
        path: a folder with the certificate `web.pem`.
    """

    node: str
    address: str
    path: Path

    def status(self, _path: str) -> int:
        """Return the HTTP status of the web container for a path."""
        return 200

    def behaves(self, _server: str) -> list[str]:
        """Return no behaviours: the servers of a light node have no faults of their own."""
        return []


@dataclass
class Port:
    """A port of the node.

    Attributes:
        number: the port.
        protocol: a protocol of `Session`, or `flight`.
        second: for `rmi`, the port to which the registry directs its clients; else 0.
        closed_at: time since which the port is closed; None while it is open.
    """

    number: int
    protocol: str
    second: int = 0
    closed_at: float | None = None
    listener: socket.socket | None = None
    sessions: list[socket.socket] = field(default_factory=list)


class LightNode:
    """The servers of one node.

    Args:
        settings: `node`, `address`, `folder`, `ports` (each `[number, protocol, second]`),
            `services` (the ports of each service), `delay` in real seconds, `license_manager`
            (host and port; null without one).
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self._home = LightHome(settings["node"], settings["address"], Path(settings["folder"]))
        self._ports = {
            number: Port(number, kind, second) for number, kind, second in settings["ports"]
        }
        self._services: dict[str, list[int]] = settings["services"]
        self._delay = float(settings["delay"])
        self._license_manager: tuple[str, int] | None = settings["license_manager"]
        self._has_started = False
        self._closed: set[int] = set()
        self._lock = threading.Lock()
        self._woken, self._waking = socket.socketpair()
        self._hung_at: float | None = None
        self._silent: frozenset[int] = frozenset()

    def start(self) -> None:
        """Accept connections on all ports, at once or after the answer of the License Manager."""
        threading.Thread(target=self._accept, daemon=True).start()
        if self._has_license():
            self._open()
        else:
            threading.Thread(target=self._open_with_license, daemon=True).start()

    def _open_with_license(self) -> None:
        """Ask for a licence repeatedly, then open all ports.

        On a real node, the node program starts servers again that have ended without a licence.
        """
        while not self._has_license():
            time.sleep(_ASK_AGAIN_S)
        self._open()

    def _has_license(self) -> bool:
        if self._license_manager is None:
            return True
        connection = http.client.HTTPConnection(*self._license_manager, timeout=_LICENSE_TIMEOUT_S)
        try:
            connection.request("GET", LICENSE_MANAGER_PING)
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _open(self) -> None:
        with self._lock:
            self._follow()
            self._has_started = True

    def close(self, closed: set[int]) -> None:
        """Close the given ports and end their sessions; open all other ports."""
        with self._lock:
            self._closed = closed
            if self._has_started:
                self._follow()

    def _follow(self) -> None:
        """Close the ports in `_closed` and end their sessions, and open all other ports."""
        closed = self._closed
        for port in self._ports.values():
            if port.number in closed and port.listener is not None:
                port.closed_at = time.monotonic()
                port.listener.close()
                port.listener = None
                for session in port.sessions:
                    with contextlib.suppress(OSError):
                        session.shutdown(socket.SHUT_RDWR)
                port.sessions.clear()
            elif port.number not in closed and port.listener is None:
                port.listener = socket.create_server((self._home.address, port.number), backlog=64)
                port.closed_at = None
        self._waking.send(b".")

    def hang(self, *, hung: bool) -> None:
        """Let all servers answer nothing from now on (`hung`), or answer again."""
        if hung != (self._hung_at is not None):
            self._hung_at = time.monotonic() if hung else None

    def silence(self, ports: frozenset[int]) -> None:
        """Let the servers on the given ports answer nothing, and all other servers answer."""
        self._silent = ports

    def is_ready(self, service: str) -> bool:
        """Return whether the node program would report a service as ready."""
        ports = [self._ports[number] for number in self._services.get(service, [])]
        since = [port.closed_at for port in ports] + [self._hung_at]
        now = time.monotonic()
        is_open = all(at is None or now < at + self._delay for at in since)
        return self._has_started and bool(ports) and is_open

    def _accept(self) -> None:
        while True:
            ports = {
                port.listener: port for port in self._ports.values() if port.listener is not None
            }
            try:
                ready = select.select([self._woken, *ports], [], [])[0]
            except (OSError, ValueError):
                continue  # A listener in `ports` was closed after the list was made.
            for listener in ready:
                if listener is self._woken:
                    self._woken.recv(100)
                    continue
                with contextlib.suppress(OSError):
                    connection, _ = listener.accept()
                    port = ports[listener]
                    port.sessions = [item for item in port.sessions if item.fileno() >= 0]
                    port.sessions.append(connection)
                    arguments = (port, connection)
                    threading.Thread(target=self._talk, args=arguments, daemon=True).start()

    def _talk(self, port: Port, connection: socket.socket) -> None:
        if self._hung_at is not None or port.number in self._silent:
            with connection, contextlib.suppress(OSError):
                while connection.recv(4096):
                    continue
            return
        if port.protocol == "flight":
            with connection, contextlib.suppress(OSError):
                connection.sendall(_HTTP2_SETTINGS)
                while connection.recv(4096):
                    continue
            return
        second = (self._home.address, port.second)
        Session(self._home, port.protocol, second).talk(connection)  # type: ignore[arg-type] # LightHome has what a session uses


def _readiness_server(node: LightNode, address: str, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_ready = node.is_ready(self.path.removeprefix(READY_PATH))
            self.send_response(200 if is_ready else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            """Write no log."""

    return ThreadingHTTPServer((address, port), Handler)


def _answer() -> None:
    sys.stdout.write("done\n")
    sys.stdout.flush()


def main() -> None:
    """Run the node until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    node = LightNode(settings)
    node.start()
    if settings["ready_port"]:
        server = _readiness_server(node, settings["address"], settings["ready_port"])
        threading.Thread(target=server.serve_forever, daemon=True).start()
    _answer()
    for line in sys.stdin:
        order = json.loads(line)
        node.hang(hung=bool(order.get("hung")))
        node.silence(frozenset(order.get("silent", ())))
        node.close(set(order["closed"]))
        _answer()


if __name__ == "__main__":
    main()
