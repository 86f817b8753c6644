"""Tables that components need in their databases; checked before an apply stops a server.

Scheduler and Data Catalog do not create their tables, and do not start without them. Without this
check, the change would be undone only after the servers were down for minutes. Virtual DataPort's
script creates its tables itself, so for Virtual DataPort only the login is checked.

Sources: Denodo, Scheduler Administration Guide, "Database Settings" (`scripts/scheduler/sql`); Data
Catalog Guide, "Configure the Internal Database Used by the Data Catalog"; Quartz, "Configure
JDBC-JobStoreTX" (`tablePrefix`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hosts.denodo import log
from hosts.denodo.metadata.postgres_session import (
    LoginRefusedError,
    Server,
    SessionError,
    UntrustedError,
)
from hosts.denodo.operator_command import operator_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hosts.denodo.state import State

TABLE_PREFIX = "org.quartz.jobStore.tablePrefix"
_DEFAULT_PREFIX = "QRTZ_"
_QUERY = (
    "SELECT tablename FROM pg_catalog.pg_tables "
    "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
)
_SCRIPTS = {
    "scheduler": Path("scripts/scheduler/sql"),
    "data-catalog": Path("resources/apache-tomcat/webapps/denodo-data-catalog/WEB-INF/classes"),
}
"""Folders of an installation with the SQL scripts that create a component's tables."""


def read_tables(server: Server) -> list[str]:
    """Return the names of all tables in a database.

    Raises:
        SessionError: The server does not answer.
    """
    return server.query(_QUERY)


def problem(
    state: State, component: str, server: Server, *, prefix: str = "", must_reach: bool
) -> str:
    """Return why a component cannot use its database; empty if no problem is found.

    Args:
        state: the desired state of the node.
        component: the component.
        server: the database, with the component's login.
        prefix: prefix of the Scheduler's tables; empty: the default of Quartz.
        must_reach: whether a server that does not answer is a problem. If False, log a warning.
    """
    where = f"the database {server.dbname} on {server.host}:{server.port}"
    try:
        tables = read_tables(server)
    except LoginRefusedError as error:
        return (
            f"{component}: {where} refuses the login of {server.username}: {error}; "
            f"run `{operator_command(state, 'catalog init')}`, which creates or repairs the login"
        )
    except SessionError as error:
        reason = f"{component}: the names of the tables in {where} cannot be read: {error}"
        # Ignore a certificate that is not trusted if the secret has no certificates: the component
        # trusts the certificates of its Java, not those of the operating system.
        if must_reach and not (isinstance(error, UntrustedError) and not server.ca):
            return (
                f"{reason}; check the database's security group and state, or give its CA "
                f"certificates with `{operator_command(state, 'catalog init', '--ca', 'FILE')}`"
            )
        log.warning(reason)
        return ""
    lacking = _lacking(component, tables, prefix or _DEFAULT_PREFIX)
    if not lacking:
        return ""
    init = operator_command(state, "catalog init", f"--{component}-sql", "FILE")
    return (
        f"{component}: {where} {lacking}; run `{init}` with the SQL scripts for PostgreSQL in "
        f"{state.home / _SCRIPTS[component]} (docs/how-to/catalog.md)"
    )


def _lacking(component: str, tables: Sequence[str], prefix: str) -> str:
    if component not in _SCRIPTS:
        return ""
    if not tables:
        return "has no tables"
    # PostgreSQL stores names of tables in lower case, unless the SQL script quotes the names.
    begins = prefix.lower()
    if component == "scheduler" and not any(name.lower().startswith(begins) for name in tables):
        return f"has tables, but none whose name begins with {prefix}"
    return ""
