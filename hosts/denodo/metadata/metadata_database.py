"""Metadata database that the nodes of a cluster share: settings of the components that use it.

Sources: Denodo, Scheduler Administration Guide, "Database Settings", "Cluster Settings", and the
Scheduler's own configuration file; Virtual DataPort Administration Guide, "Storing the Metadata on
an External Database". The keys of the Data Catalog are not documented, so the desired state can
change them.
"""

from __future__ import annotations

import re
import string
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.common import files
from hosts.denodo import log
from hosts.denodo.configuration import properties_file
from hosts.denodo.configuration.settings import SCHEDULER, Setting
from hosts.denodo.errors import ImageError, NotReadyError
from hosts.denodo.metadata import database_drivers, database_tables
from hosts.denodo.metadata.database_login import logins
from hosts.denodo.metadata.password_encryption import PREFIX, encrypted
from hosts.denodo.operator_command import operator_command
from hosts.denodo.servers.scripts import run_script
from hosts.denodo.state import OLDEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hosts.denodo.metadata.database_login import Login
    from hosts.denodo.record import Record
    from hosts.denodo.state import Component, State
    from hosts.denodo.system import System

VDP = "vdp"
DATA_CATALOG = Path("conf/data-catalog/DataCatalogBackend.properties")

_REGENERATE = "regenerateMetadata.sh"
_SECONDS = 600
_TEMPORARY = "metadata"
_PROPERTIES = "metadata.properties"
_STORAGE = "com.denodo.vdb.catalog.storage"
_QUARTZ = "org.quartz"

_SECRET = ("{password}", "{encrypted_password}")

ENTRIES: Mapping[str, Mapping[str, str]] = {
    "scheduler": {
        "ComplexDataSource/driverClassName": "org.postgresql.Driver",
        "ComplexDataSource/url": "{url}",
        "ComplexDataSource/user": "{user}",
        "ComplexDataSource/password": "{password}",
        "ComplexDataSource/databaseName": "PostgreSQL",
        f"{_QUARTZ}.dataSource.quartzds.driver": "org.postgresql.Driver",
        f"{_QUARTZ}.dataSource.quartzds.URL": "{url}",
        f"{_QUARTZ}.dataSource.quartzds.user": "{user}",
        f"{_QUARTZ}.dataSource.quartzds.password": "{password}",
        f"{_QUARTZ}.dataSource.quartzds.validationQuery": "select 1",
        f"{_QUARTZ}.scheduler.instanceId": "{node}",
        f"{_QUARTZ}.jobStore.isClustered": "true",
        f"{_QUARTZ}.jobStore.clusterCheckinInterval": "{check_interval}",
    },
    "data-catalog": {
        "spring.datasource.driver-class-name": "org.postgresql.Driver",
        "spring.datasource.url": "{url}",
        "spring.datasource.username": "{user}",
        "spring.datasource.password": "{password}",
    },
    VDP: {
        f"{_STORAGE}.plugin": "postgresql",
        f"{_STORAGE}.version": "{driver}",
        f"{_STORAGE}.classpath": "postgresql-{driver}",
        f"{_STORAGE}.driver": "org.postgresql.Driver",
        f"{_STORAGE}.uri": "{url}",
        f"{_STORAGE}.user": "{user}",
        f"{_STORAGE}.encryptedPassword": "{encrypted_password}",
        f"{_STORAGE}.catalog": "",
        f"{_STORAGE}.schema": "",
        f"{_STORAGE}.sharedMetadata": "true",
        f"{_STORAGE}.datasource.initialSize": "4",
        f"{_STORAGE}.datasource.maxActive": "100",
        f"{_STORAGE}.datasource.testOnBorrow": "true",
        f"{_STORAGE}.datasource.validationQuery": "select 1",
    },
}
"""Default settings of each component; the desired state can change them. `{name}` is a
placeholder."""

