"""Answers of the readiness endpoint, with running stand-in servers."""

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from hosts.common.errors import HostError
from hosts.denodo.apply import apply
from hosts.denodo.readiness import ping, probes, readiness_endpoint
from hosts.denodo.record import Record
from hosts.denodo.state import Service, State
from hosts.denodo.state_reader import parse
from tests.hosts.denodo.home import Home
from tests.support.suspended import suspend
from tests.support.waiting import TIMEOUT_S, until

_SERVERS = ["vdp", "data-catalog", "scheduler"]


@pytest.fixture
def endpoint(home: Home) -> Iterator[str]:
    server = readiness_endpoint.server(home.system, 0, "127.0.0.1")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.close()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness_endpoint, "KEPT_SECONDS", 0.3)
    monkeypatch.setattr(readiness_endpoint, "PATIENCE_SECONDS", TIMEOUT_S)
    monkeypatch.setattr(readiness_endpoint, "STALE_SECONDS", 0.6)


def _get(address: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(address, timeout=2 * TIMEOUT_S) as answer:  # noqa: S310 - the test's server
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def _run(home: Home, **changes: Any) -> None:
    ports = home.ports
    services = {
        "jdbc": {"kind": "vdp", "port": ports["vdp"]},
        "odbc": {"kind": "odbc", "port": ports["odbc"]},
        "web": {"kind": "web", "port": ports["web"]},
        "jobs": {"kind": "scheduler", "port": ports["scheduler"]},
        "flight": {"kind": "tcp", "port": ports["vdp"]},
    }
    apply(home.system, home.state(servers=_SERVERS, ready__services=services, **changes))


def test_from_nothing_to_ready_and_back(home: Home, endpoint: str) -> None:
    assert _get(f"{endpoint}/ready/jdbc") == (
        503,
        {
            "service": "jdbc",
            "ready": False,
            "reason": "no state was applied yet",
            "state": "starting",
        },
    )
    assert _get(f"{endpoint}/ready") == (503, {"services": []})
    _run(home)
    answer = _get(f"{endpoint}/ready/jdbc")[1]
    assert answer["reason"] == "the metadata of the node is not confirmed"
    assert answer["state"] == "metadata unconfirmed"
    record = Record(home.system)
    record.confirm_metadata("alice", "looked")
    for name in ("jdbc", "odbc", "web", "jobs", "flight"):
        assert _get(f"{endpoint}/ready/{name}") == (
            200,
            {"service": name, "ready": True, "reason": "", "state": "ready"},
        )
    status, data = _get(f"{endpoint}/ready")
    assert status == 200
    names = [one["service"] for one in data["services"]]
    assert names == ["flight", "jdbc", "jobs", "odbc", "web"]
    assert _get(f"{endpoint}/ready/ftp")[0] == 404
    assert _get(f"{endpoint}/")[0] == 404

    record.drain("bob", "a promotion")
    status, data = _get(f"{endpoint}/ready/odbc")
    assert status == 503
    assert data["state"] == "drained"
    assert data["reason"].startswith("drained by bob, 20")
    assert data["reason"].endswith(": a promotion")
    record.undrain()
    assert _get(f"{endpoint}/ready/odbc")[0] == 200

    # The confirmation of the metadata is not valid on another machine with a copy of this disk.
    (home.folder / "machine").write_text("i-0fedcba9876543210\n")
    assert (
        _get(f"{endpoint}/ready/odbc")[1]["reason"] == "the metadata of the node is not confirmed"
    )


def test_a_long_promotion_is_not_ready_although_open(home: Home, endpoint: str) -> None:
    _run(home, ready__busy_seconds=0)
    Record(home.system).confirm_metadata("alice", "looked")
    home.behave("ping.sh", "promotion")
    status, data = _get(f"{endpoint}/ready/jdbc")
    assert (status, data["state"]) == (503, "busy")
    assert "the server is not ready" in data["reason"]
    assert _get(f"{endpoint}/ready/flight")[0] == 200


def test_hung_servers_do_not_hang_the_endpoint(
    home: Home, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(home)
    Record(home.system).confirm_metadata("alice", "looked")
    monkeypatch.setattr(readiness_endpoint, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(readiness_endpoint, "STALE_SECONDS", 600.0)
    monkeypatch.setattr(ping, "SECONDS", 0.5)
    monkeypatch.setattr(probes, "SECONDS", 0.5)
    home.behave("ping.sh", "hang")
    running = home.running("scheduler")
    assert running
    suspend(running["pid"])
    begin, probe = threading.Event(), probes.failure

    def held_probe(*arguments: Any, **options: Any) -> probes.Failure | None:
        begin.wait(TIMEOUT_S)
        return probe(*arguments, **options)

    monkeypatch.setattr(probes, "failure", held_probe)
    # The endpoint answers even before a probe has a result.
    for name in ("jdbc", "jobs"):
        status, data = _get(f"{endpoint}/ready/{name}")
        assert (status, data["reason"], data["state"]) == (503, "the server did not answer", "dead")
    # After the probe's time limit, the endpoint answers with the reason that the probe found.
    begin.set()
    reason = "the server did not answer: ping.sh did not end within 0.5 s"
    until(lambda: _get(f"{endpoint}/ready/jdbc")[1]["reason"] == reason)
    reason_of_jobs = f"the server did not answer on port {home.ports['scheduler']} within 0.5 s"
    until(lambda: _get(f"{endpoint}/ready/jobs")[1]["reason"] == reason_of_jobs)


def test_checks_from_many_zones_start_one_java(
    home: Home, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(home)
    Record(home.system).confirm_metadata("alice", "looked")
    monkeypatch.setattr(readiness_endpoint, "KEPT_SECONDS", 600.0)
    home.calls()
    threads = [threading.Thread(target=_get, args=(f"{endpoint}/ready/jdbc",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(home.calls()) == 1


def test_a_server_that_is_down_starts_no_java(home: Home, endpoint: str) -> None:
    _run(home)
    Record(home.system).confirm_metadata("alice", "looked")
    home.end()
    until(lambda: not probes.listens(home.system, home.ports["vdp"]))
    # The server closes its port some time before its process ends.
    until(lambda: _get(f"{endpoint}/ready/jdbc")[1]["state"] != "starting")
    home.calls()
    status, data = _get(f"{endpoint}/ready/jdbc")
    reason = f"nothing listens on port {home.ports['vdp']}"
    assert (status, data["reason"], data["state"]) == (503, reason, "dead")
    assert home.calls() == []


@pytest.mark.parametrize(
    ("kind", "path", "says", "reason"),
    [
        ("odbc", "/", b"E", "does not answer in PostgreSQL's protocol"),
        ("odbc", "/", b"", "does not answer in PostgreSQL's protocol"),
        ("odbc", "/", b"S", ""),
        ("scheduler", "/", b"HTTP/1.1 400", "does not answer in the protocol of Java RMI"),
        ("web", "/", b"HTTP/1.0 404 Not found\r\n\r\n", ""),
        ("web", "/", b"HTTP/1.0 503 Busy\r\n\r\n", "returns status 503"),
        ("web", "/app", b"HTTP/1.0 404 Not found\r\n\r\n", "GET /app on port"),
        ("web", "/app", b"HTTP/1.0 400 Bad\r\n\r\n", "returns status 400"),
        ("web", "/", b"HTTP/1.0 500 Broken\r\n\r\n", "returns status 500"),
        ("web", "/app", b"HTTP/1.0 401 Who?\r\n\r\n", ""),
        ("web", "/app", b"HTTP/1.0 302 There\r\n\r\n", ""),
        ("web", "/", b"what?\r\n\r\n", "BadStatusLine"),
        ("web", "/", b"", "RemoteDisconnected"),
    ],
)
def test_wrong_servers(home: Home, kind: str, path: str, says: bytes, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        failure = probes.failure(home.system, Service(kind, port, path))
        thread.join()
    assert (failure is not None and reason in failure.reason) if reason else failure is None


def test_a_service_that_was_added_is_known_before_it_is_applied(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target group of an unknown service would have no healthy target until a roll."""
    _run(home)
    Record(home.system).confirm_metadata("alice", "looked")
    asked = []

    def desired() -> State:
        asked.append(1)
        if len(asked) == 1:
            message = "throttled"
            raise HostError(message)
        services = {"batch": {"kind": "vdp", "port": home.ports["vdp"]}}
        return parse(json.dumps(home.state(servers=_SERVERS, ready__services=services).raw))

    readiness = readiness_endpoint.Readiness(home.system, desired)
    assert readiness.of("batch") is None
    assert readiness.of("batch") is None
    assert len(asked) == 1, "it asks AWS at every request"
    monkeypatch.setattr(readiness_endpoint, "REFRESH_SECONDS", 0.0)
    assert readiness.of("batch") == readiness_endpoint.Answer("batch", ready=True)
    monkeypatch.setattr(readiness_endpoint, "REFRESH_SECONDS", 60.0)
    jdbc = readiness.of("jdbc")
    assert jdbc is not None
    assert jdbc.ready, "what was applied counts no more"
    assert readiness.of("nothing") is None
