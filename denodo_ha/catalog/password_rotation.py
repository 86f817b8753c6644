"""A new password for a component, without a moment in which its nodes have none that works.

Each component has two users. The one that is not used gets a new password, and the secret then
names it; the nodes take it over one by one, in a rolling restart, while those that are still to
come go on with the old user. When none uses that any more, it is locked out.
"""

import secrets
import string

import psycopg

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import logins
from denodo_ha.catalog.database_setup import Database, Reach, database
from denodo_ha.catalog.location import Metadata
from denodo_ha.catalog.logins import Login
from denodo_ha.catalog.postgres_server import Connection
from denodo_ha.catalog.roles import Roles
from denodo_ha.cli.errors import Failed, Refused, UsageError
from denodo_ha.environment.derived.node_metadata import database_users as both
from denodo_ha.environment.model.catalog import Component

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32
"""As `stacks.database.logins` has them generated."""


def rotate(aws: Aws, metadata: Metadata, reach: Reach, component: Component) -> str:
    """Put a new user and password into a component's secret; gives the user.

    Raises:
        Refused: nodes still use the user that would get the new password, or there is no user.
        Failed: the server cannot be used.
    """
    found = database(aws, metadata, reach)
    with found.server.administered(found.admin) as connection:
        login = _login(aws, metadata, component)
        other = _other(login)
        roles = _roles(connection, metadata, login)
        used = roles.connections(other)
        if used:
            message = (
                f"{used} connections are still {other}'s, from before the last rotation: roll the "
                f"nodes first, so that they take {login.username} over; nothing was changed"
            )
            raise Refused(message)
        password = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        _set(found, roles, login, other, password)
        logins.put(aws, metadata.location.region, login, username=other, password=password)
    return other


def finish(aws: Aws, metadata: Metadata, reach: Reach, component: Component) -> str:
    """Lock the user out that a component's secret no longer names; gives it.

    Raises:
        Refused: nodes still use it.
        Failed: the server cannot be used.
    """
    found = database(aws, metadata, reach)
    with found.server.administered(found.admin) as connection:
        login = _login(aws, metadata, component)
        other = _other(login)
        roles = _roles(connection, metadata, login)
        used = roles.connections(other)
        if used:
            message = (
                f"{used} connections are still {other}'s: roll the nodes that have not been "
                "restarted since the rotation, and run this again; nothing was changed"
            )
            raise Refused(message)
        if roles.may_log_in(other):
            roles.lock_out(other)
    return other


def _set(found: Database, roles: Roles, login: Login, other: str, password: str) -> None:
    try:
        roles.set_password(other, password)
    except psycopg.Error as error:
        message = (
            f"{other} got no password: {' '.join(str(error).split())}; the secret is as it was"
        )
        raise Failed(message) from None
    reason = found.server.works(Login(login.arn, other, password, login.dbname))
    if reason:
        message = f"{other} cannot work in its database: {reason}; the secret is as it was"
        raise Failed(message)


def _login(aws: Aws, metadata: Metadata, component: Component) -> Login:
    if component not in metadata.secrets:
        listed = ", ".join(metadata.secrets) or "none"
        message = f"{component} has no database in {metadata.stack.name}; there is {listed}"
        raise UsageError(message)
    return logins.read(aws, metadata.location.region, metadata.secrets[component])


def _other(login: Login) -> str:
    users = both(login.dbname)
    if login.username not in users:
        message = (
            f"the secret {login.arn} names {login.username}, and its users are "
            f"{' and '.join(users)}; somebody changed it"
        )
        raise Refused(message)
    return users[1 - users.index(login.username)]


def _roles(connection: Connection, metadata: Metadata, login: Login) -> Roles:
    roles = Roles(connection, login.dbname, metadata.owner)
    missing = [step.what for step in roles.steps() if step.needed()]
    if missing:
        message = f"there is no {missing[0]}: `denodo-ha catalog init` makes it"
        raise Refused(message)
    return roles
