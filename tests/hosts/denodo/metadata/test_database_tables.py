"""The program asks a real PostgreSQL server for tables before it stops a server of Denodo."""

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from hosts.denodo.apply import apply
from hosts.denodo.errors import ImageError
from hosts.denodo.metadata import database_tables, metadata_database, postgres_session
from hosts.denodo.metadata.postgres_session import Server, SessionError
from hosts.denodo.record import Record
from tests.hosts.denodo.cloud import DATA_CATALOG, SCHEDULER, VDP, Cloud
from tests.hosts.denodo.home import SCHEDULER as SCHEDULER_FILE
from tests.hosts.denodo.home import Home
from tests.support.servers.certificates import authority
from tests.support.servers.ports import free_port
from tests.support.servers.postgres import Postgres, postgres
from tests.support.servers.postgres_tls import with_tls
from tests.support.servers.scripted import scripted

_READ_TABLES = database_tables.read_tables
_ARNS = {"scheduler": SCHEDULER, "data-catalog": DATA_CATALOG, "vdp": VDP}
_SERVERS = ["vdp", "data-catalog", "scheduler"]
_DATABASES = ("scheduler", "data_catalog", "vdp")
_PASSWORD = "p@ss, word=\u00e9\ufb01"  # noqa: S105 - password of a server that ends with its test


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """Run a PostgreSQL server with TLS and a database for each component."""
    with (
        postgres(user="postgres") as plain,
        with_tls(plain, authority().issue("localhost")) as encrypted,
    ):
        for name in _DATABASES:
            _sql(encrypted, f"CREATE ROLE {name} LOGIN PASSWORD '{_PASSWORD}'")
            _sql(encrypted, f"CREATE DATABASE {name} OWNER {name}")
        yield encrypted


@pytest.fixture(autouse=True)
def real_tables(monkeypatch: pytest.MonkeyPatch, tables: list[str]) -> None:
    """Restore the real `read_tables`, which asks a PostgreSQL server for its tables."""
    assert tables
    monkeypatch.setattr(database_tables, "read_tables", _READ_TABLES)


