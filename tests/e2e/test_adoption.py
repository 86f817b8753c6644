"""Adoption of a site made call by call from the article, on the local AWS.

Today the console makes load balancers with a security group; the article's load balancers have
none. The tests share a site of each kind, and no test changes a site.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.client
import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.cloud_assembly import SynthesisedStack, read_stacks
from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from denodo_ha.drill.comparison import outcome_changes
from denodo_ha.drill.drill_run import drill_model
from denodo_ha.drill.live import aws_calls
from denodo_ha.drill.live.adoption import command
from denodo_ha.drill.live.drift import drift_sentences, with_cluster_names
from denodo_ha.drill.live.entry_points import SiteLocator
from denodo_ha.drill.live.live_drill import drill_live
from denodo_ha.drill.live.live_site import build_live_model
from denodo_ha.drill.live.site_reader import read_live_site
from denodo_ha.drill.model.model import Model
from denodo_ha.drill.policies import apply_policies
from denodo_ha.drill.reading.model_builder import build_model
from denodo_ha.environment.loading.loader import load
from tests.local_aws.cloud import Cloud
from tests.support import local_aws_server
from tests.support.assembly import synthesise
from tests.support.hand_made_site import RECORD, REGIONS, HandMadeSite, Recipe, make_site
from tests.support.shell_commands import run_aws_command

WITH_GROUP, AS_THE_ARTICLE, PUBLIC = "with a security group", "as the article", "public"
_RECIPES = {
    WITH_GROUP: Recipe(with_security_group=True),
    AS_THE_ARTICLE: Recipe(),
    PUBLIC: Recipe(with_security_group=True, scheme="internet-facing", with_health_checks=True),
}
_LONG = pytest.param(PUBLIC, marks=pytest.mark.long)
_ALL = [WITH_GROUP, AS_THE_ARTICLE, _LONG]
_REGION_OPTIONS = [option for region in REGIONS for option in ("--region", region)]


@dataclass(frozen=True)
class Made:
    """A hand-made site and the account that it is in."""

    cloud: Cloud
    site: HandMadeSite

    def adopt(self, folder: Path, *options: str, name: str = "adopted") -> Result:
        """Run `denodo-ha adopt` in this process."""
        arguments = ["adopt", *_REGION_OPTIONS, "--to", str(folder), name, *options]
        if not {"--record", "--balancer"} & set(options):
            arguments += ["--record", RECORD]
        settings = self.cloud.access.settings(local_aws_server.paths())
        return CliRunner().invoke(build_program(COMMANDS), arguments, env=settings)

    def plan(self, folder: Path, *options: str) -> dict[str, Any]:
        """Return the JSON output of `denodo-ha adopt`."""
        done = self.adopt(folder, *options, "--format", "json")
        assert done.exit_code == 0, (done.output, done.exception)
        result: dict[str, Any] = json.loads(done.stdout)
        return result


@pytest.fixture(scope="module")
def sites() -> Callable[[str], Made]:
    """Return a function that makes the site of a recipe, once for each recipe."""
    made: dict[str, Made] = {}

    def get(recipe: str) -> Made:
        if recipe not in made:
            cloud = Cloud(local_aws_server.endpoint(), local_aws_server.new_account())
            made[recipe] = Made(cloud, make_site(cloud, _RECIPES[recipe]))
        return made[recipe]

    return get


@pytest.fixture(scope="module", autouse=True)
def _synth_in_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Synthesise in this process, without the CDK CLI, and once for each configuration text."""
    done: dict[str, tuple[SynthesisedStack, ...]] = {}

    def stacks(_cdk: object, file: Path) -> tuple[SynthesisedStack, ...]:
        key = hashlib.sha256(file.read_bytes()).hexdigest()
        if key not in done:
            out = tmp_path_factory.mktemp("synth") / "cdk.out"
            synthesise(load(file), out)
            done[key] = read_stacks([out])
        return done[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "synthesise", stacks)
        yield


@dataclass(frozen=True)
class Adopted:
    """The result of a run of `adopt`: its JSON output, and the folder of the files it wrote."""

    made: Made
    plan: dict[str, Any]
    folder: Path

    @property
    def file(self) -> Path:
        """The configuration file that `adopt` wrote."""
        return self.folder / "adopted.yaml"


@pytest.fixture(scope="module")
def adopted(
    sites: Callable[[str], Made], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Adopted]:
    """Return a function that runs `adopt` for the site of a recipe, once for each recipe."""
    done: dict[str, Adopted] = {}

    def get(recipe: str) -> Adopted:
        if recipe not in done:
            folder = tmp_path_factory.mktemp("config")
            done[recipe] = Adopted(sites(recipe), sites(recipe).plan(folder), folder)
        return done[recipe]

    return get


