"""Create the databases and users of a cluster's components, and complete their secrets.

Every step first checks whether it is needed, and a run holds the server's advisory lock from
beginning to end. Therefore a second run changes nothing, two concurrent runs make each change only
once, and the next run completes an interrupted run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import psycopg

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import logins
from denodo_ha.catalog.logins import Login
from denodo_ha.catalog.postgres_server import Connection, Server
from denodo_ha.catalog.roles import Roles
from denodo_ha.cli.errors import Failed, Refused
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.metadata_stack import MetadataStack
from denodo_ha.environment import names
from denodo_ha.environment.loading.text_file import UnreadableFileError, read_text_file
from denodo_ha.environment.model.catalog import Component

_SCRIPT_SIZE: Final = 16 * 1024**2
"""Project limit: bytes of an SQL script."""


SCRIPT_COMPONENTS: Final[tuple[Component, ...]] = ("scheduler", "data-catalog")
"""Components whose tables an operator creates, with SQL scripts of Denodo or in Denodo's web
form."""


@dataclass(frozen=True)
class ServerAccess:
    """Options for the connection to the server.

    Attributes:
        ca: PEM certificates that verify the server's certificate; empty: the certificates in the
            secrets.
        through: address to connect to instead of the server's address; empty: the server's address.
        port: port at the address `through`; 0: the server's port.
        admin: ARN of the administrator's secret; empty: the ARN in the stack's outputs.
    """

    ca: str = ""
    through: str = ""
    port: int = 0
    admin: str = ""


@dataclass(frozen=True)
class Change:
    """A change that was made, or that a dry run would make.

    Attributes:
        component: the component whose database is set up, such as `scheduler`.
        what: the object that is created or changed, such as `database scheduler`.
    """

    component: Component
    what: str


@dataclass(frozen=True)
class Database:
    """Server of a cluster's metadata database, and the login of the server's administrator."""

    server: Server
    admin: Login


def read_database(aws: Aws, metadata: MetadataStack, access: ServerAccess) -> Database:
    """Return the server from the stack's outputs, and the login from the administrator's secret.

    Raises:
        Refused: The stack has no metadata database, or a secret is not a database login.
    """
    host = metadata.output(names.CATALOG_HOST)
    port = int(metadata.output(names.CATALOG_PORT))
    region = metadata.location.region
    admin = logins.read_login(
        aws, region, access.admin or metadata.output(names.CATALOG_ADMIN_SECRET)
    )
    ca = access.ca
    for arn in metadata.secrets.values():
        ca = ca or logins.read_login(aws, region, arn).ca
    return Database(Server(host, port, ca, access.through, access.port), admin)


def init(
    aws: Aws,
    metadata: MetadataStack,
    access: ServerAccess,
    *,
    scripts: Mapping[Component, Sequence[Path]] = MappingProxyType({}),
    dry_run: bool = False,
) -> Iterator[Change]:
    """Create missing databases, users and tables, complete the secrets, and yield each change.

    Args:
        aws: the credentials.
        metadata: metadata stack of the cluster.
        access: options for the connection to the server.
        scripts: SQL files that create a component's tables; run only in an empty database.
        dry_run: yield the changes without making them.

    Raises:
        Refused: An object of the same name was not created for this cluster, or a script cannot
            be read, or is for a component without a database.
        Failed: The server cannot be reached, denies access, or rejects a statement.
    """
    texts = _read_scripts(metadata, scripts)
    database = read_database(aws, metadata, access)
    with database.server.administered(database.admin) as connection:
        try:
            for component in metadata.secrets:
                setup = _ComponentSetup(
                    aws, metadata, database.server, connection, component, dry_run=dry_run
                )
                for change in chain(setup.create(), setup.load(texts.get(component, ()))):
                    if not dry_run:
                        recording.note(
                            metadata.location.name,
                            f"{component}: {change.what}",
                            before="missing",
                            after="created or set",
                        )
                    yield change
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            message = (
                f"{database.server.host} rejected a statement: {text}; fix the cause, and run the "
                "same command again, which continues after the steps that are done"
            )
            raise Failed(message) from None


class _ComponentSetup:
    """Sets up the database and the users of one component."""

    def __init__(
        self,
        aws: Aws,
        metadata: MetadataStack,
        server: Server,
        connection: Connection,
        component: Component,
        *,
        dry_run: bool,
    ) -> None:
        self._aws, self._region = aws, metadata.location.region
        self._server, self._component, self._dry_run = server, component, dry_run
        # Read the secret only while this run holds the server's advisory lock: a run that holds the
        # lock may change the secret.
        self._login = logins.read_login(aws, self._region, metadata.secrets[component])
        self._roles = Roles(connection, self._login.dbname, metadata.owner)

    def create(self) -> Iterator[Change]:
        """Create the component's roles and database, set the password, and complete the secret."""
        for step in self._roles.steps():
            if step.needed():
                if not self._dry_run:
                    step.make()
                yield Change(self._component, step.what)
        if self._server.login_problem(self._login):
            if not self._dry_run:
                self._roles.set_password(self._login.username, self._login.password)
                problem = self._server.login_problem(self._login)
                if problem:
                    message = (
                        f"the user {self._login.username} cannot use the database "
                        f"{self._login.dbname}: {problem}"
                    )
                    raise Failed(message)
            yield Change(self._component, f"password of {self._login.username}")
        # Write the address last, because nodes use a login as soon as its secret contains an
        # address.
        address: dict[str, Any] = {"host": self._server.host, "port": self._server.port}
        if self._server.ca:
            address["ca"] = self._server.ca
        if {**self._login.value, **address} != self._login.value:
            if not self._dry_run:
                logins.update_login(self._aws, self._region, self._login, **address)
            yield Change(self._component, "address of the server in the component's secret")

    def load(self, scripts: Sequence[tuple[Path, str]]) -> Iterator[Change]:
        """Run the component's SQL scripts in one transaction, unless the database has tables."""
        if not scripts or (self._dry_run and self._server.login_problem(self._login)):
            return
        with self._server.connected(self._login) as connection, connection.transaction():
            if _has_tables(connection):
                return
            for file, text in scripts:
                if not self._dry_run:
                    connection.execute(text.encode())
                yield Change(self._component, f"tables of {file.name}")


