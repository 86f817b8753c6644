"""Denodo installations of 7.0, 8.0 and 9.0 in a folder, with stand-ins for their scripts.

The files are those of `tools.local_aws.living.denodo.installation`.
"""

import getpass
import json
import os
import py_compile
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import pytest

from hosts.denodo.servers import processes
from hosts.denodo.state import State
from hosts.denodo.state_reader import parse
from hosts.denodo.system import System
from tests.hosts.denodo import java_properties
from tests.support.servers import certificates
from tests.support.servers.ports import free_ports
from tools.local_aws.living.denodo import installation, metadata_scripts, stand_in

VERSIONS = ("7.0", "8.0", "9.0")
Version = Literal["7.0", "8.0", "9.0"]

VDP, WEB = installation.VDP, installation.WEB
LICENSE, SCHEDULER = installation.LICENSE, installation.SCHEDULER
FILES = installation.FILES
DATA_CATALOG = "conf/data-catalog/DataCatalogBackend.properties"
SSO = installation.SSO

MANAGER = "com.denodo.vdb.vdbinterface.server.VDBManagerImpl"

_MORE = """\
# Written by hand
com.denodo.vdb.some.unknown.key : caf\u00e9 \\
    on two lines
"""
_TOMCAT = "com.denodo.tomcat"

WRITTEN_BY_FORM: dict[str, str | None] = {**installation.WRITTEN_BY_FORM}
"""Values that Denodo's form writes into the Scheduler's file, and that only an operator knows."""

_RUN = (
    f"import sys; sys.path[0] = '{stand_in.__file__}'.rpartition('/')[0]; import stand_in; "
    "sys.exit(stand_in.main())"
)
"""Python code that runs the stand-in as an imported module, whose compiled file Python reuses."""

PORTS = (
    *("vdp", "odbc", "shutdown", "auxiliary", "jmx_registry", "jmx_factory"),
    *("web", "web_tls", "scheduler"),
)
Connectors = Literal["http", "https", "both"]


