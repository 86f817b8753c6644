"""The days until a certificate expires, from real TLS servers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hosts.denodo.metrics import certificate_expiry
from tests.hosts.denodo.home import Home
from tests.support.servers.certificates import Identity, authority
from tests.support.servers.ports import free_port
from tests.support.servers.web import Web, server_context, web


@contextmanager
def odbc(identity: Identity | None) -> Iterator[int]:
    """Run a server that answers one SSLRequest of PostgreSQL's protocol, and then speaks TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                assert len(connection.recv(8)) == 8
                connection.sendall(b"S" if identity else b"N")
                if identity:
                    with server_context(identity).wrap_socket(connection, server_side=True) as tls:
                        tls.recv(1)

        server = threading.Thread(target=serve)
        server.start()
        yield listening.getsockname()[1]
        server.join()


def _days(home: Home, **services: dict[str, object]) -> float | None:
    return certificate_expiry.days_left(home.system, home.state(ready__services=services))


def test_the_first_certificate_counts_even_after_it_has_expired(home: Home) -> None:
    early, late = authority().issue("localhost", ends=-5), authority().issue("localhost", ends=90)
    with web(Web(), identity=late) as site, odbc(early) as port:
        days = _days(
            home,
            web={"kind": "web", "port": site.port, "tls": True},
            odbc={"kind": "odbc", "port": port},
            jobs={"kind": "scheduler", "port": free_port(), "tls": True},
        )
    assert days is not None
    assert -5 <= days < -4
    with web(Web(), identity=late) as site:
        days = _days(home, web={"kind": "web", "port": site.port, "tls": True})
    assert days is not None
    assert 90 <= days < 91


def test_servers_without_tls_have_none(home: Home) -> None:
    with web(Web()) as site, odbc(None) as port:
        services = {
            "web": {"kind": "web", "port": site.port},
            "odbc": {"kind": "odbc", "port": port},
            "jdbc": {"kind": "vdp", "port": free_port()},
        }
        assert _days(home, **services) is None
        assert site.asked == []
