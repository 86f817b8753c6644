"""Connections to the PostgreSQL server, with TLS that verifies the server's certificate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import psycopg

from denodo_ha.aws import deadline
from denodo_ha.catalog.logins import Login
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.environment.loading.text_file import (
    CERTIFICATES_SIZE,
    UnreadableFileError,
    read_text_file,
)

MAINTENANCE = "postgres"
"""A database that every PostgreSQL server has; each run connects to it to acquire the advisory
lock."""
_OLDEST_VERSION = 150_000
_CONNECT_S = 10
_LOCK = 7_214_590_011
"""Project value: id of the advisory lock that a run holds while it changes the server's logins."""

_LOCK_S = 300.0
"""Project default: seconds to wait for the server's advisory lock."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server.

    Attributes:
        host: its DNS name, which its certificate must contain.
        port: its port.
        ca: PEM certificates that verify the server's certificate; empty: the certificates that this
            machine trusts.
        through: address to connect to instead of the server's address, such as 127.0.0.1 for a
            forwarded port.
        through_port: port at the address `through`; 0: the server's port.
    """

    host: str
    port: int
    ca: str = ""
    through: str = ""
    through_port: int = 0

    @contextmanager
    def connected(self, login: Login, dbname: str = "") -> Iterator[Connection]:
        """Connect to a database; each statement is a transaction unless the caller begins one.

        Raises:
            psycopg.OperationalError: The server does not accept the connection.
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
        """Connect as administrator and hold the advisory lock, for which other runs wait.

        Raises:
            Failed: The server does not accept the connection.
            Refused: The server's PostgreSQL version is too old, or another run still holds the
                advisory lock when the wait ends.
        """
        try:
            with self.connected(admin, MAINTENANCE) as connection:
                version = connection.info.server_version
                if version < _OLDEST_VERSION:
                    message = (
                        f"{self.host} runs PostgreSQL {version // 10_000}, but 15 is the oldest "
                        "version that keeps users out of the public schema by default; upgrade "
                        "PostgreSQL"
                    )
                    raise Refused(message)
                self._lock(connection)
                yield connection
        except psycopg.OperationalError as error:
            raise Failed(self._connection_error(error, admin)) from None

    def _lock(self, connection: Connection) -> None:
        """Get the advisory lock; the server releases the lock when the connection ends.

        Raises:
            Refused: Another run still holds the lock when the wait ends.
        """
        wait_ms = max(int(deadline.left(_LOCK_S) * 1000), 1)
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [str(wait_ms)])
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        except psycopg.errors.LockNotAvailable:
            message = (
                f"another catalog command uses {self.host}, and has not ended within "
                f"{wait_ms / 1000:.0f} s; nothing was changed. Run the same command again when the "
                "other command has ended"
            )
            raise Refused(message) from None
        connection.execute("SET lock_timeout = DEFAULT")

    def login_problem(self, login: Login) -> str:
        """Return why a login cannot create a table in its database; empty if the login can."""
        try:
            with self.connected(login) as connection, connection.transaction(force_rollback=True):
                connection.execute("CREATE TABLE denodo_ha_check (id int)")
        except psycopg.Error as error:
            return _line(error)
        return ""

    def _connection_error(self, error: psycopg.OperationalError, admin: Login) -> str:
        text = _line(error)
        if "certificate" in text:
            remedy = (
                "give the CA certificates of the server with --ca FILE; for RDS "
                "https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem"
            )
        elif "authentication failed" in text:
            remedy = (
                f"the secret {admin.arn} must contain the administrator's username and password"
            )
        else:
            remedy = (
                "run this command on a machine that can reach the server, or forward the server's "
                "port through a node with Session Manager and give the forwarded port with "
                "--through (docs/how-to/catalog.md)"
            )
        return f"{self.host}:{self.port} cannot be used: {text}; {remedy}"


def read_certificates(file: Path | None) -> str:
    """Return the text of a file with certificates; empty without a file.

    Raises:
        Refused: The file cannot be read, contains no certificate, or contains a private key.
    """
    if file is None:
        return ""
    try:
        text = read_text_file(file, CERTIFICATES_SIZE, encoding="ascii")
    except UnreadableFileError as error:
        message = f"--ca {file}: cannot be read: {error}"
        raise Refused(message) from None
    if "-----BEGIN CERTIFICATE-----" not in text or "PRIVATE KEY" in text:
        message = f"--ca {file}: must contain certificates in PEM form and no private key"
        raise Refused(message)
    return text


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
