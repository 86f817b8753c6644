"""HTTP server with one thread, for short answers to many clients; some may be slow or hostile.

A connection serves one request and has three phases, each with a time limit: the request is read,
the answer is awaited, and the answer is sent. When the number of connections or file descriptors
reaches a limit, older connections are closed to serve new ones:

- too many connections of one address: the oldest connection of this address is closed
- too many connections in total: the oldest connection of the address with the most connections is
  closed
- no file descriptors left: some of the oldest connections are closed; if no connection is open, the
  server accepts no connections for a while

Connections that do not wait for an answer are closed before those that do.
"""

from __future__ import annotations

import errno
import re
import resource
import selectors
import socket
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.readiness.http_messages import HEAD_LIMIT, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable


_REQUEST_SECONDS = 5.0
"""Time limit for a client to send its whole request."""
_SEND_SECONDS = 5.0
"""Time limit for a client to read its answer and close the connection."""
_PAUSE_SECONDS = 0.5
"""Seconds for which the server accepts no connection if there are no file descriptors and no open
connection that could be closed."""
_WARNING_SECONDS = 60.0
"""Minimum time between two warnings about missing file descriptors."""

_DISCARD_LIMIT = 65536
"""Maximum number of bytes that are read and discarded after a request. If bytes remained unread,
the kernel would reset the connection before the client has read its answer."""
_CHUNK = 4096

_BACKLOG = 4096
"""Number of connections that the kernel holds until this program accepts them. The kernel's own
limit, `net.core.somaxconn`, applies if it is smaller."""
_ACCEPTS = 128
"""Maximum number of connections that are accepted in a row, before other connections are served."""
_RESERVED_FILES = 128
"""Number of file descriptors that connections leave unused, for records and probes."""
_CLOSED_AT_ONCE = 16
"""Maximum number of connections that are closed at once if no file descriptors are left."""
_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

_END_OF_HEAD = re.compile(rb"(?:\A|\n)\r?\n")


