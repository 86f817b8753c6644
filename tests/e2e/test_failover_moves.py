"""`denodo-ha failover` on stacks that the real CLI deployed: status, failover, failback."""

import json
import os
import socket
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.environment import names
from denodo_ha.failover import switching
from denodo_ha.standby import machine_lines
from tests.e2e.deployment import Deployment
from tests.support import local_aws_server
from tests.support.assembly import ROOT
from tests.support.waiting import until
from tools.local_aws.credentials import Access

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    deployment = Deployment.of_example("active-passive", tmp_path_factory.mktemp("moved"))
    deployment.prepare()
    deployment.deploy()
    return deployment


def _file(deployment: Deployment) -> str:
    return str(deployment.out.parent / "environment.yaml")


@pytest.fixture
def run(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, as an operator of the deployment."""
    for key in [key for key in os.environ if key.startswith("AWS_")]:
        monkeypatch.delenv(key)
    for key, value in deployment.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    # DNS cannot resolve names of the local AWS. The clock of the local AWS is faster than real
    # time, so commands poll more often.
    monkeypatch.setattr(dns_answer, "lookup", lambda _name: None)
    monkeypatch.setattr(switching, "EVERY_S", 0.1)

    def run(*arguments: str, config: bool = True) -> Result:
        which = ("-c", _file(deployment)) if config else ()
        return CliRunner().invoke(build_program(COMMANDS), ["failover", *arguments, *which])

    return run


def _nodes(deployment: Deployment, cluster: str) -> tuple[Any, list[str]]:
    result = deployment.topology().clusters[cluster]
    return result.access.client("ec2"), [item.instance_id for item in result.nodes.values()]


def _stop(deployment: Deployment, cluster: str) -> None:
    client, ids = _nodes(deployment, cluster)
    client.stop_instances(InstanceIds=ids)


def _start(deployment: Deployment, cluster: str) -> None:
    client, ids = _nodes(deployment, cluster)
    client.start_instances(InstanceIds=ids)


def _answered(run: Run) -> set[str]:
    """Return the clusters that DNS leads to, according to TestDNSAnswer and to Route 53's rules."""
    description = json.loads(run("status", "--format", "json").stdout)
    return {item["cluster"] for item in description["answered"][1:]}


def test_moves_and_comes_back(deployment: Deployment, run: Run) -> None:
    until(lambda: run("status").exit_code == exit_codes.DONE)
    assert _answered(run) == {"active"}
    done = run("to", "passive")
    assert done.exit_code == exit_codes.DONE, done.output
    assert "put SecondaryActive = 1 (Environment denodo70)" in done.stderr
    assert "leads to passive after" in done.stdout
    assert _answered(run) == {"passive"}
    assert "and the switch is set to passive" in run("to", "passive").stdout
    # The site stays on the secondary: the deploy has nothing to change, so no failback starts.
    differs, output = deployment.diff()
    assert not differs, output
    assert _answered(run) == {"passive"}
    where = ("--environment", "denodo70", "--region", "eu-central-1")
    done = run("back", *where, config=False)
    assert done.exit_code == exit_codes.DONE, done.output
    assert _answered(run) == {"active"}


@pytest.fixture
def _brief_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands wait only briefly for nodes, which have no agent here."""
    monkeypatch.setattr(machine_lines, "PATIENCE_S", 2.0)


@pytest.mark.usefixtures("_brief_waits")
def test_a_practice_ends_where_it_began(deployment: Deployment, run: Run) -> None:
    until(lambda: run("status").exit_code == exit_codes.DONE)
    how = ("--without-client", "--even-if-not-ready", "--format", "json")
    done = run("practice", "--stay", "1s", *how)
    assert done.exit_code == exit_codes.DONE, done.output
    report = json.loads(done.stdout)
    assert report["verdict"] == "passed"
    assert [leg["to"] for leg in report["directions"]] == ["passive", "active"]
    assert report["looks"]["passive"] >= 1
    assert _answered(run) == {"active"}
    for name, cluster in deployment.topology().clusters.items():
        lock = names.lock_parameter("denodo70", name)
        held = cluster.access.client("ssm").get_parameters(Names=[lock])["Parameters"]
        assert held == [], name


@pytest.mark.usefixtures("_brief_waits")
def test_the_standby_is_checked(deployment: Deployment, run: Run) -> None:
    """Without exports, only the lines that need manifests or the history are unknown."""
    until(lambda: run("status").exit_code == exit_codes.DONE)

    def states() -> dict[int, str]:
        done = run("check", "--format", "json")
        assert done.exit_code in {exit_codes.NO, exit_codes.AWS}, done.output
        return {line["number"]: line["state"] for line in json.loads(done.stdout)["lines"]}

    unknown = dict.fromkeys((3, 4, 6, 8, 9, 10), "unknown")
    assert states() == {**unknown, 1: "ok", 2: "ok", 5: "ok", 7: "ok"}
    _stop(deployment, "passive")
    try:
        until(lambda: states() == {**unknown, 1: "no", 2: "no", 5: "ok", 7: "no"})
    finally:
        _start(deployment, "passive")


def test_a_site_that_moved_by_itself_is_held_and_brought_back(
    deployment: Deployment, run: Run
) -> None:
    until(lambda: run("status").exit_code == exit_codes.DONE)
    _stop(deployment, "active")
    until(lambda: _answered(run) == {"passive"})
    assert run("status").exit_code == exit_codes.NO
    assert run("to", "passive").exit_code == exit_codes.DONE
    refused = run("back")
    assert refused.exit_code == exit_codes.REFUSED
    assert "active is not healthy" in refused.stderr
    _start(deployment, "active")
    until(lambda: run("status").exit_code == exit_codes.DONE)
    assert _answered(run) == {"passive"}
    assert run("back").exit_code == exit_codes.DONE
    assert _answered(run) == {"active"}


def test_a_dead_secondary_gets_no_site(deployment: Deployment, run: Run) -> None:
    _stop(deployment, "passive")
    refused = run("to", "passive")
    assert refused.exit_code == exit_codes.REFUSED
    assert "no option can force the failover" in refused.stderr
    _stop(deployment, "active")
    assert run("status").exit_code == exit_codes.DOWN
    assert _answered(run) == {"active"}
    _start(deployment, "active")
    _start(deployment, "passive")


def test_the_operators_policy_is_deployed_and_attached_to_nobody(deployment: Deployment) -> None:
    access = deployment.access
    client = Access(access.endpoint, access.account, "eu-central-1").client("cloudformation")
    (stack,) = client.describe_stacks(StackName="denodo70-failover")["Stacks"]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in stack["Outputs"]}
    policy = access.client("iam").get_policy(PolicyArn=outputs["OperatorPolicyArn"])["Policy"]
    assert policy["AttachmentCount"] == 0


def test_the_program_says_that_nobody_answers(deployment: Deployment) -> None:
    """The command runs as a separate process, with an endpoint that does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    environment = deployment.access.environment(local_aws_server.paths())
    environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    done = subprocess.run(
        [ROOT / "tools/denodo-ha", "failover", "status", "-c", _file(deployment)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == exit_codes.AWS, done.stdout + done.stderr
    assert "AWS does not answer" in done.stdout
    assert "Traceback" not in done.stderr
