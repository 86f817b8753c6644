"""Settings in Denodo's files that a desired state requires.

Source: Denodo's manuals of 7.0, 8.0 and 9.x, "Configuration of the JVM Parameters from the Command
Line", "Changing the RMI host", "Register the Denodo Servers in the License Manager".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.denodo.configuration import properties_file
from hosts.denodo.configuration.heap import with_heap
from hosts.denodo.state import OLDEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hosts.denodo.state import State

VDP = Path("conf/vdp/VDBConfiguration.properties")
WEB = Path("resources/apache-tomcat/conf/tomcat.properties")
LICENSE = Path("conf/SolutionManager.properties")
SCHEDULER = Path("conf/scheduler/ConfigurationParameters.properties")
TOKEN = Path("conf/SSOConfiguration.properties")

STANDALONE_LICENSE = Path("conf/denodo.lic")
"""Path of a local licence file. If it exists, the servers do not use the License Manager."""

_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_TOMCAT = "com.denodo.tomcat"
JVM_OPTIONS = "java.env.DENODO_OPTS_START"

SHUTDOWN_PORT = f"{_MANAGER}.shutdownPort"
HTTP_PORT = f"{_TOMCAT}.http.port"
HTTPS_PORT = f"{_TOMCAT}.https.port"
NO_PORT = ("", "0")
"""Values of a port that turn off its protocol in the web container; a missing key does so too."""
SCHEDULER_PORT = "Launcher/registryPort"
_SCHEDULER_TLS = "com.denodo.security.ssl.enabled"
_SCHEDULER_AUXILIARY_PORT = 7998
"""Denodo's default for the Scheduler's auxiliary port. A node gets this port again if the applied
state names another port, and the new state names none."""


@dataclass(frozen=True)
class Setting:
    """One value in one of Denodo's files.

    Attributes:
        file: path of the file, relative to DENODO_HOME.
        keys: possible names of the key; the name in the file is used, otherwise the first name.
        value: the value to write.
        only_if_set: do not add the key to a file that does not have the key.
        kept: values in the file that are not replaced.
        secret: whether messages must not show the value.
        encrypted: prefix that Denodo adds when it encrypts the written value; a current value with
            this prefix is not replaced.
        heap_mib: maximum heap to set in the current value, in MiB; 0: write `value`.
    """

    file: Path
    keys: tuple[str, ...]
    value: str
    only_if_set: bool = False
    kept: tuple[str, ...] = ()
    secret: bool = False
    encrypted: str = ""
    heap_mib: int = 0

    def new_value(self, current: str | None) -> str:
        """Return the value to write if a file has the value `current` (None: no such key)."""
        if current is not None and (
            current.strip() in self.kept or (self.encrypted and current.startswith(self.encrypted))
        ):
            return current
        return with_heap(current or "", self.heap_mib) if self.heap_mib else self.value

    def key(self, current: Mapping[str, str]) -> str | None:
        """Return the key to set in a file with the values `current`, None to set nothing."""
        for key in self.keys:
            if key in current:
                return key
        return None if self.only_if_set else self.keys[0]


def vdp_port_key(version: str) -> str:
    """Return the key of the port for clients in Virtual DataPort's configuration file."""
    return f"{_MANAGER}.registryPort" if version == OLDEST else f"{_MANAGER}.port"


def scheduler_uses_tls(state: State) -> bool:
    """Return whether the Scheduler uses TLS, according to the state or the Scheduler's own file."""
    values = properties_file.values_or_none(state.home / SCHEDULER)
    return bool(state.certificate) or values.get(_SCHEDULER_TLS, "").strip().lower() == "true"


def settings(state: State, applied: State | None = None) -> Iterator[Setting]:
    """Return all settings of a state except the secret ones.

    Args:
        state: the desired state.
        applied: the state that was applied last; None if there is none.
    """
    yield Setting(VDP, (f"{_MANAGER}.registryURL",), state.rmi_host)
    yield from (Setting(VDP, (key,), str(port)) for key, port in _vdp_ports(state).items() if port)
    yield from _web_container(state)
    if state.license_manager:
        manager = state.license_manager
        yield Setting(LICENSE, ("com.denodo.license.host",), manager.host)
        yield Setting(LICENSE, ("com.denodo.license.port",), str(manager.port))
        yield Setting(
            LICENSE,
            ("com.denodo.license.security.ssl.enabled",),
            "true" if manager.tls else "false",
            # Denodo uses false if the key is missing, so false is only written over a value.
            only_if_set=not manager.tls,
        )
    if "scheduler" in state.servers:
        # Do not set the keys `Server/…`: they are settings of the Scheduler Index, which has its
        # own file.
        host = state.scheduler_rmi_host or state.host
        yield Setting(SCHEDULER, ("Launcher/registryURL",), host)
        port = state.ports.get("scheduler_auxiliary")
        if not port and applied and applied.ports.get("scheduler_auxiliary"):
            port = _SCHEDULER_AUXILIARY_PORT
        if port:
            yield Setting(SCHEDULER, ("Launcher/factoryPort",), str(port))
    for server, file in (("vdp", VDP), ("web", WEB), ("scheduler", SCHEDULER)):
        if server in state.jvm:
            yield Setting(file, (JVM_OPTIONS,), state.jvm[server])
    if state.heap_mib and "vdp" not in state.jvm:
        yield Setting(VDP, (JVM_OPTIONS,), "", heap_mib=state.heap_mib)


def _web_container(state: State) -> Iterator[Setting]:
    for name in ("shutdown", "jmx", "jmx.rmi"):
        port = state.ports.get(f"web_{name}".replace(".", "_"))
        if port:
            yield Setting(WEB, (f"{_TOMCAT}.{name}.port",), str(port))
    if state.web_jmx:
        yield Setting(WEB, (f"{_TOMCAT}.jmx.rmi.host",), state.host)
    # If the key of a port is commented out, an operator has turned off the protocol (HTTP or
    # HTTPS). It remains off, but HTTPS is turned on if this program sets up TLS.
    for key, name, required in (
        (HTTP_PORT, "web", False),
        (HTTPS_PORT, "web_tls", bool(state.certificate)),
    ):
        port = state.ports.get(name)
        if port:
            kept = () if required else NO_PORT
            yield Setting(WEB, (key,), str(port), only_if_set=not required, kept=kept)


def _vdp_ports(state: State) -> dict[str, int | None]:
    ports = state.ports
    own = {
        vdp_port_key(state.version): ports["vdp"],
        f"{_MANAGER}.odbcPort": ports["odbc"],
        SHUTDOWN_PORT: ports["shutdown"],
    }
    if state.version == OLDEST:
        return {**own, f"{_MANAGER}.factoryPort": ports["auxiliary"]}
    return {
        **own,
        f"{_MANAGER}.registryPort": ports.get("jmx_registry"),
        f"{_MANAGER}.factoryPort": ports.get("jmx_factory"),
    }
