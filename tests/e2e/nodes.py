"""Stand-ins for a deployed environment's nodes: node programs with Denodo homes of the test.

A `Machine` stands for an instance of the local AWS. Target groups check the machine's readiness
endpoint, and its agent runs the commands that are sent to the instance through Systems Manager.
"""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hosts.denodo.readiness import readiness_endpoint
from tests.e2e.node_programs import node_programs
from tests.hosts.denodo.home import Home
from tests.support.assembly import ROOT
from tools.local_aws import control
from tools.local_aws.credentials import Access

Told = dict[str, Any]
_TIMEOUT_S = 600
_READY_PORT = 9191

_AWS = """\
#!{python} -ISs
import http.client, json, sys
there = http.client.HTTPConnection({address!r}, {port}, timeout=60)
# The test answers: importing an AWS client here would take most of the time.
there.request("POST", "/", json.dumps(dict(aws=sys.argv[1:])))
said = json.loads(there.getresponse().read())
sys.stdout.write(said["output"])
"""


class Agent:
    """Agent of a machine: a server that receives the commands of Systems Manager.

    The agent also answers the machine's AWS CLI calls, since starting the real CLI takes a second,
    and the health check of the License Manager.

    Attributes:
        port: the port of the server.
        licensed: whether the License Manager answers with a status of success.

    Args:
        address: address of the machine.
        commanded: runs a command; returns its exit code, output and errors.
        asked: returns the output for a call of the AWS CLI.
    """

    def __init__(
        self, address: str, commanded: Callable[[Told], Told], asked: Callable[[list[str]], str]
    ) -> None:
        def answer(told: Told) -> Told:
            return {"output": asked(told["aws"])} if "aws" in told else commanded(told)

        self._address = address
        self.licensed = True
        handler = _handler(answer, lambda: self.licensed)
        self._server = http.server.ThreadingHTTPServer((address, 0), handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def cli(self, path: Path) -> None:
        """Write, to the given path, a program that passes AWS CLI calls to this agent."""
        details = {"python": sys.executable, "address": self._address, "port": self.port}
        path.write_text(_AWS.format(**details))
        path.chmod(0o755)

    def end(self) -> None:
        """Stop the agent's server."""
        self._server.shutdown()
        self._server.server_close()


def sh(script: str) -> tuple[int, str, str]:
    """Run a script and return its exit code, output and errors."""
    done = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return done.returncode, done.stdout, done.stderr


class Machine:
    """A machine with a Denodo home and the node program.

    Attributes:
        home: the machine's Denodo home.
        instance_id: id of the instance that the machine stands for.
        actions: actions that the agent received.
        told: called with each action before the agent runs it.
    """

    def __init__(
        self,
        home: Home,
        access: Access,
        *,
        instance_id: str,
        parameter: str,
        ready_at: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.home, self._access = home, access
        self.instance_id, self.actions = instance_id, list[str]()
        self._wanted: tuple[Told, Told] = ({}, {})
        self.told: Callable[[str], None] = lambda _action: None
        (home.folder / "machine").write_text(instance_id)
        self._parameter = parameter
        self._data = home.data(
            servers=["vdp", "data-catalog"],
            ready__services__web={"kind": "web", "port": home.ports["web"], "path": "/"},
        )
        (home.folder / "environment").write_text(f"DENODO_NODE_PARAMETER={parameter}\n")
        self._endpoint = readiness_endpoint.server(home.system, ready_at[1], ready_at[0])
        self._serving = threading.Thread(target=self._endpoint.serve_forever)
        self._serving.start()
        self._address = ready_at[0]
        self._agent = Agent(self._address, self._commanded, self._asked)
        self._agent.cli(home.folder / "aws")

    def begin(self) -> None:
        """Apply the desired state, confirm the metadata, and stand in for the instance."""
        assert self._run("apply")[0] == 0
        self.confirm()
        self._stand_in()

    def confirm(self) -> None:
        """Confirm that the node's metadata is complete."""
        assert self._run("confirm-metadata")[0] == 0

    def become(self, instance_id: str) -> None:
        """Continue as the stand-in of a new instance, whose metadata is not confirmed yet."""
        control.call(self._access.endpoint, f"stand-ins/{self.instance_id}", method="DELETE")
        self.instance_id = instance_id
        (self.home.folder / "machine").write_text(instance_id)
        # A rollout has stopped the servers. A new instance starts its servers at the first boot.
        assert self._run("boot")[0] == 0
        self._stand_in()

    def license(self, *, answers: bool) -> None:
        """Let the License Manager answer this node with success, or with a failure."""
        self._agent.licensed = answers

    def _stand_in(self) -> None:
        ports = {str(_READY_PORT): self._endpoint.server_port}
        if auxiliary := self._wanted[1]["ports"].get("auxiliary"):
            # The load balancer checks the auxiliary port of Denodo 7.0 by a connection.
            ports[str(auxiliary)] = self._endpoint.server_port
        details = {
            "address": self._address,
            "ports": ports,
            "commands": self._agent.port,
        }
        path = f"stand-ins/{self.instance_id}"
        control.call(self._access.endpoint, path, details, method="PUT")

    def end(self) -> None:
        """Deregister this machine as the instance's stand-in, and stop the machine's processes."""
        control.call(self._access.endpoint, f"stand-ins/{self.instance_id}", method="DELETE")
        self._endpoint.shutdown()
        self._serving.join()
        self._endpoint.close()
        self._agent.end()
        self.home.end()

    @property
    def jvm(self) -> str:
        """JVM options of the running Virtual DataPort."""
        return str((self.home.running() or {}).get("jvm", ""))

    def _run(self, command: str) -> tuple[int, str, str]:
        """Run a command of the node program."""
        return sh(
            f". {self.home.folder}/environment; export DENODO_NODE_PARAMETER\n"
            f"cd {ROOT}; exec {self._program} {command}"
        )

    @property
    def _program(self) -> str:
        arguments = " ".join(f"'{item}'" for item in self.home.arguments)
        return f"{node_programs().command} {arguments}"

    def _asked(self, arguments: list[str]) -> str:
        """Answer a call of the AWS CLI; the desired state is adapted to this machine."""
        if arguments[:2] == ["cloudformation", "signal-resource"]:
            return "{}"
        if arguments[:2] == ["cloudwatch", "put-metric-data"]:
            options = dict(item[2:].split("=", 1) for item in arguments[2:])
            datapoint = {"MetricName": options["metric-name"], "Value": float(options["value"])}
            self._access.client("cloudwatch").put_metric_data(
                Namespace=options["namespace"], MetricData=[datapoint]
            )
            return ""
        assert arguments[:2] == ["ssm", "get-parameter"], arguments
        client = self._access.client("ssm")
        there = json.loads(client.get_parameter(Name=self._parameter)["Parameter"]["Value"])
        kept = ("denodo", "ports", "servers", "limits", "ready")
        here = {**there, **{key: self._data[key] for key in kept}}
        if there.get("license_manager"):
            # The agent stands in for the License Manager.
            manager = {"host": self._address, "port": self._agent.port, "tls": False}
            here["license_manager"] = manager
        self._wanted = here, there
        return json.dumps({"Parameter": {"Value": json.dumps(self._wanted[0])}})

    def _commanded(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run an SSM document's script as the agent of an instance does."""
        self.actions.append(command["parameters"]["Action"])
        self.told(self.actions[-1])
        script = (
            command["script"]
            # `update` would write systemd units on the machine that runs the tests.
            .replace("python3 -m node update", "true")
            .replace("python3 -m node", self._program)
            .replace("systemctl stop denodo-node", f"{self._program} stop")
            .replace("systemctl start --no-block denodo-node", f"{self._program} boot")
            .replace("/opt/denodo-node/current", str(ROOT))
            .replace("/etc/denodo-node/environment", f"{self.home.folder}/environment")
        )
        code, output, error = sh(script)
        if command["parameters"]["Action"] == "status":
            output = self._as_deployed(output)
        return {"code": code, "output": output, "error": error}

    def _as_deployed(self, output: str) -> str:
        """Return a status with the deployed state instead of the state adapted to this machine."""
        text = json.loads(output)
        here, there = self._wanted
        if text["applied"] and text["applied"]["state"] == here:
            text["applied"]["state"] = there
        return json.dumps(text)


def _handler(
    answer: Callable[[Told], Told], licensed: Callable[[], bool]
) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """Handles requests with `answer`."""

        def do_GET(self) -> None:
            self.send_response(200 if licensed() else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            output = json.dumps(answer(json.loads(body))).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(output)))
            self.end_headers()
            self.wfile.write(output)

        def log_message(self, *_: object) -> None:
            """Write no log message."""

    return Handler
