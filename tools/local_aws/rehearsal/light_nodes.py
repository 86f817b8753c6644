"""The nodes of a rehearsal: a process for each instance, registered as the instance's stand-in."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from denodo_ha.drill.model.machines import READINESS_PATH, Key
from denodo_ha.drill.model.model import Model
from denodo_ha.environment.facts.denodo_ports import READY_PORT
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify.verification import VerifiedPort, ports_to_verify
from tools.local_aws.errors import LocalAwsError
from tools.local_aws.paths import ROOT

_PROTOCOLS = {
    "rmi": "rmi",
    "scheduler": "rmi",
    "odbc": "odbc",
    "web": "http",
    "flight": "flight",
    "tcp": "vdp",
    "auxiliary": "object",
}
"""Protocol that `light_node` serves, by the protocol that `denodo-ha verify` uses for a port."""
_SHARE_OF_DELAY = 0.5
"""Project default: share of the drill's readiness delay that passes on average until the node
program's checks notice a closed port; the delay itself is the longest time."""


@dataclass(frozen=True)
class NodeSettings:
    """The servers of one node.

    Attributes:
        key: the node's key in the drill's model.
        name: the node's name.
        ports: number, protocol and second port of each port.
        services: the ports that the readiness of each service needs.
        ready_port: the port of the readiness endpoint; 0 without one.
        delay: seconds of AWS from the close of a port until its service is not ready.
        license_manager: the License Manager's host and port on this machine; None without one.
    """

    key: Key
    name: str
    ports: tuple[tuple[int, str, int], ...]
    services: Mapping[str, tuple[int, ...]]
    ready_port: int
    delay: float
    license_manager: tuple[str, int] | None = None


def settings_of(
    model: Model,
    environment: Environment,
    key: Key,
    license_manager: tuple[str, int] | None,
) -> NodeSettings:
    """Return the servers of a node, from the configuration and the health checks of the drill."""
    machine = model.machines[key]
    verified = ports_to_verify(environment, [machine.cluster], node=machine.name)
    auxiliary = {port.entry: port.port for port in verified if port.protocol == "auxiliary"}
    ports: dict[int, tuple[int, str, int]] = {}
    for port in verified:
        kind = "https" if port.protocol == "web" and port.tls else _PROTOCOLS[port.protocol]
        ports.setdefault(port.port, (port.port, kind, _second(port, auxiliary)))
    services = {
        port.name: tuple(item for item in (port.port, _second(port, auxiliary)) if item)
        for port in verified
        if port.protocol != "auxiliary"
    }
    ready_ports = {
        group.health_check.port or 0
        for group in model.target_groups.values()
        if group.health_check.path.startswith(READINESS_PATH)
        and any(target.machine == key for target in group.targets)
    }
    if any(
        key in upstream.nodes and upstream.path.startswith(READINESS_PATH)
        for proxy in model.machines.values()
        for upstream in (proxy.upstreams or {}).values()
    ):
        ready_ports.add(READY_PORT)
    return NodeSettings(
        key,
        machine.name,
        tuple(ports.values()),
        services,
        max(ready_ports, default=0),
        machine.readiness_delay * _SHARE_OF_DELAY,
        license_manager,
    )


def _second(port: VerifiedPort, auxiliary: Mapping[str, int]) -> int:
    """Return the port to which a service's registry directs clients; 0 if there is none."""
    if port.protocol == "rmi":
        return auxiliary.get("", 0)
    return auxiliary.get(port.name, 0) if port.protocol == "scheduler" else 0


class LightNodes:
    """The processes of all nodes.

    Args:
        folder: a folder for the certificate of web servers with TLS.
        pace: AWS seconds per real second.
        certificate: certificate and key of web servers with TLS; empty if there are none.
    """

    def __init__(self, folder: Path, pace: float, certificate: str = "") -> None:
        self._folder, self._pace = folder, pace
        self._processes: dict[Key, subprocess.Popen[str]] = {}
        self._settings: dict[Key, tuple[NodeSettings, str]] = {}
        self._closed: dict[Key, set[int]] = {}
        self._hung: set[Key] = set()
        self._silent: dict[Key, frozenset[int]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "web.pem"
        file.touch(mode=0o600)
        file.write_text(certificate)

    def start(self, settings: NodeSettings, address: str) -> None:
        """Start the process of a node on its address, and wait until it listens.

        Without a licence, only the readiness endpoint listens.
        """
        self._settings[settings.key] = (settings, address)
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.local_aws.rehearsal.light_node"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._processes[settings.key] = process
        self._closed[settings.key] = set()
        self._hung.discard(settings.key)
        self._tell(
            settings.key,
            {
                "node": settings.name,
                "address": address,
                "folder": str(self._folder),
                "ports": settings.ports,
                "services": settings.services,
                "ready_port": settings.ready_port,
                "delay": settings.delay / self._pace,
                "license_manager": settings.license_manager,
            },
        )

    def _tell(self, key: Key, line: Mapping[str, object]) -> None:
        process = self._processes[key]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        if not process.stdout.readline():
            message = f"the process of node {key} has ended"
            raise LocalAwsError(message)

    def kill(self, key: Key) -> None:
        """Kill a node, as the loss of its machine would."""
        self._processes[key].kill()
        self._processes[key].wait(30)

    def reboot(self, key: Key) -> None:
        """Kill a node and start it again."""
        self.kill(key)
        self._close_pipes(self._processes[key])
        self.start(*self._settings[key])

    def suspend(self, key: Key) -> None:
        """Suspend all programs of a node."""
        os.kill(self._processes[key].pid, signal.SIGSTOP)

    def close_ports(self, key: Key, ports: set[int]) -> None:
        """Close ports of a node, and end their sessions."""
        self._closed[key] |= ports
        self._change(key)

    def hang(self, key: Key) -> None:
        """Let all servers of a node answer nothing; the node's services are then not ready."""
        self._hung.add(key)
        self._change(key)

    def silence(self, key: Key, ports: frozenset[int]) -> None:
        """Let a node's servers on the given ports answer nothing, and all other servers answer."""
        self._silent[key] = ports
        if self._processes[key].poll() is None:
            self._change(key)

    def _change(self, key: Key) -> None:
        order = {"closed": sorted(self._closed[key]), "hung": key in self._hung}
        self._tell(key, {**order, "silent": sorted(self._silent.get(key, ()))})

    def repair(self) -> None:
        """Bring all nodes back to their state after the start."""
        for key, (settings, address) in self._settings.items():
            is_silent = bool(self._silent.pop(key, None))
            process = self._processes[key]
            if process.poll() is not None:
                self._close_pipes(process)
                self.start(settings, address)
                continue
            os.kill(process.pid, signal.SIGCONT)
            if self._closed[key] or key in self._hung or is_silent:
                self._closed[key].clear()
                self._hung.discard(key)
                self._change(key)

    def stop(self) -> None:
        """End the processes of all nodes."""
        for process in self._processes.values():
            process.kill()
            process.wait(30)
            self._close_pipes(process)
        self._processes.clear()

    @staticmethod
    def _close_pipes(process: subprocess.Popen[str]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