def script_option(component: Component) -> str:
    """Return the option of `denodo-ha catalog init` for SQL scripts of a component."""
    return f"--{component}-sql"


def _read_scripts(
    metadata: MetadataStack, scripts: Mapping[Component, Sequence[Path]]
) -> dict[Component, list[tuple[Path, str]]]:
    """Return the texts of all scripts, with their paths.

    Raises:
        Refused: Scripts cannot be read, or are for a component without a database; the message
            lists all of them.
    """
    texts: dict[Component, list[tuple[Path, str]]] = {}
    problems = []
    for component, paths in scripts.items():
        option = script_option(component)
        if paths and component not in metadata.secrets:
            problems.append(
                f"{option}: {component} has no database in {metadata.stack.name}; add {component} "
                "to `catalog.components` and deploy, or omit the option"
            )
        for path in paths:
            try:
                texts.setdefault(component, []).append((path, read_script(path)))
            except Refused as error:
                problems.append(f"{option} {error}")
    if problems:
        raise Refused("\n".join([*problems, "nothing was changed"]))
    return texts


def read_script(file: Path) -> str:
    """Return the text of an SQL script.

    Raises:
        Refused: The file cannot be read.
    """
    try:
        return read_text_file(file, _SCRIPT_SIZE)
    except UnreadableFileError as error:
        message = f"{file}: cannot be read: {error}"
        raise Refused(message) from None


def components_without_tables(
    aws: Aws, metadata: MetadataStack, access: ServerAccess
) -> Iterator[Component]:
    """Yield the components that cannot start because their databases have no tables.

    A component is left out if its login does not work yet.
    """
    server = read_database(aws, metadata, access).server
    for component in SCRIPT_COMPONENTS:
        if component not in metadata.secrets:
            continue
        login = logins.read_login(aws, metadata.location.region, metadata.secrets[component])
        with suppress(psycopg.Error), server.connected(login) as connection:
            if not _has_tables(connection):
                yield component


def _has_tables(connection: Connection) -> bool:
    query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    row = connection.execute(query).fetchone()
    return bool(row and row[0])
