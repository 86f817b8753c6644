"""Drain and enable a node on the local AWS: commands, status, the Solution Manager's scripts."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.rotation import rotation, target_group_rotation
from denodo_ha.status import command
from tests.e2e.deployment import Deployment
from tests.support import local_aws_server
from tests.support.assembly import ROOT

Run = Callable[..., Result]
Data = dict[str, Any]
_TIMEOUT_S = 600


def _quick(data: Data) -> None:
    """Set a short deregistration delay, and TCP checks since no server answers readiness checks."""
    for cluster in data["clusters"].values():
        cluster["balancer"]["deregistration_delay"] = 60
        cluster["balancer"]["health"] = {"protocol": "tcp"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    folder = tmp_path_factory.mktemp("day2")
    deployment = Deployment.of_example("active-passive", folder, _quick)
    deployment.prepare()
    deployment.deploy_through_api()
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
    monkeypatch.setattr(dns_answer, "lookup", lambda _name: None)
    # Time is faster on the local AWS, so the commands poll more often.
    for module in (rotation, command):
        monkeypatch.setattr(module, "EVERY_S", 0.1)
    monkeypatch.setattr(target_group_rotation, "VISIBLE_EVERY_S", 0.1)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build_program(COMMANDS), [*arguments, "-c", _file(deployment)])

    return run


def _status(run: Run) -> tuple[int, dict[str, Any]]:
    done = run("status", "--format", "json")
    description = json.loads(done.stdout)
    (active,) = [item for item in description["clusters"] if item["name"] == "active"]
    return done.exit_code, active


def _inside(active: dict[str, Any]) -> list[str]:
    return [
        group["name"]
        for group in active["groups"]
        for target in group["targets"]
        if target["node"] == "node1" and target["state"] == "healthy"
    ]


def test_out_and_back(run: Run) -> None:
    assert run("enable", "node1", "--cluster", "active").exit_code == exit_codes.DONE
    code, active = _status(run)
    assert (code, active["problems"]) == (exit_codes.DONE, [])
    drained = run("drain", "node1", "--cluster", "active", "--why", "a promotion")
    assert drained.exit_code == exit_codes.DONE, drained.output
    code, active = _status(run)
    assert code == exit_codes.NO
    assert _inside(active) == ["node1"]
    assert active["nodes"][0]["drained"]["why"] == "a promotion"
    assert [item for item in active["problems"] if "node1 is drained since" in item]
    refused = run("drain", "node2", "--cluster", "active")
    assert refused.exit_code == exit_codes.REFUSED
    assert "but it has a drain tag" in refused.stderr
    back = run("enable", "node1", "--cluster", "active")
    assert back.exit_code == exit_codes.DONE, back.output
    code, active = _status(run)
    assert (code, active["problems"]) == (exit_codes.DONE, [])
    assert _inside(active) == ["jdbc", "odbc", "web", "node1"]


def test_a_second_port_in_a_group_leaves_too(deployment: Deployment, run: Run) -> None:
    """AWS identifies a target by id and port, and reports success also for an unknown target."""
    client = replace(deployment.access, region="eu-west-1").client("elbv2")
    (group,) = [
        group["TargetGroupArn"]
        for group in client.describe_target_groups()["TargetGroups"]
        if group["Port"] == 9999
    ]

    def ports() -> set[int]:
        """Return the ports of node1 that are registered and not draining."""
        descriptions = client.describe_target_health(TargetGroupArn=group)
        return {
            description["Target"]["Port"]
            for description in descriptions["TargetHealthDescriptions"]
            if description["Target"]["Id"] == node["instance"]
            and description["TargetHealth"]["State"] != "draining"
        }

    node = _status(run)[1]["nodes"][0]
    client.register_targets(TargetGroupArn=group, Targets=[{"Id": node["instance"], "Port": 1234}])
    assert ports() == {1234, 9999}
    drained = run("drain", "node1", "--cluster", "active")
    assert drained.exit_code == exit_codes.DONE, drained.output
    assert ports() == set()
    assert run("enable", "node1", "--cluster", "active").exit_code == exit_codes.DONE
    assert ports() == {9999}


def test_a_deploy_while_it_is_out(deployment: Deployment, run: Run) -> None:
    """A deploy leaves a drained node out of service, unless the deploy changes a target group."""

    def clients(data: Data) -> None:
        data["clusters"]["active"]["balancer"]["clients"] = ["10.0.0.0/9"]

    def delay(data: Data) -> None:
        data["clusters"]["active"]["balancer"]["deregistration_delay"] = 90

    assert run("drain", "node1", "--cluster", "active").exit_code == exit_codes.DONE
    deployment.change(clients)
    deployment.deploy_through_api()
    _, active = _status(run)
    assert _inside(active) == ["node1"]
    deployment.change(delay)
    deployment.deploy_through_api()
    code, active = _status(run)
    assert code == exit_codes.NO
    assert any(
        "has a drain tag" in item and "a deploy or a manual change" in item
        for item in active["problems"]
    )
    assert run("enable", "node1", "--cluster", "active").exit_code == exit_codes.DONE
    assert _status(run)[0] == exit_codes.DONE


def _script(deployment: Deployment, folder: Path, name: str, *arguments: str) -> tuple[int, str]:
    environment = deployment.access.environment(local_aws_server.paths())
    environment |= {"DENODO_HA_LOG": str(folder / "log")}
    done = subprocess.run(
        [ROOT / "solution-manager" / name, _file(deployment), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_solution_managers_scripts(deployment: Deployment, run: Run, tmp_path: Path) -> None:
    code, output = _script(deployment, tmp_path, "disable", "active", "node2", "300")
    assert code == exit_codes.DONE, output
    assert "active node2 is out of jdbc, odbc, web; its auxiliary port 29997 stays" in output
    assert _status(run)[1]["nodes"][1]["drained"]["why"] == "Solution Manager"
    code, output = _script(deployment, tmp_path, "disable", "active", "node1", "300")
    assert code == exit_codes.REFUSED
    code, output = _script(deployment, tmp_path, "enable", "active", "node2", "300")
    assert code == exit_codes.DONE, output
    assert _status(run)[0] == exit_codes.DONE
    assert (tmp_path / "log").read_text().count(" done\n") == 2
