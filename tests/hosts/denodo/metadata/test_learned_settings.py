"""The node reports the settings of Denodo's form; a node that uses them writes the same file."""

import json
from typing import Any

import pytest

from hosts.denodo import commands
from hosts.denodo.apply import check
from hosts.denodo.record import Record
from hosts.denodo.state import State
from tests.hosts.denodo import java_properties
from tests.hosts.denodo.cloud import DATA_CATALOG, SCHEDULER, Cloud
from tests.hosts.denodo.home import DATA_CATALOG as FILE
from tests.hosts.denodo.home import SCHEDULER as SCHEDULER_FILE
from tests.hosts.denodo.home import Home

_PASSWORD = "hunter2-hunter2"  # noqa: S105 - no output may contain it
_SERVERS = ["vdp", "data-catalog", "scheduler"]
_QUARTZ = "org.quartz.impl.jdbcjobstore"
_URL = "jdbc\\:postgresql\\://db.example.com\\:5432/dc"
_FORM = f"""\
# Data Catalog
server.port=9090
catalog.db.provider=POSTGRESQL_12
catalog.db.uri={_URL}?currentSchema=dc&ssl=true
catalog.db.driver=org.postgresql.Driver
catalog.db.user=dc_user
catalog.db.password={_PASSWORD}
catalog.db.password.encrypted=false
catalog.db.maxPool=20
catalog.db.query=select 1
catalog.db.hostName=db.example.com
catalog.db.port=5432
catalog.db.databaseName=dc
catalog.db.pool.init=SET ROLE {{x}}
catalog.db.signature=abcdef
catalog.db.pool.secret=xyz
catalog.db.pool.test={_PASSWORD}-copied
catalog.db.name=encrypted:AbC
catalog.db.connection=//x?pw=abc
catalog.db.encryptedPassword=AbC
catalog.db.poolUserName=dc_user
catalog.db.poolPwd={_PASSWORD}
other.dialect=PostgreSQL
other.thing=secret-of-something-else
"""


def _apply(home: Home, state: State) -> None:
    """Record a state as applied, without servers."""
    Record(home.system).apply(state, "change")


