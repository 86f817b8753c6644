"""Typed desired state of a node (format and reader: `hosts.denodo.state_reader`)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

OLDEST = "7.0"

BUSY_SECONDS = 30
"""Project default of `busy_seconds`, the time for which a busy node remains in service. Some
statements put the server into single-user mode for a short time."""

_READ_ONLY = ("schema", "environment", "cluster", "node", "program", "signal", "limits")
"""Keys of the state that only the node program reads, and no Denodo server."""

NOT_RESTARTING = (
    *(*_READ_ONLY, "ready", "metadata", "exports", "solution_manager", "watchdog"),
    *("data_disk", "logs", "metrics"),
)
"""Keys of the state whose change does not require a restart of the servers."""


@dataclass(frozen=True)
class LicenseManager:
    """The License Manager, which gives the servers their licence."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Metadata:
    """The source of Virtual DataPort's metadata: `manual`, `catalog` or `export`."""

    source: str
    uri: str = ""
    login: str = ""


@dataclass(frozen=True)
class Component:
    """Component of Denodo that uses the metadata database, with the component's settings.

    Attributes:
        secret: ARN of the secret with the component's login.
        check_interval: seconds between check-ins of a Scheduler server in cluster mode.
        file: path of the component's settings file in DENODO_HOME; empty for the default.
        entries: changed entries of the file; None removes an entry.
    """

    secret: str
    check_interval: int = 3
    file: str = ""
    entries: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Exports:
    """Scheduled exports of Virtual DataPort's metadata.

    `not_compared` has patterns of elements that the site digest leaves out.
    """

    bucket: str
    prefix: str
    login: str
    every: int
    not_compared: Sequence[str] = ()


@dataclass(frozen=True)
class Service:
    """A service of the readiness endpoint: `vdp`, `odbc`, `web`, `scheduler` or `tcp`.

    Attributes:
        kind: the kind of the probe.
        port: the port.
        path: for `web`, the path to request.
        tls: for `web`, whether the port uses HTTPS; for `scheduler`, whether TLS is tried first.
    """

    kind: str
    port: int
    path: str = "/"
    tls: bool = False


@dataclass(frozen=True)
class Signal:
    """Signal of the node to CloudFormation, which creates the node and waits for the signal."""

    stack: str
    resource: str
    when: str


@dataclass(frozen=True)
class DataDisk:
    """The data disk: the folder on which it is mounted, and its device name in EC2's mapping."""

    path: Path
    device: str


@dataclass(frozen=True)
class Logs:
    """The log group in CloudWatch Logs to which the node sends its logs.

    Attributes:
        group: name of the log group.
        statements: whether files with the statements of users are sent.
    """

    group: str
    statements: bool = False


@dataclass(frozen=True)
class State:
    """The desired state.

    Attributes:
        raw: the parsed JSON object.
        cluster: name of the node's cluster.
        node: the node's name.
        version: Denodo's version.
        home: DENODO_HOME.
        user: the Linux user that runs the servers.
        host: the node's own host name.
        rmi_host: the host name that the servers send to clients for the second (RMI) connection.
        scheduler_rmi_host: the host name that the Scheduler sends; empty: the node's own host name.
        ports: ports by name; None: leave the port of the image.
        license_manager: None: leave the setting of the image.
        jvm: JVM options by server.
        heap_mib: heap of Virtual DataPort in MiB, used if `jvm` has no options for it; 0: leave the
            heap of the image.
        servers: servers to start, in this order.
        certificate: ARN of the secret with the TLS certificate, empty for none.
        certificate_version: version of that secret, empty for the current one.
        security_token: ARN of the secret with the settings of the Security Token, empty for none.
        metadata: the source of Virtual DataPort's metadata.
        ready_port: port of the readiness endpoint.
        readiness: whether `ping.sh` is used with `-r`: `auto`, `ping` (never) or `strict` (always).
        java_home: JAVA_HOME for Denodo's scripts; empty: the scripts search for a Java.
        web_jmx: whether the web container's JMX can be used from other machines.
        busy_seconds: time for which a node remains in service while Virtual DataPort is busy.
        services: services of the endpoint, by name.
        start_seconds: time limit for the servers to become ready.
        stop_seconds: time limit for running queries to end.
        signal: the signal that CloudFormation waits for, None for none.
        catalog: components that use the metadata database, by name.
        exports: scheduled exports of the metadata, None for none.
        watchdog: whether the watchdog starts servers again that have died.
        data_disk: the disk that is mounted for Denodo, None for none.
        logs: the log group to which the node sends its logs, None for none.
        metrics: namespace of the metrics that the node publishes, empty if it publishes none.
    """

    raw: Mapping[str, Any]
    cluster: str
    node: str
    version: str
    home: Path
    user: str
    host: str
    rmi_host: str
    ports: Mapping[str, int | None]
    license_manager: LicenseManager | None
    jvm: Mapping[str, str]
    heap_mib: int
    servers: Sequence[str]
    certificate: str
    certificate_version: str
    security_token: str
    metadata: Metadata
    ready_port: int
    services: Mapping[str, Service]
    start_seconds: int
    stop_seconds: int
    signal: Signal | None
    catalog: Mapping[str, Component] = field(default_factory=dict)
    exports: Exports | None = None
    readiness: str = "auto"
    java_home: str = ""
    web_jmx: bool = False
    busy_seconds: int = BUSY_SECONDS
    watchdog: bool = True
    data_disk: DataDisk | None = None
    scheduler_rmi_host: str = ""
    logs: Logs | None = None
    metrics: str = ""

    @property
    def hash(self) -> str:
        """Return a hash of the state, which does not depend on the order of the keys."""
        return _hash(self.raw)

    @property
    def restart_hash(self) -> str:
        """Return a hash of the values whose change needs a restart of the servers."""
        return _hash({key: self.raw[key] for key in self.raw if key not in NOT_RESTARTING})

    @property
    def secret_arns(self) -> tuple[str, ...]:
        """Return the ARNs of the secrets that the node reads."""
        arns = [self.certificate, self.security_token, self.metadata.login]
        arns += [component.secret for component in self.catalog.values()]
        arns += [self.exports.login] if self.exports else []
        return tuple(sorted({arn for arn in arns if arn}))

    @property
    def tls(self) -> tuple[str, str]:
        """Return ARN and version of the TLS certificate's secret: they identify the certificate."""
        return self.certificate, self.certificate_version


def _hash(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
