"""The desired state of a node: what its parameter says, checked and typed.

The form is `state.schema.json`; what no schema can say is checked here. All errors come out at
once.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hosts.denodo import schema
from hosts.denodo.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OLDEST = "7.0"

_READ_ONLY = ("schema", "environment", "cluster", "node", "program", "signal", "limits")
"""What no server reads."""

NOT_RESTARTING = (*_READ_ONLY, "ready", "metadata", "exports", "solution_manager")


@dataclass(frozen=True)
class LicenseManager:
    """Where the servers get their licence."""

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True)
class Metadata:
    """Where Virtual DataPort's metadata comes from: `manual`, `catalog` or `export`."""

    source: str
    uri: str = ""
    login: str = ""


@dataclass(frozen=True)
class Component:
    """A component that shares a database: its login, and how its settings are written."""

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
    """What the readiness endpoint asks for one name: `vdp`, `odbc`, `web`, `scheduler`, `tcp`."""

    kind: str
    port: int
    path: str = "/"
    tls: bool = False


@dataclass(frozen=True)
class Signal:
    """What CloudFormation waits for when it creates the node."""

    stack: str
    resource: str
    when: str


@dataclass(frozen=True)
class State:
    """Everything that a node shall be.

    Attributes:
        raw: the parameter's data.
        node: the node's name.
        version: Denodo's version.
        home: DENODO_HOME.
        user: the Linux user that everything runs as.
        host: the node's own name.
        rmi_host: the name that the servers hand to clients.
        ports: ports by name; None is left as it is.
        license_manager: None to leave what the image has.
        jvm: JVM options by server.
        heap_mib: heap of Virtual DataPort in MiB where its options are not given, 0 to leave it.
        servers: what to start, in order.
        certificate: secret with the servers' TLS, empty for none.
        certificate_version: the secret's version, empty for the current one.
        security_token: secret with the settings of the Security Token, empty for none.
        metadata: where Virtual DataPort's metadata comes from.
        ready_port: port of the readiness endpoint.
        services: what the endpoint answers for.
        start_seconds: how long the servers may take to be ready.
        stop_seconds: how long running queries may take to end.
        signal: what CloudFormation waits for, None for nothing.
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

    @property
    def hash(self) -> str:
        """Tells one state from another, whatever the order of the keys."""
        return _hash(self.raw)

    @property
    def restart_hash(self) -> str:
        """Tells apart the states between which the servers must be restarted."""
        return _hash({key: self.raw[key] for key in self.raw if key not in NOT_RESTARTING})

    @property
    def tls(self) -> tuple[str, str]:
        """Tells one certificate from another."""
        return self.certificate, self.certificate_version

    @property
    def knows_readiness(self) -> bool:
        """Whether `ping.sh -r` exists, which 7.0 lacks."""
        return self.version != OLDEST


def parse(text: str) -> State:
    """Read a state.

    Raises:
        StateError: with everything that is wrong.
    """
    try:
        data = json.loads(text)
    except ValueError as wrong:
        message = f"the state is no JSON: {wrong}"
        raise StateError(message) from None
    found = schema.problems(data, json.loads(schema_text()))
    if not found:
        found = list(_impossible(data))
    if found:
        raise StateError("the state cannot be applied:\n" + "\n".join(found))
    return _typed(data)


def schema_text() -> str:
    """The JSON schema, wherever the program lies (in a folder or in an archive)."""
    found = pkgutil.get_data("hosts.denodo", "state.schema.json")
    assert found is not None
    return found.decode()


def _impossible(data: Mapping[str, Any]) -> Iterator[str]:
    """What each value allows and all together do not."""
    yield from _shared_ports(data)
    if data["denodo"]["version"] == OLDEST:
        yield from _unknown_to_oldest(data)
    elif data["ports"].get("auxiliary"):
        yield "ports.auxiliary: only 7.0 has one; write null"
    yield from _missing(data)


def _shared_ports(data: Mapping[str, Any]) -> Iterator[str]:
    listeners = {f"ports.{name}": port for name, port in data["ports"].items() if port}
    listeners["ready.port"] = data["ready"]["port"]
    for port, times in Counter(listeners.values()).items():
        if times > 1:
            names = [name for name, value in listeners.items() if value == port]
            yield f"{' and '.join(names)}: are both {port}; a port belongs to one listener"


def _unknown_to_oldest(data: Mapping[str, Any]) -> Iterator[str]:
    if not data["ports"].get("auxiliary"):
        yield "ports.auxiliary: is missing; a 7.0 node needs one of its own"
    for name in ("jmx_registry", "jmx_factory"):
        if data["ports"].get(name):
            yield f"ports.{name}: 7.0 has no such port; write null"
    for name in ("tls", "security_token"):
        if data.get(name):
            yield f"{name}: needs Denodo 8.0 or later; write null"
    if "design-studio" in data["servers"]:
        yield "servers: 7.0 has no design-studio; leave it out"
    if data["metadata"]["source"] == "catalog":
        yield "metadata.source: 7.0 cannot share its catalog; write manual or export"
    if "vdp" in data.get("catalog", {}):
        yield "catalog.vdp: 7.0 cannot share its catalog; leave it out"


def _missing(data: Mapping[str, Any]) -> Iterator[str]:
    if data["metadata"]["source"] == "export":
        for name in ("uri", "login"):
            if name not in data["metadata"]:
                yield f"metadata.{name}: is missing; an export is imported from a place, by a user"
    if "scheduler" in data["servers"] and not data["ports"].get("scheduler"):
        yield "ports.scheduler: is missing; the Scheduler is asked there whether it is up"
    if _web(data["servers"]) and not data["ports"].get("web"):
        yield "ports.web: is missing; the web container is asked there whether it is up"


def _web(servers: Sequence[str]) -> bool:
    return any(server not in ("vdp", "scheduler") for server in servers)


def _typed(data: Mapping[str, Any]) -> State:
    manager, signal = data.get("license_manager"), data.get("signal")
    tls = data.get("tls") or {}
    return State(
        raw=data,
        node=data["node"],
        version=data["denodo"]["version"],
        home=Path(data["denodo"]["home"]),
        user=data["denodo"]["user"],
        host=data["host"],
        rmi_host=data["rmi_host"],
        ports=data["ports"],
        license_manager=LicenseManager(**manager) if manager else None,
        jvm=data.get("jvm", {}),
        heap_mib=data.get("heap_mib") or 0,
        servers=data["servers"],
        certificate=tls.get("certificate", ""),
        certificate_version=tls.get("version", ""),
        security_token=data.get("security_token") or "",
        metadata=Metadata(**data["metadata"]),
        ready_port=data["ready"]["port"],
        services={name: Service(**one) for name, one in data["ready"]["services"].items()},
        start_seconds=data["limits"]["start_seconds"],
        stop_seconds=data["limits"]["stop_seconds"],
        signal=Signal(**signal) if signal else None,
        catalog={name: Component(**one) for name, one in data.get("catalog", {}).items()},
        exports=Exports(**data["exports"]) if data.get("exports") else None,
    )


def _hash(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
