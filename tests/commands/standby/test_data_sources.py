"""Pings of data sources from the standby's nodes; a real PostgreSQL server answers for Denodo."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.catalog.logins import Login
from denodo_ha.cli.errors import UsageError
from denodo_ha.standby import data_sources
from denodo_ha.standby.check_line import NO, OK, UNKNOWN, Unknown
from denodo_ha.standby.data_sources import (
    DataSource,
    OdbcEndpoint,
    parse_sources,
    ping_sources,
    source_findings,
)
from tests.commands.account.postgres import ADMIN, PASSWORD, Managed, managed

AWS: Any = None
_PROCEDURE = """
CREATE PROCEDURE ping_data_source(
    INOUT database_name text, INOUT data_source_type text, INOUT data_source_name text,
    timeout int, INOUT status text DEFAULT NULL, INOUT down_cause text DEFAULT NULL
) LANGUAGE plpgsql AS $$ BEGIN
    status := CASE data_source_name WHEN 'orders' THEN 'UP' WHEN 'slow' THEN 'TIMEOUT'
        ELSE 'DOWN' END;
    down_cause := CASE status WHEN 'DOWN' THEN 'refused: ' || data_source_name END;
END $$
"""
"""A procedure with the name, arguments and result of Denodo's procedure (VQL Guide,
PING_DATA_SOURCE)."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Managed]:
    with managed(tmp_path_factory.mktemp("certificates")) as server:
        server.run("CREATE DATABASE sales")
        server.run(_PROCEDURE, "sales")
        yield server


@pytest.fixture
def endpoint(server: Managed, monkeypatch: pytest.MonkeyPatch) -> OdbcEndpoint:
    login = Login("arn", ADMIN, PASSWORD)
    monkeypatch.setattr(data_sources, "read_login", lambda *_: login)
    return OdbcEndpoint("127.0.0.1", server.port, tls=True)


def test_each_source_says_whether_it_is_up(endpoint: OdbcEndpoint) -> None:
    names = ("orders", "slow", "o'hara")
    sources = [DataSource("sales", "JDBC", name) for name in names]
    results = ping_sources(AWS, "eu-central-1", "login", endpoint, sources)
    assert isinstance(results, dict)
    assert list(results.values()) == ["UP", "TIMEOUT", "DOWN: refused: o'hara"]
    findings = list(source_findings(results))
    assert [finding.state for finding in findings] == [OK, NO, NO]
    assert findings[2].seen == "sales/JDBC/o'hara DOWN: refused: o'hara"


def test_what_cannot_be_asked_is_unknown(
    endpoint: OdbcEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DataSource("other", "JDBC", "orders")
    results = ping_sources(AWS, "eu-central-1", "login", endpoint, [source])
    (finding,) = source_findings(results)
    assert finding.state == UNKNOWN
    assert "other/JDBC/orders: " in finding.seen
    wrong = Login("arn", ADMIN, "not-the-password")
    monkeypatch.setattr(data_sources, "read_login", lambda *_: wrong)
    (finding,) = source_findings(ping_sources(AWS, "", "", endpoint, [source]))
    assert finding.state == UNKNOWN
    assert wrong.password not in finding.seen
    (finding,) = source_findings(Unknown("the secret cannot be read"))
    assert finding.state == UNKNOWN
    assert list(source_findings(None)) == []


def test_sources_are_named_with_database_and_type() -> None:
    assert parse_sources(["sales/jdbc/orders"]) == (DataSource("sales", "JDBC", "orders"),)
    with pytest.raises(UsageError, match="'orders', 'sales/XML/a': not a data source"):
        parse_sources(["orders", "sales/JDBC/b", "sales/XML/a"])


def test_a_login_and_sources_belong_together(tmp_path: Path, denodo_ha: Any) -> None:
    config = ("-c", str(tmp_path / "none.yaml"))
    for options in (("--login", "secret"), ("--data-source", "sales/JDBC/orders")):
        done = denodo_ha("failover", "check", *config, *options)
        assert done.exit_code == 2
        assert "--login and --data-source belong together" in done.stderr
