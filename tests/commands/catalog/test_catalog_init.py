"""`denodo-ha catalog init` and `rotate`, against a real PostgreSQL server with TLS."""

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import database_setup, postgres_server
from denodo_ha.catalog.database_setup import ServerAccess
from denodo_ha.cli import exit_codes
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.metadata_stack import read_metadata_stack
from tests.commands.account import postgres
from tests.commands.account.catalog_cloud import Catalog
from tests.commands.account.postgres import HOST
from tests.commands.conftest import Init, Run

COMPONENTS = ("scheduler", "data-catalog")


def test_each_user_can_use_its_own_database_only(catalog: Catalog, init: Init) -> None:
    done = init()
    assert done.exit_code == exit_codes.DONE, done.output
    for component, other in zip(COMPONENTS, reversed(COMPONENTS), strict=True):
        with catalog.connect(component) as connection:
            connection.execute("CREATE TABLE jobs (one int)")
            connection.execute("INSERT INTO jobs VALUES (1)")
            assert connection.info.pgconn.ssl_in_use
            owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 'jobs'")
            assert owner.fetchone() == (component.replace("-", "_"),)
            for statement in (
                "CREATE ROLE x",
                "CREATE DATABASE x",
                f"SET ROLE {other.replace('-', '_')}",
                "ALTER ROLE denodo_admin PASSWORD 'x'",
            ):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        with pytest.raises(psycopg.OperationalError, match="does not have CONNECT privilege"):
            catalog.connect(component, other.replace("-", "_"))


def test_init_writes_the_address_into_the_secret(catalog: Catalog, init: Init) -> None:
    assert "host" not in catalog.value("scheduler")
    init()
    for component in COMPONENTS:
        value = catalog.value(component)
        assert (value["host"], value["port"]) == (HOST, 5432)
        assert value["ca"] == catalog.server.ca.read_text()


def test_a_second_run_changes_nothing(catalog: Catalog, init: Init) -> None:
    init()
    before, versions = catalog.server.state(), catalog.versions()
    done = init()
    assert "nothing is missing; nothing was changed" in done.output
    assert (catalog.server.state(), catalog.versions()) == (before, versions)


def test_the_next_run_uses_the_stored_certificates(catalog: Catalog, denodo_ha: Run) -> None:
    denodo_ha("catalog", "init", *catalog.reach, "--ca", str(catalog.server.ca))
    done = denodo_ha("catalog", "init", *catalog.reach)
    assert done.exit_code == exit_codes.DONE, done.output
    assert "nothing was changed" in done.output


def test_a_run_does_not_wait_for_another_one_without_end(
    catalog: Catalog, init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "_LOCK_S", 0.3)
    before = catalog.server.state()
    with catalog.server.connect(postgres.ADMIN, postgres.PASSWORD, "postgres") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [postgres_server._LOCK])  # noqa: SLF001 - the lock of another run
        done = init()
    assert done.exit_code == exit_codes.REFUSED, done.output
    assert "another catalog command uses" in done.output
    assert catalog.server.state() == before
    assert init().exit_code == exit_codes.DONE


def test_two_concurrent_runs_do_the_work_of_one(catalog: Catalog, init: Init) -> None:
    aws = Aws()
    located = locate_environment(aws, config=str(catalog.config), environment=None, regions=None)
    metadata = read_metadata_stack(aws, located, None)
    access = ServerAccess(catalog.server.ca.read_text(), "127.0.0.1", catalog.server.port)
    begin = threading.Barrier(2)
    made: list[list[str]] = []

    def run() -> None:
        begin.wait(timeout=120)
        made.append([change.what for change in database_setup.init(aws, metadata, access)])

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=300)
    assert sorted(map(bool, made)) == [False, True]
    assert "nothing was changed" in init().output


def test_a_run_that_is_broken_off_is_finished_by_the_next(catalog: Catalog, init: Init) -> None:
    """Interrupt a run after its first, second, … statement, until a run completes."""

    class BrokenOffError(Exception):
        pass

    real, left = psycopg.Connection.execute, 0

    def execute(self: Any, query: Any, *values: Any, **options: Any) -> Any:
        nonlocal left
        text = query if isinstance(query, str | bytes) else query.as_string(self)
        changes = ("CREATE ROLE", "CREATE DATABASE", "COMMENT", "GRANT", "ALTER", "REVOKE")
        if str(text).startswith(changes):
            if left == 0:
                raise BrokenOffError
            left -= 1
        return real(self, query, *values, **options)

    for stops in range(100):
        # Stop each run after one or two statements, so that a run also stops within the transaction
        # of two statements that creates a role.
        left = 1 + stops % 2
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(psycopg.Connection, "execute", execute)
            done = init()
        if not isinstance(done.exception, BrokenOffError):
            break
    assert stops > 5
    assert done.exit_code == exit_codes.DONE, done.output
    assert "nothing was changed" in init().output
    with catalog.connect("scheduler") as connection:
        connection.execute("CREATE TABLE jobs (one int)")