@pytest.fixture
def create(database: Postgres) -> Iterator[Callable[[str, str], None]]:
    """Return a function that creates a table in a database until the test ends."""
    names = set()

    def table(dbname: str, name: str) -> None:
        names.add(dbname)
        _sql(database, f"CREATE TABLE {name} (id int)", dbname)

    yield table
    for dbname in names:
        _sql(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", dbname)


@pytest.fixture
def catalog(home: Home, database: Postgres) -> Callable[..., Any]:
    """Return a function that returns the state with a shared database of some components."""
    home.with_data_catalog()
    cloud = Cloud(home.folder)

    def state(*components: str, changes: Any = None, **login: Any) -> Any:
        for component in components:
            name = component.replace("-", "_")
            account = {"dbname": name, "username": name, "password": _PASSWORD}
            place = {"host": "localhost", "port": database.port, "ca": _ca()}
            cloud.secret(_ARNS[component], {**place, **account, **login})
        shared = {name: {"secret": _ARNS[name]} for name in components}
        servers = [name for name in _SERVERS if name == "vdp" or name in components]
        return home.state(**{"servers": servers, "catalog": shared, **(changes or {})})

    return state


def _sql(database: Postgres, statement: str, dbname: str = "postgres") -> None:
    with psycopg.connect(
        host="localhost",
        port=database.port,
        user=database.user,
        password=database.password,
        dbname=dbname,
        sslmode="require",
        autocommit=True,
    ) as connection:
        connection.execute(statement.encode())


def _ca() -> str:
    return authority().certificate.decode()


def _check(home: Home, state: Any) -> None:
    """Check the databases of a state, as an apply does before it stops a server."""
    metadata_database.check(home.system, state, Record(home.system))


def _serves(home: Home) -> None:
    """Record a state as applied, as on a node whose servers run."""
    Record(home.system).apply(home.state(), "change")


def _problems(home: Home, state: Any) -> list[str]:
    """Assert that the error of a refused state has no password; return the error's problems."""
    with pytest.raises(ImageError) as refused:
        _check(home, state)
    assert _PASSWORD not in str(refused.value)
    title, *problems = str(refused.value).splitlines()
    assert title == "the shared database cannot be used:"
    return [problem.strip() for problem in problems]


def test_databases_without_tables_are_found_before_a_server_stops(
    home: Home, catalog: Callable[..., Any]
) -> None:
    apply(home.system, home.state())
    running = home.running()
    home.calls()
    with pytest.raises(ImageError, match="has no tables"):
        apply(home.system, catalog("scheduler"))
    assert home.running() == running
    assert home.calls() == []


def test_all_databases_without_tables_are_named(
    home: Home,
    database: Postgres,
    catalog: Callable[..., Any],
    create: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _serves(home)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    create("scheduler", "jobs")
    state = catalog("scheduler", "data-catalog", "vdp")
    scheduler, data_catalog = _problems(home, state)
    where = f"on localhost:{database.port}"
    choice = "--cluster active --environment denodo --region eu-west-1"
    assert scheduler == (
        f"scheduler: the database scheduler {where} has tables, but none whose name begins with "
        f"QRTZ_; run `denodo-ha catalog init --scheduler-sql FILE {choice}` with the SQL scripts "
        f"for PostgreSQL in {home.path}/scripts/scheduler/sql (docs/how-to/catalog.md)"
    )
    assert data_catalog.startswith(f"data-catalog: the database data_catalog {where} has no tables")
    assert f"`denodo-ha catalog init --data-catalog-sql FILE {choice}`" in data_catalog
    create("scheduler", "QRTZ_LOCKS")
    create("data_catalog", "anything")
    _check(home, state)


def test_the_prefix_of_tables_is_read_from_the_file_or_the_settings(
    home: Home, catalog: Callable[..., Any], create: Callable[[str, str], None]
) -> None:
    _serves(home)
    create("scheduler", '"JOB_LOCKS"')
    home.set(SCHEDULER_FILE, database_tables.TABLE_PREFIX, "TASK_")
    assert "begins with TASK_" in "".join(_problems(home, catalog("scheduler")))
    entries = {database_tables.TABLE_PREFIX: "job_"}
    shared = {"scheduler": {"secret": SCHEDULER, "entries": entries}}
    _check(home, catalog("scheduler", changes={"catalog": shared}))


def test_a_login_that_does_not_work_is_named(home: Home, catalog: Callable[..., Any]) -> None:
    _serves(home)
    cases: dict[str, dict[str, Any]] = {
        "password authentication failed": {"password": "another"},
        'database "nowhere" does not exist': {"dbname": "nowhere"},
        "mismatch": {"host": "127.0.0.1"},
        "refused": {"port": free_port()},
        "the names of the tables in": {"ca": "PEM"},
    }
    for says, login in cases.items():
        (problem,) = _problems(home, catalog("vdp", **login))
        assert says in problem
        assert "denodo-ha catalog init" in problem


def test_certificates_of_the_java_are_not_judged_here(
    home: Home, catalog: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    _serves(home)
    _check(home, catalog("vdp", ca=""))
    assert "the names of the tables in " in capsys.readouterr().out


def test_a_new_node_starts_while_the_database_does_not_answer(
    home: Home, catalog: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A new node has no server to stop, and a database that fails over soon answers again."""
    _check(home, catalog("scheduler", port=free_port()))
    assert "the names of the tables in " in capsys.readouterr().out


def test_a_component_on_its_database_gets_a_warning(
    home: Home, catalog: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    _serves(home)
    Record(home.system).remember_logins({"scheduler": "fingerprint"})
    _check(home, catalog("scheduler", port=free_port()))
    assert "the names of the tables in " in capsys.readouterr().out
    _check(home, catalog("scheduler"))
    assert "has no tables" in capsys.readouterr().out


class _Talk:
    """Connection to a PostgreSQL server that has already sent all its messages."""

    def __init__(self, data: bytes) -> None:
        self._data, self.sent = data, b""

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def recv(self, count: int) -> bytes:
        data, self._data = self._data[:count], self._data[count:]
        return data


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def _authentication(code: int, data: bytes = b"") -> bytes:
    return _message(b"R", code.to_bytes(4, "big") + data)


def _answered(data: bytes) -> tuple[list[str], bytes]:
    talk: Any = _Talk(data)
    server = Server("localhost", 1, "d", "u", "secret", "")
    return postgres_session.Session(talk, server, time.monotonic() + 60).query("SELECT"), talk.sent


def test_a_password_is_sent_in_clear_where_the_server_demands_it() -> None:
    ready = _message(b"Z", b"I")
    row = _message(b"D", b"\0\1\0\0\0\4qrtz") + _message(b"D", b"\0\1\xff\xff\xff\xff")
    rows, sent = _answered(_authentication(3) + _authentication(0) + ready + row + ready)
    assert rows == ["qrtz", ""]
    assert b"secret\0" in sent


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 400", "not in PostgreSQL's protocol"),
        (_authentication(5, b"salt"), "method 5"),
        (_authentication(10, b"SCRAM-SHA-1\0\0"), "method 10"),
        (_authentication(11, b"r=another,s=AAAA,i=4096"), r"login \(SCRAM\) is not valid"),
        (_authentication(11, b"nothing"), r"login \(SCRAM\) is not valid"),
        (_authentication(11, b"\xff"), "not in PostgreSQL's protocol"),
        (_authentication(12, b"v=AAAA"), "does not prove"),
        (_authentication(12, b"e=other-error"), r"login \(SCRAM\) is not valid"),
        (_message(b"R", b"1"), "not in PostgreSQL's protocol"),
        (_message(b"E", b"C57P03\0Mthe database system is starting up\0\0"), "starting up"),
        (_message(b"E", b"C28P01\0\0"), "28P01"),
    ],
)
def test_answers_of_other_servers(data: bytes, says: str) -> None:
    with pytest.raises(SessionError, match=says):
        _answered(data)


@pytest.mark.parametrize("iterations", ["0", "1000001", "x"])
def test_a_server_cannot_keep_the_processor_busy(
    monkeypatch: pytest.MonkeyPatch, iterations: str
) -> None:
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: "nonce")
    with pytest.raises(SessionError):
        _answered(_authentication(11, f"r=nonce1,s=AAAA,i={iterations}".encode()))


def test_a_server_without_tls_gets_no_login() -> None:
    received = []

    def talk(connection: socket.socket) -> None:
        received.append(connection.recv(100))
        connection.sendall(b"N")
        received.append(connection.recv(100))

    with scripted(talk) as port:
        server = Server("127.0.0.1", port, "d", "u", "secret", "")
        with pytest.raises(SessionError, match="offers no TLS"):
            server.query("SELECT")
    assert received == [bytes.fromhex("0000000804d2162f"), b""]