_ENCRYPTED: Mapping[str, str] = {
    "ComplexDataSource/password": "ComplexDataSource/password/encrypted",
    f"{_QUARTZ}.dataSource.quartzds.password": f"{_QUARTZ}.dataSource.quartzds.password.encrypted",
}
"""Keys of passwords in Denodo 7.0, each with the key that says whether the password is encrypted.
Later versions mark an encrypted password with a prefix of the value instead."""
_DERBY = re.compile(r"derby|IDENTITY_VAL_LOCAL", re.IGNORECASE)
"""Pattern of settings for Derby, the embedded database: its name, or its SQL function for the last
generated key."""

FILES = {"scheduler": SCHEDULER, "data-catalog": DATA_CATALOG}


def settings(system: System, state: State, record: Record) -> Iterator[Setting]:
    """Return the database settings of the components that are started."""
    for component, options, account in logins(system, state):
        if component == VDP:
            continue
        file = _file(component, options)
        known = record.logins.get(component) == account.fingerprint
        values = _values(system, state, component, account)
        current = properties_file.values_or_none(state.home / file) if known else {}
        kept = _encrypted_by_denodo(current, account) if state.version == OLDEST else {}
        for key, template in entries(component, options.entries, state.version).items():
            secret = template in _SECRET
            yield Setting(
                file,
                (key,),
                _filled(template, values),
                kept=(kept[key],) if key in kept else (),
                secret=secret,
                encrypted=PREFIX if secret and known else "",
            )


def _encrypted_by_denodo(current: Mapping[str, str], account: Login) -> dict[str, str]:
    """Return passwords that Denodo 7.0 has encrypted, and the flags that say they are encrypted."""
    return {
        key: current[key]
        for password, flag in _ENCRYPTED.items()
        if current.get(flag, "").strip() == "true"
        and current.get(password, account.password) != account.password
        for key in (password, flag)
    }


def certificates(system: System, state: State) -> Iterator[tuple[Path, bytes]]:
    """Return the certificate files that verify the database servers, with their content."""
    for component, _, account in logins(system, state):
        if account.ca:
            yield _ca_file(system, component), account.ca.encode()


def reasons(system: System, state: State, record: Record) -> Iterator[str]:
    """Yield reasons to restart the servers that a comparison of their files does not show."""
    for component, _, account in logins(system, state):
        if component == VDP and record.logins.get(VDP) != account.fingerprint:
            yield (
                f"Virtual DataPort's catalog moves to the database on {account.host}, or the login"
                " to this database changes"
            )


def regenerate(system: System, state: State, record: Record) -> None:
    """Move Virtual DataPort's catalog to the database, if it is not in the database already.

    Raises:
        NotReadyError: Denodo's script fails.
    """
    if not list(reasons(system, state, record)):
        return
    for component, options, account in logins(system, state):
        if component == VDP:
            values = _values(system, state, VDP, account)
            templates = entries(VDP, options.entries, state.version)
            if any("{encrypted_password}" in template for template in templates.values()):
                values["encrypted_password"] = account.encrypted or encrypted(
                    state, account.password
                )
            _run(system, state, {key: _filled(text, values) for key, text in templates.items()})


def check(system: System, state: State, record: Record) -> None:
    """Check, before any server is stopped, that the components can use their databases.

    If a component already uses its database, a problem is only a warning.

    Raises:
        ImageError: A driver, a login or tables are missing; the message lists all problems.
    """
    problems = []
    for component, options, account in logins(system, state):
        for problem in (
            database_drivers.problem(state.home, component),
            _mixed_databases(system, state, record, component),
            database_tables.problem(
                state,
                component,
                account.server,
                prefix=_table_prefix(state, options),
                # On a new node, a database that does not answer is only a warning: no server is
                # stopped, and the database may just be starting.
                must_reach=record.applied is not None,
            ),
        ):
            if problem and component in record.logins:
                log.warning(problem)
            elif problem:
                problems.append(problem)
    if problems:
        raise ImageError("\n  ".join(["the shared database cannot be used:", *problems]))