def copied(source: Adopted, folder: Path) -> Path:
    """Copy the output files of `adopt` to a folder; return the copy of the configuration file."""
    for file in source.folder.iterdir():
        shutil.copy(file, folder)
    return folder / source.file.name


@pytest.fixture
def made(sites: Callable[[str], Made]) -> Made:
    """The site whose load balancers have security groups."""
    return sites(WITH_GROUP)


@pytest.fixture
def article(sites: Callable[[str], Made]) -> Made:
    """The site of Denodo's article, whose load balancers have no security groups."""
    return sites(AS_THE_ARTICLE)


def broken_policies(model: Model) -> set[str]:
    verdicts = apply_policies(drill_model(model, frozenset()), max_recovery=None, min_secondary=1)
    return {verdict.policy.id for verdict in verdicts if verdict.violations}


def live_model(made: Made, monkeypatch: pytest.MonkeyPatch) -> Model:
    for key, value in made.cloud.access.settings(local_aws_server.paths()).items():
        monkeypatch.setenv(key, value)
    return build_live_model(read_live_site(Aws(), REGIONS, SiteLocator(record=RECORD)))


class TestArticle:
    """The drill finds the flaw of the article's site, and none in the configuration of `adopt`."""

    def test_one_dead_node_moves_the_site(
        self, article: Made, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = broken_policies(live_model(article, monkeypatch))
        assert {"node-moves-site", "zone-unreachable"} & broken
        assert "node-moves-site" in broken

    @pytest.mark.parametrize("recipe", _ALL)
    def test_the_configuration_has_no_flaw(
        self, adopted: Callable[[str], Adopted], recipe: str
    ) -> None:
        # `synthesise` is replaced by a stand-in that uses no CDK CLI.
        stacks = command.synthesise(None, adopted(recipe).file)  # type: ignore[arg-type]
        assert broken_policies(build_model(stacks)) == set()

    def test_its_drift_is_the_flaw(
        self, adopted: Callable[[str], Adopted], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The live clusters have no stacks, so they get the templates' names for the comparison."""
        result = adopted(AS_THE_ARTICLE)
        for key, value in result.made.cloud.access.settings(local_aws_server.paths()).items():
            monkeypatch.setenv(key, value)
        # `synthesise` is replaced by a stand-in that uses no CDK CLI.
        stacks = command.synthesise(None, result.file)  # type: ignore[arg-type]
        base = drill_model(build_model(stacks), frozenset())
        drill = drill_live(profile=None, regions=REGIONS, locator=SiteLocator(record=RECORD))
        live = with_cluster_names(base.model, drill)
        assert set(live.result.model.clusters) == {"active", "passive"}
        changes = outcome_changes(base, live.result)
        sentences = drift_sentences(changes, (), live.result.model)
        assert any(
            "node lost: active denodo-node1" in sentence
            and "the templates survive this failure, the deployed resources do not" in sentence
            for sentence in sentences
        )

    def test_its_load_balancer_cannot_be_taken_over(
        self, adopted: Callable[[str], Adopted]
    ) -> None:
        result = adopted(AS_THE_ARTICLE)
        _, take_over, beside = result.plan["ways"]
        assert len(take_over["refusals"]) == len(REGIONS)
        assert all("created without a security group" in reason for reason in take_over["refusals"])
        assert take_over["steps"] == []
        assert beside["refusals"] == []
        assert [file.name for file in result.folder.iterdir()] == ["adopted.yaml"]


class TestConfiguration:
    """The configuration file that `adopt` writes."""

    def test_describes_what_runs(self, adopted: Callable[[str], Adopted]) -> None:
        result = adopted(WITH_GROUP)
        environment = load(result.file).environment
        assert environment.name == "adopted"
        assert environment.denodo.version == "7.0"
        ports = {name: service.port for name, service in environment.services.items()}
        assert ports == {"jdbc": 9999, "odbc": 9996, "web": 9090}
        failover = environment.failover
        assert failover is not None
        assert (failover.primary, failover.secondary) == ("active", "passive")
        for name, region in zip(("active", "passive"), REGIONS, strict=True):
            found, cluster = result.made.site.clusters[region], environment.clusters[name]
            assert cluster.region == region
            ids = {node.instance_id for node in cluster.nodes.values()}
            assert ids == set(found.nodes.values())
            assert {node.auxiliary_port for node in cluster.nodes.values()} == {19997, 29997}
            assert cluster.balancer.clients == ("10.0.0.0/8",)
            assert cluster.balancer.health.interval == 30

    def test_says_what_is_not_visible(self, adopted: Callable[[str], Adopted]) -> None:
        text = adopted(WITH_GROUP).file.read_text()
        assert 'version: "7.0"   # not visible in AWS' in text
        assert "not visible in AWS: the Solution Manager and the License Manager" in text

    def test_keeps_the_old_name_until_the_switch(self, adopted: Callable[[str], Adopted]) -> None:
        plan = adopted(WITH_GROUP).plan
        assert plan["record"] == RECORD
        assert plan["new_record"] == "denodo-ha.example.com"

    @pytest.mark.long
    def test_a_public_site_admits_health_checkers(self, adopted: Callable[[str], Adopted]) -> None:
        environment = load(adopted(PUBLIC).file).environment
        for cluster in environment.clusters.values():
            assert cluster.balancer.scheme == "internet-facing"
            assert str(cluster.network.health_checkers).startswith("pl-")

    def test_without_the_record_the_primary_is_not_known(self, made: Made, tmp_path: Path) -> None:
        plan = made.plan(tmp_path, "--balancer", made.site.clusters[REGIONS[0]].balancer)
        assert plan["new_record"] is None
        environment = load(tmp_path / "adopted.yaml").environment
        assert list(environment.clusters) == ["main"]
        assert environment.failover is None


class TestSwitch:
    """The commands that lead the site's name to the new load balancers, and back."""

    @pytest.mark.parametrize("recipe", [WITH_GROUP, _LONG])
    def test_leads_the_old_name_to_the_new_one(
        self, adopted: Callable[[str], Adopted], recipe: str
    ) -> None:
        result = adopted(recipe)
        client = result.made.cloud.client("route53")

        def records() -> list[dict[str, Any]]:
            zone = result.made.site.hosted_zone
            listed = client.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
            return [item for item in listed if item["Name"] == f"{RECORD}."]

        before = records()
        switch, back = [
            command["line"]
            for step in result.plan["ways"][2]["steps"]
            for command in step["commands"]
            if command["line"].startswith("aws route53 change-resource-record-sets")
        ]
        run_aws_command(result.made.cloud, switch)
        (cname,) = records()
        assert cname["Type"] == "CNAME"
        assert cname["ResourceRecords"] == [{"Value": "denodo-ha.example.com"}]
        run_aws_command(result.made.cloud, back)
        assert records() == before
        assert ("HealthCheckId" in before[0]) is (recipe == PUBLIC)


def test_new_load_balancers_are_admitted_to_the_nodes(adopted: Callable[[str], Adopted]) -> None:
    result = adopted(AS_THE_ARTICLE)
    cluster = result.made.site.clusters[REGIONS[0]]
    ec2 = cluster.cloud.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="new", Description="new", VpcId=subnet["VpcId"])[
        "GroupId"
    ]
    lines = [
        command["line"].replace("$group", group)
        for step in result.plan["ways"][2]["steps"]
        for command in step["commands"]
    ]
    admit = next(line for line in lines if f"--group-id {cluster.node_security_group}" in line)
    run_aws_command(result.made.cloud, admit)
    rules = ec2.describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [cluster.node_security_group]}]
    )["SecurityGroupRules"]
    admitted = [
        rule["FromPort"]
        for rule in rules
        if rule.get("ReferencedGroupInfo", {}).get("GroupId") == group
    ]
    assert sorted(admitted) == [9090, 9996, 9999, 19997, 29997]


