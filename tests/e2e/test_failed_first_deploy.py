"""After a failed first deploy, `plan` prints commands with which the next deploy succeeds."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from denodo_ha.cli import exit_codes
from denodo_ha.cli.commands import COMMANDS
from denodo_ha.cli.main import build_program
from tests.e2e.deployment import Data, Deployment
from tests.local_aws.cloud import Cloud, DeployError, Stack
from tests.support import local_aws_server
from tests.support.assembly import ROOT, Template
from tests.support.combinations import WHOLE
from tests.support.shell_commands import AWS_CLI

CLUSTER, CATALOG = "denodo80s-main", "denodo80s-main-catalog"
DATABASE, BUCKET = "AWS::RDS::DBInstance", "AWS::S3::Bucket"
_TIMEOUT_S = 600


def _protected(data: Data) -> None:
    for cluster in data["clusters"].values():
        cluster["balancer"]["deletion_protection"] = True


class FirstDeploy:
    """The shared-catalog example, with stacks that can be made to fail and deployed again.

    Attributes:
        deployment: the example's configuration, accounts and cloud assembly.
        cloud: the example's account.
    """

    def __init__(self, folder: Path) -> None:
        self.deployment = Deployment.of_example("shared-catalog", folder, _protected)
        self.deployment.prepare()
        access = self.deployment.access
        self.cloud = Cloud(access.endpoint, access.account, access.region)
        self._environment = access.environment(local_aws_server.paths()) | {
            # Without a terminal, the CDK CLI cannot ask for approval.
            "CDK_REQUIRE_APPROVAL": "never",
            "CDK_VALIDATION": "false",
            "PATH": f"{AWS_CLI.parent}{os.pathsep}{os.environ['PATH']}",
        }

    @property
    def template(self) -> Template:
        """The template of the catalog's stack."""
        text = (self.deployment.out / f"{CATALOG}.template.json").read_text()
        template: Template = json.loads(text)
        return template

    def logical_id(self, kind: str) -> str:
        """Return the logical id of the only resource of a type in the catalog's stack."""
        resources = self.template["Resources"].items()
        return str(next(id_ for id_, resource in resources if resource["Type"] == kind))

    def fail(self, logical_id: str) -> None:
        """Create the catalog's stack, which fails at a resource and rolls back."""
        self.set_fault(CATALOG, logical_id)
        with pytest.raises(DeployError, match="ROLLBACK_"):
            self.create_catalog()
        self.set_fault(CATALOG)

    def create_catalog(self) -> None:
        """Create the catalog's stack through CloudFormation's API."""
        self.cloud.deploy(self.template["Resources"], self.template["Outputs"], CATALOG)

    def set_fault(self, stack: str, *logical_ids: str) -> None:
        """Let the local AWS fail the creation of these resources; without ids, of no resource."""
        access = self.cloud.access
        body = {"account": access.account, "region": access.region, "resources": logical_ids}
        self.cloud.call(f"faults/{stack}", body, "PUT")

    def plan(self) -> tuple[int, dict[str, Any], str]:
        """Return exit code, JSON output and text output of `denodo-ha plan`."""
        file = str(self.deployment.out.parent / "environment.yaml")
        arguments = ["plan", str(self.deployment.out), "-c", file]
        program = build_program(COMMANDS)
        with pytest.MonkeyPatch.context() as patch:
            for key in [key for key in os.environ if key.startswith("AWS_")]:
                patch.delenv(key)
            for key, value in self.cloud.access.settings(local_aws_server.paths()).items():
                patch.setenv(key, value)
            done = CliRunner().invoke(program, [*arguments, "--format", "json"])
            text = CliRunner().invoke(program, arguments)
        assert isinstance(done.exception, SystemExit | None), done.exception
        assert done.exit_code == text.exit_code
        return done.exit_code, json.loads(done.stdout), text.stdout

    def run_printed_commands(self) -> list[str]:
        """Run the commands that `plan` prints, exactly as printed, and return the commands."""
        code, description, text = self.plan()
        commands = [command for item in description["failed"] for command in item["commands"]]
        assert code == (exit_codes.NO if commands else exit_codes.DONE)
        for command in commands:
            assert f"    {command}\n" in text
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
            assert done.returncode == 0, "\n".join([*commands, done.stderr])
        return commands

    @property
    def bucket(self) -> str:
        """The name of the export bucket."""
        name: str = self.template["Resources"][self.logical_id(BUCKET)]["Properties"]["BucketName"]
        return name

    def remove_catalog(self) -> None:
        """Remove the catalog's stack, and the resources that the stack does not delete."""
        self.deployment.unprotect()
        Stack(self.cloud, CATALOG).delete()
        s3 = self.cloud.client("s3")
        for version in s3.list_object_versions(Bucket=self.bucket).get("Versions", []):
            s3.delete_object(Bucket=self.bucket, Key=version["Key"], VersionId=version["VersionId"])
        s3.delete_bucket(Bucket=self.bucket)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> FirstDeploy:
    """Return the example before its first deploy."""
    return FirstDeploy(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="module")
