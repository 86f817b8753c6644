"""The desired state of a node: the value of its SSM parameter, checked and typed.

`state.schema.json` documents the format; a test compares it with `read`. The error for an invalid
state lists all problems, each with its key.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.common.errors import AwsError
from hosts.common.json_object import JsonObject
from hosts.denodo.errors import StateError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hosts.denodo.system import System

OLDEST = "7.0"

BUSY_SECONDS = 30
"""Project default of `busy_seconds`: some statements put the server into single-user mode for a
short time."""

STATE_LIMIT = 65536
"""Maximum number of characters of a state; an SSM parameter holds at most 8 KB."""

_READ_ONLY = ("schema", "environment", "cluster", "node", "program", "signal", "limits")
"""Keys that no server reads."""

NOT_RESTARTING = (
    *(*_READ_ONLY, "ready", "metadata", "exports", "solution_manager", "watchdog"),
    "data_disk",
)
"""Keys whose change needs no restart of the servers."""

_NAME = r"^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$"
_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
_ARN = r"^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[!-~]+$"
_PORT = (1, 65535)
_SECONDS = (1, 43200)

_REQUIRED_PORTS = ("vdp", "odbc", "shutdown")
_OPTIONAL_PORTS = (
    *("auxiliary", "jmx_registry", "jmx_factory", "scheduler", "scheduler_auxiliary"),
    *("web", "web_tls", "web_shutdown", "web_jmx", "web_jmx_rmi"),
)
_SERVERS = (
    *("vdp", "data-catalog", "design-studio"),
    *("scheduler", "scheduler-admin", "diagnostic-monitoring"),
)


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
    """A component that uses the metadata database: its login, and the settings in its own file."""

    secret: str
    check_interval: int = 3
    file: str = ""
    entries: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Exports:
    """Scheduled exports of Virtual DataPort's metadata."""

    bucket: str
    prefix: str
    login: str
    every: int


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
    """The signal that CloudFormation waits for when it creates the node."""

    stack: str
    resource: str
    when: str


@dataclass(frozen=True)
class DataDisk:
    """The data disk: the folder on which it is mounted, and its device name in EC2's mapping."""

    path: Path
    device: str


@dataclass(frozen=True)
class State:
    """The desired state.

    Attributes:
        raw: the parsed JSON object.
        node: the node's name.
        version: Denodo's version.
        home: DENODO_HOME.
        user: the Linux user that runs the servers.
        host: the node's own name.
        rmi_host: the host name that the servers send to clients for the second (RMI) connection.
        scheduler_rmi_host: the same for the Scheduler; empty: the node's own name.
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
        java_home: JAVA_HOME of Denodo's scripts; empty: the scripts choose.
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
    """

    raw: Mapping[str, Any]
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

    @property
    def hash(self) -> str:
        """Return a hash of the state, which does not depend on the order of the keys."""
        return _hash(self.raw)

    @property
    def restart_hash(self) -> str:
        """Return a hash of the values whose change needs a restart of the servers."""
        return _hash({key: self.raw[key] for key in self.raw if key not in NOT_RESTARTING})

    @property
    def tls(self) -> tuple[str, str]:
        """Return the identity of the TLS certificate."""
        return self.certificate, self.certificate_version


def fetch(system: System, parameter: str) -> State:
    """Return the state in an SSM parameter.

    Raises:
        UnavailableError: The parameter cannot be read.
        StateError: The value is not a valid state.
    """
    try:
        text = system.aws_cli.parameter(parameter)
    except AwsError as error:
        message = f"the parameter {parameter} cannot be read: {error}"
        raise UnavailableError(message) from None
    return parse(text)


def parse(text: str) -> State:
    """Return the state in a JSON text.

    Raises:
        StateError: The text is not a valid state; the message lists all problems.
    """
    try:
        data = json_object.parse(text, limit=STATE_LIMIT)
    except ValueError as error:
        message = f"the state is not JSON: {error}"
        raise StateError(message) from None
    problems: list[str] = []
    state = read(data, problems)
    problems = problems or list(_conflicts(state))
    if problems:
        raise StateError("the state cannot be applied:\n" + "\n".join(problems))
    return state