class TestFiles:
    """`adopt` does not overwrite files that exist."""

    def test_a_second_run_leaves_everything(self, adopted: Callable[[str], Adopted]) -> None:
        result = adopted(WITH_GROUP)
        before = {file: file.stat().st_mtime_ns for file in result.folder.iterdir()}
        assert len(before) == 1 + len(REGIONS)
        plan = result.made.plan(result.folder)
        assert {file: file.stat().st_mtime_ns for file in result.folder.iterdir()} == before
        assert "exists and is not changed" in plan["files"].values()

    def test_a_mapping_of_something_else_stays(
        self, adopted: Callable[[str], Adopted], tmp_path: Path
    ) -> None:
        copied(adopted(WITH_GROUP), tmp_path)
        mapping = tmp_path / "adopted.active.import.json"
        mapping.write_text("{}")
        done = adopted(WITH_GROUP).made.adopt(tmp_path)
        assert done.exit_code == exit_codes.USAGE
        assert (
            "adopted.active.import.json exists and does not have the present resources"
            in done.stderr
        )
        assert mapping.read_text() == "{}"

    def test_a_configuration_of_another_site_is_refused(
        self, adopted: Callable[[str], Adopted], tmp_path: Path
    ) -> None:
        copied(adopted(AS_THE_ARTICLE), tmp_path)
        done = adopted(WITH_GROUP).made.adopt(tmp_path)
        assert done.exit_code == exit_codes.USAGE
        assert "the configuration is that of another site" in done.stderr

    def test_an_incomplete_configuration_is_named(
        self, adopted: Callable[[str], Adopted], tmp_path: Path
    ) -> None:
        file = copied(adopted(WITH_GROUP), tmp_path)
        file.write_text(re.sub(r"\n +cidr: .*", "", file.read_text()))
        done = adopted(WITH_GROUP).made.adopt(tmp_path)
        assert done.exit_code == exit_codes.USAGE
        assert "cidr: is missing" in done.stderr
        assert "run the command again for the plan" in done.stderr

    def test_wrong_arguments_are_reported_together(self, tmp_path: Path) -> None:
        arguments = ["adopt", "Prod", "--to", str(tmp_path / "no")]
        done = CliRunner().invoke(build_program(COMMANDS), arguments)
        assert done.exit_code == exit_codes.USAGE
        # The errors are separated by `;`, not by an escaped line break.
        assert "prod; --region is missing" in done.stderr
        assert "Prod is not a name for an environment" in done.stderr
        assert "--region is missing" in done.stderr
        assert "which site? Give either --record NAME" in done.stderr
        assert "is not a folder" in done.stderr


