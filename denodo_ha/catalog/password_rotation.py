"""Password rotation of a component's database login, without an interruption of service.

Each component has two database users. The unused user gets a new password, and its name and
password are written to the secret. A rolling restart then switches the nodes to this user one by
one, while the other nodes still use the old user. When no node uses the old user any more, the old
user's login is disabled.
"""

import secrets
import string

import psycopg

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import logins
from denodo_ha.catalog.database_setup import Database, ServerAccess, read_database
from denodo_ha.catalog.logins import Login
from denodo_ha.catalog.postgres_server import Connection
from denodo_ha.catalog.roles import Roles
from denodo_ha.cli.errors import Failed, Refused, UsageError
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.metadata_stack import MetadataStack
from denodo_ha.environment.derived.node_metadata import database_users
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.catalog import Component

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 32
"""Characters of a password, as many as in the passwords that `stacks.database.logins` generates."""


def rotate(aws: Aws, metadata: MetadataStack, access: ServerAccess, component: Component) -> str:
    """Write the unused user and a new password to a component's secret; return the user's name.

    Raises:
        Refused: Nodes still use the user that would get the password, or `init` has not run yet.
        Failed: The server cannot be reached, or denies access.
    """
    database = read_database(aws, metadata, access)
    with database.server.administered(database.admin) as connection:
        login = _read_login(aws, metadata, component)
        unused = _other_user(login)
        roles = _roles(connection, metadata, login)
        count = roles.connections(unused)
        if count:
            message = (
                f"the user {unused} still has {count} connections, from before the last rotation: "
                f"roll the nodes first, so that all nodes use {login.username}; nothing was changed"
            )
            raise Refused(message)
        recording.note(metadata.location.name, component, before=f"login {login.username}")
        password = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
        _set_password(database, roles, login, unused, password)
        logins.update_login(
            aws, metadata.location.region, login, username=unused, password=password
        )
        recording.note(metadata.location.name, component, after=f"login {unused}")
    return unused


def finish(aws: Aws, metadata: MetadataStack, access: ServerAccess, component: Component) -> str:
    """Disable the old user, which is no longer in a component's secret; return the user's name.

    Raises:
        Refused: Nodes still use the old user.
        Failed: The server cannot be reached, or denies access.
    """
    database = read_database(aws, metadata, access)
    with database.server.administered(database.admin) as connection:
        login = _read_login(aws, metadata, component)
        old_user = _other_user(login)
        roles = _roles(connection, metadata, login)
        count = roles.connections(old_user)
        if count:
            message = (
                f"the user {old_user} still has {count} connections: roll the nodes that have not "
                "been restarted since the rotation, and run the same command again; nothing was "
                "changed"
            )
            raise Refused(message)
        if roles.may_log_in(old_user):
            subject = f"{component}: login {old_user}"
            recording.note(metadata.location.name, subject, before="enabled")
            roles.disable_login(old_user)
            recording.note(metadata.location.name, subject, after="disabled")
    return old_user


def _set_password(database: Database, roles: Roles, login: Login, user: str, password: str) -> None:
    try:
        roles.set_password(user, password)
    except psycopg.Error as error:
        message = (
            f"the password of {user} was not set: {' '.join(str(error).split())}; the secret was "
            "not changed"
        )
        raise Failed(message) from None
    problem = database.server.login_problem(Login(login.arn, user, password, login.dbname))
    if problem:
        message = (
            f"the user {user} cannot use the database {login.dbname}: {problem}; the secret was "
            "not changed"
        )
        raise Failed(message)


def _read_login(aws: Aws, metadata: MetadataStack, component: Component) -> Login:
    if component not in metadata.secrets:
        components = ", ".join(metadata.secrets) or "none"
        message = (
            f"{component} has no database in {metadata.stack.name}; components with a database: "
            f"{components}"
        )
        raise UsageError(message)
    return logins.read_login(aws, metadata.location.region, metadata.secrets[component])


def _other_user(login: Login) -> str:
    users = database_users(login.dbname)
    if login.username not in users:
        message = (
            f"the secret {login.arn} names the user {login.username}, but the users of the "
            f"database are {' and '.join(users)}; restore the secret's previous version in Secrets "
            "Manager"
        )
        raise Refused(message)
    return users[1 - users.index(login.username)]


def _roles(connection: Connection, metadata: MetadataStack, login: Login) -> Roles:
    roles = Roles(connection, login.dbname, metadata.owner)
    missing = [step.what for step in roles.steps() if step.needed()]
    if missing:
        init = full_command("catalog init", cluster=metadata.location.name)
        message = (
            f"the database server is not completely set up: {missing[0]} is missing; `{init}` "
            "creates what is missing"
        )
        raise Refused(message)
    return roles