def _mixed_databases(system: System, state: State, record: Record, component: str) -> str:
    """Return why the Scheduler's file would still name the embedded database; else empty."""
    if component != "scheduler":
        return ""
    file = _file(component, state.catalog[component])
    values = properties_file.values_or_none(state.home / file)
    written = [entry for entry in settings(system, state, record) if entry.file == file]
    values.update({entry.keys[0]: entry.value for entry in written})
    known = {*ENTRIES[component], *_ENCRYPTED.values()}
    left = [f"{key}={values[key]}" for key in values.keys() - known if _DERBY.search(values[key])]
    if not left or _DERBY.search(values.get("ComplexDataSource/url", "")):
        return ""
    learn = operator_command(state, "catalog learn", "NODE")
    return (
        f"{state.home / file} would contain settings of PostgreSQL and of the embedded database"
        f" (Derby) at the same time: {'; '.join(sorted(left))}. On one node, choose PostgreSQL in"
        " the form Database Settings of the Scheduler's administration tool. Then run"
        f" `{learn}`, with the name of this node for NODE, add the printed values of these keys"
        " to catalog.settings.scheduler.entries, and deploy"
    )


def _table_prefix(state: State, options: Component) -> str:
    """Return the prefix of the Scheduler's tables; empty if neither state nor file has it."""
    if prefix := options.entries.get(database_tables.TABLE_PREFIX):
        return prefix
    values = properties_file.values_or_none(state.home / SCHEDULER)
    return values.get(database_tables.TABLE_PREFIX, "")


def remove_leftovers(system: System) -> None:
    """Remove secrets that a killed run has left, also in the folder that older versions used."""
    system.remove_temporary_folder(_TEMPORARY)
    files.remove(system.folder / _PROPERTIES)


def _run(system: System, state: State, entries: Mapping[str, str]) -> None:
    text = "".join(
        f"{properties_file.escaped(key, key=True)}={properties_file.escaped(value)}\n"
        for key, value in entries.items()
    )
    with system.temporary_folder(_TEMPORARY) as folder:
        file = folder / _PROPERTIES
        # Denodo's script reads the password from this file: a password must not be an argument.
        files.replace(file, text.encode(properties_file.ENCODING), mode=files.PRIVATE)
        log.info("moving Virtual DataPort's catalog to the shared database")
        result = run_script(
            state, _REGENERATE, "--file", file, "--yes", seconds=_SECONDS, utf8=True
        )
    if not result.succeeded:
        message = (
            f"bin/{_REGENERATE} {result.ending}; the script's output may contain secrets, so it is"
            " not shown"
        )
        raise NotReadyError(message)


def _file(component: str, options: Component) -> Path:
    """Return the file with a component's database settings, relative to DENODO_HOME."""
    return Path(options.file) if options.file else FILES[component]


def entries(component: str, changes: Mapping[str, str | None], version: str) -> dict[str, str]:
    """Return a component's default settings, changed by `changes` (None removes a key)."""
    plain = dict.fromkeys(_ENCRYPTED.values(), "false")
    own = plain if (component, version) == ("scheduler", OLDEST) else {}
    merged = {**ENTRIES[component], **own, **changes}
    return {key: value for key, value in merged.items() if value is not None}


def _values(system: System, state: State, component: str, account: Login) -> dict[str, str]:
    tls = "sslmode=verify-full&"
    tls += (
        f"sslrootcert={_ca_file(system, component)}"
        if account.ca
        # With this factory, the driver trusts the certificates of the component's Java.
        else "sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory"
    )
    return {
        "url": f"jdbc:postgresql://{account.host}:{account.port}/{account.dbname}?{tls}",
        "host": account.host,
        "port": str(account.port),
        "database": account.dbname,
        "user": account.username,
        "password": account.password,
        "node": state.node,
        "driver": database_drivers.newest_version(state.home),
        "check_interval": str(1000 * state.catalog[component].check_interval),
    }


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Return a template with a value in place of `{NAME}`; names without a value remain."""
    parts = []
    for text, name, form, _ in string.Formatter().parse(template):
        parts.append(text)
        if name is not None:
            parts.append(values.get(name, f"{{{name}{':' + form if form else ''}}}"))
    return "".join(parts)


def _ca_file(system: System, component: str) -> Path:
    return system.folder / f"catalog-{component}.pem"
