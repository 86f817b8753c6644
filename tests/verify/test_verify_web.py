"""Verification of real web servers: certificates, answers, and stickiness to a node."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.verify.endpoint import Endpoint, Trust
from denodo_ha.verify.findings import StepLog, StepState
from denodo_ha.verify.web_probe import WebRequest, probe_web
from tests.support.servers.certificates import Identity, authority
from tests.support.servers.haproxy import haproxy
from tests.support.servers.ports import free_port
from tests.support.servers.scripted import (
    Talk,
    answers,
    floods,
    hangs_up,
    is_silent,
    says,
    scripted,
)
from tests.support.servers.web import Web, web
from tests.verify.sites import (
    BALANCER,
    LONG_S,
    NODES,
    Found,
    at,
    one_cluster,
    patience,
    verify,
)

NAME = "denodo.example.com"
HOST = "127.0.0.1"
CERTIFICATE = "arn:aws:acm:eu-west-1:111122223333:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"


def asked(folder: Path, port: int, service: Mapping[str, Any] | None = None, **more: Any) -> Found:
    host = more.pop("host", HOST)
    changes = {"services": {"web": {"port": port, **(service or {})}}, **more.pop("changes", {})}
    return verify(at(one_cluster(folder, "8.0", changes), host), **more)


def https(folder: Path, identity: Identity, **more: Any) -> Found:
    bundle = folder / "ca.pem"
    bundle.write_bytes(authority().certificate)
    with web(Web(), identity=identity) as server:
        return asked(
            folder,
            server.port,
            {"tls": CERTIFICATE},
            client_name=NAME,
            ca_bundle=str(bundle),
            **more,
        )


def test_plain(tmp_path: Path) -> None:
    with web(Web()) as server:
        found = asked(tmp_path, server.port)
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert found.step("web", "GET /").seen == "status 200"


def test_certificate_is_right(tmp_path: Path) -> None:
    found = https(tmp_path, authority().issue("other.example.com", "*.example.com"))
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert (
        "for other.example.com, *.example.com, from Test authority" in found.step("web", "TLS").seen
    )


@pytest.mark.parametrize(
    ("identity", "code", "said"),
    [
        (authority().issue(NAME, begins=-90, ends=-2), "certificate-expired", f"for {NAME}"),
        (authority().issue(NAME, begins=2), "certificate-early", f"for {NAME}"),
        (authority().issue("node1.example.org"), "certificate-name", "for node1.example.org"),
        (authority("Nobody's").issue(NAME), "certificate-chain", "from Nobody's"),
    ],
)
def test_certificate_is_wrong(identity: Identity, code: str, said: str, tmp_path: Path) -> None:
    """The certificate's fault is reported, and the request is sent nevertheless."""
    found = https(tmp_path, identity)
    assert found.codes(StepState.WRONG) == {("web", code)}
    assert said in found.step("web", "TLS").seen
    assert found.step("web", "GET /").state is StepState.OK


def test_certificate_ends_soon(tmp_path: Path) -> None:
    found = https(tmp_path, authority().issue(NAME, ends=10))
    assert found.codes(StepState.WRONG, StepState.NOTE) == {("web", "certificate-soon")}
    assert found.step("web", "TLS").seen.startswith("the certificate expires in 10 days")


def test_no_tls_where_it_should_be(tmp_path: Path) -> None:
    with web(Web()) as server:
        found = asked(tmp_path, server.port, {"tls": CERTIFICATE}, timeout=LONG_S)
    assert found.codes() == {("web", "not-tls")}


def test_tls_where_none_should_be(tmp_path: Path) -> None:
    with web(Web(), identity=authority().issue(NAME)) as server:
        found = asked(tmp_path, server.port, timeout=LONG_S)
    assert found.codes() <= {("web", "not-http"), ("web", "closed")}
    assert found.codes()


