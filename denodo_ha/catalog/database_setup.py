"""Make the databases and users of a cluster's components, and complete their logins.

Every step looks first, and an administrator's lock is held meanwhile: running it again changes
nothing, two at once do the work of one, and what was broken off is finished by the next run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import logins
from denodo_ha.catalog.location import Metadata
from denodo_ha.catalog.logins import Login
from denodo_ha.catalog.postgres_server import Connection, Server
from denodo_ha.catalog.roles import Roles
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.environment import names
from denodo_ha.environment.model.catalog import Component


@dataclass(frozen=True)
class Reach:
    """How the server is reached from here.

    Attributes:
        ca: PEM certificates that its own is checked with; empty: those that are known already.
        through: an address to connect to in its place; empty: its own.
        port: the port there; 0: its own.
        admin: the administrator's secret; empty: what the stack says.
    """

    ca: str = ""
    through: str = ""
    port: int = 0
    admin: str = ""


@dataclass(frozen=True)
class Change:
    """Something that was made, or would be."""

    component: Component
    what: str


@dataclass(frozen=True)
class Database:
    """The server of a cluster's metadata, and who administers it."""

    server: Server
    admin: Login


def database(aws: Aws, metadata: Metadata, reach: Reach) -> Database:
    """The server, as its stack and the administrator's secret say.

    Raises:
        Refused: there is none.
    """
    host = metadata.output(names.CATALOG_HOST)
    port = int(metadata.output(names.CATALOG_PORT))
    region = metadata.location.region
    admin = logins.read(aws, region, reach.admin or metadata.output(names.CATALOG_ADMIN_SECRET))
    ca = reach.ca
    for arn in metadata.secrets.values():
        ca = ca or logins.read(aws, region, arn).ca
    return Database(Server(host, port, ca, reach.through, reach.port), admin)


def init(
    aws: Aws,
    metadata: Metadata,
    reach: Reach,
    *,
    scripts: Sequence[Path] = (),
    dry_run: bool = False,
) -> Iterator[Change]:
    """Make what is not there, and tell of each thing when it is made.

    Args:
        aws: credentials.
        metadata: which cluster's.
        reach: how the server is reached.
        scripts: SQL files that make the Scheduler's tables, run once in an empty database.
        dry_run: tell and make nothing.

    Raises:
        Refused: something of the same name is not ours, or a script cannot be read.
        Failed: the server cannot be used, or refuses something.
    """
    texts = [(file, _text(file)) for file in scripts]
    found = database(aws, metadata, reach)
    with found.server.administered(found.admin) as connection:
        try:
            for component in metadata.secrets:
                one = _One(aws, metadata, found.server, connection, component, dry_run=dry_run)
                yield from one.make()
                if component == "scheduler":
                    yield from one.load(texts)
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            message = f"{found.server.host} refuses it: {text}; run it again when that is mended"
            raise Failed(message) from None


class _One:
    """One component."""

    def __init__(
        self,
        aws: Aws,
        metadata: Metadata,
        server: Server,
        connection: Connection,
        component: Component,
        *,
        dry_run: bool,
    ) -> None:
        self._aws, self._region = aws, metadata.location.region
        self._server, self._component, self._dry_run = server, component, dry_run
        # Under the lock: another run may have changed it until then.
        self._login = logins.read(aws, self._region, metadata.secrets[component])
        self._roles = Roles(connection, self._login.dbname, metadata.owner)

    def make(self) -> Iterator[Change]:
        for step in self._roles.steps():
            if step.needed():
                if not self._dry_run:
                    step.make()
                yield Change(self._component, step.what)
        if self._server.works(self._login):
            if not self._dry_run:
                self._roles.set_password(self._login.username, self._login.password)
                reason = self._server.works(self._login)
                if reason:
                    message = f"{self._login.username} cannot work in its database: {reason}"
                    raise Failed(message)
            yield Change(self._component, f"password of {self._login.username}")
        # Last: with its address in it, nodes take the login for one that works.
        address: dict[str, Any] = {"host": self._server.host, "port": self._server.port}
        if self._server.ca:
            address["ca"] = self._server.ca
        if {**self._login.value, **address} != self._login.value:
            if not self._dry_run:
                logins.put(self._aws, self._region, self._login, **address)
            yield Change(self._component, "address of the server in its secret")

    def load(self, scripts: Sequence[tuple[Path, str]]) -> Iterator[Change]:
        """Make tables with scripts, all of them or none, unless there are tables."""
        if not scripts or (self._dry_run and self._server.works(self._login)):
            return
        with self._server.connected(self._login) as connection, connection.transaction():
            query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            found = connection.execute(query).fetchone()
            if found and found[0]:
                return
            for file, text in scripts:
                if not self._dry_run:
                    connection.execute(text.encode())
                yield Change(self._component, f"tables of {file.name}")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file}: cannot be read: {error}; nothing was changed"
        raise Refused(message) from None
