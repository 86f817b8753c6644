"""A real HAProxy with the generated file, in master-worker mode, on loopback addresses."""

import grp
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.model.environment import Environment
from hosts.haproxy.errors import NoAnswer
from hosts.haproxy.runtime_api import LocalHaproxy
from hosts.haproxy.servers import parse_statistics, servers
from hosts.haproxy.workers import workers
from tests.hosts.haproxy.ports import NODES, PROXY
from tests.hosts.haproxy.stand_ins import Ports
from tests.support.configurations import Data, changed, loaded, minimal
from tests.support.servers.haproxy_program import PROGRAM
from tests.support.servers.ports import free_port

BALANCER = "clusters/main/balancer"
_SECONDS = 120


def configuration(ports: Ports, **more: object) -> Data:
    """Return a 7.0 cluster behind HAProxy: the nodes' given ports, and free ports for clients."""
    return changed(
        minimal("7.0"),
        {
            "denodo/program": False,
            f"{BALANCER}/kind": "haproxy",
            f"{BALANCER}/haproxy": {
                "hosts": dict(NODES),
                "health_port": free_port(),
                "metrics_port": free_port(),
                "maxconn": 2000,
                # A node that answers late, as on a busy machine, must not count as down.
                "checks": {"timeout": 30},
            },
            "services": {
                "jdbc": {"port": free_port(), "node_port": ports.jdbc},
                "odbc": {"port": free_port(), "node_port": ports.odbc},
                "web": {"port": free_port(), "node_port": ports.web, "sticky": True},
            },
            **{
                f"clusters/main/nodes/{name}/auxiliary_port": port
                for name, port in ports.auxiliary.items()
            },
            **more,
        },
    )


@dataclass
class Running:
    """A running HAProxy.

    Attributes:
        environment: the configuration.
        folder: folder of files and sockets.
        different: attributes of `host` that differ from the defaults.
    """

    environment: Environment
    folder: Path
    different: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    haproxy: LocalHaproxy = field(init=False)

    def __post_init__(self) -> None:
        self.haproxy = LocalHaproxy(
            self.folder, self.folder / "server-state", self.folder / "haproxy.cfg", PROGRAM
        )

    @property
    def host(self) -> Host:
        """Return this machine as the renderer's description of a HAProxy host."""
        group = grp.getgrgid(os.getgid()).gr_name
        usual = Host(
            address=PROXY,
            user=None,
            group=group,
            monitor_group=group,
            folder=str(self.folder),
            run=str(self.folder),
            state=str(self.haproxy.state),
            program=PROGRAM,
            chroot=False,
        )
        return replace(usual, **self.different)

    def port(self, service: str) -> int:
        return self.environment.services[service].port

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def start(self, content: str | None = None, *, awaited: bool = True) -> None:
        """Start HAProxy with the given or generated file; wait until all nodes are usable."""
        written = render_config(self.environment, "main", self.host) if content is None else content
        self.haproxy.config.write_text(written)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(PROGRAM, "-W", "-f", str(self.haproxy.config)),
                    *("-S", f"{self.folder}/master.sock,mode,660"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if awaited:
            self.until(lambda: all(server.usable for server in servers(self.haproxy)))
        self.until(lambda: workers(self.haproxy).serving is not None)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=_SECONDS)
        self.process = None

    def until(self, true: Callable[[], bool]) -> None:
        """Wait until a condition holds; fail after a time limit."""
        end = time.monotonic() + _SECONDS
        while True:
            try:
                if true():
                    return
            except NoAnswer:
                pass
            assert time.monotonic() < end, self.log[-3000:]
            time.sleep(0.02)

    def statistic(self, backend: str, server: str, name: str) -> int:
        """Return the value of a server's field in HAProxy's `show stat`."""
        match = {
            (row["pxname"], row["svname"]): row
            for row in parse_statistics(self.haproxy.query("show stat"))
        }
        return int(match[backend, server][name] or 0)

    def states(self) -> dict[str, str]:
        """Return the state of each server, such as `up`, by `backend/node`."""
        return {server.id: server.state for server in servers(self.haproxy)}


@contextmanager
def running(data: Data, *, started: bool = True, **different: Any) -> Iterator[Running]:
    """Run HAProxy with the file of a configuration, on a host with the given attributes."""
    folder = Path(tempfile.mkdtemp(prefix="hx-"))
    try:
        made = Running(loaded(folder, data, deploying=False).environment, folder, different)
        try:
            if started:
                made.start()
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder)
