"""Stand-ins for a deployed environment's HAProxy instances: HAProxy processes of the test.

Each process uses the deployed configuration file, with paths, address and readiness port of this
machine. The stand-in has an agent, which runs the script of the SSM document; the script runs the
real host program.
"""

import hashlib
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from denodo_ha.environment.facts.denodo_ports import READY_PORT
from denodo_ha.environment.model.environment import Environment
from hosts.haproxy.servers import Server, servers
from tests.e2e.nodes import Agent, sh
from tests.hosts.haproxy.running import Running
from tests.support.assembly import ROOT
from tests.support.servers.haproxy_program import PROGRAM
from tests.support.waiting import until
from tools.local_aws import control
from tools.local_aws.credentials import Access

_HAPROXY = """\
import sys
from functools import partial
from pathlib import Path
sys.path.insert(0, {root!r})
from hosts.haproxy import draining
draining.POLL_S = 0.1  # the tests' sessions are short
from hosts.haproxy import commands as program, host
folder = Path({folder!r})
program.host.Host = partial(
    host.Host, tls=folder / "tls", drop_in=folder / "denodo.conf", systemctl=None, settle=0
)
where = [f"--run={{folder}}", f"--state={{folder}}/server-state"]
where.append(f"--config={{folder}}/haproxy.cfg")
sys.exit(program.main([*where, "--haproxy", {haproxy!r}, *sys.argv[1:]]))
"""


def _deployed(access: Access, address: str) -> str:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    body = access.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return str(body.decode())


def _here(content: str, document: dict[str, Any]) -> str:
    """Return a deployed file adapted to this machine: other folders, one address, no other user.

    Tests connect to HAProxy without a load balancer, so no PROXY protocol header is expected.
    """
    for pattern, here in (
        (r"^    (user|group|chroot) .*\n", ""),
        (r"/run/haproxy/", f"{document['folder']}/"),
        (r"/var/lib/haproxy/server-state", f"{document['folder']}/server-state"),
        (r" group haproxy", ""),
        (r"bind (127\.0\.0\.1)?:", f"bind {document['address']}:"),
        (r" accept-proxy", ""),
        (rf"connect port {READY_PORT}", f"connect port {document['ready']}"),
    ):
        content = re.sub(pattern, here, content, flags=re.MULTILINE)
    return content


class Balancing:
    """A real HAProxy as the stand-in of an instance.

    Attributes:
        instance_id: id of the instance that this HAProxy stands for.
        proxy: the HAProxy process.
        actions: actions that the agent received, each with the node's name.
    """

    def __init__(
        self, running: Running, access: Access, *, instance_id: str, settings: Any
    ) -> None:
        self.instance_id, self.proxy, self._access = instance_id, running, access
        self.actions: list[tuple[str, str]] = []
        self.address = str(settings["address"])
        folder = running.folder
        self._told = {**settings, "folder": str(folder)}
        self._file = ""
        (folder / "haproxy.py").write_text(
            _HAPROXY.format(root=str(ROOT), folder=str(folder), haproxy=PROGRAM)
        )
        self._agent = Agent(self.address, self._commanded, self._asked)
        self._agent.cli(folder / "aws")

    def begin(self) -> None:
        """Start HAProxy with the deployed file, and register HAProxy as the instance's stand-in."""
        expected = json.loads(self._wanted())
        self.proxy.start(_here(_deployed(self._access, expected["file"]), self._told))
        self.reachable(agent=True)
        self._await_healthy()

    def restart(self) -> None:
        """Start HAProxy after a stop, and wait until the load balancer's checks pass again."""
        self.proxy.start(self.proxy.haproxy.config.read_text())
        self._await_healthy()

    def reachable(self, *, agent: bool) -> None:
        """Register HAProxy as the instance's stand-in, with or without a Systems Manager agent."""
        details: dict[str, object] = {"address": self.address}
        if agent:
            details["commands"] = self._agent.port
        path = f"stand-ins/{self.instance_id}"
        control.call(self._access.endpoint, path, details, method="PUT")

    def end(self) -> None:
        """Deregister HAProxy as the instance's stand-in; stop HAProxy and the stand-in's agent."""
        control.call(self._access.endpoint, f"stand-ins/{self.instance_id}", method="DELETE")
        self._agent.end()
        self.proxy.stop()

    def _await_healthy(self) -> None:
        """Wait until the instance is healthy in each target group of the load balancer."""
        client = self._access.client("elbv2")
        groups = [
            item["TargetGroupArn"] for item in client.describe_target_groups()["TargetGroups"]
        ]

        def states() -> set[str]:
            return {
                target["TargetHealth"]["State"]
                for group in groups
                for target in client.describe_target_health(TargetGroupArn=group)[
                    "TargetHealthDescriptions"
                ]
                if target["Target"]["Id"] == self.instance_id
            }

        until(lambda: states() == {"healthy"}, every=0.1)

    @property
    def servers(self) -> tuple[Server, ...]:
        """The current servers in HAProxy for services, without those for auxiliary ports."""
        return tuple(item for item in servers(self.proxy.haproxy) if not item.auxiliary)

    def states(self, node: str) -> set[str]:
        """Return the states that HAProxy shows for a node in the services' backends, each once."""
        return {item.state for item in self.servers if item.node == node}

    def _wanted(self) -> str:
        description = self._access.client("ssm").get_parameter(Name=self._told["parameter"])
        return str(description["Parameter"]["Value"])

    def _asked(self, arguments: list[str]) -> str:
        """Answer a call that the host program makes to the AWS CLI."""
        if arguments[:2] == ["ssm", "get-parameter"]:
            # The host program compares the file's name with the hash of its content, so the name
            # that it gets is the hash of the adapted file.
            state = json.loads(self._wanted())
            self._file = _here(_deployed(self._access, state["file"]), self._told)
            state["file"] = f"s3://here/{hashlib.sha256(self._file.encode()).hexdigest()}.cfg"
            return json.dumps({"Parameter": {"Value": json.dumps(state)}})
        assert arguments[:2] == ["s3api", "get-object"], arguments
        Path(arguments[-1]).write_text(self._file)
        return ""

    def _commanded(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run the SSM document's script as the agent of an instance does."""
        action, node = command["parameters"]["Action"], command["parameters"]["Node"]
        self.actions.append((action, node))
        folder = self.proxy.folder
        script = (
            command["script"]
            .replace("PATH=/usr/local/sbin", f"PATH={folder}:/usr/local/sbin")
            .replace("/opt/denodo-haproxy/current", str(folder))
            # The real command would replace the host program with the same program from the bucket.
            .replace("python3 -m haproxy take", "true")
            .replace("python3 -m haproxy", f"{sys.executable} -S -E {folder}/haproxy.py")
        )
        code, output, error = sh(script)
        return {"code": code, "output": output, "error": error}


@contextmanager
def balancing(
    environment: Environment, access: Access, *, instance_id: str, settings: Any
) -> Iterator[Balancing]:
    """Run a HAProxy as the stand-in of an instance."""
    folder = Path(tempfile.mkdtemp(prefix="hx-"))
    try:
        made = Balancing(
            Running(environment, folder), access, instance_id=instance_id, settings=settings
        )
        try:
            made.begin()
            yield made
        finally:
            made.end()
    finally:
        shutil.rmtree(folder)
