"""What a state says, as entries of Denodo's files.

Source: Denodo's manuals of 7.0, 8.0 and 9.x, "Configuration of the JVM Parameters from the
Command Line", "Changing the RMI host", "Register the Denodo Servers in the License Manager".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hosts.denodo.heap import with_heap
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
"""Where it lies, the License Manager is not asked."""

_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_TOMCAT = "com.denodo.tomcat"
_JVM = "java.env.DENODO_OPTS_START"

SHUTDOWN_PORT = f"{_MANAGER}.shutdownPort"
WEB_PORT = f"{_TOMCAT}.http.port"


@dataclass(frozen=True)
class Setting:
    """One value of one file.

    Attributes:
        file: the file, from DENODO_HOME.
        keys: the key; of several, the one that the file has, else the first.
        value: the value.
        only_if_there: leave a file alone that has not got the key.
        secret: do not show the value.
        encrypted: how a value begins that is this one, encrypted by Denodo since it was written.
        heap_mib: the value is what stands, with such a heap; 0: it is `value`.
    """

    file: Path
    keys: tuple[str, ...]
    value: str
    only_if_there: bool = False
    secret: bool = False
    encrypted: str = ""
    heap_mib: int = 0

    def wanted(self, standing: str | None) -> str:
        """The value to set where another one stands."""
        if standing is not None and self.encrypted and standing.startswith(self.encrypted):
            return standing
        return with_heap(standing or "", self.heap_mib) if self.heap_mib else self.value

    def key(self, standing: Mapping[str, str]) -> str | None:
        """The key to set in a file with these values, None for none."""
        for key in self.keys:
            if key in standing:
                return key
        return None if self.only_if_there else self.keys[0]


def vdp_port_key(version: str) -> str:
    """The key of the port that VDP's clients use."""
    return f"{_MANAGER}.registryPort" if version == OLDEST else f"{_MANAGER}.port"


def settings(state: State) -> Iterator[Setting]:
    """Every value that the state asks for, but for those that are secret."""
    yield Setting(VDP, (f"{_MANAGER}.registryURL",), state.rmi_host)
    yield from (Setting(VDP, (key,), str(port)) for key, port in _vdp_ports(state).items() if port)
    for name in ("http", "shutdown", "jmx", "jmx.rmi"):
        port = state.ports.get("web" if name == "http" else f"web_{name}".replace(".", "_"))
        if port:
            yield Setting(WEB, (f"{_TOMCAT}.{name}.port",), str(port))
    port = state.ports.get("web_tls")
    if port:
        # Without TLS the key is commented out, and set it makes the container look for a key store.
        key = f"{_TOMCAT}.https.port"
        yield Setting(WEB, (key,), str(port), only_if_there=not state.certificate)
    if state.license_manager:
        manager = state.license_manager
        yield Setting(LICENSE, ("com.denodo.license.host",), manager.host)
        yield Setting(LICENSE, ("com.denodo.license.port",), str(manager.port))
        yield Setting(
            LICENSE,
            ("com.denodo.license.security.ssl.enabled",),
            "true" if manager.tls else "false",
            # Absent or commented out it is false.
            only_if_there=not manager.tls,
        )
    if "scheduler" in state.servers:
        # Denodo's manuals disagree about the key.
        keys = ("Launcher/registryURL", "Server/registryURL")
        yield Setting(SCHEDULER, keys, state.host)
    for server, file in (("vdp", VDP), ("web", WEB), ("scheduler", SCHEDULER)):
        if server in state.jvm:
            yield Setting(file, (_JVM,), state.jvm[server])
    if state.heap_mib and "vdp" not in state.jvm:
        yield Setting(VDP, (_JVM,), "", heap_mib=state.heap_mib)


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
