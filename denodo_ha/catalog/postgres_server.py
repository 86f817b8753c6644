"""Connections to the PostgreSQL server, over TLS that checks who answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import psycopg

from denodo_ha.catalog.logins import Login
from denodo_ha.cli.errors import Failed, Refused

MAINTENANCE = "postgres"
"""The database that every server has, and where locks are taken."""
_OLDEST = 150_000
_CONNECT_S = 10
_LOCK = 7_214_590_011
"""Ours: the lock that makes and rotates logins, one a server."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server.

    Attributes:
        host: its name, which its certificate must have.
        port: its port.
        ca: PEM certificates that its own is checked with; empty: those of this machine.
        through: an address to connect to in its place, such as 127.0.0.1 for a forwarded port.
        through_port: the port there.
    """

    host: str
    port: int
    ca: str = ""
    through: str = ""
    through_port: int = 0

    @contextmanager
    def connected(self, login: Login, dbname: str = "") -> Iterator[Connection]:
        """A connection; every statement is a transaction unless one is begun.

        Raises:
            psycopg.OperationalError: it cannot be made.
        """
        with NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(self.ca)
            file.flush()
            with psycopg.connect(
                host=self.host,
                hostaddr=self.through or None,
                port=self.through_port or self.port,
                user=login.username,
                password=login.password,
                dbname=dbname or login.dbname or MAINTENANCE,
                sslmode="verify-full",
                sslrootcert=file.name if self.ca else "system",
                connect_timeout=_CONNECT_S,
                application_name="denodo-ha",
                client_encoding="UTF8",
                autocommit=True,
            ) as connection:
                yield connection

    @contextmanager
    def administered(self, admin: Login) -> Iterator[Connection]:
        """An administrator's connection, alone in what it does: others wait.

        Raises:
            Failed: it cannot be made.
            Refused: the server is too old.
        """
        try:
            with self.connected(admin, MAINTENANCE) as connection:
                version = connection.info.server_version
                if version < _OLDEST:
                    message = (
                        f"{self.host} is PostgreSQL {version // 10_000}, and 15 is the oldest that "
                        "keeps users out of each other's databases by itself; upgrade it"
                    )
                    raise Refused(message)
                # The server frees it when the connection ends, however that happens.
                connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
                yield connection
        except psycopg.OperationalError as error:
            raise Failed(self._said(error, admin)) from None

    def works(self, login: Login) -> str:
        """Why a login does not work; empty if it does, and can make a table in its database."""
        try:
            with self.connected(login) as connection, connection.transaction(force_rollback=True):
                connection.execute("CREATE TABLE denodo_ha_check (one int)")
        except psycopg.Error as error:
            return _line(error)
        return ""

    def _said(self, error: psycopg.OperationalError, admin: Login) -> str:
        text = _line(error)
        if "certificate" in text:
            remedy = (
                "give the certificates that its own is signed with: --ca FILE; for RDS "
                "https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem"
            )
        elif "authentication failed" in text:
            remedy = f"the secret {admin.arn} must have an administrator's username and password"
        else:
            remedy = (
                "run this where the server is reached, or forward its port through a node with "
                "Session Manager and name it with --through (docs/catalog.md)"
            )
        return f"{self.host}:{self.port} cannot be used: {text}; {remedy}"


def certificates(file: Path | None) -> str:
    """The text of a file with certificates; empty without one.

    Raises:
        Refused: it cannot be read, or holds none.
    """
    if file is None:
        return ""
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read: {error}"
        raise Refused(message) from None
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
        message = f"{file}: holds no certificates in PEM form, or a private key as well"
        raise Refused(message)
    return text


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