@dataclass(frozen=True)
class Limits:
    """Maximum numbers of connections that are open at the same time.

    Args:
        connections: connections of all addresses.
        per_address: connections of one address.
    """

    connections: int = 2048
    per_address: int = 512

    def within(self, files: int) -> Limits:
        """Return these limits, reduced if necessary so that `files` file descriptors suffice."""
        connections = max(4, min(self.connections, files - _RESERVED_FILES))
        return Limits(connections, max(1, min(self.per_address, connections // 2)))


def raise_file_limit() -> None:
    """Raise this process's limit of open files to the maximum that the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class _Connection:
    """Connection of one client, with the progress of the client's request."""

    __slots__ = ("phase", "received", "request", "socket", "source", "unsent")

    def __init__(self, connected: socket.socket, source: str) -> None:
        self.socket, self.source = connected, source
        self.received = bytearray()
        self.request: Request | None = None
        self.unsent = b""
        self.phase: OrderedDict[_Connection, float] | None = None


class HttpEventLoop:
    """A server that listens immediately, and answers requests once `serve_forever` is called.

    Args:
        address: host, empty for all, and port, 0 for any free one.
        look: called once for all requests that are answered at the same time. It returns a
            function, which is called with the target (path) of each request and returns the
            response. Neither function may block.
        patience: returns the number of seconds for which a request may wait for a final answer.
        limits: numbers of connections.
    """

    def __init__(
        self,
        address: tuple[str, int],
        look: Callable[[], Callable[[str], Response]],
        patience: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        self._look, self._patience = look, patience
        self.limits = (limits or Limits()).within(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._listener = socket.create_server(address, backlog=_BACKLOG)
        self._listener.settimeout(0)
        self.server_port: int = self._listener.getsockname()[1]
        self._woken, self._waker = socket.socketpair()
        self._woken.settimeout(0)
        self._waker.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._paused_until: float | None = 0.0
        self._warned_at = -_WARNING_SECONDS
        self._stopped = False
        # The connections of each phase, each with the end of its time limit; the earliest end is
        # first.
        self._reading: OrderedDict[_Connection, float] = OrderedDict()
        self._waiting: OrderedDict[_Connection, float] = OrderedDict()
        self._sending: OrderedDict[_Connection, float] = OrderedDict()
        self._by_source: dict[str, OrderedDict[_Connection, None]] = {}
        self._due: dict[_Connection, None] = {}

    def __enter__(self) -> HttpEventLoop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def open(self) -> int:
        """Return the number of open connections."""
        return len(self._reading) + len(self._waiting) + len(self._sending)

    def wake(self) -> None:
        """Make the loop check again for answers to waiting requests; any thread may call this."""
        # The write fails without harm: a full buffer already wakes the loop, and with a closed
        # socket no loop runs.
        with suppress(OSError):
            self._waker.send(b"\0")

    def shutdown(self) -> None:
        """Ask `serve_forever` to end; any thread may call this method."""
        self._stopped = True
        self.wake()

    def close(self) -> None:
        """Close all sockets, after `serve_forever` has ended."""
        for held in list(self._by_source.values()):
            for connection in list(held):
                self._close(connection)
        self._selector.close()
        for endpoint in (self._listener, self._woken, self._waker):
            endpoint.close()

    def serve_forever(self) -> None:
        """Serve until `shutdown` is called."""
        while not self._stopped:
            self._resume()
            for key, _ in self._selector.select(self._timeout()):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._woken:
                    with suppress(BlockingIOError):
                        self._woken.recv(_CHUNK)
                    self._due.update(dict.fromkeys(self._waiting))
                else:
                    self._advance(key.data)
            self._expire()
            if self._due:
                self._answer()

    def _timeout(self) -> float | None:
        """Return the seconds until the next time limit of a connection; None if there is none."""
        limits = [
            next(iter(phase.values()))
            for phase in (self._reading, self._waiting, self._sending)
            if phase
        ]
        if self._paused_until is not None:
            limits.append(self._paused_until)
        return max(0.0, min(limits) - time.monotonic()) if limits else None

    def _resume(self) -> None:
        if self._paused_until is not None and time.monotonic() >= self._paused_until:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._paused_until = None

    def _accept(self) -> None:
        for accepted in range(_ACCEPTS):
            try:
                connected, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_FILES:
                    # The kernel may report a lack of descriptors even if no connection is pending.
                    # Only at the first `accept` a connection is certainly pending, so only then
                    # close an older connection to make room.
                    if not accepted:
                        self._free_files(error)
                    return
                continue  # the client has closed the connection already
            connected.settimeout(0)
            connection = _Connection(connected, address[0])
            self._make_room(connection.source)
            self._by_source.setdefault(connection.source, OrderedDict())[connection] = None
            self._enter(connection, self._reading, _REQUEST_SECONDS)
            if self._watch(connection, selectors.EVENT_READ):
                self._read(connection)

    def _make_room(self, source: str) -> None:
        held = self._by_source.get(source, ())
        if len(held) >= self.limits.per_address:
            self._close_oldest(self._by_source[source])
        elif self.open >= self.limits.connections:
            self._close_oldest(max(self._by_source.values(), key=len))

    def _close_oldest(self, held: OrderedDict[_Connection, None]) -> None:
        slow = (connection for connection in held if connection.phase is not self._waiting)
        self._close(next(slow, None) or next(iter(held)))

    def _free_files(self, error: OSError) -> None:
        closed = min(self.open, _CLOSED_AT_ONCE, 1 + self.open // 4)
        for _ in range(closed):
            self._close_oldest(max(self._by_source.values(), key=len))
        now = time.monotonic()
        if now - self._warned_at >= _WARNING_SECONDS:
            self._warned_at = now
            log.warning(
                f"a connection cannot be accepted ({error}); closed {closed} older connections"
            )
        if not closed:
            self._selector.unregister(self._listener)
            self._paused_until = now + _PAUSE_SECONDS

    def _enter(
        self, connection: _Connection, phase: OrderedDict[_Connection, float], seconds: float
    ) -> None:
        if connection.phase is not None:
            del connection.phase[connection]
        connection.phase = phase
        phase[connection] = time.monotonic() + seconds

    def _watch(self, connection: _Connection, events: int) -> bool:
        """Watch a connection for events (0: for none); if that fails, close it and return False."""
        try:
            watched = connection.socket in self._selector.get_map()
            if watched and events:
                self._selector.modify(connection.socket, events, connection)
            elif watched:
                self._selector.unregister(connection.socket)
            elif events:
                self._selector.register(connection.socket, events, connection)
        except OSError:  # the kernel has no memory left to watch the socket
            self._close(connection)
            return False
        return True

    def _close(self, connection: _Connection) -> None:
        if connection.phase is None:
            return
        del connection.phase[connection]
        connection.phase = None
        held = self._by_source[connection.source]
        del held[connection]
        if not held:
            del self._by_source[connection.source]
        with suppress(KeyError):
            self._selector.unregister(connection.socket)
        connection.socket.close()

    def _advance(self, connection: _Connection) -> None:
        if connection.phase is self._reading:
            self._read(connection)
        elif connection.phase is self._sending:
            if connection.unsent:
                self._send(connection)
            else:
                self._discard(connection)

    def _read(self, connection: _Connection) -> None:
        received = connection.received
        chunk = self._receive(connection, min(_CHUNK, HEAD_LIMIT + 1 - len(received)))
        if chunk is None:
            return
        searched = max(0, len(received) - 2)
        received += chunk
        if chunk and len(received) <= HEAD_LIMIT and not _END_OF_HEAD.search(received, searched):
            return
        connection.request = Request(bytes(received))
        received.clear()
        if connection.request.target is not None:
            self._enter(connection, self._waiting, self._patience())
            self._due[connection] = None
        elif connection.request.output:
            self._respond(connection)
        else:
            self._close(connection)

    def _receive(self, connection: _Connection, size: int) -> bytes | None:
        """Return the received bytes, empty at the end of the stream; None: no data yet or error."""
        try:
            return connection.socket.recv(size)
        except BlockingIOError:
            return None
        except OSError:
            self._close(connection)
            return None

    def _expire(self) -> None:
        now = time.monotonic()
        for phase in (self._reading, self._sending):
            while phase and next(iter(phase.values())) <= now:
                self._close(next(iter(phase)))
        for connection, limit in self._waiting.items():
            if limit > now:
                break
            self._due[connection] = None

    def _answer(self) -> None:
        """Answer all requests that have a final answer or have reached their time limit."""
        due, self._due = list(self._due), {}
        responses: dict[str, Response] = {}
        look = None
        now = time.monotonic()
        for connection in due:
            request = connection.request
            if connection.phase is not self._waiting or request is None or request.target is None:
                continue  # the connection was closed in the meantime
            target = request.target
            if target not in responses:
                try:
                    look = look or self._look()
                    responses[target] = look(target)
                except Exception as error:  # noqa: BLE001 - the server continues to run
                    log.error(f"GET {target!r} is answered with status 500: {error!r}")
                    responses[target] = Response(500, {"reason": "an internal error"})
            response = responses[target]
            if response.settled or self._waiting[connection] <= now:
                request.answer(response)
                self._respond(connection)
            else:
                # Stop watching the socket: a client that has closed its side of the connection
                # would wake the loop again and again.
                self._watch(connection, 0)

    def _respond(self, connection: _Connection) -> None:
        assert connection.request is not None
        connection.unsent = connection.request.output
        connection.request = None
        self._enter(connection, self._sending, _SEND_SECONDS)
        self._send(connection)

    def _send(self, connection: _Connection) -> None:
        try:
            sent = connection.socket.send(connection.unsent)
            connection.unsent = connection.unsent[sent:]
            if not connection.unsent:
                connection.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            pass
        except OSError:
            self._close(connection)
            return
        events = selectors.EVENT_WRITE if connection.unsent else selectors.EVENT_READ
        self._watch(connection, events)

    def _discard(self, connection: _Connection) -> None:
        chunk = self._receive(connection, _CHUNK)
        if chunk is None:
            return
        connection.received += chunk
        if not chunk or len(connection.received) > _DISCARD_LIMIT:
            self._close(connection)