def with_cluster(first: FirstDeploy) -> FirstDeploy:
    """Make the cluster's first deploy fail after a protected load balancer exists; deploy again."""
    cluster = json.loads((first.deployment.out / f"{CLUSTER}.template.json").read_text())
    late = next(
        id_
        for id_, resource in cluster["Resources"].items()
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::Listener"
    )
    first.set_fault(CLUSTER, late)
    failed = first.deployment.cdk("deploy", CLUSTER, "--require-approval", "never")
    assert failed.returncode != 0
    assert Stack(first.cloud, CLUSTER).status == "ROLLBACK_FAILED"
    first.set_fault(CLUSTER)
    _, description, _ = first.plan()
    (item,) = description["failed"]
    assert item["stack"] == CLUSTER
    assert {node["effect"] for node in description["nodes"]} == {"new"}
    first.run_printed_commands()
    assert Stack(first.cloud, CLUSTER).status == "CREATE_COMPLETE"
    return first


@pytest.fixture
def catalog(with_cluster: FirstDeploy) -> Iterator[FirstDeploy]:
    """Return the environment with the cluster's stack and without the catalog's stack."""
    yield with_cluster
    with_cluster.remove_catalog()


def test_a_protected_database_is_freed(catalog: FirstDeploy) -> None:
    """The rollback cannot delete the protected database, but it deletes the bucket."""
    alarm = catalog.logical_id("AWS::CloudWatch::Alarm")
    catalog.fail(alarm)
    assert Stack(catalog.cloud, CATALOG).status == "ROLLBACK_FAILED"
    _, description, _ = catalog.plan()
    (item,) = description["failed"]
    assert [leftover["resource"].split()[0] for leftover in item["leftovers"]] == ["database"]
    assert [database["effect"] for database in description["databases"]] == ["new"]
    catalog.run_printed_commands()
    assert Stack(catalog.cloud, CATALOG).status == "CREATE_COMPLETE"
    assert catalog.plan()[:1] == (exit_codes.DONE,)


def test_a_kept_bucket_is_adopted_with_its_contents(catalog: FirstDeploy) -> None:
    """A bucket remains after its stack is deleted, or after a rollback by an older version."""
    s3 = catalog.cloud.client("s3")
    location = {"LocationConstraint": catalog.cloud.access.region}
    s3.create_bucket(Bucket=catalog.bucket, CreateBucketConfiguration=location)
    s3.put_object(Bucket=catalog.bucket, Key="node1/export.json", Body=b"{}")
    catalog.run_printed_commands()
    assert Stack(catalog.cloud, CATALOG).ids[catalog.logical_id(BUCKET)] == catalog.bucket
    (kept,) = s3.list_objects_v2(Bucket=catalog.bucket)["Contents"]
    assert kept["Key"] == "node1/export.json"


@pytest.mark.long
def test_the_first_deploy_fails_at_one_resource_after_the_other(with_cluster: FirstDeploy) -> None:
    """Let every fourth resource of the stack fail; in `make test-whole`, let every resource fail.

    Each failure takes a deploy, a rollback and a repair.
    """
    for logical_id in [*with_cluster.template["Resources"]][:: 1 if WHOLE else 4]:
        with_cluster.fail(logical_id)
        if not with_cluster.run_printed_commands():
            # The rollback left no resource, so `plan` prints no command. The CDK CLI, too, would
            # delete the stack and create it again.
            Stack(with_cluster.cloud, CATALOG).delete()
            with_cluster.create_catalog()
        assert Stack(with_cluster.cloud, CATALOG).status == "CREATE_COMPLETE", logical_id
        with_cluster.remove_catalog()
