"""Services of unknown protocol, and Arrow Flight."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from denodo_ha.verify import connection
from denodo_ha.verify.findings import StepState
from tests.support.servers.certificates import authority
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
from tests.verify.sites import LONG_S, Found, at, one_cluster, patience, verify

HOST = "127.0.0.1"
SETTINGS = bytes.fromhex("000006040000000000000400100000")


def asked(
    folder: Path, service: str, port: int, codes: Iterable[str] = (), **settings: object
) -> Found:
    environment = one_cluster(folder, "9.0", {"services": {service: port}})
    return verify(at(environment, HOST), timeout=patience(*codes), **settings)


@pytest.mark.parametrize(
    ("talk", "codes"),
    [
        (is_silent, set()),
        (says(b"hello"), set()),
        (floods, set()),
        (hangs_up, {("other", "closed")}),
    ],
)
def test_open(
    talk: Talk, codes: set[tuple[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An open connection is sufficient, since a server may wait for the client's first message."""
    if codes:
        # The server closes the connection. Set a long timeout, so that the probe sees the end of
        # the connection first.
        monkeypatch.setattr(connection, "_ACCEPT_S", LONG_S)
    with scripted(talk) as port:
        found = asked(tmp_path, "other", port)
    assert found.codes() == codes


def test_tls_on_such_a_port(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().certificate)
    with web(Web(), identity=authority().issue(HOST)) as server:
        found = asked(tmp_path, "other", server.port, tls=("other",), ca_bundle=str(bundle))
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert [step.name for step in found.logs["other"].steps][1:] == ["TLS", "stays open"]


@pytest.mark.parametrize(
    ("talk", "codes"),
    [
        (answers(SETTINGS), set()),
        (says(SETTINGS), set()),
        (answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), {"not-flight"}),
        (answers(b"\x15\x03\x01\x00\x02\x02\x50"), {"speaks-tls"}),
        (answers(bytes(9)), {"not-flight"}),
        (answers(bytes(5)), {"malformed"}),
        (is_silent, {"silent"}),
        (hangs_up, {"closed"}),
        (floods, {"not-flight"}),
    ],
)
def test_flight(talk: Talk, codes: set[str], tmp_path: Path) -> None:
    with scripted(talk) as port:
        found = asked(tmp_path, "flight", port, codes)
    assert {code for _, code in found.codes()} == codes


@pytest.mark.parametrize(
    ("talk", "codes"),
    [
        (answers(b"N\x00"), {"malformed"}),
        (answers(b"\x4f"), {"not-rmi"}),
        (answers(b"\x15\x03\x01\x00\x02\x02\x50"), {"speaks-tls"}),
        (answers(b"SSH-2.0\r\n"), {"not-rmi"}),
        (answers(b"N\xff\xff" + b"x" * 70_000), {"malformed", "silent"}),
        (is_silent, {"silent"}),
        (hangs_up, {"closed"}),
        (floods, {"not-rmi"}),
    ],
)
def test_scheduler(talk: Talk, codes: set[str], tmp_path: Path) -> None:
    with scripted(talk) as port:
        found = asked(tmp_path, "scheduler", port, codes)
    assert {code for _, code in found.codes()} & codes
    assert len(found.codes()) == 1