def test_a_run_that_cannot_write_its_secret_is_finished_by_the_next(
    catalog: Catalog, init: Init
) -> None:
    catalog.cloud.faults.deny("PutSecretValue")
    done = init()
    assert done.exit_code == exit_codes.AWS
    assert "secretsmanager:PutSecretValue" in done.output
    assert "host" not in catalog.value("data-catalog")
    catalog.cloud.faults.heal()
    assert init().exit_code == exit_codes.DONE
    assert catalog.value("scheduler")["host"] == HOST


def test_a_dry_run_lists_all_changes_and_makes_none(catalog: Catalog, init: Init) -> None:
    before, versions = catalog.server.state(), catalog.versions()
    done = init("--dry-run")
    assert "scheduler: would create or set database scheduler" in done.output
    assert (catalog.server.state(), catalog.versions()) == (before, versions)


def test_roles_and_databases_of_others_are_left_alone(catalog: Catalog, init: Init) -> None:
    catalog.server.run("CREATE ROLE scheduler")
    done = init()
    assert done.exit_code == exit_codes.REFUSED
    assert "a role scheduler that was not created for this cluster" in done.output
    catalog.server.run("DROP ROLE scheduler")
    catalog.server.run("CREATE DATABASE scheduler")
    done = init()
    assert done.exit_code == exit_codes.REFUSED
    assert "a database scheduler that belongs to postgres" in done.output


def test_a_password_is_in_no_log_and_no_output(
    catalog: Catalog, init: Init, denodo_ha: Run
) -> None:
    output = init().output
    output += denodo_ha("-vv", "catalog", "rotate", "scheduler", *catalog.reach).output
    output += catalog.server.log.read_text()
    for component in COMPONENTS:
        assert catalog.value(component)["password"] not in output
        assert f"generated-{component}" not in output


def test_the_tables_of_the_scheduler_are_made_once(
    catalog: Catalog, init: Init, tmp_path: Path
) -> None:
    tables, rows = tmp_path / "tables.sql", tmp_path / "rows.sql"
    tables.write_text("CREATE TABLE QRTZ_LOCKS (one int);\n-- é\nCREATE TABLE jobs (one int);")
    rows.write_text("INSERT INTO jobs VALUES (1); INSERT INTO nowhere VALUES (1)")
    scripts = ("--scheduler-sql", str(tables), "--scheduler-sql", str(rows))
    done = init(*scripts)
    assert done.exit_code == exit_codes.FAILED
    assert '"nowhere" does not exist' in done.output
    with catalog.connect("scheduler") as connection:
        assert connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)
    rows.write_text("INSERT INTO jobs VALUES (1)")
    for _ in range(2):
        assert init(*scripts).exit_code == exit_codes.DONE
    with catalog.connect("scheduler") as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (1,)


def test_the_tables_of_the_data_catalog_are_made_once(
    catalog: Catalog, init: Init, tmp_path: Path
) -> None:
    file = tmp_path / "data_catalog.sql"
    file.write_text("CREATE TABLE dc (one int); INSERT INTO dc VALUES (1);")
    done = init()
    for component in COMPONENTS:
        line = f"{component}: the database has no tables yet"
        assert line in done.output
        assert f"run this command again with --{component}-sql FILE" in done.output
    done = init("--data-catalog-sql", str(file))
    assert "data-catalog: tables of data_catalog.sql" in done.output
    assert "data-catalog: the database has no tables yet" not in done.output
    assert "scheduler: the database has no tables yet" in done.output
    done = init("--data-catalog-sql", str(file))
    assert "nothing is missing; nothing was changed" in done.output
    with catalog.connect("data-catalog") as connection:
        assert connection.execute("SELECT count(*) FROM dc").fetchone() == (1,)


def test_all_scripts_that_cannot_be_used_are_named(
    catalog: Catalog, init: Init, tmp_path: Path
) -> None:
    before = catalog.server.state()
    options = ("--scheduler-sql", "--data-catalog-sql")
    files = [str(tmp_path / option.strip("-")) for option in options]
    done = init(*(word for pair in zip(options, files, strict=True) for word in pair))
    assert done.exit_code == exit_codes.REFUSED
    for option, file in zip(options, files, strict=True):
        assert f"{option} {file}: cannot be read" in done.output
    assert catalog.server.state() == before


def test_scripts_of_a_component_without_a_database_are_refused(
    catalog: Catalog, init: Init, tmp_path: Path
) -> None:
    outputs = catalog.cloud.stacks.all[-1].outputs
    key = next(key for key in outputs if key.startswith("CatalogSecret") and "Data" in key)
    del outputs[key]
    file = tmp_path / "tables.sql"
    file.write_text("CREATE TABLE dc (one int)")
    done = init("--data-catalog-sql", str(file))
    assert done.exit_code == exit_codes.REFUSED
    assert "data-catalog has no database in test-main-catalog" in done.output


def test_another_server_than_the_certificate_says_is_refused(catalog: Catalog, init: Init) -> None:
    done = init("--ca", str(catalog.server.other_ca))
    assert done.exit_code == exit_codes.FAILED
    assert "--ca FILE" in done.output
    assert "host" not in catalog.value("scheduler")


