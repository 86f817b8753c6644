"""Steps that create the role, the two users and the database of a component.

The database is owned by a role that cannot log in. Two users are members of this owner role and
take its identity in every session (`SET role`), so that the owner role owns all objects, whichever
user created them. Therefore one user can get a new password while the nodes use the other user.

Each step first checks whether it is needed, so that the next run completes an interrupted run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from denodo_ha.catalog.postgres_server import Connection
from denodo_ha.cli.errors import Refused
from denodo_ha.environment.derived.node_metadata import database_users

_SET_OPTION = 160_000
"""PostgreSQL version from which a role's creator needs GRANT … WITH SET TRUE for `SET ROLE`."""


@dataclass(frozen=True)
class Step:
    """Step that creates one object or grants one privilege.

    Attributes:
        what: the object or privilege, such as `database scheduler`.
        needed: returns True if the object or privilege is missing.
        make: creates the object or grants the privilege.
    """

    what: str
    needed: Callable[[], bool]
    make: Callable[[], object]


@dataclass(frozen=True)
class Roles:
    """Roles and database of a component.

    Attributes:
        connection: connection of an administrator.
        database: name of the database, and of the role that owns it.
        owner: comment that identifies roles of this cluster.
    """

    connection: Connection
    database: str
    owner: str

    def steps(self) -> Iterator[Step]:
        """Yield the steps that create role, users and database, in the order of execution.

        Raises:
            Refused: A role or database of this name exists, but was not created for this cluster.
        """
        yield Step(
            f"role {self.database}",
            lambda: not self._is_ours(self.database),
            lambda: self._make_role(self.database),
        )
        yield Step(
            f"administrator's membership of role {self.database}",
            lambda: not self._may_act(),
            lambda: self._run(
                "GRANT {} TO CURRENT_USER" + self._with_set, sql.Identifier(self.database)
            ),
        )
        for login in database_users(self.database):
            yield from self._login_steps(login)
        yield Step(
            f"database {self.database}",
            lambda: not self._is_our_database(),
            lambda: self._run(
                "CREATE DATABASE {0} OWNER {0} TEMPLATE template0 ENCODING 'UTF8'",
                sql.Identifier(self.database),
            ),
        )
        yield Step(
            f"exclusive access to database {self.database}",
            lambda: (
                not self._value(
                    "SELECT NOT has_database_privilege('public', oid, 'CONNECT') FROM pg_database "
                    "WHERE datname = %s",
                    self.database,
                )
            ),
            self._close,
        )

    def _login_steps(self, login: str) -> Iterator[Step]:
        user, role = sql.Identifier(login), sql.Identifier(self.database)
        yield Step(
            f"user {login}", lambda: not self._is_ours(login), lambda: self._make_role(login)
        )
        yield Step(
            f"membership of user {login} in role {self.database}",
            lambda: (
                not self._value(
                    "SELECT count(*) FROM pg_auth_members JOIN pg_roles m ON m.oid = member "
                    "JOIN pg_roles r ON r.oid = roleid WHERE m.rolname = %s AND r.rolname = %s",
                    login,
                    self.database,
                )
            ),
            lambda: self._run("GRANT {} TO {}", role, user),
        )
        yield Step(
            f"role {self.database} for sessions of user {login}",
            lambda: (
                not self._value(
                    "SELECT count(*) FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole "
                    "WHERE rolname = %s AND setdatabase = 0 AND %s = ANY (setconfig)",
                    login,
                    f"role={self.database}",
                )
            ),
            lambda: self._run("ALTER ROLE {} SET role = {}", user, sql.Literal(self.database)),
        )

    def set_password(self, login: str, password: str) -> None:
        """Enable a login and set its password; only the password's hash is sent to the server."""
        pgconn = self.connection.pgconn
        hashed = pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
        self._run(
            "ALTER ROLE {} LOGIN PASSWORD {}",
            sql.Identifier(login),
            sql.Literal(hashed.decode()),
        )

    def disable_login(self, login: str) -> None:
        """Disable a login."""
        self._run("ALTER ROLE {} NOLOGIN PASSWORD NULL", sql.Identifier(login))

    def connections(self, login: str) -> int:
        """Return the number of connections that a login has open."""
        count = self._value("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", login)
        return int(str(count))

    def may_log_in(self, login: str) -> bool:
        """Return True if the login is enabled."""
        return bool(self._value("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", login))

    def _is_ours(self, role: str) -> bool:
        row = self._row(
            "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", role
        )
        if row is None:
            return False
        if row[0] != self.owner:
            message = (
                f"the server has a role {role} that was not created for this cluster: the comment "
                f"of the role is {row[0]!r} instead of {self.owner!r}; set `catalog.prefix` in the "
                "cluster's configuration, or drop the role if it is not used. No role was changed"
            )
            raise Refused(message)
        return True

    def _make_role(self, role: str) -> None:
        # Create role and comment in one transaction: the next run would reject a role without a
        # comment.
        with self.connection.transaction():
            self._run("CREATE ROLE {} NOLOGIN", sql.Identifier(role))
            self._run("COMMENT ON ROLE {} IS {}", sql.Identifier(role), sql.Literal(self.owner))

    def _may_act(self) -> bool:
        privilege = "SET" if self._with_set else "MEMBER"
        query = "SELECT pg_has_role(current_user, oid, %s) FROM pg_roles WHERE rolname = %s"
        return bool(self._value(query, privilege, self.database))

    @property
    def _with_set(self) -> LiteralString:
        old = self.connection.info.server_version < _SET_OPTION
        return "" if old else " WITH SET TRUE"

    def _is_our_database(self) -> bool:
        row = self._row(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", self.database
        )
        if row is not None and row[0] != self.database:
            message = (
                f"the server has a database {self.database} that belongs to {row[0]}; set "
                "`catalog.prefix` in the cluster's configuration to get other names. The database "
                "was not changed"
            )
            raise Refused(message)
        return row is not None

    def _close(self) -> None:
        with self.connection.transaction():
            self._run("SET LOCAL ROLE {}", sql.Identifier(self.database))
            self._run("REVOKE ALL ON DATABASE {} FROM PUBLIC", sql.Identifier(self.database))

    def _run(self, statement: LiteralString, *values: sql.Composable) -> None:
        self.connection.execute(sql.SQL(statement).format(*values))

    def _row(self, query: LiteralString, *values: str) -> tuple[object, ...] | None:
        return self.connection.execute(query, values).fetchone()

    def _value(self, query: LiteralString, *values: str) -> object:
        row = self._row(query, *values)
        return row[0] if row else None
