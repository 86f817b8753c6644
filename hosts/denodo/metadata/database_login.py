"""Logins of the components to the metadata database, read from secrets.

A login is a secret that `denodo-ha catalog init` completes with the address of the database. Until
`catalog init` has run, the component that uses the login is not started. In cluster mode, the
component would find no database; otherwise, the component would create metadata of its own, which
would be lost when it uses the shared database later.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hosts.common import json_object
from hosts.common.errors import AwsError
from hosts.denodo import log
from hosts.denodo.errors import StateError, UnavailableError
from hosts.denodo.metadata.postgres_session import Server
from hosts.denodo.operator_command import operator_command
from hosts.denodo.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.state import Component, State
    from hosts.denodo.system import System

_NOT_FOUND = "ResourceNotFoundException"


@dataclass(frozen=True)
class Login:
    """A login to the database.

    Attributes:
        host: host name of the database.
        port: port of the database.
        dbname: name of the database.
        username: name of the user.
        password: password of the user.
        ca: certificates (PEM) that verify the server; empty: the trusted certificates of Java.
        encrypted: the password as encrypted by Denodo, empty if the encrypted form is not known.
    """

    host: str
    port: int
    dbname: str
    username: str
    password: str
    ca: str
    encrypted: str

    @property
    def server(self) -> Server:
        """Return the database server with this login; the result can run queries."""
        return Server(self.host, self.port, self.dbname, self.username, self.password, self.ca)

    @property
    def fingerprint(self) -> str:
        """Return a hash that identifies the login and does not reveal the password."""
        parts = [self.host, self.port, self.dbname, self.username, self.password]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def startable(system: System, state: State) -> State:
    """Return the state without those servers for which the database has no user yet.

    Raises:
        StateError: A login cannot be read, or has an unexpected format.
    """
    waiting = [
        server
        for server in state.servers
        if server in state.catalog and read_login(system, state, server) is None
    ]
    if not waiting:
        return state
    init = operator_command(state, "catalog init")
    roll = operator_command(state, "roll", "--node", state.node)
    log.warning(
        "these servers are not started, because the database has no user for them yet:"
        f" {', '.join(waiting)}; run `{init}`, then `{roll}`"
    )
    return replace(state, servers=[server for server in state.servers if server not in waiting])


def read_login(system: System, state: State, component: str) -> Login | None:
    """Return the login of a component, None if its database has no user for the component yet.

    Raises:
        UnavailableError: The login cannot be read, or does not exist any more.
        StateError: The login has an unexpected format.
    """
    arn = state.catalog[component].secret
    try:
        data = json_object.parse(system.aws_cli.secret(arn))
        if not data.get("host"):
            return None
        return Login(
            host=str(data["host"]),
            port=int(data["port"]),
            dbname=str(data["dbname"]),
            username=str(data["username"]),
            password=str(data["password"]),
            ca=str(data.get("ca", "")),
            encrypted=str(data.get("encrypted_password", "")),
        )
    except AwsError as error:
        if _NOT_FOUND in str(error) and component not in Record(system).logins:
            return None
        message = f"the secret {arn} with the database login cannot be read: {error}"
        raise UnavailableError(message) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        init = operator_command(state, "catalog init")
        message = (
            f"the secret {arn} does not have the JSON keys of a database login; run `{init}`, which"
            " writes these keys"
        )
        raise StateError(message) from None


def logins(system: System, state: State) -> Iterator[tuple[str, Component, Login]]:
    """Yield name, options and login of each component that is started and has a login."""
    for component, options in state.catalog.items():
        account = read_login(system, state, component) if component in state.servers else None
        if account is not None:
            yield component, options, account


def fingerprints(system: System, state: State) -> dict[str, str]:
    """Return the fingerprints of the logins of all components that are started, by component."""
    return {component: account.fingerprint for component, _, account in logins(system, state)}
