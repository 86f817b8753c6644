"""Real programs that serve protocols of a Denodo stand-in: Java's RMI and web server, PostgreSQL.

Java's management agent has an RMI registry that directs clients to a second port, like Virtual
DataPort 7.0 and the Scheduler. Java's web server serves the folder `run/pages`, which has a page
for each running web application. PostgreSQL has the user and the database `admin`, without a
password, and the view `node`. The file `REAL` of the installation names the programs. Each real
program ends with the stand-in's process that has started it.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.append(str(Path(__file__).resolve().parents[1]))
# In a machine, the folder of this module is on the import path, and is not a package.
import isolation  # type: ignore[import-not-found] # found on the import path
import small_postgres  # type: ignore[import-not-found] # found on the import path

if TYPE_CHECKING:
    from tools.local_aws.living.denodo.stand_in import Home

_JAVA = ("-Xmx64m", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
_AGENT = "-Dcom.sun.management.jmxremote"
_POSTGRES = """\
listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
dynamic_shared_memory_type = mmap
"""
_STEP_S, _FREE_S, _POLL_S, _END_S = 300, 30.0, 0.05, 30


class RealServers:
    """The real programs of one server of the stand-in.

    Args:
        home: the installation.
        ports: the server's ports, by protocol.
        host: host to which the registry directs its clients.
    """

    def __init__(self, home: "Home", ports: dict[str, int], host: str) -> None:
        self._home, self._ports, self._host = home, ports, host
        programs = json.loads((home.path / "REAL").read_text())
        self._java, self._postgres = programs.get("java", ""), programs.get("postgres", "")
        # PostgreSQL refuses to run as root. If the local AWS does not run as root, Denodo's user in
        # the machine has root's id.
        self._groups = {
            "rmi": ("rmi", "object") if self._java else (),
            "http": ("http",) if self._java else (),
            "odbc": ("odbc",) if self._postgres and os.geteuid() != 0 else (),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def protocols(self) -> set[str]:
        """Return the protocols that real programs serve."""
        return {
            protocol
            for name, protocols in self._groups.items()
            if name in self._ports
            for protocol in protocols
        }

    def follow(self, closed: Sequence[int]) -> None:
        """Run each program without a port in `closed`, and end each program with such a port."""
        for name, protocols in self._groups.items():
            ports = [self._ports[item] for item in protocols if item in self._ports]
            is_wanted = name in self._ports and bool(ports) and not {*ports} & {*closed}
            if is_wanted and name not in self._running:
                self._await_free(ports)
                self._running[name] = self._start(name)
            elif not is_wanted and name in self._running:
                process = self._running.pop(name)
                process.kill()
                process.wait(_END_S)

    def _await_free(self, ports: Sequence[int]) -> None:
        """Wait until the programs of a previous server process have ended and freed the ports."""
        deadline = time.monotonic() + _FREE_S
        for port in ports:
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    socket.create_server((self._home.address, port)).close()
                    break
                time.sleep(_POLL_S)

    def _start(self, name: str) -> "subprocess.Popen[bytes]":
        command = {"rmi": self._rmi, "http": self._web, "odbc": self._database}[name]()
        return subprocess.Popen(
            command,
            executable=self._java if command[0] == "java" else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=isolation.die_with_parent,  # noqa: PLW1509 - the parent has only one thread
        )

    def _rmi(self) -> list[str]:
        second = self._ports.get("object", 0)
        return [
            *("java", *_JAVA, f"-Djava.rmi.server.hostname={self._host}"),
            f"{_AGENT}.port={self._ports['rmi']}",
            *([f"{_AGENT}.rmi.port={second}"] if second else []),
            f"{_AGENT}.host={self._home.address}",
            *(f"{_AGENT}.authenticate=false", f"{_AGENT}.ssl=false"),
            *("-m", "jdk.httpserver", "-b", self._home.address, "-p", "0"),
        ]

    def _web(self) -> list[str]:
        pages = self._home.path / "run/pages"
        endpoint = ("-b", self._home.address, "-p", str(self._ports["http"]))
        return ["java", *_JAVA, "-m", "jdk.httpserver", *endpoint, "-d", str(pages), "-o", "none"]

    def _database(self) -> list[str]:
        data = self._home.path / "run/odbc"
        if not data.exists():
            self._create_database(data)
        settings = {"address": self._home.address, "port": self._ports["odbc"]}
        (data / "local.conf").write_text(_POSTGRES.format(**settings) + small_postgres.SETTINGS)
        return [f"{self._postgres}/postgres", "-D", str(data)]

    def _create_database(self, data: Path) -> None:
        new = data.with_name("odbc.new")
        shutil.rmtree(new, ignore_errors=True)
        options = ("--no-sync", "--locale=C", "--encoding=UTF8", "--auth=trust", "--username=admin")
        self._run("initdb", *options, "-D", str(new))
        with (new / "postgresql.conf").open("a") as file:
            file.write("include_if_exists 'local.conf'\n")
        single = ("--single", "-D", str(new))
        self._run("postgres", *single, "postgres", given="CREATE DATABASE admin\n")
        view = f"CREATE VIEW node AS SELECT '{self._home.node}'::text AS node\n"
        self._run("postgres", *single, "admin", given=view)
        new.rename(data)

    def _run(self, program: str, *arguments: str, given: str = "") -> None:
        subprocess.run(
            [f"{self._postgres}/{program}", *arguments],
            input=given.encode(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_STEP_S,
            check=True,
        )