def read(data: Any, problems: list[str]) -> State:
    """Read a state from parsed JSON; if there are problems, the state must not be used."""
    root = JsonObject(data, problems)
    root.choice("schema", (1,))
    root.text("environment", _NAME)
    root.text("cluster", _NAME)
    root.optional_text("program")
    denodo, limits, ready = root.object("denodo"), root.object("limits"), root.object("ready")
    tls = root.optional_object("tls")
    _read_manager(root.optional_object("solution_manager"))
    state = State(
        raw=data,
        node=root.text("node", _NAME),
        version=denodo.choice("version", ("7.0", "8.0", "9.0")),
        home=Path(denodo.text("home", r"^/[^\x00-\x1f]+$")),
        user=denodo.text("user", r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
        host=root.text("host", _HOST),
        rmi_host=root.text("rmi_host", _HOST),
        scheduler_rmi_host=root.text("scheduler_rmi_host", _HOST, default=""),
        ports=_read_ports(root.object("ports")),
        license_manager=_read_manager(root.optional_object("license_manager"), tls=True),
        jvm=_read_jvm(root.optional_object("jvm", nullable=False)),
        heap_mib=root.optional_integer("heap_mib", 64, 16777216) or 0,
        servers=root.choices("servers", _SERVERS),
        certificate=tls.text("certificate", _ARN) if tls else "",
        certificate_version=tls.text("version", r"^[A-Za-z0-9-]{1,64}$", default="") if tls else "",
        security_token=root.optional_text("security_token", _ARN),
        metadata=_read_metadata(root.object("metadata")),
        ready_port=ready.integer("port", *_PORT),
        services=dict(_read_services(ready.object("services"))),
        readiness=ready.text("virtual_dataport", r"^(auto|ping|strict)$", default="auto"),
        java_home=denodo.text("java_home", r"^/[^\x00-\x1f]+$", default=""),
        web_jmx=root.flag("web_jmx"),
        busy_seconds=ready.integer("busy_seconds", 0, 3600, default=BUSY_SECONDS),
        start_seconds=limits.integer("start_seconds", *_SECONDS),
        stop_seconds=limits.integer("stop_seconds", *_SECONDS),
        signal=_read_signal(root.optional_object("signal")),
        catalog=dict(_read_catalog(root.optional_object("catalog", nullable=False))),
        exports=_read_exports(root.optional_object("exports")),
        watchdog=root.flag("watchdog", default=True),
        data_disk=_read_data_disk(root.optional_object("data_disk", nullable=False)),
    )
    for reader in (root, denodo, limits, ready, *([tls] if tls else [])):
        reader.finish()
    return state


def _read_ports(ports: JsonObject) -> dict[str, int | None]:
    numbers: dict[str, int | None] = {name: ports.integer(name, *_PORT) for name in _REQUIRED_PORTS}
    numbers.update({name: ports.optional_integer(name, *_PORT) for name in _OPTIONAL_PORTS})
    ports.finish()
    return numbers


def _read_manager(manager: JsonObject | None, *, tls: bool = False) -> LicenseManager | None:
    if manager is None:
        return None
    host, port = manager.text("host", _HOST), manager.integer("port", *_PORT)
    result = LicenseManager(host, port, tls=tls and manager.flag("tls"))
    manager.finish()
    return result


def _read_jvm(jvm: JsonObject | None) -> dict[str, str]:
    if jvm is None:
        return {}
    servers = [name for name in ("vdp", "web", "scheduler") if name in jvm]
    options = {name: jvm.text(name, r"^[^\x00-\x1f]*$") for name in servers}
    jvm.finish()
    return options


def _read_metadata(metadata: JsonObject) -> Metadata:
    result = Metadata(
        metadata.choice("source", ("manual", "catalog", "export")),
        metadata.text("uri", r"^s3://[a-z0-9.-]+/[^\x00-\x1f]+$", default=""),
        metadata.text("login", _ARN, default=""),
    )
    metadata.finish()
    return result


def _read_services(services: JsonObject) -> Iterator[tuple[str, Service]]:
    for name, service in services.named_objects(r"^[a-z][a-z0-9-]{0,15}$"):
        yield (
            name,
            Service(
                service.choice("kind", ("vdp", "odbc", "web", "scheduler", "tcp")),
                service.integer("port", *_PORT),
                service.text("path", r"^/[!-~]*$", default="/"),
                tls=service.flag("tls"),
            ),
        )
        service.finish()


def _read_signal(signal: JsonObject | None) -> Signal | None:
    if signal is None:
        return None
    result = Signal(
        signal.text("stack", r"^[A-Za-z0-9:/-]{1,256}$"),
        signal.text("resource", r"^[A-Za-z0-9]{1,255}$"),
        signal.choice("when", ("ready", "configured")),
    )
    signal.finish()
    return result


def _read_catalog(catalog: JsonObject | None) -> Iterator[tuple[str, Component]]:
    if catalog is None:
        return
    for name in ("vdp", "scheduler", "data-catalog"):
        component = catalog.optional_object(name, nullable=False)
        if component is None:
            continue
        entries = component.optional_object("entries", nullable=False)
        yield (
            name,
            Component(
                component.text("secret", _ARN),
                component.integer("check_interval", 1, 60, default=3),
                component.text("file", r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$", default=""),
                entries.named_texts(r"^[ -~]{1,256}$") if entries else {},
            ),
        )
        component.finish()
    catalog.finish()


def _read_exports(exports: JsonObject | None) -> Exports | None:
    if exports is None:
        return None
    result = Exports(
        exports.text("bucket", r"^[a-z0-9.-]{3,63}$"),
        exports.text("prefix", r"^[!-~]{1,256}/$"),
        exports.text("login", _ARN),
        exports.integer("every", 1, 604800),
    )
    exports.finish()
    return result


def _read_data_disk(disk: JsonObject | None) -> DataDisk | None:
    if disk is None:
        return None
    result = DataDisk(
        Path(disk.text("path", r"^(/[A-Za-z0-9_+@=][A-Za-z0-9._+@=-]*)+$")),
        disk.text("device", r"^/dev/[a-z0-9]+$"),
    )
    disk.finish()
    return result


def _conflicts(state: State) -> Iterator[str]:
    """Yield contradictions between values that are valid separately."""
    yield from _shared_ports(state)
    if state.version == OLDEST:
        yield from _unknown_to_oldest(state)
    elif state.ports["auxiliary"]:
        yield "ports.auxiliary: only 7.0 has one; write null"
    yield from _missing(state)


def _shared_ports(state: State) -> Iterator[str]:
    listeners = {f"ports.{name}": port for name, port in state.ports.items() if port}
    listeners["ready.port"] = state.ready_port
    for port, count in Counter(listeners.values()).items():
        if count > 1:
            names = [name for name, value in listeners.items() if value == port]
            yield f"{' and '.join(names)}: are both {port}; a port belongs to one listener"


def _unknown_to_oldest(state: State) -> Iterator[str]:
    if not state.ports["auxiliary"]:
        yield "ports.auxiliary: is missing; a 7.0 node needs its own"
    for name in ("jmx_registry", "jmx_factory"):
        if state.ports[name]:
            yield f"ports.{name}: 7.0 has no such port; write null"
    for name, value in (("tls", state.certificate), ("security_token", state.security_token)):
        if value:
            yield f"{name}: needs Denodo 8.0 or later; write null"
    if "design-studio" in state.servers:
        yield "servers: 7.0 has no design-studio; leave it out"
    if state.metadata.source == "catalog":
        yield "metadata.source: 7.0 cannot share its catalog; write manual or export"
    if "vdp" in state.catalog:
        yield "catalog.vdp: 7.0 cannot share its catalog; leave it out"


def _missing(state: State) -> Iterator[str]:
    if state.metadata.source == "export":
        for name, value in (("uri", state.metadata.uri), ("login", state.metadata.login)):
            if not value:
                yield f"metadata.{name}: is missing; the import of an export needs it"
    if "scheduler" in state.servers and not state.ports["scheduler"]:
        yield "ports.scheduler: is missing; the Scheduler is probed on this port"
    web = any(server not in ("vdp", "scheduler") for server in state.servers)
    if web and not state.ports["web"]:
        yield "ports.web: is missing; the web container is probed on this port"


def _hash(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