@dataclass
class Home:
    """A Denodo installation of one version, without running servers.

    Attributes:
        folder: the folder of the stand-in machine, used by no other home.
        version: Denodo's version.
        ports: ports that Denodo's files have before an apply.
        connectors: the protocols of the web container; an installation has HTTP only.
        form_was_used: whether desired states with a database for the Scheduler have the values that
            Denodo's form writes.
    """

    folder: Path
    version: Version = "8.0"
    ports: dict[str, int] = field(default_factory=dict)
    connectors: Connectors = "http"
    form_was_used: bool = True

    @classmethod
    def there(cls, folder: str, version: str, ports: dict[str, int]) -> "Home":
        """Return the home that another process has created in a folder."""
        home = cls.__new__(cls)
        home.folder, home.version, home.ports = Path(folder), cast("Version", version), ports
        home.connectors, home.form_was_used = "http", True
        return home

    def __post_init__(self) -> None:
        self.ports = self.ports or dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        later = self.version != "7.0"
        # The folders of Scheduler and Data Catalog have a copy of the driver, as an operator who
        # uses a shared database would have made.
        installation.copy_files(self.path, self.version)
        for name in installation.script_names(self.version):
            self.write_script(name)
        self._set_ports(later=later)
        self.write(VDP, self.read(VDP) + _MORE)
        (self.folder / "hosts").write_text("127.0.0.1 localhost\n")
        (self.folder / "node").mkdir(exist_ok=True)
        (self.folder / "machine").write_text("i-0123456789abcdef0\n")

    def with_data_catalog(self) -> None:
        """Create the configuration file of the Data Catalog."""
        (self.path / DATA_CATALOG).parent.mkdir(parents=True, exist_ok=True)
        self.write(DATA_CATALOG, "# Data Catalog\nspring.datasource.url=jdbc\\:derby\\:dc\n")

    def _set_ports(self, *, later: bool) -> None:
        keys = (
            {"port": "vdp", "registryPort": "jmx_registry", "factoryPort": "jmx_factory"}
            if later
            else {"registryPort": "vdp", "factoryPort": "auxiliary"}
        )
        for key, name in {**keys, "odbcPort": "odbc", "shutdownPort": "shutdown"}.items():
            self.set(VDP, f"{MANAGER}.{key}", str(self.ports[name]))
        self.set(SCHEDULER, "Launcher/registryPort", str(self.ports["scheduler"]))
        self.set_connectors(self.connectors)

    def set_connectors(self, connectors: Connectors) -> None:
        """Set the web container's ports; without HTTP, the HTTP port's key is commented out."""
        http, https = f"{_TOMCAT}.http.port", f"{_TOMCAT}.https.port"
        text = re.sub(
            rf"(?m)^#?{re.escape(http)}=.*\n|^#?{re.escape(https)}=.*\n", "", self.read(WEB)
        )
        text += f"{'#' if connectors == 'https' else ''}{http}={self.ports['web']}\n"
        if connectors != "http":
            text += f"{https}={self.ports['web_tls']}\n"
            identity = certificates.authority().issue("localhost")
            (self.path / "web.pem").write_bytes(identity.chain + identity.key)
        self.write(WEB, text)

    def set(self, file: str, key: str, value: str) -> None:
        """Set the value of a key that a Denodo file already contains."""
        text, count = re.subn(
            rf"(?m)^{re.escape(key)}=.*$", lambda _: f"{key}={value}", self.read(file)
        )
        assert count == 1, (file, key)
        self.write(file, text)

    def read(self, file: str) -> str:
        """Return the text of a file below DENODO_HOME."""
        return (self.path / file).read_bytes().decode("latin-1")

    @property
    def path(self) -> Path:
        """Return DENODO_HOME."""
        return self.folder / "denodo"

    @property
    def system(self) -> System:
        """Return the node program's `System`, with files of this home and short pauses."""
        return System(
            folder=self.folder / "node",
            hosts=self.folder / "hosts",
            local="127.0.0.1",
            address="10.0.1.5",
            aws=str(self.folder / "aws"),
            poll=0.02,
            settle=60.0,
            patience=0.1,
            machine=self.folder / "machine",
            environment=self.folder / "etc/denodo-node/environment",
        )

    @property
    def arguments(self) -> list[str]:
        """Return options of the node program that contain the settings of `system`."""
        names = (
            "folder",
            "hosts",
            "environment",
            "local",
            "address",
            "aws",
            "poll",
            "settle",
            "patience",
            "machine",
        )
        return [f"--{name}={getattr(self.system, name)}" for name in names]

    def add_driver(self, folder: str, version: str = "42.7.4") -> None:
        """Create a PostgreSQL JDBC driver file in a folder of the installation."""
        (self.path / folder).mkdir(parents=True, exist_ok=True)
        (self.path / folder / f"postgresql-{version}.jar").touch()

    def remove_drivers(self) -> None:
        """Remove all JDBC drivers."""
        for jar in (self.path / "lib").rglob("*.jar"):
            jar.unlink()

    def bundle_java(self, folder: Path) -> None:
        """Create an empty Java executable; the stand-ins do not run it."""
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin/java").touch(mode=0o755)

    def make_older(self) -> None:
        """Install a Denodo update whose `ping.sh` does not have the option `-r`."""
        (self.path / "UPDATE").write_text("older")

    def make_newer(self) -> None:
        """Install a Denodo update whose `ping.sh` has the option `-r`."""
        (self.path / "UPDATE").write_text("newer")

    def write(self, file: str, text: str) -> None:
        """Write a file of Denodo."""
        (self.path / file).write_bytes(text.encode("latin-1"))

    def write_script(self, name: str) -> None:
        """Write a script that runs the stand-in under the script's name."""
        script = self.path / "bin" / name
        _compile_stand_in()
        command = f'exec "{sys.executable}" -BSE -c "{_RUN}" "{self.path}" {name}'
        script.write_text(f'#!/bin/sh\n{command} "$@"\n')
        script.chmod(0o755)

    def behave(self, name: str, how: str = "") -> None:
        """Set the behaviour of a script or a server (see `stand_in`); empty: normal behaviour."""
        (self.path / "behave" / name).write_text(how)

    def data(self, **changes: Any) -> dict[str, Any]:
        """Return a desired state as JSON data; the argument `a__b` sets key `b` of object `a`."""
        old = self.version == "7.0"
        ports: dict[str, int | None] = {**self.ports}
        for name in ("jmx_registry", "jmx_factory") if old else ("auxiliary",):
            ports[name] = None
        data: dict[str, Any] = {
            "schema": 1,
            "environment": "denodo",
            "cluster": "active",
            "node": "node1",
            "denodo": {
                "version": self.version,
                "home": str(self.path),
                "user": getpass.getuser(),
            },
            "host": "node1.active.denodo.internal",
            "rmi_host": "balancer.example.com" if old else "node1.active.denodo.internal",
            "ports": ports,
            "license_manager": {"host": "sm.example.com", "port": 10091, "tls": False},
            "jvm": {"vdp": "-Xms1024m -Xmx4096m -XX:NewRatio=4"},
            "servers": ["vdp"],
            "metadata": {"source": "manual"},
            "ready": {
                "port": 9191,
                "services": {
                    "jdbc": {"kind": "vdp", "port": ports["vdp"]},
                    "odbc": {"kind": "odbc", "port": ports["odbc"]},
                },
            },
            "limits": {"start_seconds": 300, "stop_seconds": 300},
        }
        for path, value in changes.items():
            *outer, last = path.split("__")
            inner = data
            for key in outer:
                inner = inner[key]
            inner[last] = value
        scheduler = data.get("catalog", {}).get("scheduler")
        if scheduler is not None and self.form_was_used:
            entries = {**WRITTEN_BY_FORM, **scheduler.get("entries", {})}
            data["catalog"] = {
                **data["catalog"],
                "scheduler": {**scheduler, "entries": entries},
            }
        return data

    def state(self, **changes: Any) -> State:
        """Return a desired state, see `data`."""
        return parse(json.dumps(self.data(**changes)))

    def properties(self, file: str) -> dict[str, str]:
        """Return the values that Java reads from a properties file."""
        return java_properties.properties((self.path / file).read_bytes())

    def contents(self) -> dict[str, bytes]:
        """Return the contents of Denodo's files."""
        return {file: (self.path / file).read_bytes() for file in FILES}

    def decrypted(self, text: str) -> str:
        """Return the plain text of a password that this home's script has encrypted."""
        return metadata_scripts.decrypted(text)

    def running(self, server: str = "vdp") -> dict[str, Any] | None:
        """Return the settings with which a server was started; None if the server does not run."""
        file = self.path / "run" / f"{server}.json"
        if not file.exists():
            return None
        started: dict[str, Any] = json.loads(file.read_text())
        return started if _alive(started["pid"], self.path) else None

    def calls(self) -> list[str]:
        """Return the script calls since the last call of this method, with arguments."""
        file = self.path / "calls"
        lines = file.read_text().splitlines() if file.exists() else []
        file.write_text("")
        return lines

    @property
    def last_call(self) -> str:
        """Return the last script call, with arguments; empty if no script was called."""
        file = self.path / "calls"
        return (file.read_text().splitlines() or [""])[-1] if file.exists() else ""

    def has_dead_application(self) -> bool:
        """Return whether an application has crashed and was not stopped by a script since then."""
        files = (self.path / "run/applications").glob("*")
        return "_startup.sh" in self.last_call and "dead" in [file.read_text() for file in files]

    def end(self) -> None:
        """Kill every process of this home, by its process id."""
        for pid, arguments in processes.command_lines(Path("/proc")):
            if os.fsencode(self.path) in arguments:
                os.kill(pid, 9)


@cache
def _compile_stand_in() -> None:
    """Compile the stand-in once, since Python compiles the file of a program at each run."""
    py_compile.compile(stand_in.__file__, doraise=True)


def eventually(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds within two minutes."""
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def let_time_pass(
    monkeypatch: pytest.MonkeyPatch, when: Callable[[], bool], *, seconds: float = 1000.0
) -> None:
    """Advance the clock of this process at each pause at which a condition holds.

    So a time limit expires only after the event that the test causes, also on a slow machine.
    """
    # `pause` and the replaced clock call the real functions.
    sleep, monotonic = time.sleep, time.monotonic
    passed = 0.0

    def pause(pause_seconds: float) -> None:
        nonlocal passed
        sleep(pause_seconds)
        if when():
            passed += seconds

    monkeypatch.setattr(time, "sleep", pause)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed)


def _alive(pid: int, home: Path) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return f"{home}\0".encode() in line
