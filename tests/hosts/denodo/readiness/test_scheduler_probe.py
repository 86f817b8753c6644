"""The probe of the Scheduler: Java RMI, with TLS or without, against a real Java RMI server."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hosts.denodo.configuration.settings import scheduler_uses_tls
from hosts.denodo.readiness import probes
from hosts.denodo.readiness.service_probe import ServiceProbe
from hosts.denodo.state import Service
from tests.hosts.denodo.home import SCHEDULER, Home
from tests.support.servers.certificates import authority
from tests.support.servers.java_rmi import JavaNode, java_nodes
from tests.support.servers.ports import free_ports

_HELLO, _ACK, _HANDSHAKE = b"JRMI", b"N", b"\x16"


@pytest.fixture(scope="module", params=["plain", "tls"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JavaNode]:
    identity = authority().issue("127.0.0.1") if request.param == "tls" else None
    registry, second, web = free_ports(3)
    own = JavaNode("127.0.0.1", "127.0.0.1", registry, second, web, identity=identity)
    with java_nodes(tmp_path_factory.mktemp("java"), own) as (started,):
        yield started


@pytest.mark.parametrize("first", [True, False], ids=["tls-first", "plain-first"])
def test_a_java_server_is_ready_with_tls_or_without(
    home: Home, node: JavaNode, *, first: bool
) -> None:
    service = Service("scheduler", node.registry, tls=first)
    assert probes.failure(home.system, service) is None


@contextmanager
def _server(answers: list[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Send an answer to each connection in turn; yield the port and what clients sent first."""
    seen: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(1000)[:4])
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(120)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1], seen
        thread.join()


@pytest.mark.parametrize(
    ("first", "answers", "reason"),
    [
        (False, [_ACK], ""),
        (True, [b"", _ACK], ""),  # a server without TLS closes the connection
        (True, [b"\x15\x03\x03\x00\x02\x02\x28", _ACK], ""),
        (False, [b"", b""], "does not answer in the protocol of Java RMI"),
        (
            False,
            [b"HTTP/1.1 400"],
            "does not answer in the protocol of Java RMI",
        ),  # the answer is clear, so no second attempt
    ],
)
def test_the_other_way_is_tried_only_where_it_may_help(
    home: Home, answers: list[bytes], reason: str, *, first: bool
) -> None:
    with _server(answers) as (port, seen):
        failure = probes.failure(home.system, Service("scheduler", port, tls=first))
    assert (failure.reason if failure else "").endswith(reason)
    assert bool(failure) == bool(reason)
    assert [item[:1] == _HANDSHAKE for item in seen][:1] == [first]
    assert len(seen) == len(answers)


def test_a_silent_server_is_asked_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        failure = probes.failure(home.system, Service("scheduler", port, tls=True))
        assert failure is not None
        assert failure.silent
        listener.settimeout(0)
        listener.accept()[0].close()
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_tls_is_known_from_the_state_or_from_the_scheduler_s_file(home: Home) -> None:
    plain = home.state(servers=["scheduler"])
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:tls-AbCdEf"
    assert not scheduler_uses_tls(plain)
    assert scheduler_uses_tls(home.state(servers=["scheduler"], tls={"certificate": arn}))
    text = home.read(SCHEDULER)
    home.write(SCHEDULER, f"{text}com.denodo.security.ssl.enabled = True\n")
    assert scheduler_uses_tls(plain)
    (home.path / SCHEDULER).unlink()
    assert not scheduler_uses_tls(plain)


def test_the_readiness_of_a_scheduler_with_tls_costs_one_connection(
    home: Home, tmp_path: Path
) -> None:
    """The Scheduler's own file says that the Scheduler uses TLS; the desired state does not."""
    identity = authority().issue("localhost")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(identity.chain + identity.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    home.write(SCHEDULER, f"{home.read(SCHEDULER)}com.denodo.security.ssl.enabled=true\n")
    greetings = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as secured:
            greetings.append(secured.recv(1000)[:4])
            secured.sendall(_ACK)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(120)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        port = listener.getsockname()[1]
        probe = ServiceProbe(home.system, Service("scheduler", port))
        verdict = probe.verdict(home.state(servers=["scheduler"]))
        thread.join()
    assert (verdict.ready, verdict.reason) == (True, "")
    assert greetings == [_HELLO]
