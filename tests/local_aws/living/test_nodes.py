"""The real node program on machines: first boot, readiness, drain, roll, and another boot."""

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.facts.denodo_ports import READY_PORT
from denodo_ha.environment.loading.loader import load
from tests.support import local_aws_server
from tests.support.assembly import ROOT, synthesise
from tests.support.configurations import ACCOUNT, minimal
from tests.support.denied_namespaces import without_namespaces
from tests.support.local_aws_server import quiet
from tests.support.stack_updates import bootstrap_through_api
from tests.support.waiting import until
from tools.local_aws import bootstrap, control, deployment, server_process
from tools.local_aws.cdk import Cdk
from tools.local_aws.credentials import Access
from tools.local_aws.living import isolation
from tools.local_aws.paths import Paths

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not isolation.is_allowed(), reason="this system denies namespaces to users"),
]
_SECONDS = 400
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:denodo-tls-AbCdEf"


@dataclass(frozen=True)
class Site:
    """A deployed cluster with living nodes.

    Attributes:
        access: the account and region.
        paths: paths of the server.
        file: the configuration.
    """

    access: Access
    paths: Paths
    file: Path

    def denodo_ha(self, *arguments: str) -> str:
        """Run `denodo-ha` with the site's configuration, and return the command's output."""
        done = subprocess.run(
            [sys.executable, "-m", "denodo_ha", *arguments, "-c", str(self.file)],
            cwd=ROOT,
            env=self.access.environment(self.paths),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def instance(self, name: str) -> str:
        """Return the instance of a node."""
        tagged = [{"Name": "tag:denodo:node", "Values": [name]}]
        answer = self.access.client("ec2").describe_instances(Filters=tagged)
        return str(answer["Reservations"][0]["Instances"][0]["InstanceId"])

    def readiness(self, name: str) -> tuple[int, str]:
        """Return status and text of a node's own answer for jdbc; without an answer, status 0."""
        address = control.call(self.access.endpoint, "machines")[self.instance(name)]["address"]
        connection = http.client.HTTPConnection(address, READY_PORT, timeout=60)
        try:
            connection.request("GET", "/ready/jdbc")
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError as error:
            return 0, str(error)
        finally:
            connection.close()

    def names_of_certificate(self, name: str, port: int) -> list[str]:
        """Verify the certificate of a node's server, and return the names in the certificate."""
        address = control.call(self.access.endpoint, "machines")[self.instance(name)]["address"]
        client = self.access.client("secretsmanager")
        parts = json.loads(client.get_secret_value(SecretId=SECRET)["SecretString"])
        context = ssl.create_default_context(cadata=base64.b64decode(parts["truststore"]).decode())
        with (
            socket.create_connection((address, port), 60) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as secured,
        ):
            certificate: dict[str, Any] = secured.getpeercert() or {}
        return [value for _, value in certificate["subjectAltName"]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Deploy a cluster of 9.0 with TLS to a separate server that may create no namespaces."""
    local_aws_server.set_up()
    folder = tmp_path_factory.mktemp("nodes")
    python = without_namespaces(Paths().python, folder)
    paths = Paths(folder=folder / "local", python=python)
    file = folder / "test.yaml"
    data = minimal("9.0")
    data["denodo"]["tls"] = {"secret": SECRET}
    file.write_text(json.dumps(data))
    loaded = load(file)
    synthesise(loaded, folder / "out")
    server = server_process.start(paths, quiet, parent=os.getpid())
    control.call(server.endpoint, "pace", {"pace": 50}, method="PUT")
    control.call(server.endpoint, "living", {"nodes": True}, method="PUT")
    access = Access(server.endpoint, *bootstrap.home_location(loaded.environment))
    deployment.make_prerequisites(server.endpoint, loaded)
    missing = bootstrap.not_bootstrapped(server.endpoint, loaded.environment)
    bootstrap_through_api(server.endpoint, missing)
    options = ("--all", "--require-approval", "never", "--app", str(folder / "out"))
    done = Cdk(access, paths, folder).captured("deploy", *options, timeout=_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    yield Site(access, paths, file)
    server_process.stop(paths)


def test_a_node_lives(site: Site) -> None:
    # The deploy has ended, so each node has signalled that its servers are ready.
    until(lambda: "the metadata of the node is not confirmed" in site.readiness("node1")[1])
    site.denodo_ha("enable", "node1", "--metadata-ok")
    site.denodo_ha("enable", "node2", "--metadata-ok")
    until(lambda: site.readiness("node1")[0] == 200)
    assert "node1.main.test.internal" in site.names_of_certificate("node1", 9999)

    ssm = site.access.client("ssm")
    parameter = "/denodo/test/main/node1"
    state = json.loads(ssm.get_parameter(Name=parameter)["Parameter"]["Value"])
    state["jvm"]["vdp"] = "-Xmx5g"
    ssm.put_parameter(Name=parameter, Value=json.dumps(state), Overwrite=True, Type="String")
    assert "rolled node1" in site.denodo_ha("roll", "--node", "node1")

    ec2, id_ = site.access.client("ec2"), site.instance("node1")
    ec2.stop_instances(InstanceIds=[id_])
    until(lambda: site.readiness("node1")[0] == 0)
    ec2.start_instances(InstanceIds=[id_])
    # The records and units are on the node's disk, so the node is ready without an operator.
    until(lambda: site.readiness("node1")[0] == 200)
