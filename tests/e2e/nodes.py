"""Nodes of a deployed environment: the real program in a Denodo home each, on this machine.

A `Machine` stands in for an instance of the local AWS. Its readiness endpoint is what the groups
check, and its agent runs the document's own script, with the paths of an instance exchanged.
"""

import http.server
import json
import subprocess
import sys
import threading
from typing import Any

from local import control
from local.credentials import Access
from node import ready
from tests.assembly import ROOT
from tests.node.home import Home

_TIMEOUT_S = 120
_READY_PORT = 9191

_AWS = """\
#!{python} -ISs
import sys, urllib.request
assert sys.argv[1:3] == ["ssm", "get-parameter"], sys.argv
# Asked of the test: to import an AWS client here, each time, would be most of the test's time.
with urllib.request.urlopen("http://127.0.0.1:{port}/", timeout=60) as answer:
    sys.stdout.write(answer.read().decode())
"""


class Machine:
    """A machine with Denodo.

    Attributes:
        home: its Denodo home.
        instance_id: the instance that it stands in for.
        actions: what its agent was told to do.
    """

    def __init__(self, home: Home, access: Access, *, instance_id: str, parameter: str) -> None:
        self.home, self._access = home, access
        self.instance_id, self.actions = instance_id, list[str]()
        (home.folder / "machine").write_text(instance_id)
        self._parameter, self._ssm = parameter, access.client("ssm")
        self._data = home.data(
            servers=["vdp", "data-catalog"],
            ready__services__web={"kind": "web", "port": home.ports["web"], "path": "/"},
        )
        self._wanted: tuple[Any, Any] = {}, {}
        (home.folder / "environment").write_text(f"DENODO_NODE_PARAMETER={parameter}\n")
        self._endpoint = ready.server(home.system, 0, "127.0.0.1")
        self._agent = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        program = home.folder / "aws"
        program.write_text(_AWS.format(python=sys.executable, port=self._agent.server_address[1]))
        program.chmod(0o755)
        for server in (self._endpoint, self._agent):
            threading.Thread(target=server.serve_forever, daemon=True).start()

    def begin(self) -> None:
        """Come up: apply, confirm the metadata, and stand in for the instance."""
        assert self._run("apply")[0] == 0
        self.confirm()
        self._stand_in()

    def confirm(self) -> None:
        """Say that its metadata is right."""
        assert self._run("confirm-metadata")[0] == 0

    def become(self, instance_id: str) -> None:
        """Be another instance: what was confirmed was so for the one before."""
        control.call(self._access.endpoint, f"stand-ins/{self.instance_id}", method="DELETE")
        self.instance_id = instance_id
        (self.home.folder / "machine").write_text(instance_id)
        assert self._run("apply")[0] == 0
        self._stand_in()

    def _stand_in(self) -> None:
        told = {
            "address": "127.0.0.1",
            "ports": {str(_READY_PORT): self._endpoint.server_address[1]},
            "commands": self._agent.server_address[1],
        }
        path = f"stand-ins/{self.instance_id}"
        control.call(self._access.endpoint, path, told, method="PUT")

    def end(self) -> None:
        """Leave nothing behind."""
        control.call(self._access.endpoint, f"stand-ins/{self.instance_id}", method="DELETE")
        for server in (self._endpoint, self._agent):
            server.shutdown()
            server.server_close()
        self.home.end()

    @property
    def jvm(self) -> str:
        """The JVM options that Virtual DataPort runs with."""
        return str((self.home.running() or {}).get("jvm", ""))

    def _run(self, command: str) -> tuple[int, str, str]:
        """Run the program."""
        return self._sh(
            f". {self.home.folder}/environment; export DENODO_NODE_PARAMETER\n"
            f"cd {ROOT}; exec {self._program} {command}"
        )

    @property
    def _program(self) -> str:
        arguments = " ".join(f"'{one}'" for one in self.home.arguments)
        return f"{sys.executable} -m node {arguments}"

    @staticmethod
    def _sh(script: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    def _commanded(self, told: dict[str, Any]) -> dict[str, Any]:
        """Run a document's script as the agent of an instance would."""
        self.actions.append(told["parameters"]["Action"])
        script = (
            told["script"]
            # It would write to the machine's own systemd.
            .replace("python3 -m node update", "true")
            .replace("python3 -m node", self._program)
            .replace("/opt/denodo-node/current", str(ROOT))
            .replace("/etc/denodo-node/environment", f"{self.home.folder}/environment")
        )
        code, output, error = self._sh(script)
        if told["parameters"]["Action"] == "status":
            output = self._as_deployed(output)
        return {"code": code, "output": output, "error": error}

    def _as_deployed(self, output: str) -> str:
        """What a status says, with the home and ports of an instance in the applied state."""
        said = json.loads(output)
        here, there = self._wanted
        if said["applied"] and said["applied"]["state"] == here:
            said["applied"]["state"] = there
        return json.dumps(said)

    def _told(self) -> dict[str, Any]:
        """What the AWS CLI says of the parameter: the state, for this home and its ports."""
        there = json.loads(self._ssm.get_parameter(Name=self._parameter)["Parameter"]["Value"])
        mine = {key: self._data[key] for key in ("denodo", "ports", "servers", "limits", "ready")}
        self._wanted = {**there, **mine}, there
        return {"Parameter": {"Value": json.dumps(self._wanted[0])}}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        machine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Takes commands, and says what the machine shall be."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._say(machine._commanded(json.loads(body)))

            def do_GET(self) -> None:
                self._say(machine._told())

            def _say(self, answer: dict[str, Any]) -> None:
                said = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
