"""The role, the two logins and the database of a component, made as far as they are not there.

A role without a login owns the database; two logins are members of it, and act as it as soon as
they connect, so that whichever of them is used, what it makes belongs to the role. So the one that
is not used can get a new password while the nodes go on with the other.

Each step looks first. A run that was broken off is finished by the next one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from denodo_ha.catalog.postgres_server import Connection
from denodo_ha.cli.errors import Refused
from denodo_ha.environment.derived.node_metadata import database_users

_SET_OPTION = 160_000
"""From PostgreSQL 16 on, who makes a role may not act as it unless it says so."""


@dataclass(frozen=True)
class Step:
    """Something to be made.

    Attributes:
        what: in words.
        needed: whether it is not there yet.
        make: makes it.
    """

    what: str
    needed: Callable[[], bool]
    make: Callable[[], object]


@dataclass(frozen=True)
class Roles:
    """What a component has at the server.

    Attributes:
        connection: an administrator's.
        database: name of the database, and of the role that owns it.
        owner: what marks our roles.
    """

    connection: Connection
    database: str
    owner: str

    def steps(self) -> Iterator[Step]:
        """All of it, each after what it needs.

        Raises:
            Refused: there is a role or a database of that name that is not ours.
        """
        yield Step(
            f"role {self.database}",
            lambda: not self._is_ours(self.database),
            lambda: self._make_role(self.database),
        )
        yield Step(
            f"right to act as {self.database}",
            lambda: not self._may_act(),
            lambda: self._run(
                "GRANT {} TO CURRENT_USER" + self._with_set, sql.Identifier(self.database)
            ),
        )
        for login in database_users(self.database):
            yield from self._login(login)
        yield Step(
            f"database {self.database}",
            lambda: not self._is_our_database(),
            lambda: self._run(
                "CREATE DATABASE {0} OWNER {0} TEMPLATE template0 ENCODING 'UTF8'",
                sql.Identifier(self.database),
            ),
        )
        yield Step(
            f"database {self.database} closed to others",
            lambda: (
                not self._one(
                    "SELECT NOT has_database_privilege('public', oid, 'CONNECT') FROM pg_database "
                    "WHERE datname = %s",
                    self.database,
                )
            ),
            self._close,
        )

    def _login(self, login: str) -> Iterator[Step]:
        name, of = sql.Identifier(login), sql.Identifier(self.database)
        yield Step(
            f"user {login}", lambda: not self._is_ours(login), lambda: self._make_role(login)
        )
        yield Step(
            f"user {login} in {self.database}",
            lambda: (
                not self._one(
                    "SELECT count(*) FROM pg_auth_members JOIN pg_roles m ON m.oid = member "
                    "JOIN pg_roles r ON r.oid = roleid WHERE m.rolname = %s AND r.rolname = %s",
                    login,
                    self.database,
                )
            ),
            lambda: self._run("GRANT {} TO {}", of, name),
        )
        yield Step(
            f"user {login} acts as {self.database}",
            lambda: (
                not self._one(
                    "SELECT count(*) FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole "
                    "WHERE rolname = %s AND setdatabase = 0 AND %s = ANY (setconfig)",
                    login,
                    f"role={self.database}",
                )
            ),
            lambda: self._run("ALTER ROLE {} SET role = {}", name, sql.Literal(self.database)),
        )

    def set_password(self, login: str, password: str) -> None:
        """Let a login in with a password; the server, and so its log, gets a hash of it only."""
        pgconn = self.connection.pgconn
        hashed = pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
        self._run(
            "ALTER ROLE {} LOGIN PASSWORD {}",
            sql.Identifier(login),
            sql.Literal(hashed.decode()),
        )

    def lock_out(self, login: str) -> None:
        """Let a login in no more."""
        self._run("ALTER ROLE {} NOLOGIN PASSWORD NULL", sql.Identifier(login))

    def connections(self, login: str) -> int:
        """How many connections of a login there are."""
        found = self._one("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", login)
        return int(str(found))

    def may_log_in(self, login: str) -> bool:
        """Whether a login is let in."""
        return bool(self._one("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", login))

    def _is_ours(self, role: str) -> bool:
        found = self._row(
            "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = %s", role
        )
        if found is None:
            return False
        if found[0] != self.owner:
            message = (
                f"the server has a role {role} that is not ours (its comment is {found[0]!r}, ours "
                f"would be {self.owner!r}); give the catalog a prefix, or remove the role if "
                "nobody needs it. No role was changed"
            )
            raise Refused(message)
        return True

    def _make_role(self, role: str) -> None:
        # With its mark or not at all, or the next run would take it for somebody else's.
        with self.connection.transaction():
            self._run("CREATE ROLE {} NOLOGIN", sql.Identifier(role))
            self._run("COMMENT ON ROLE {} IS {}", sql.Identifier(role), sql.Literal(self.owner))

    def _may_act(self) -> bool:
        how = "SET" if self._with_set else "MEMBER"
        query = "SELECT pg_has_role(current_user, oid, %s) FROM pg_roles WHERE rolname = %s"
        return bool(self._one(query, how, self.database))

    @property
    def _with_set(self) -> LiteralString:
        old = self.connection.info.server_version < _SET_OPTION
        return "" if old else " WITH SET TRUE"

    def _is_our_database(self) -> bool:
        found = self._row(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", self.database
        )
        if found is not None and found[0] != self.database:
            message = (
                f"the server has a database {self.database} that belongs to {found[0]}; give the "
                "catalog a prefix, so that ours have other names. It was not changed"
            )
            raise Refused(message)
        return found is not None

    def _close(self) -> None:
        with self.connection.transaction():
            self._run("SET LOCAL ROLE {}", sql.Identifier(self.database))
            self._run("REVOKE ALL ON DATABASE {} FROM PUBLIC", sql.Identifier(self.database))

    def _run(self, statement: LiteralString, *values: sql.Composable) -> None:
        self.connection.execute(sql.SQL(statement).format(*values))

    def _row(self, query: LiteralString, *values: str) -> tuple[object, ...] | None:
        return self.connection.execute(query, values).fetchone()

    def _one(self, query: LiteralString, *values: str) -> object:
        found = self._row(query, *values)
        return found[0] if found else None
