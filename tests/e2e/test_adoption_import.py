"""Takeover of hand-made load balancers: adopt, `cdk import`, `cdk deploy`, and no difference."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from typer.testing import CliRunner, Result

from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.drill.live.adoption import command
from denodo_ha.environment.loading.loader import load
from tests.local_aws.cloud import Cloud, Stack
from tests.support import local_aws_server
from tests.support.assembly import synthesise
from tests.support.hand_made_site import RECORD, REGIONS, HandMadeSite, Recipe, make_site
from tests.support.shell_commands import run_aws_command
from tests.support.stack_updates import bootstrap_through_api
from tools.local_aws import bootstrap
from tools.local_aws.cdk import Cdk

pytestmark = pytest.mark.long

STACKS: Final = ("taken-active", "taken-passive")
_TIMEOUT_S: Final = 300
_REGION_OPTIONS: Final = [option for region in REGIONS for option in ("--region", region)]


class Takeover:
    """A hand-made site that is being imported into the stacks of `adopt`."""

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
        """Run `denodo-ha adopt`, and return its JSON output."""
        where = ["--record", RECORD, "--to", str(self.folder)]
        done = self.run("adopt", *_REGION_OPTIONS, *where, "taken", "--format", "json")
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
        """Bootstrap both regions, as a user of the CDK has done."""
        environment = load(self.folder / "taken.yaml").environment
        endpoint = local_aws_server.endpoint()
        bootstrap_through_api(endpoint, bootstrap.not_bootstrapped(endpoint, environment))

    def run(self, *arguments: str) -> Result:
        """Run `denodo-ha` in this process."""
        settings = self.cloud.access.settings(local_aws_server.paths()) | {"COLUMNS": "200"}
        return CliRunner().invoke(build_program(COMMANDS), list(arguments), env=settings)

    def described(self) -> dict[str, Any]:
        """Return load balancers, listeners and target groups by region, as the API shows them."""
        result: dict[str, Any] = {}
        for region, cluster in self.site.clusters.items():
            client = self.cloud.of(region=region).client("elbv2")
            groups = client.describe_target_groups()["TargetGroups"]
            result[region] = {
                "balancers": client.describe_load_balancers()["LoadBalancers"],
                "listeners": client.describe_listeners(LoadBalancerArn=cluster.balancer)[
                    "Listeners"
                ],
                "groups": groups,
                "attributes": [
                    client.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
                    for arn in sorted(group["TargetGroupArn"] for group in groups)
                ],
            }
        return result

    def ids(self) -> dict[str, dict[str, str]]:
        """Return the physical ids of the clusters' stacks by stack and logical id."""
        return {
            stack: Stack(self.cloud.of(region=region), stack).ids
            for stack, region in zip(STACKS, self.site.clusters, strict=True)
        }


@pytest.fixture
def takeover(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Takeover:
    return Takeover(cloud, tmp_path, monkeypatch)


def _commands(plan: dict[str, Any]) -> list[str]:
    return [change["command"] for of in plan["takeovers"] for change in of["changes"]]


def test_a_taken_over_site_has_no_difference(takeover: Takeover) -> None:
    for line in _commands(takeover.adopt()):
        run_aws_command(takeover.cloud, line)
    plan = takeover.adopt()
    assert _commands(plan) == []

    takeover.bootstrap()
    before = takeover.described()
    for stack, cluster in zip(STACKS, ("active", "passive"), strict=True):
        mapping = takeover.folder / f"taken.{cluster}.import.json"
        takeover.must("import", stack, "--resource-mapping", str(mapping))
    imported = takeover.ids()
    assert [len(ids) for ids in imported.values()] == [17, 17]
    takeover.must("deploy", "--all", "--require-approval", "never")
    # The deploy has not changed a load balancer, or replaced an imported resource.
    assert takeover.described() == before
    deployed = takeover.ids()
    assert imported == {
        stack: {key: deployed[stack][key] for key in ids} for stack, ids in imported.items()
    }
    done = takeover.cdk("diff", "--all", "--fail")
    assert done.returncode == 0, done.stdout + done.stderr

    done_plan = takeover.adopt()
    assert [item["done"] for item in done_plan["takeovers"]] == [True, True]
    (switch, _back) = [
        command["line"]
        for step in done_plan["ways"][1]["steps"]
        for command in step["commands"]
        if "change-resource-record-sets" in command["line"]
    ]
    run_aws_command(takeover.cloud, switch)
    # The drill of the live resources finds no flaw, and day-2 commands know the nodes. The record
    # that the command above has changed leads the name that clients use to the stacks.
    live = ("drill", "--live", *_REGION_OPTIONS, "--record", RECORD)
    drill = takeover.run(*live)
    assert drill.exit_code == 0, drill.output
    assert "active -> passive" in drill.output
    compared = takeover.run(*live, "--against", str(takeover.out), "--format", "json")
    assert json.loads(compared.stdout)["differences"] == []
    config = ["-c", str(takeover.folder / "taken.yaml")]
    drain = takeover.run("drain", "denodo-node1", "--cluster", "active", "--dry-run", *config)
    assert drain.exit_code == 0, drain.output