def _report(home: Home, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert commands.main([*home.arguments, "catalog-settings"]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def test_keys_of_a_form_are_printed_with_placeholders(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _apply(home, home.state())
    home.with_data_catalog()
    home.write(FILE, _FORM)
    learned = _report(home, capsys)["data-catalog"]
    assert learned == {
        "file": FILE,
        "configured": True,
        "entries": {
            "catalog.db.provider": "POSTGRESQL_12",
            "catalog.db.uri": "{url}",
            "catalog.db.driver": "org.postgresql.Driver",
            "catalog.db.user": "{user}",
            "catalog.db.password": "{password}",
            "catalog.db.password.encrypted": "false",
            "catalog.db.maxPool": "20",
            "catalog.db.query": "select 1",
            "catalog.db.hostName": "{host}",
            "catalog.db.port": "{port}",
            "catalog.db.databaseName": "{database}",
            "catalog.db.poolUserName": "{user}",
            "catalog.db.poolPwd": "{password}",
            "other.dialect": "PostgreSQL",
            **dict.fromkeys(
                f"spring.datasource.{key}"
                for key in ("driver-class-name", "url", "username", "password")
            ),
        },
        "notes": [
            *(
                f"catalog.db.{key} is left out, because the value may be secret or has a form that"
                f" the configuration cannot contain: check whether catalog.db.{key} is a setting of"
                " the database"
                for key in (
                    *("pool.init", "signature", "pool.secret", "pool.test", "name"),
                    *("connection", "encryptedPassword"),
                )
            ),
            "catalog.db.uri: {url} does not contain the parameters currentSchema",
        ],
    }


@pytest.mark.parametrize("password", [_PASSWORD, "encrypted:FM7g"])
def test_a_password_is_not_printed(
    home: Home, capsys: pytest.CaptureFixture[str], password: str
) -> None:
    _apply(home, home.state())
    home.with_data_catalog()
    home.write(FILE, _FORM.replace(_PASSWORD, password))
    assert password not in json.dumps(_report(home, capsys))


def test_nodes_with_the_learned_settings_use_the_keys_of_the_form(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _apply(home, home.state())
    home.with_data_catalog()
    home.write(FILE, _FORM)
    learned = _report(home, capsys)["data-catalog"]
    cloud = Cloud(home.folder)
    place = {"host": "rds.example.com", "port": 5433, "dbname": "data_catalog", "ca": "PEM"}
    cloud.secret(DATA_CATALOG, {**place, "username": "data_catalog_a", "password": "new"})
    catalog = {"data-catalog": {"secret": DATA_CATALOG, "entries": learned["entries"]}}
    plan = check(home.system, home.state(servers=["data-catalog"], catalog=catalog))
    found = java_properties.properties(plan.files[home.path / FILE])
    assert found["catalog.db.uri"].startswith("jdbc:postgresql://rds.example.com:5433/data_catalog")
    assert found["catalog.db.password"] == "new"
    assert found["catalog.db.user"] == "data_catalog_a"
    assert not [key for key in found if key.startswith("spring.")]


@pytest.mark.parametrize("version", ["7.0", "8.0"])
def test_the_form_of_the_scheduler(
    make_home: Any, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    """The node reports the settings that Denodo's form wrote, except those of the connection."""
    home = make_home(version)
    _apply(home, home.state())
    values = {
        "ComplexDataSource/driverClassName": "org.postgresql.Driver",
        "ComplexDataSource/url": _URL,
        "ComplexDataSource/user": "sched",
        "ComplexDataSource/password": "encrypted:AbC\\=\\=" if version == "8.0" else "AbC\\=\\=",
        "ComplexDataSource/databaseName": "PostgreSQL",
        "GenericEntityIdentifierRetriever/query": "select lastval()",
        "JobReportRepositoryFactory/className": "com.denodo.PostgreSQLJobReportRepositoryImpl",
        "org.quartz.dataSource.quartzds.driver": "org.postgresql.Driver",
        "org.quartz.dataSource.quartzds.URL": _URL,
        "org.quartz.dataSource.quartzds.user": "sched",
        "org.quartz.dataSource.quartzds.password": "encrypted:AbC\\=\\=",
        "org.quartz.dataSource.quartzds.validationQuery": "select 1",
    }
    for key, value in values.items():
        home.set(SCHEDULER_FILE, key, value)
    learned = _report(home, capsys)["scheduler"]
    assert learned["entries"] == {
        "GenericEntityIdentifierRetriever/query": "select lastval()",
        "JobReportRepositoryFactory/className": "com.denodo.PostgreSQLJobReportRepositoryImpl",
        "org.quartz.dataSource.quartzds.maxConnections": "6",
        "org.quartz.jobStore.driverDelegateClass": f"{_QUARTZ}.PostgreSQLDelegate",
    }
    assert learned["notes"] == []


def test_files_without_a_database_are_named(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    _apply(home, home.state())
    assert list(_report(home, capsys)) == ["scheduler"]
    home.with_data_catalog()
    report = _report(home, capsys)
    assert not any(learned["configured"] or learned["entries"] for learned in report.values())
    assert "has no JDBC URL of PostgreSQL" in report["data-catalog"]["notes"][0]
    home.write(FILE, "a=\\u00")
    assert "so Java refuses it" in _report(home, capsys)["data-catalog"]["notes"][0]
    (home.path / FILE).unlink()
    (home.path / FILE).mkdir()
    assert "cannot be read" in _report(home, capsys)["data-catalog"]["notes"][0]


def test_another_file_of_the_state_is_read(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = Cloud(home.folder)
    cloud.missing(SCHEDULER)
    catalog = {"scheduler": {"secret": SCHEDULER, "file": "conf/other.properties"}}
    _apply(home, home.state(servers=_SERVERS, catalog=catalog))
    home.write("conf/other.properties", "x.url=jdbc:postgresql://[half/x\nx.user=\nx.password=\n")
    learned = _report(home, capsys)["scheduler"]
    assert learned["file"] == "conf/other.properties"
    assert learned["entries"]["x.url"] == "{url}"
    assert {"x.user", "x.password"}.isdisjoint(learned["entries"])


def test_a_node_without_a_state(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main([*home.arguments, "catalog-settings"]) == 3
    assert "no desired state was applied" in capsys.readouterr().out
