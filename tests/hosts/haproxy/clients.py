"""Clients of a node's services: Java RMI, PostgreSQL, HTTP."""

import http.client
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from denodo_ha.environment.haproxy.config_file import RMI_HELLO
from tests.hosts.haproxy.ports import PROXY
from tests.support.jvm import java

_SECONDS = 120


class Rmi:
    """A Java RMI session: a registry on one port redirects the client to a server on another."""

    def __init__(self, port: int) -> None:
        registry = java("java.rmi.registry.LocateRegistry").getRegistry(PROXY, port)
        stub = registry.lookup("jmxrmi")
        self._connector = java("javax.management.remote.rmi.RMIConnector")(stub, None)
        self._connector.connect()
        self._server = self._connector.getMBeanServerConnection()
        self._runtime = java("javax.management.ObjectName")("java.lang:type=Runtime")
        self.node = self.ask()

    def ask(self) -> str:
        """Send a request; return the name of the node that answers."""
        found = self._server.getAttribute(self._runtime, "SystemProperties")
        key = java("java.lang.String")("denodo.node")
        return str(found.get([key]).get("value"))

    def close(self) -> None:
        self._connector.close()


def odbc(port: int) -> str:
    """Return the name of the node that serves a new PostgreSQL connection."""
    with psycopg.connect(
        host=PROXY, port=port, user="denodo", dbname="postgres", connect_timeout=_SECONDS
    ) as connection:
        address = connection.execute("show cluster_name").fetchone()
        assert address is not None
        return str(address[0])


class Web:
    """A browser that keeps its connection and cookies between requests."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(PROXY, port, timeout=_SECONDS)
        self.cookie = ""
        self.headers: dict[str, str] = {}

    def get(self, path: str = "/name") -> str:
        """Request a page, and return its content."""
        self._connection.request("GET", path, headers={"Cookie": self.cookie})
        answer = self._connection.getresponse()
        body = answer.read().decode()
        assert answer.status == 200, (answer.status, body)
        self.headers = {key.lower(): value for key, value in answer.getheaders()}
        self.cookie = self.headers.get("set-cookie", self.cookie).split(";")[0]
        return body

    def close(self) -> None:
        self._connection.close()


def handshake(port: int) -> None:
    """Open an RMI connection, do its handshake, and close it."""
    with socket.create_connection((PROXY, port), _SECONDS) as connection:
        connection.sendall(bytes.fromhex(RMI_HELLO))
        answer = connection.recv(1)
        assert answer == b"\x4e", answer


def visit(port: int) -> str:
    """Return the page that a new browser gets."""
    browser = Web(port)
    try:
        return browser.get()
    finally:
        browser.close()


def handshaken(port: int) -> socket.socket:
    """Return an open RMI connection after its handshake, like that of an idle session."""
    connection = socket.create_connection((PROXY, port), _SECONDS)
    connection.sendall(bytes.fromhex(RMI_HELLO))
    while b"127.0.0.1" not in connection.recv(100):
        pass
    return connection


def lives(connection: socket.socket) -> bool:
    """Return whether the server has not closed a connection."""
    connection.settimeout(0)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


@dataclass
class Load:
    """Clients that connect repeatedly, each in its own thread.

    Attributes:
        done: number of successful actions by kind of client and node.
        failed: the error of each failed action.
    """

    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def add(
        self,
        name: str,
        once: Callable[[], Any],
        *,
        pause: float = 0.0,
        then: Callable[[], None] | None = None,
    ) -> None:
        """Start a thread: repeat an action until `finish`, count results, then call `then`."""

        def again() -> None:
            while not self._end.is_set():
                try:
                    self.done[f"{name} {once() or ''}".strip()] += 1
                except Exception as wrong:  # noqa: BLE001 - any error means that a client failed
                    self.failed.append(f"{name}: {wrong!r}")
                self._end.wait(pause)
            if then:
                then()

        thread = threading.Thread(target=again, daemon=True)
        self._threads.append(thread)
        thread.start()

    def count(self, name: str) -> int:
        """Return the number of successful actions of a kind of client."""
        return sum(count for key, count in self.done.items() if key.split()[0] == name)

    def wait_for(self, more: int, name: str) -> None:
        """Wait for a number of further successful actions of a kind of client."""
        goal, end = self.count(name) + more, time.monotonic() + _SECONDS
        while self.count(name) < goal:
            assert time.monotonic() < end, (self.done, self.failed[:5])
            time.sleep(0.01)

    def finish(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(timeout=2 * _SECONDS)
            assert not thread.is_alive()


@contextmanager
def load() -> Iterator[Load]:
    """Run clients until the end of the block."""
    made = Load()
    try:
        yield made
    finally:
        made.finish()


def rmi_once(port: int) -> Callable[[], str]:
    """Return a function that runs a complete session: connect, send three requests, disconnect."""

    def once() -> str:
        session = Rmi(port)
        try:
            assert {session.ask() for _ in range(3)} == {session.node}
        finally:
            session.close()
        return session.node

    return once
