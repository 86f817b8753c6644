"""Node programs of the fault matrix: they answer the commands of Systems Manager.

    with Agents(site) as agents:
        agents.make_stale("active", "node1")      # `roll` has something to do
        agents.wrong                              # forbidden, such as a stop of a node in service

As a node's program does, an agent applies the desired state of its node's parameter. It checks that
an action that ends sessions happens only while its node is out of service.
"""

import functools
import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from denodo_ha.deployed import node_agent
from denodo_ha.environment import names
from tests.support.servers.ports import free_port
from tools.local_aws import control

if TYPE_CHECKING:
    from tests.faults.site import Site

_SETTINGS: Final = json.dumps(
    {
        "scheduler": {
            "file": "conf/scheduler.properties",
            "configured": True,
            "entries": {"url": "{url}"},
            "notes": [],
        }
    }
)
_ENDS_SESSIONS: Final = frozenset({"apply", "stop"})


@dataclass
class _Node:
    """State of a node program: applied state, running servers, reasons why its watchdog rests."""

    applied: dict[str, Any]
    running: bool = True
    held: bool = False
    paused: bool = False


class Agents:
    """Node programs of all nodes of a site.

    Attributes:
        wrong: forbidden actions since `reset`.
    """

    def __init__(self, site: "Site") -> None:
        self._site = site
        self._nodes: dict[tuple[str, str], _Node] = {}
        self._servers: dict[tuple[str, str], _Server] = {}
        self._lock = threading.Lock()
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        for cluster in self._site.loaded.environment.clusters:
            for node in self._site.instances(cluster):
                server = _Server(("127.0.0.1", free_port()), _Handler)
                server.answer = functools.partial(self._answer, cluster, node)
                threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
                self._servers[cluster, node] = server
            self.stand_in(cluster)
        self.reset()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def reset(self) -> None:
        """Let every node run its desired state."""
        self.wrong = []
        self._nodes = {key: _Node(self._desired(*key)) for key in self._servers}

    def stand_in(self, cluster: str) -> None:
        """Answer the commands of a cluster's instances, for example after a replacement."""
        for node, id_ in self._site.instances(cluster).items():
            port = self._servers[cluster, node].server_address[1]
            settings = {"address": "127.0.0.1", "commands": port, "checks": False}
            control.call(self._site.proxy.upstream, f"stand-ins/{id_}", settings, method="PUT")

    def boot(self, cluster: str) -> None:
        """Start the servers of a cluster's instances, as the boot after a deploy does."""
        for key, node in self._nodes.items():
            node.running = node.running or key[0] == cluster
        self.stand_in(cluster)

    def make_stale(self, cluster: str, node: str) -> None:
        """Let a node run another state than its desired state, as between a deploy and `roll`."""
        known = self._nodes[cluster, node]
        known.applied = {**known.applied, "stale": True}

    def longest_restart(self) -> int:
        """Return the longest time of an apply in seconds: servers are stopped and started twice."""
        limits = [self._desired(*key).get("limits", {}) for key in self._servers]
        return max(2 * int(each["start_seconds"] + each["stop_seconds"]) for each in limits)

    def facts(self) -> dict[str, str]:
        """Return what each node runs, and why its watchdog rests."""
        rests = {
            f"{node} of {cluster} rests": " and ".join(
                ["held"] * known.held + ["paused"] * known.paused
            )
            for (cluster, node), known in self._nodes.items()
        }
        return rests | {
            f"{node} of {cluster} runs": "nothing"
            if not known.running
            else "its desired state"
            if known.applied == self._desired(cluster, node)
            else "another state"
            for (cluster, node), known in self._nodes.items()
        }

    @functools.cache  # noqa: B019 - one site for the whole test run, whose states never change
    def _desired(self, cluster: str, node: str) -> dict[str, Any]:
        name = names.node_parameter(self._site.loaded.environment.name, cluster, node)
        answer = self._site.client("ssm", cluster).get_parameter(Name=name)
        state: dict[str, Any] = json.loads(answer["Parameter"]["Value"])
        return state

    def _answer(self, cluster: str, node: str, parameters: dict[str, str]) -> tuple[int, str]:
        """Carry out an action; return the program's exit code and output."""
        with self._lock:
            known, action = self._nodes[cluster, node], parameters["Action"]
            if action in _ENDS_SESSIONS and not self._site.state().of(cluster, node).out:
                self.wrong.append(f"{action} on {node} of {cluster}, which is in service")
            match action:
                case "status":
                    return self._status(known)
                case "catalog-settings":
                    return node_agent.DONE, _SETTINGS
                case "apply":
                    known.applied = self._desired(cluster, node)
                    known.running = True
                case "hold" | "release":
                    known.held = action == "hold"
                case "pause" | "resume":
                    known.paused = action == "pause"
                case "stop" | "start":
                    known.running = action == "start"
            return node_agent.DONE, ""

    def _status(self, known: _Node) -> tuple[int, str]:
        reason = "" if known.running else "nothing listens"
        report = {
            "applied": {"state": known.applied, "hash": "0123456789ab"},
            "drain_hold": {"why": "drained"} if known.held else None,
            "metadata_confirmed": True,
            "services": [{"service": "jdbc", "ready": known.running, "reason": reason}],
        }
        code = node_agent.DONE if known.running else node_agent.NOT_READY
        return code, json.dumps(report)


class _Server(http.server.ThreadingHTTPServer):
    """HTTP server of one node's agent."""

    daemon_threads = True
    answer: Callable[[dict[str, str]], tuple[int, str]]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Handles a command that the local AWS sends."""

    server: _Server

    def do_POST(self) -> None:
        """Answer a command."""
        command = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        code, output = self.server.answer(command["parameters"])
        body = json.dumps({"code": code, "output": output, "error": ""}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log message."""