def test_the_server_refuses_connections_without_tls(catalog: Catalog) -> None:
    value = postgres.PASSWORD
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(
            host="127.0.0.1",
            port=catalog.server.port,
            user=postgres.ADMIN,
            password=value,
            dbname="postgres",
            sslmode="disable",
        )


@pytest.mark.parametrize("through", ["127.0.0.1:x", "127.0.0.1:1"])
def test_a_server_that_is_not_reached(catalog: Catalog, denodo_ha: Run, through: str) -> None:
    ca = ("--ca", str(catalog.server.ca))
    done = denodo_ha("catalog", "init", *catalog.arguments, *ca, "--through", through)
    assert done.exit_code == (exit_codes.USAGE if through.endswith("x") else exit_codes.FAILED)
    assert "--through" in done.output


@pytest.mark.parametrize("text", [None, "nothing", "-----BEGIN CERTIFICATE-----PRIVATE KEY"])
def test_a_file_without_certificates_is_refused(
    init: Init, tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "ca.pem"
    if text is not None:
        file.write_text(text)
    assert init("--ca", str(file)).exit_code == exit_codes.REFUSED


def test_a_rotation_lets_both_users_in_until_it_is_finished(
    catalog: Catalog, init: Init, denodo_ha: Run
) -> None:
    init()
    old = catalog.value("scheduler")
    node = catalog.connect("scheduler")
    node.execute("CREATE TABLE jobs (one int)")
    done = denodo_ha("catalog", "rotate", "scheduler", *catalog.reach)
    assert done.exit_code == exit_codes.DONE, done.output
    new = catalog.value("scheduler")
    assert (old["username"], new["username"]) == ("scheduler_a", "scheduler_b")
    assert new["password"] != old["password"]
    assert {key: new[key] for key in ("host", "port", "ca", "dbname")} == {
        key: old[key] for key in ("host", "port", "ca", "dbname")
    }
    with catalog.connect("scheduler") as rolled:
        rolled.execute("INSERT INTO jobs VALUES (1)")
    with catalog.server.connect(old["username"], old["password"], "scheduler") as late:
        late.execute("INSERT INTO jobs VALUES (2)")

    for more in ((), ("--finish",)):
        done = denodo_ha("catalog", "rotate", "scheduler", *catalog.reach, *more)
        assert done.exit_code == exit_codes.REFUSED
        assert "the user scheduler_a still has 1 connections" in done.output
    assert catalog.value("scheduler") == new
    node.close()
    assert init().exit_code == exit_codes.DONE
    for _ in range(2):
        done = denodo_ha("catalog", "rotate", "scheduler", *catalog.reach, "--finish")
        assert done.exit_code == exit_codes.DONE, done.output
    with pytest.raises(psycopg.OperationalError):
        catalog.server.connect(old["username"], old["password"], "scheduler")
    assert denodo_ha("catalog", "rotate", "scheduler", *catalog.reach).exit_code == exit_codes.DONE
    assert catalog.value("scheduler")["username"] == "scheduler_a"
    with catalog.connect("scheduler") as again:
        again.execute("INSERT INTO jobs VALUES (3)")


def test_a_rotation_that_cannot_write_its_secret_breaks_nothing(
    catalog: Catalog, init: Init, denodo_ha: Run
) -> None:
    init()
    before = catalog.value("scheduler")
    catalog.cloud.faults.deny("PutSecretValue")
    assert denodo_ha("catalog", "rotate", "scheduler", *catalog.reach).exit_code == exit_codes.AWS
    catalog.cloud.faults.heal()
    assert catalog.value("scheduler") == before
    catalog.connect("scheduler").close()
    assert denodo_ha("catalog", "rotate", "scheduler", *catalog.reach).exit_code == exit_codes.DONE
    catalog.connect("scheduler").close()


def test_a_rotation_before_init(catalog: Catalog, denodo_ha: Run) -> None:
    ca = ("--ca", str(catalog.server.ca))
    done = denodo_ha("catalog", "rotate", "scheduler", *catalog.reach, *ca)
    assert done.exit_code == exit_codes.REFUSED
    assert "`denodo-ha catalog init --cluster " in done.output
    for component, text in (
        ("vdp", "a database: scheduler, data-catalog"),
        ("x", "is not a component"),
    ):
        done = denodo_ha("catalog", "rotate", component, *catalog.reach, *ca)
        assert done.exit_code == exit_codes.USAGE
        assert text in done.output


def test_a_secret_of_another_form_is_refused(catalog: Catalog, init: Init) -> None:
    name = "denodo/test/main/catalog/scheduler"
    catalog.secrets.put_secret_value(SecretId=name, SecretString="no object")
    done = init()
    assert done.exit_code == exit_codes.REFUSED
    assert "is not a JSON object" in done.output


def test_a_password_that_was_changed_on_the_server_is_set_again(
    catalog: Catalog, init: Init
) -> None:
    init()
    catalog.server.run("ALTER ROLE scheduler_a PASSWORD 'another'")
    done = init()
    assert "scheduler: password of scheduler_a" in done.output
    catalog.connect("scheduler").close()
