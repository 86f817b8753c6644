"""The database that Denodo's components share: their logins, and what their files say of it.

A login is a secret that `denodo-ha catalog init` completes with the server's address. Until then
its component is not started: in cluster mode it would find no database, and without it, it would
make metadata of its own that is lost later.

Sources: Denodo, Scheduler Administration Guide, "Database Settings", "Cluster Settings", and the
Scheduler's own configuration file; Virtual DataPort Administration Guide, "Storing the Metadata on
an External Database". The keys of the Data Catalog are not confirmed; the state can name others.
"""

from __future__ import annotations

import hashlib
import json
import string
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.denodo import aws, files, log, properties_file
from hosts.denodo.errors import NotReadyError, StateError
from hosts.denodo.process import run
from hosts.denodo.settings import SCHEDULER, Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hosts.denodo.record import Record
    from hosts.denodo.state import State
    from hosts.denodo.system import System

VDP = "vdp"
DATA_CATALOG = Path("conf/data-catalog/DataCatalogBackend.properties")

_REGENERATE = "bin/regenerateMetadata.sh"
_ENCRYPT = "bin/encrypt_password.sh"
_SECONDS = 600
_STORAGE = "com.denodo.vdb.catalog.storage"
_QUARTZ = "org.quartz"
_ENCRYPTED = "encrypted:"
"""How a password begins that Denodo has encrypted in its own file."""

_SECRET = ("{password}", "{encrypted_password}")
_GONE = "ResourceNotFoundException"

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
        f"{_STORAGE}.version": "10",
        f"{_STORAGE}.classpath": "postgresql-10",
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
"""What is written for each component, unless the state says otherwise."""

_FILES = {"scheduler": SCHEDULER, "data-catalog": DATA_CATALOG}


@dataclass(frozen=True)
class Login:
    """A login that works."""

    host: str
    port: int
    dbname: str
    username: str
    password: str
    ca: str
    encrypted: str

    @property
    def fingerprint(self) -> str:
        """Tells one login from another, and nothing about it."""
        parts = [self.host, self.port, self.dbname, self.username, self.password]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def startable(system: System, state: State) -> State:
    """The state without the servers whose database has no user yet.

    Raises:
        StateError: a login cannot be read, or is none.
    """
    waiting = [
        server
        for server in state.servers
        if server in state.catalog and login(system, state, server) is None
    ]
    if not waiting:
        return state
    log.warning(
        f"not started, as their database has no user yet: {', '.join(waiting)}; run `denodo-ha"
        " catalog init`, then roll this node"
    )
    return replace(state, servers=[one for one in state.servers if one not in waiting])


def login(system: System, state: State, component: str) -> Login | None:
    """A component's login, None where it does not work yet.

    Raises:
        StateError: it cannot be read, or is none.
    """
    arn = state.catalog[component].secret
    try:
        data = json.loads(aws.secret(system, arn))
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
    except aws.NoAnswerError as wrong:
        if _GONE in str(wrong):
            return None
        message = f"the login {arn} cannot be read: {wrong}"
        raise StateError(message) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        message = f"the login {arn} is not a JSON object as `denodo-ha catalog init` leaves it"
        raise StateError(message) from None


def settings(system: System, state: State, record: Record) -> Iterator[Setting]:
    """What the files of the components that are started say of their database."""
    for component, own, found in _logins(system, state):
        if component == VDP:
            continue
        file = Path(own.file) if own.file else _FILES[component]
        known = record.logins.get(component) == found.fingerprint
        values = _values(system, state, component, found)
        for key, template in _entries(component, own.entries).items():
            secret = template in _SECRET
            yield Setting(
                file,
                (key,),
                _filled(template, values),
                secret=secret,
                encrypted=_ENCRYPTED if secret and known else "",
            )


def certificates(system: System, state: State) -> Iterator[tuple[Path, bytes]]:
    """The files with the certificates that a server's own is checked with."""
    for component, _, found in _logins(system, state):
        if found.ca:
            yield _ca_file(system, component), found.ca.encode()


