"""Client load: clients that connect to each service repeatedly, and sessions that stay open.

A client resolves the name that it uses with the DNS server, keeps the answer for its TTL, connects
to one of the addresses, and makes the handshake of the service's protocol. Times are real; reports
multiply them by the pace.
"""

import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

EVERY_S = 0.25
"""Project default: seconds between the starts of two connections of a client."""

Fault = Callable[[str, int], str]
"""Function that connects to an address and port; returns why the client is not served."""


class Names(Protocol):
    """Interface of a resolver of names."""

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name; raise OSError if the server does not answer."""


@dataclass(frozen=True)
class Service:
    """A service as its clients use it.

    Attributes:
        name: the DNS name that clients use.
        port: the service's port on AWS.
        actual: returns the port on this machine for an address.
        fault: makes one connection.
    """

    name: str
    port: int
    actual: Callable[[str], int]
    fault: Fault


@dataclass(frozen=True)
class Sample:
    """One connection attempt of a client.

    Attributes:
        at: time of its beginning, by the monotonic clock.
        ended: time of its end.
        name: the DNS name that the client used.
        port: the service's port on AWS.
        address: the address to which the client connected; empty if the name had none.
        fault: why the client was not served; empty if it was served.
    """

    at: float
    ended: float
    name: str
    port: int
    address: str
    fault: str


@dataclass
class ClientLoad:
    """Clients that connect to all services.

    Attributes:
        services: the services.
        resolver: makes the resolver of one client.
        samples: the connections so far.
    """

    services: Sequence[Service]
    resolver: Callable[[], Names]
    samples: list[Sample] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run a client for each service until the end of the block."""
        end = threading.Event()
        threads = [
            threading.Thread(target=self._repeat, args=(service, end), daemon=True)
            for service in self.services
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            end.set()
            for thread in threads:
                thread.join()

    def _repeat(self, service: Service, end: threading.Event) -> None:
        names = self.resolver()
        while not end.is_set():
            begin = time.monotonic()
            self.samples.append(connect_once(service, names))
            end.wait(max(EVERY_S - (time.monotonic() - begin), 0))


def connect_once(service: Service, names: Names) -> Sample:
    """Connect to a service once, at one of the addresses of its name."""
    begin = time.monotonic()
    try:
        addresses = names.addresses(service.name)
    except OSError as error:
        return Sample(begin, time.monotonic(), service.name, service.port, "", str(error))
    if not addresses:
        fault = "the name has no address"
        return Sample(begin, time.monotonic(), service.name, service.port, "", fault)
    address = random.choice(addresses)  # noqa: S311 - clients choose at random, too
    fault = service.fault(address, service.actual(address))
    return Sample(begin, time.monotonic(), service.name, service.port, address, fault)


class Sessions:
    """Connections that stay open, like sessions that wait for their next query."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self.lost = 0

    def open(self, endpoints: Sequence[tuple[str, int]], timeout: float) -> None:
        """Open a connection to each endpoint that accepts connections."""
        for endpoint in endpoints:
            with suppress(OSError):
                self._open.append(socket.create_connection(endpoint, timeout=timeout))

    @property
    def count(self) -> int:
        """The number of sessions that `open` has opened."""
        return len(self._open) + self.lost

    def look(self) -> int:
        """Return how many sessions were lost so far: closed or reset by the other side."""
        ended = select.select(self._open, [], [], 0)[0] if self._open else []
        for session in ended:
            if _is_over(session):
                self._open.remove(session)
                session.close()
                self.lost += 1
        return self.lost

    def close(self) -> None:
        """Close all sessions."""
        for session in self._open:
            session.close()
        self._open.clear()


def _is_over(session: socket.socket) -> bool:
    try:
        return not session.recv(4096)
    except OSError:
        return True
