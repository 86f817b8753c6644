"""A real PostgreSQL server with TLS and, as on Amazon RDS, an administrator without superuser."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.servers.certificates import authority
from tests.support.servers.postgres import Postgres, postgres
from tests.support.servers.postgres_tls import with_tls

HOST = "catalog.example.com"
ADMIN, PASSWORD = "denodo_admin", "admin-password-of-the-tests"

_SETTINGS = {"log_statement": "all", "log_min_messages": "debug1"}
"""Log every statement, so that a password in a statement would appear in the log."""
_DATABASES = "SELECT datname FROM pg_database WHERE datname !~ '^(postgres|template)'"
_ROLES = "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres)' ORDER BY rolname = %s, 1"
"""All roles in the order in which `reset` drops them. The administrator is last: PostgreSQL does
not drop a role while roles exist that this role has granted."""


@dataclass(frozen=True)
class Managed:
    """Database server with TLS.

    Attributes:
        plain: the server without TLS, for PostgreSQL's tools, which are built without TLS.
        port: port on 127.0.0.1 with TLS.
        ca: file with the CA certificate of the server's certificate.
        other_ca: file with another CA certificate.
    """

    plain: Postgres
    port: int
    ca: Path
    other_ca: Path

    @property
    def log(self) -> Path:
        """Return the path of the server's log."""
        return self.plain.log

    def run(self, statement: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """Run an SQL statement as superuser."""
        with self._superuser(dbname) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def connect(self, user: str, password: str, dbname: str) -> "psycopg.Connection[Any]":
        """Connect to the server as a user, with TLS."""
        return psycopg.connect(
            host=HOST,
            hostaddr="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            dbname=dbname,
            sslmode="verify-full",
            sslrootcert=str(self.ca),
            connect_timeout=120,
            autocommit=True,
        )

    def reset(self) -> None:
        """Drop all databases and roles, and create the administrator again."""
        with self._superuser("postgres") as connection:
            for (name,) in connection.execute(_DATABASES).fetchall():
                drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
                connection.execute(drop.format(sql.Identifier(name)))
            for (name,) in connection.execute(_ROLES, [ADMIN]).fetchall():
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB PASSWORD {}").format(
                    sql.Identifier(ADMIN), sql.Literal(PASSWORD)
                )
            )

    def dump(self, program: str, *arguments: str) -> str:
        """Return the output of one of PostgreSQL's dump programs."""
        return self.plain.tool(program, *arguments)

    def load(self, dumped: str) -> None:
        """Load a dump; existing objects stay as they are."""
        self.plain.tool("psql", "--quiet", "--dbname=postgres", given=dumped)

    def state(self) -> object:
        """Return everything in the database that a command could change, passwords included."""
        return (
            self.run("SELECT rolname, rolcanlogin, rolpassword FROM pg_authid ORDER BY 1"),
            self.run("SELECT roleid, member, set_option FROM pg_auth_members ORDER BY 1, 2, 3"),
            self.run("SELECT datname, datdba, datacl::text FROM pg_database ORDER BY 1"),
            self.run("SELECT setrole, setconfig FROM pg_db_role_setting ORDER BY 1"),
            self.run("SELECT objoid, description FROM pg_shdescription ORDER BY 1"),
        )

    def _superuser(self, dbname: str) -> "psycopg.Connection[Any]":
        return self.connect(self.plain.user, self.plain.password, dbname)


@contextmanager
def managed(folder: Path) -> Iterator[Managed]:
    """Run a server until the block ends.

    Args:
        folder: folder for the certificates.
    """
    ca, other = folder / "ca.pem", folder / "other.pem"
    ca.write_bytes(authority().certificate)
    other.write_bytes(authority("Another authority").certificate)
    with (
        postgres(user="postgres", settings=_SETTINGS) as plain,
        with_tls(plain, authority().issue(HOST)) as encrypted,
    ):
        server = Managed(plain, encrypted.port, ca, other)
        server.reset()
        yield server
