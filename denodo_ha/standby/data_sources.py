"""Data sources: the standby pings each source, since a source may be in the lost region.

Virtual DataPort pings a source with the procedure PING_DATA_SOURCE, which is called through the
ODBC port, that is PostgreSQL's protocol (Denodo, Virtual DataPort VQL Guide, "PING_DATA_SOURCE";
Developer Guide, "Access Through ODBC"). No known page documents a way to list all sources, so the
caller names the sources.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.catalog.logins import Login, read_login
from denodo_ha.cli.errors import Failed, UsageError
from denodo_ha.standby.check_line import NO, OK, Finding, Unknown, known, unknown

TYPES: Final = ("JDBC", "ODBC", "LDAP", "OLAP", "SAPBWBAPI", "SAPERP", "SALESFORCE")
"""Types of data sources that can be pinged (Denodo, "PING_DATA_SOURCE")."""
PING_MS: Final = 4_000
"""Project default: milliseconds for a source to answer; Denodo's own default is 15,000."""
_CONNECT_S: Final = 4
_UP: Final = "UP"
_SOURCE: Final = re.compile(r"([^/]+)/([A-Za-z]+)/([^/]+)")


@dataclass(frozen=True)
class DataSource:
    """A data source of Virtual DataPort."""

    database: str
    type: str
    name: str

    def __str__(self) -> str:
        return f"{self.database}/{self.type}/{self.name}"


@dataclass(frozen=True)
class OdbcEndpoint:
    """The standby's ODBC port.

    Attributes:
        host: DNS name of the standby's load balancer.
        port: port of the service.
        tls: True if the load balancer serves TLS.
    """

    host: str
    port: int
    tls: bool


PingResults = Mapping[DataSource, str | Unknown]
"""Status of each source, followed by the cause if the status is not UP."""


def parse_sources(texts: Sequence[str]) -> tuple[DataSource, ...]:
    """Return the data sources that operators name as DATABASE/TYPE/NAME.

    Raises:
        UsageError: A text is not a data source; the message names all such texts.
    """
    sources, problems = [], []
    for text in texts:
        match = _SOURCE.fullmatch(text)
        if match is None or match[2].upper() not in TYPES:
            problems.append(text)
        else:
            sources.append(DataSource(match[1], match[2].upper(), match[3]))
    if problems:
        message = (
            f"--data-source: {', '.join(map(repr, problems))}: not a data source that can be "
            f"pinged; write DATABASE/TYPE/NAME with a TYPE of {', '.join(TYPES)}"
        )
        raise UsageError(message)
    return tuple(sources)


def ping_sources(
    aws: Aws, region: str, secret: str, endpoint: OdbcEndpoint, sources: Sequence[DataSource]
) -> PingResults | Unknown:
    """Let the standby ping data sources, each over a connection of its own.

    Args:
        aws: the credentials.
        region: region of the secret.
        secret: name or ARN of the secret with `username` and `password` of a Denodo user.
        endpoint: the standby's ODBC port.
        sources: the data sources.
    """
    login = known(lambda: read_login(aws, region, secret))
    if isinstance(login, Unknown):
        return login
    results = map_concurrently(
        lambda source: known(lambda: _ping(endpoint, login, source)), sources
    )
    return dict(zip(sources, results, strict=True))


def _ping(endpoint: OdbcEndpoint, login: Login, source: DataSource) -> str:
    """Return the status of a data source, followed by the cause if the status is not UP.

    Raises:
        Failed: The standby did not answer, or refused the login or the call.
    """
    arguments = (source.database, source.type, source.name)
    quoted = ", ".join("'" + text.replace("'", "''") + "'" for text in arguments)
    statement = f"CALL PING_DATA_SOURCE({quoted}, {PING_MS})"
    try:
        with psycopg.connect(
            host=endpoint.host,
            port=endpoint.port,
            user=login.username,
            password=login.password,
            dbname=source.database,
            sslmode="require" if endpoint.tls else "prefer",
            connect_timeout=_CONNECT_S,
            application_name="denodo-ha",
            autocommit=True,
        ) as connection:
            cursor = connection.execute(statement.encode())
            row = dict(
                zip(
                    [column.name.lower() for column in cursor.description or ()],
                    cursor.fetchone() or (),
                    strict=False,
                )
            )
    except psycopg.Error as error:
        message = " ".join(str(error).split()).replace(login.password, "***")
        raise Failed(message) from None
    status, cause = str(row.get("status")), row.get("down_cause")
    return f"{status}: {cause}" if cause else status


def source_findings(results: PingResults | Unknown | None) -> Iterator[Finding]:
    """Yield the finding of each data source; yield nothing if the caller named no source."""
    if results is None:
        return
    limit = "every named data source is UP from the standby"
    if isinstance(results, Unknown):
        yield unknown(results, "data sources", limit)
        return
    for source, result in results.items():
        if isinstance(result, Unknown):
            yield unknown(result, str(source), limit)
        elif result == _UP:
            yield Finding(OK, f"{source} UP", limit=limit)
        else:
            remedy = f"give the data source {source} an address that the standby can reach"
            yield Finding(NO, f"{source} {result}", limit=limit, remedy=remedy)
