"""A server with scripted behaviour for each connection, to imitate faults of real servers."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.servers.ports import free_port

Talk = Callable[[socket.socket], None]
_SECONDS = 120


@contextmanager
def scripted(talk: Talk, *, host: str = "127.0.0.1", port: int | None = None) -> Iterator[int]:
    """Run a server that calls `talk` for each connection; yield the server's port."""
    listener = socket.create_server((host, port or free_port()))
    over = threading.Event()
    open_: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.settimeout(_SECONDS)
            talk(connection)

    def accept() -> None:
        threads = []
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            open_.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()
        for thread in threads:
            thread.join()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in open_:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join()


def says(data: bytes) -> Talk:
    """Send a text when a client has connected, then wait for the client to disconnect."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(data)
        _drain(connection)

    return talk


def answers(*replies: bytes) -> Talk:
    """Answer each message with the next reply, then wait for the client to disconnect."""

    def talk(connection: socket.socket) -> None:
        for reply in replies:
            if not connection.recv(4096):
                return
            connection.sendall(reply)
        _drain(connection)

    return talk


def is_silent(connection: socket.socket) -> None:
    """Read without answering."""
    _drain(connection)


def hangs_up(_connection: socket.socket) -> None:
    """Close the connection as soon as a client has connected."""


def floods(connection: socket.socket) -> None:
    """Send data without end."""
    while True:
        connection.sendall(bytes(4096))


def _drain(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass
