"""Takeover of a hand-made load balancer: adopt, `cdk import`, `cdk deploy`, and no difference."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.drill.live.adoption import command
from denodo_ha.environment.loading.loader import load
from tests.local_aws.cloud import Cloud, Stack
from tests.support import local_aws_server
from tests.support.assembly import synthesise
from tests.support.hand_made_site import RECORD, HandMadeSite, Recipe, make_site
from tests.support.shell_commands import run_aws_command
from tools.local_aws import bootstrap
from tools.local_aws.cdk import Cdk

pytestmark = pytest.mark.long

STACK: Final = "taken-active"
_TIMEOUT_S: Final = 300
_KEPT: Final = ("AWS::ElasticLoadBalancingV2::", "AWS::EC2::SecurityGroup")
"""Types of the resources that are taken over."""


class Takeover:
    """A hand-made site on its way into the stacks."""

    def __init__(self, cloud: Cloud, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cloud, self.folder = cloud, folder
        self.site: HandMadeSite = make_site(cloud, Recipe(with_security_group=True))
        self.out = folder / "cdk.out"
        monkeypatch.setattr(command, "synthesise", self._synthesise)

    def _synthesise(self, _cdk: object, file: Path) -> tuple[SynthesisedStack, ...]:
        if not self.out.exists():
            synthesise(load(file), self.out)
        return read_stacks([self.out])

    def adopt(self) -> dict[str, Any]:
        """Run the command, and return its JSON."""
        arguments = ["adopt", "--region", "eu-west-1", "--region", "eu-central-1"]
        arguments += ["--record", RECORD, "--to", str(self.folder), "taken", "--format", "json"]
        settings = self.cloud.access.settings(local_aws_server.paths())
        done = CliRunner().invoke(build_program(COMMANDS), arguments, env=settings)
        assert done.exit_code == 0, done.output
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the real CDK CLI on the synthesised stacks."""
        cdk = Cdk(self.cloud.access, local_aws_server.paths(), self.folder)
        return cdk.captured(*arguments, "--app", str(self.out), timeout=_TIMEOUT_S)

    def must(self, *arguments: str) -> str:
        """Run the CDK CLI, which must succeed."""
        done = self.cdk(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def bootstrap(self) -> None:
        """Bootstrap the primary's region, as a user of the CDK has done."""
        environment = load(self.folder / "taken.yaml").environment
        endpoint, paths = local_aws_server.endpoint(), local_aws_server.paths()
        primary = environment.clusters["active"]
        where = [(primary.account, primary.region)]
        bootstrap.bootstrap(endpoint, paths, environment, where)

    def described(self) -> dict[str, Any]:
        """Return what runs of the load balancer, as the API shows it."""
        client = self.cloud.client("elbv2")
        cluster = self.site.clusters["eu-west-1"]
        groups = client.describe_target_groups()["TargetGroups"]
        return {
            "balancer": client.describe_load_balancers()["LoadBalancers"],
            "listeners": client.describe_listeners(LoadBalancerArn=cluster.balancer)["Listeners"],
            "groups": groups,
            "attributes": {
                group["TargetGroupArn"]: client.describe_target_group_attributes(
                    TargetGroupArn=group["TargetGroupArn"]
                )["Attributes"]
                for group in groups
            },
        }


@pytest.fixture
def takeover(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Takeover:
    return Takeover(cloud, tmp_path, monkeypatch)


def _commands(plan: dict[str, Any]) -> list[str]:
    return [change["command"] for of in plan["takeovers"] for change in of["changes"]]


def test_a_taken_over_site_has_no_difference(takeover: Takeover) -> None:
    for line in _commands(takeover.adopt()):
        run_aws_command(takeover.cloud, line)
    again = takeover.adopt()
    assert _commands(again) == []
    mapping = takeover.folder / "taken.active.import.json"
    assert json.loads(mapping.read_text()) == again["takeovers"][0]["resource_mapping"]

    takeover.bootstrap()
    before = takeover.described()
    takeover.must("import", STACK, "--resource-mapping", str(mapping))
    assert takeover.described() == before
    imported = Stack(takeover.cloud, STACK).ids
    takeover.must("deploy", STACK, "--exclusively", "--require-approval", "never")
    # Only the rules of the security group are new; nothing that ran has changed or is another.
    assert takeover.described() == before
    deployed = Stack(takeover.cloud, STACK).ids
    assert {key: deployed[key] for key in imported} == imported
    assert (
        imported.items()
        >= {"BalancerNlbE84F41A5": takeover.site.clusters["eu-west-1"].balancer}.items()
    )

    done = takeover.cdk("diff", STACK, "--exclusively", "--fail")
    assert done.returncode == 0, done.stdout + done.stderr
    active, passive = takeover.adopt()["takeovers"]
    assert active["done"]
    assert not passive["done"]
