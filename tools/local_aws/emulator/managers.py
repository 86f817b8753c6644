"""License Managers and Solution Managers that machines reach: light servers of this process.

Managers are outside of AWS, so a configuration only names their hosts. Each host has a loopback
address. On it, all ports that the configuration names answer every request with 200, as a manager
answers a ping. `PUT /_local/managers/HOST {"answers": false}` closes the ports, as if the host was
lost.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tools.local_aws.emulator import loopback
from tools.local_aws.emulator.errors import InvalidRequestError


class Managers:
    """The hosts of managers, by name."""

    def __init__(self) -> None:
        self._ports: dict[str, set[int]] = {}
        self._lost: set[str] = set()
        self._servers: dict[tuple[str, int], ThreadingHTTPServer] = {}
        self._lock = threading.RLock()

    def add(self, hosts: dict[str, list[int]]) -> dict[str, str]:
        """Let hosts answer on ports; return the address of each host."""
        with self._lock:
            for host, ports in hosts.items():
                self._ports.setdefault(host, set()).update(ports)
            self._follow()
            return {host: loopback.address("manager", host) for host in hosts}

    def set(self, host: str, *, answers: bool) -> dict[str, bool]:
        """Let a manager's host answer on its ports, or close the ports.

        Raises:
            InvalidRequestError: no machine knows the host.
        """
        with self._lock:
            if host not in self._ports:
                known = ", ".join(sorted(self._ports)) or "none"
                message = (
                    f"no machine uses a License or Solution Manager {host}; managers that machines "
                    f"use: {known}"
                )
                raise InvalidRequestError(message)
            (self._lost.discard if answers else self._lost.add)(host)
            self._follow()
            return self.show()

    def show(self) -> dict[str, bool]:
        """Return for each manager's host whether the host answers."""
        with self._lock:
            return {host: host not in self._lost for host in sorted(self._ports)}

    def stop(self) -> None:
        """Close all ports, and forget the hosts."""
        with self._lock:
            self._ports.clear()
            self._lost.clear()
            self._follow()

    def _follow(self) -> None:
        """Close the ports of lost hosts and forgotten hosts, and open all other ports."""
        wanted = {
            (host, port)
            for host, ports in self._ports.items()
            for port in ports
            if host not in self._lost
        }
        for key in [key for key in self._servers if key not in wanted]:
            server = self._servers.pop(key)
            server.shutdown()
            server.server_close()
        for host, port in wanted - self._servers.keys():
            server = ThreadingHTTPServer(loopback.endpoint("manager", host, port), _Answering)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers[host, port] = server


class _Answering(BaseHTTPRequestHandler):
    """HTTP handler that answers every request with status 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


MANAGERS = Managers()
