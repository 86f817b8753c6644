"""Deploy an earlier revision, then the working tree, then the earlier revision again."""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from denodo_ha.environment.loading.loader import load
from tests.support import local_aws_server
from tests.support.assembly import ROOT, synthesise
from tests.support.stack_updates import bootstrap_through_api, deploy_through_api
from tests.upgrade.revision import Revision, python
from tools.local_aws import bootstrap, deployment
from tools.local_aws.credentials import Access

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE, CLUSTER, STACK = "active-active", "main", "denodo80-main"
_ACCOUNT = re.compile(r"\b111122223333\b")
_KEPT = (
    "AWS::EC2::Instance",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
    "AWS::ElasticLoadBalancingV2::Listener",
    "AWS::IAM::ManagedPolicy",
)


class Environment:
    """The example in an account of the local AWS, with cloud assemblies of both revisions."""

    def __init__(self, revision: Revision, folder: Path) -> None:
        account = local_aws_server.new_account()
        self.file = revision.pinned_configuration(EXAMPLE, folder)
        self.file.write_text(_ACCOUNT.sub(account, self.file.read_text()))
        loaded = load(self.file)
        self.assemblies = {"old": folder / "old", "new": folder / "new"}
        shutil.copytree(revision.assembly(EXAMPLE), self.assemblies["old"])
        for part in self.assemblies["old"].glob("*.json"):
            part.write_text(_ACCOUNT.sub(account, part.read_text()))
        synthesise(loaded, self.assemblies["new"])
        endpoint, self._paths = local_aws_server.endpoint(), local_aws_server.paths()
        home = bootstrap.home_location(loaded.environment)
        self._access, self._revision = Access(endpoint, *home), revision
        deployment.make_prerequisites(endpoint, loaded)
        bootstrap_through_api(endpoint, [home])

    def deploy(self, revision: str) -> dict[str, str]:
        """Deploy a revision; return the physical ids of resources to keep, by logical id."""
        deploy_through_api(self._access.endpoint, self.assemblies[revision])
        return self.ids()

    def ids(self) -> dict[str, str]:
        client = self._access.client("cloudformation")
        pages = client.get_paginator("list_stack_resources").paginate(StackName=STACK)
        return {
            summary["LogicalResourceId"]: summary["PhysicalResourceId"]
            for page in pages
            for summary in page["StackResourceSummaries"]
            if summary["ResourceType"] in _KEPT
        }

    def run(self, revision: str, *arguments: str) -> str:
        """Run a command of a revision; return its output."""
        environment = self._access.environment(self._paths)
        given = (*arguments, "-c", str(self.file))
        if revision == "old":
            done = self._revision.run(*given, environment=environment)
        else:
            done = python(ROOT, "-m", "denodo_ha", *given, environment=environment)
        assert done.returncode in {0, 1}, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout

    def drained(self, revision: str) -> list[str]:
        """Return the names of drained nodes according to a revision's `status`."""
        status = json.loads(self.run(revision, "status", "--no-ask", "--format", "json"))
        nodes: list[Mapping[str, Any]] = status["clusters"][0]["nodes"]
        return [str(node["name"]) for node in nodes if node["drained"]]


@pytest.mark.long
def test_deploys_forward_and_back_with_the_commands_of_both(
    revision: Revision, tmp_path: Path
) -> None:
    environment = Environment(revision, tmp_path)
    ids = environment.deploy("old")
    environment.run("new", "drain", "node1", "--cluster", CLUSTER)
    assert environment.drained("old") == ["node1"]
    assert environment.deploy("new") == ids
    assert environment.drained("old") == environment.drained("new") == ["node1"]
    environment.run("old", "enable", "node1", "--cluster", CLUSTER)
    assert environment.drained("new") == []
    environment.run("old", "drain", "node2", "--cluster", CLUSTER)
    assert environment.deploy("old") == ids
    assert environment.drained("new") == ["node2"]
    environment.run("new", "enable", "node2", "--cluster", CLUSTER)
    assert environment.drained("old") == []