@pytest.mark.parametrize(
    ("status", "path", "state"),
    [
        (404, "/", StepState.OK),
        (401, "/denodo-restfulws/", StepState.OK),
        (404, "/gone", StepState.WRONG),
        (503, "/", StepState.WRONG),
    ],
)
def test_status(status: int, path: str, state: StepState, tmp_path: Path) -> None:
    with web(Web(status=status)) as server:
        found = asked(tmp_path, server.port, web_path=path)
    assert found.logs["web"].state is state
    assert server.asked == [path]


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("/denodo-data-catalog/", False),
        (f"http://{HOST}/login", False),
        ("http://node1.internal:9090/login", True),
        ("http://[half", True),
    ],
)
def test_redirect(location: str, told: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a value of a case
    with web(Web(status=302, headers={"Location": location})) as server:
        found = asked(tmp_path, server.port)
    assert bool(found.codes(StepState.NOTE)) is told


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        (answers(b"SSH-2.0-OpenSSH\r\n"), "not-http"),
        (says(b"\x15\x03\x01\x00\x02\x02\x50"), "not-http"),
        (answers(b"HTTP/1.1 nonsense\r\n\r\n"), "not-http"),
        (answers(b"HTTP/9.9 200 OK\r\n\r\n"), "not-http"),
        (answers(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 150 + b"\r\n"), "not-http"),
        (answers(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000), "malformed"),
        (answers(b"HTTP/1.1 200"), "malformed"),
        (floods, "not-http"),
        (is_silent, "silent"),
        (hangs_up, "closed"),
    ],
)
def test_wrong_servers(talk: Talk, code: str, tmp_path: Path) -> None:
    with scripted(talk) as port:
        found = asked(tmp_path, port, timeout=patience(code))
    assert found.codes() == {("web", code)}


STICKY = {"sticky": True}


def test_session_stays(tmp_path: Path) -> None:
    with web(Web(sessions=".node1")) as server:
        found = asked(tmp_path, server.port, STICKY, connections=4)
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert found.step("web", "stays").seen == "6 requests, all from node1"
    assert found.step("web", "4 connections").seen == "node1 4, node2 0"


def test_stickiness_cannot_be_seen(tmp_path: Path) -> None:
    with web(Web()) as server:
        found = asked(tmp_path, server.port, STICKY)
    assert found.codes(StepState.WRONG, StepState.NOTE) == {("web", "session-unseen")}


@pytest.mark.parametrize("suffixes", [(".node1", ".node2"), ("", "")])
def test_session_is_lost(suffixes: tuple[str, str], tmp_path: Path) -> None:
    """The load balancer is not sticky.

    Session ids end with the node's name in the first case only.
    """
    port = free_port()
    first, second = (Web(port=port, sessions=suffix) for suffix in suffixes)
    backends = {(BALANCER, port): [(node, port) for node in NODES]}
    with web(first, host=NODES[0]), web(second, host=NODES[1]), haproxy(tmp_path, backends):
        found = asked(tmp_path, port, STICKY, host=BALANCER)
    assert found.codes() == {("web", "session-lost")}


def test_new_clients_spread(tmp_path: Path) -> None:
    """The service is not sticky; the header X-Node tells which node has answered."""
    port = free_port()
    first, second = (Web(port=port, headers={"X-Node": name}) for name in ("node1", "node2"))
    backends = {(BALANCER, port): [(node, port) for node in NODES]}
    with web(first, host=NODES[0]), web(second, host=NODES[1]), haproxy(tmp_path, backends):
        found = asked(tmp_path, port, host=BALANCER, connections=20, node_mark="X-Node")
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert found.step("web", "20 connections").seen.startswith("node1 10, node2 10")


@pytest.mark.parametrize(
    ("headers", "code"), [({}, "cookie-missing"), ({"Set-Cookie": "AWSALB=x; Path=/"}, "")]
)
def test_balancers_cookie(headers: dict[str, str], code: str) -> None:
    log = StepLog("web")
    with web(Web(headers=headers, sessions="")) as server:
        place = Endpoint(HOST, server.port, HOST, LONG_S, Trust())
        probe_web(log, place, WebRequest(sticky="cookie"))
    assert log.steps[-1].finding == code
