"""TLS before a real PostgreSQL that is built without: offers it, ends it, passes the rest on."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.servers.certificates import Identity
from tests.servers.postgres import Postgres
from tests.servers.scripted import scripted
from tests.servers.web import server_context

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@contextmanager
def with_tls(server: Postgres, identity: Identity) -> Iterator[Postgres]:
    """The server as clients see it that ask for TLS."""
    context = server_context(identity)

    def talk(connection: socket.socket) -> None:
        if connection.recv(8, socket.MSG_WAITALL) != _SSL_REQUEST:
            return
        connection.sendall(b"S")
        with (
            context.wrap_socket(connection, server_side=True) as secure,
            socket.create_connection((server.host, server.port), 5) as behind,
        ):
            back = threading.Thread(target=_relay, args=(behind, secure), daemon=True)
            back.start()
            _relay(secure, behind)
            back.join()

    with scripted(talk, host=server.host) as port:
        yield Postgres(server.host, port, server.user, server.password)


def _relay(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError, ssl.SSLError):
        while piece := one.recv(4096):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_RDWR)