def reasons(system: System, state: State, record: Record) -> Iterator[str]:
    """Why the servers must be restarted, beside what their files say."""
    for component, _, found in _logins(system, state):
        if component == VDP and record.logins.get(VDP) != found.fingerprint:
            yield f"Virtual DataPort's catalog is put on {found.host}, or its login is another one"


def fingerprints(system: System, state: State) -> dict[str, str]:
    """What tells the logins apart that the started components have."""
    return {component: found.fingerprint for component, _, found in _logins(system, state)}


def regenerate(system: System, state: State, record: Record) -> None:
    """Put Virtual DataPort's catalog on the database, if it is not there already.

    Raises:
        NotReadyError: Denodo's script failed.
    """
    if not list(reasons(system, state, record)):
        return
    for component, own, found in _logins(system, state):
        if component == VDP:
            values = _values(system, state, VDP, found)
            templates = _entries(VDP, own.entries)
            if any("{encrypted_password}" in one for one in templates.values()):
                values["encrypted_password"] = found.encrypted or _encrypted(state, found)
            _run(system, state, {key: _filled(one, values) for key, one in templates.items()})


def _run(system: System, state: State, entries: Mapping[str, str]) -> None:
    text = "".join(
        f"{properties_file.escaped(key, key=True)}={properties_file.escaped(value)}\n"
        for key, value in entries.items()
    )
    file = system.folder / "metadata.properties"
    try:
        # The password is not an argument: Denodo's script reads it from a file.
        files.replace(file, text.encode(properties_file.ENCODING), mode=files.PRIVATE)
        log.info("putting Virtual DataPort's catalog on the shared database")
        result = run([state.home / _REGENERATE, "--file", file, "--yes"], seconds=_SECONDS)
    finally:
        files.remove(file)
    if not result.ended_well:
        message = f"{_REGENERATE} {result.ending}; what it says is not shown, as it has secrets"
        raise NotReadyError(message)


def _encrypted(state: State, found: Login) -> str:
    """The password as Denodo encrypts it; the script asks for it where it gets no argument."""
    result = run([state.home / _ENCRYPT], seconds=_SECONDS, given=f"{found.password}\n")
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    if not result.ended_well or not lines or found.password in lines[-1]:
        message = (
            f"{_ENCRYPT} {result.ending} and encrypted nothing; encrypt the password by hand, and"
            f" add it to the login as encrypted_password"
        )
        raise NotReadyError(message)
    return lines[-1].removeprefix(_ENCRYPTED)


def _logins(system: System, state: State) -> Iterator[tuple[str, Any, Login]]:
    for component, own in state.catalog.items():
        found = login(system, state, component) if component in state.servers else None
        if found is not None:
            yield component, own, found


def _entries(component: str, own: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**ENTRIES[component], **own}
    return {key: value for key, value in merged.items() if value is not None}


def _values(system: System, state: State, component: str, found: Login) -> dict[str, str]:
    tls = "sslmode=verify-full&"
    tls += (
        f"sslrootcert={_ca_file(system, component)}"
        if found.ca
        # The certificates of the Java that runs it.
        else "sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory"
    )
    return {
        "url": f"jdbc:postgresql://{found.host}:{found.port}/{found.dbname}?{tls}",
        "host": found.host,
        "port": str(found.port),
        "database": found.dbname,
        "user": found.username,
        "password": found.password,
        "node": state.node,
        "check_interval": str(1000 * state.catalog[component].check_interval),
    }


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its names filled in; other braces stay."""
    parts = []
    for text, name, form, _ in string.Formatter().parse(template):
        parts.append(text)
        if name is not None:
            parts.append(values.get(name, f"{{{name}{':' + form if form else ''}}}"))
    return "".join(parts)


def _ca_file(system: System, component: str) -> Path:
    return system.folder / f"catalog-{component}.pem"
