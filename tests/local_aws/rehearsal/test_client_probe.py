"""Clients of a rehearsal: their addresses, and the number of their TLS handshakes."""

import socket
import ssl
import sys
import threading

import pytest

from denodo_ha.environment.loading.loader import load
from denodo_ha.verify.connection import Connection
from denodo_ha.verify.verification import VerifiedPort
from tests.support.assembly import ROOT
from tests.support.servers.certificates import authority
from tests.support.servers.web import Web, web
from tools.local_aws.rehearsal.client_probe import Client


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="one loopback address")
def test_clients_have_different_addresses() -> None:
    """With stickiness by source address, several addresses are needed to reach several nodes."""
    environment = load(ROOT / "config/examples/active-passive.yaml").environment
    client = Client(environment, VerifiedPort("other", "tcp", 9000), "127.0.0.1", 30.0)
    seen: set[str] = set()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connections = [listener.accept() for _ in range(8)]
            seen.update(address for _, (address, _) in connections)
            is_over.wait(60)
            for connection, _ in connections:
                connection.close()

        is_over = threading.Event()
        server = threading.Thread(target=accept)
        server.start()
        for _ in range(8):
            assert client.fault("127.0.0.1", listener.getsockname()[1]) == ""
        is_over.set()
        server.join(60)
    assert len(seen) > 1


def test_a_certificate_costs_no_further_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of another name costs no further TLS handshake.

    With more handshakes, hundreds of connections would take longer than a client's time limit.
    """
    handshakes: list[str] = []
    start_tls = Connection.start_tls

    def counted(self: Connection, context: ssl.SSLContext, server_name: str) -> Connection:
        handshakes.append(server_name)
        return start_tls(self, context, server_name)

    monkeypatch.setattr(Connection, "start_tls", counted)
    environment = load(ROOT / "config/examples/large.yaml").environment
    port = VerifiedPort("web-tls", "web", 9443, tls=True)
    client = Client(environment, port, "denodo.example.com", 60.0)
    with web(Web(), identity=authority().issue("other.example.com")) as server:
        assert client.fault("127.0.0.1", server.port) == ""
    assert handshakes == ["denodo.example.com"]
