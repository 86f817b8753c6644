"""Reader of a desired state from its SSM parameter or a JSON text.

`state.schema.json` documents the format; a test compares the schema with `read`. The error for an
invalid state lists all problems, each with its key.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.common import json_object
from hosts.common.errors import AwsError
from hosts.common.json_object import JsonObject
from hosts.denodo.errors import StateError, UnavailableError
from hosts.denodo.state import (
    BUSY_SECONDS,
    OLDEST,
    Component,
    DataDisk,
    Exports,
    LicenseManager,
    Logs,
    Metadata,
    Service,
    Signal,
    State,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hosts.denodo.system import System

STATE_LIMIT = 65536
"""Maximum number of characters of a state; an SSM parameter holds at most 8 KB."""

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
        message = f"the desired state is not JSON: {error}"
        raise StateError(message) from None
    problems: list[str] = []
    state = read(data, problems)
    problems = problems or list(_conflicts(state))
    if problems:
        raise StateError("the desired state is not valid:\n" + "\n".join(problems))
    return state


def read(data: Any, problems: list[str]) -> State:
    """Read a state from parsed JSON; if there are problems, the state must not be used."""
    root = JsonObject(data, problems)
    root.choice("schema", (1,))
    root.text("environment", _NAME)
    root.optional_text("program")
    denodo, limits, ready = root.object("denodo"), root.object("limits"), root.object("ready")
    tls = root.optional_object("tls")
    _read_manager(root.optional_object("solution_manager"))
    state = State(
        raw=data,
        cluster=root.text("cluster", _NAME),
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
        metrics=_read_metrics(root.optional_object("metrics", nullable=False)),
        logs=_read_logs(root.optional_object("logs", nullable=False)),
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
        tuple(exports.texts("not_compared", r"^[ -~]{1,100}$", 20)),
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


def _read_metrics(metrics: JsonObject | None) -> str:
    if metrics is None:
        return ""
    namespace = metrics.text("namespace", r"^[A-Za-z0-9._/#:-]{1,255}$")
    metrics.finish()
    return namespace


def _read_logs(logs: JsonObject | None) -> Logs | None:
    if logs is None:
        return None
    result = Logs(logs.text("group", r"^[A-Za-z0-9._/#-]{1,512}$"), logs.flag("statements"))
    logs.finish()
    return result


def _conflicts(state: State) -> Iterator[str]:
    """Yield contradictions between values of a state that are valid separately."""
    yield from _shared_ports(state)
    if state.version == OLDEST:
        yield from _unknown_to_oldest(state)
    elif state.ports["auxiliary"]:
        yield "ports.auxiliary: only Denodo 7.0 has an auxiliary port; write null"
    yield from _missing(state)


def _shared_ports(state: State) -> Iterator[str]:
    listeners = {f"ports.{name}": port for name, port in state.ports.items() if port}
    listeners["ready.port"] = state.ready_port
    for port, count in Counter(listeners.values()).items():
        if count > 1:
            names = [name for name, value in listeners.items() if value == port]
            yield f"{' and '.join(names)}: all have the port {port}; write different ports"


def _unknown_to_oldest(state: State) -> Iterator[str]:
    if not state.ports["auxiliary"]:
        yield "ports.auxiliary: is missing; each node of Denodo 7.0 needs its own auxiliary port"
    for name in ("jmx_registry", "jmx_factory"):
        if state.ports[name]:
            yield f"ports.{name}: Denodo 7.0 does not have this port; write null"
    for name, value in (("tls", state.certificate), ("security_token", state.security_token)):
        if value:
            yield f"{name}: needs Denodo 8.0 or later; write null"
    if "design-studio" in state.servers:
        yield "servers: Denodo 7.0 has no design-studio; remove design-studio"
    if state.metadata.source == "catalog":
        yield "metadata.source: Denodo 7.0 cannot share its catalog; write manual or export"
    if "vdp" in state.catalog:
        yield "catalog.vdp: Denodo 7.0 cannot share its catalog; remove catalog.vdp"


def _missing(state: State) -> Iterator[str]:
    if state.metadata.source == "export":
        for name, value in (("uri", state.metadata.uri), ("login", state.metadata.login)):
            if not value:
                yield f"metadata.{name}: is missing, but the import of an export needs this key"
    if "scheduler" in state.servers and not state.ports["scheduler"]:
        yield "ports.scheduler: is missing; the Scheduler is probed on this port"
    web = any(server not in ("vdp", "scheduler") for server in state.servers)
    if web and not state.ports["web"]:
        yield "ports.web: is missing; the web container is probed on this port"
