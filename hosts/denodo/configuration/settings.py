"""The settings of Denodo's files that follow from a desired state.

Source: Denodo's manuals of 7.0, 8.0 and 9.x, "Configuration of the JVM Parameters from the
Command Line", "Changing the RMI host", "Register the Denodo Servers in the License Manager".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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
"""With this file, the servers do not ask the License Manager."""

_MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"
_TOMCAT = "com.denodo.tomcat"
_JVM = "java.env.DENODO_OPTS_START"

SHUTDOWN_PORT = f"{_MANAGER}.shutdownPort"
WEB_PORT = f"{_TOMCAT}.http.port"


# java(1): -Xmx is the maximum and -Xms the initial size of the heap.
_MAXIMUM_HEAP = re.compile(r"(?<!\S)-Xmx(?P<size>\S+)")
_INITIAL_HEAP = re.compile(r"(?<!\S)-Xms(?P<size>\S+)")
_SIZE = re.compile(r"(?P<number>[0-9]+)(?P<unit>[kKmMgGtT]?)")
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Setting:
    """One value of one file.

    Attributes:
        file: path of the file, relative to DENODO_HOME.
        keys: possible names of the key; the one that the file has is used, else the first.
        value: the value.
        only_if_set: do not add the key to a file that lacks it.
        secret: do not show the value.
        encrypted: prefix of a value that Denodo has encrypted since the program wrote it; a value
            with the prefix is kept.
        heap_mib: maximum heap to set in the current value, in MiB; 0: write `value`.
    """

    file: Path
    keys: tuple[str, ...]
    value: str
    only_if_set: bool = False
    secret: bool = False
    encrypted: str = ""
    heap_mib: int = 0

    def new_value(self, current: str | None) -> str:
        """Return the value that replaces the current one."""
        if current is not None and self.encrypted and current.startswith(self.encrypted):
            return current
        return with_heap(current or "", self.heap_mib) if self.heap_mib else self.value

    def key(self, current: Mapping[str, str]) -> str | None:
        """Return the key to set in a file with these values, None for none."""
        for key in self.keys:
            if key in current:
                return key
        return None if self.only_if_set else self.keys[0]


def vdp_port_key(version: str) -> str:
    """Return the key of the port that clients of Virtual DataPort use."""
    return f"{_MANAGER}.registryPort" if version == OLDEST else f"{_MANAGER}.port"


def settings(state: State) -> Iterator[Setting]:
    """Return all settings of a state except the secret ones."""
    yield Setting(VDP, (f"{_MANAGER}.registryURL",), state.rmi_host)
    yield from (Setting(VDP, (key,), str(port)) for key, port in _vdp_ports(state).items() if port)
    for name in ("http", "shutdown", "jmx", "jmx.rmi"):
        port = state.ports.get("web" if name == "http" else f"web_{name}".replace(".", "_"))
        if port:
            yield Setting(WEB, (f"{_TOMCAT}.{name}.port",), str(port))
    port = state.ports.get("web_tls")
    if port:
        # Without TLS the key is commented out; if it is set, the container needs a key store.
        key = f"{_TOMCAT}.https.port"
        yield Setting(WEB, (key,), str(port), only_if_set=not state.certificate)
    if state.license_manager:
        manager = state.license_manager
        yield Setting(LICENSE, ("com.denodo.license.host",), manager.host)
        yield Setting(LICENSE, ("com.denodo.license.port",), str(manager.port))
        yield Setting(
            LICENSE,
            ("com.denodo.license.security.ssl.enabled",),
            "true" if manager.tls else "false",
            # A key that is absent or commented out means false.
            only_if_set=not manager.tls,
        )
    if "scheduler" in state.servers:
        # Denodo's manuals disagree about the name of the key.
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


def with_heap(options: str, mib: int) -> str:
    """Return JVM options with a maximum heap, and with all other options unchanged.

    An initial heap above the maximum would keep Java from starting, so it is lowered to the
    maximum.
    """
    maximum = [match["size"] for match in _MAXIMUM_HEAP.finditer(options)]
    # If an option is repeated, Java uses the last one.
    if not maximum:
        options = f"-Xmx{mib}m {options}".rstrip()
    elif _bytes(maximum[-1]) != mib * 2**20:
        options = _MAXIMUM_HEAP.sub(f"-Xmx{mib}m", options)
    initial = [match["size"] for match in _INITIAL_HEAP.finditer(options)]
    if initial and (_bytes(initial[-1]) or 0) > mib * 2**20:
        options = _INITIAL_HEAP.sub(f"-Xms{mib}m", options)
    return options


def _bytes(size: str) -> int | None:
    """Return a size in Java's notation as bytes, None if Java refuses it."""
    match = _SIZE.fullmatch(size)
    return int(match["number"]) * _BYTES[match["unit"].lower()] if match else None