class TestCalls:
    """`adopt` makes only calls that read, and does not guess values whose calls AWS denies."""

    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
        """Return a function that denies operations, and returns a list of all later operations."""
        before = botocore.client.BaseClient._make_api_call  # noqa: SLF001 - every call passes here

        def deny(*denied: str) -> list[str]:
            seen: list[str] = []

            def call(client: Any, operation: str, arguments: Any) -> Any:
                seen.append(operation)
                if operation in denied:
                    error = {"Code": "AccessDenied", "Message": f"not authorized: {operation}"}
                    raise ClientError({"Error": error}, operation)
                return before(client, operation, arguments)

            monkeypatch.setattr(botocore.client.BaseClient, "_make_api_call", call)
            return seen

        return deny

    def test_only_calls_of_the_policy_are_made(
        self, made: Made, tmp_path: Path, calls: Callable[..., list[str]]
    ) -> None:
        seen = calls()
        made.plan(tmp_path)
        permitted = {call.action.partition(":")[2] for call in aws_calls.ADOPT_CALLS}
        assert set(seen) - permitted <= {"GetCallerIdentity"}
        assert {"DescribeSecurityGroupRules", "DescribeListenerAttributes"} <= set(seen)

    def test_the_policy_is_printed(self) -> None:
        done = CliRunner().invoke(build_program(COMMANDS), ["adopt", "--show-policy"])
        (statement,) = json.loads(done.stdout)["Statement"]
        assert "ec2:DescribeSecurityGroupRules" in statement["Action"]
        assert all(
            action.partition(":")[2].startswith(("Describe", "List", "Get"))
            for action in statement["Action"]
        )

    @pytest.mark.parametrize("denied", ["DescribeTargetHealth", "DescribeInstances"])
    def test_no_file_without_every_node(
        self, made: Made, tmp_path: Path, calls: Callable[..., list[str]], denied: str
    ) -> None:
        calls(denied)
        done = made.adopt(tmp_path)
        assert done.exit_code == exit_codes.AWS
        assert denied in done.stderr
        assert list(tmp_path.iterdir()) == []

    def test_what_is_not_read_is_named(
        self, made: Made, tmp_path: Path, calls: Callable[..., list[str]]
    ) -> None:
        denied = {"DescribeListenerAttributes", "DescribeSecurityGroupRules"}
        calls(*denied)
        plan = made.plan(tmp_path)
        assert denied <= {part["action"].partition(":")[2] for part in plan["unread"]}
        text = (tmp_path / "adopted.yaml").read_text()
        assert all(f"{name} in eu-west-1" in text for name in denied)
        assert "not visible in AWS: no rule of a security group has the networks of clients" in text


def test_the_plan_has_whole_commands(adopted: Callable[[str], Adopted], made: Made) -> None:
    folder = adopted(WITH_GROUP).folder
    done = made.adopt(folder, "--format", "markdown")
    assert done.exit_code == 0, done.exception
    for line in (
        f"npx cdk import adopted-active -c config={folder}/adopted.yaml --resource-mapping",
        "npx cdk deploy adopted-failover",
        "aws elbv2 delete-load-balancer --region eu-west-1",
        f"aws route53 change-resource-record-sets --hosted-zone-id {made.site.hosted_zone}",
    ):
        assert line in done.stdout
