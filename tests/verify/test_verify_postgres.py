"""Verification of a real PostgreSQL server, with and without TLS, and of other servers."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from denodo_ha.verify.findings import StepState
from tests.support.servers.certificates import authority
from tests.support.servers.postgres import Postgres, installed, postgres
from tests.support.servers.postgres_tls import with_tls
from tests.support.servers.scripted import (
    Talk,
    answers,
    floods,
    hangs_up,
    is_silent,
    says,
    scripted,
)
from tests.verify.sites import LONG_S, Found, at, one_cluster, patience, verify

HOST = "127.0.0.1"
TLS = b"S"
NO_TLS = b"N"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


def error(state: str, text: str = "told so") -> bytes:
    return message(b"E", f"SFATAL\0C{state}\0M{text}\0\0".encode())


def odbc(folder: Path, port: int, **options: object) -> Found:
    environment = one_cluster(folder, "8.0", {"services": {"odbc": port}})
    return verify(at(environment, HOST), **options)


@pytest.fixture(scope="module")
def plain() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture(scope="module", params=["before it", "its own"])
def encrypted(request: pytest.FixtureRequest, plain: Postgres) -> Iterator[Postgres]:
    """Return PostgreSQL behind a TLS proxy, and the system's PostgreSQL with TLS if installed."""
    identity = authority().issue(HOST)
    if request.param == "before it":
        with with_tls(plain, identity) as server:
            yield server
        return
    programs = installed()
    if programs is None:
        pytest.skip("no PostgreSQL is installed on this system")
    with postgres(identity=identity, programs=programs) as server:
        yield server


def test_without_tls(plain: Postgres, tmp_path: Path) -> None:
    found = odbc(tmp_path, plain.port)
    assert found.codes(StepState.WRONG) == set()
    assert found.codes(StepState.NOTE) == {("odbc", "odbc-no-tls")}
    assert found.step("odbc", "start-up").seen == "asks for SASL"


def test_with_tls_of_somebody_unknown(encrypted: Postgres, tmp_path: Path) -> None:
    """The certificate is not trusted.

    The finding is only a note, as drivers do not verify certificates by default.
    """
    found = odbc(tmp_path, encrypted.port)
    assert found.codes(StepState.WRONG) == set()
    assert found.codes(StepState.NOTE) == {("odbc", "odbc-certificate")}
    assert "for 127.0.0.1, from Test authority" in found.step("odbc", "TLS").seen
    assert found.step("odbc", "start-up").seen == "asks for SASL"


def test_with_tls_of_an_authority_that_is_trusted(encrypted: Postgres, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority().certificate)
    found = odbc(tmp_path, encrypted.port, ca_bundle=str(bundle))
    assert found.codes(StepState.WRONG, StepState.NOTE) == set()
    assert found.step("odbc", "TLS").seen.startswith("TLSv1.3; for 127.0.0.1")


def test_connections_are_counted(plain: Postgres, tmp_path: Path) -> None:
    found = odbc(tmp_path, plain.port, connections=3)
    assert found.step("odbc", "3 connections").seen == "3 answered"
    assert ("odbc", "spread-unseen") in found.codes(StepState.NOTE)


@pytest.mark.parametrize(
    ("talk", "code"),
    [
        (answers(NO_TLS, error("57P03", "the database system is starting up")), "odbc-starting"),
        (answers(NO_TLS, error("53300", "too many clients")), "odbc-full"),
        (answers(NO_TLS, b"HTTP/1.0 400 Bad Request\r\n\r\n"), "not-postgresql"),
        (answers(NO_TLS, message(b"Z", b"I")), "not-postgresql"),
        (answers(NO_TLS, b"R\x7f\xff\xff\xff"), "not-postgresql"),
        (answers(NO_TLS, b"R\x00\x00\x00\x00"), "not-postgresql"),
        (answers(NO_TLS, b"R\x00\x00"), "malformed"),
        (answers(NO_TLS), "silent"),
        (answers(TLS, b"no TLS at all" * 9), "not-tls"),
        (answers(TLS), "silent"),
        (answers(b"HTTP/1.0 400 Bad Request\r\n\r\n"), "not-postgresql"),
        (says(b"\x00\x00\x00\x00"), "not-postgresql"),
        (is_silent, "silent"),
        (hangs_up, "closed"),
        (floods, "not-postgresql"),
    ],
)
def test_wrong_servers(talk: Talk, code: str, tmp_path: Path) -> None:
    with scripted(talk) as port:
        found = odbc(tmp_path, port, timeout=patience(code))
    assert found.codes(StepState.WRONG) == {("odbc", code)}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (error("28000", "no entry for host"), "answers 28000 no entry for host"),
        (message(b"v", bytes(8)) + message(b"R", struct.pack(">i", 3)), "asks for a password"),
        (message(b"N", b"") + message(b"R", struct.pack(">i", 99)), "asks for authentication of"),
    ],
)
def test_other_right_servers(reply: bytes, said: str, tmp_path: Path) -> None:
    with scripted(answers(NO_TLS, reply)) as port:
        found = odbc(tmp_path, port, timeout=LONG_S)
    assert found.codes(StepState.WRONG) == set()
    assert found.step("odbc", "start-up").seen.startswith(said)


def test_anybody_may_in(tmp_path: Path) -> None:
    with scripted(answers(NO_TLS, message(b"R", bytes(4)))) as port:
        found = odbc(tmp_path, port)
    assert ("odbc", "odbc-open") in found.codes(StepState.NOTE)


def test_server_from_before_tls(tmp_path: Path) -> None:
    """The server answers the TLS request with an error, so the probe connects again."""
    with scripted(answers(error("08P01"))) as port:
        found = odbc(tmp_path, port)
    assert found.codes(StepState.NOTE) == {("odbc", "odbc-no-tls")}
    assert found.step("odbc", "start-up").seen == "answers 08P01 told so"
