"""`catalog import-export` and `catalog digest-test`: from the node's region, and drained nodes."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.catalog import recovery_commands
from denodo_ha.cli import exit_codes
from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from tests.commands.account.agents import Agents
from tests.commands.account.cloud import Cloud
from tests.commands.account.cloudformation import Deployed
from tests.commands.conftest import Clouds, Run
from tests.support.configurations import ACCOUNT
from tests.support.copied_sites import SPARE_REGION as SPARE


@dataclass
class Site:
    """The cluster `spare` with its own exports, and with copies of the exports of `main`."""

    cloud: Cloud
    agents: Agents
    config: Path

    @property
    def copies(self) -> str:
        """Return the bucket of the copies of the exports of `main`."""
        return node_metadata.export_copy_bucket_name(self.cloud.environment, "main")

    @property
    def own(self) -> str:
        """Return the bucket of the cluster's own exports."""
        return node_metadata.export_bucket_name(self.cloud.environment, "spare")

    def put(self, bucket: str, node: str, at: datetime) -> None:
        """Store a manifest of a node's export in a bucket."""
        text = json.dumps({"at": at.isoformat(), "digest": "d", "size": 1})
        self.cloud.client("s3", SPARE).put_object(
            Bucket=bucket, Key=f"{node}/export.json", Body=text.encode()
        )

    def drain(self, node: str) -> None:
        """Take a node out of service, as an operator does."""
        id_ = self.cloud.nodes("spare")[node]
        for arn in self.cloud.groups("spare").values():
            client = self.cloud.client("elbv2", SPARE)
            client.deregister_targets(TargetGroupArn=arn, Targets=[{"Id": id_}])
        tag = {"Key": names.DRAINED_TAG, "Value": "2026-01-01T00:00:00+00:00 me@here import"}
        self.cloud.client("ec2", SPARE).create_tags(Resources=[id_], Tags=[tag])


@pytest.fixture
def site(clouds: Clouds, copied_config: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    cloud = clouds(str(copied_config))
    site = Site(cloud, Agents(cloud, "spare"), copied_config)
    monkeypatch.setattr(recovery_commands, "RealClock", lambda: cloud.clock)
    for stack, output, bucket in (
        ("test-spare-catalog", names.EXPORT_BUCKET, site.own),
        ("test-main-exports-copy", names.EXPORT_COPY_BUCKET, site.copies),
    ):
        deployed = Deployed(stack, ACCOUNT, SPARE, {"Resources": {}, "Outputs": {}})
        deployed.outputs = {output: bucket}
        cloud.stacks.all.append(deployed)
        cloud.client("s3", SPARE).create_bucket(Bucket=bucket)
    return site


def run(site: Site, denodo_ha: Run, *more: str) -> Any:
    where = ("-c", str(site.config), "--cluster", "spare")
    return denodo_ha("catalog", "import-export", "node1", *where, *more)


def test_the_newest_copy_of_any_node_is_imported(site: Site, denodo_ha: Run) -> None:
    site.put(site.copies, "node1", datetime(2026, 1, 1, tzinfo=UTC))
    site.put(site.copies, "node2", datetime(2026, 1, 2, tzinfo=UTC))
    site.drain("node1")
    done = run(site, denodo_ha, "--from", "main", "--dry-run")
    assert (done.exit_code, site.agents.nodes["node1"].imports) == (exit_codes.DONE, []), (
        done.output
    )
    done = run(site, denodo_ha, "--from", "main")
    assert done.exit_code == exit_codes.DONE, done.output
    uri = f"s3://{site.copies}/node2/export.json"
    assert site.agents.nodes["node1"].imports == [uri]
    assert "the export of node2 at 2026-01-02" in done.output
    assert "stays drained" in done.output
    assert site.cloud.mark("spare", "node1")


def test_nothing_is_read_from_the_lost_region(site: Site, denodo_ha: Run) -> None:
    site.put(site.copies, "node1", datetime(2026, 1, 1, tzinfo=UTC))
    site.drain("node1")
    assert run(site, denodo_ha, "--from", "main").exit_code == exit_codes.DONE
    # Reads must not leave the region of `spare`. The history entry, a write, may go to another
    # region.
    reads = [call for call in site.cloud.calls.made if call.operation != "PutObject"]
    assert {call.region for call in reads} == {SPARE}


def test_without_from_a_node_imports_its_own_export(site: Site, denodo_ha: Run) -> None:
    site.put(site.own, "node1", datetime(2026, 1, 1, tzinfo=UTC))
    site.put(site.own, "node2", datetime(2026, 1, 2, tzinfo=UTC))
    site.drain("node1")
    assert run(site, denodo_ha).exit_code == exit_codes.DONE
    assert site.agents.nodes["node1"].imports == [f"s3://{site.own}/node1/export.json"]


def test_a_node_in_service_is_refused(site: Site, denodo_ha: Run) -> None:
    site.put(site.copies, "node1", datetime(2026, 1, 1, tzinfo=UTC))
    done = run(site, denodo_ha, "--from", "main")
    assert done.exit_code == exit_codes.REFUSED
    assert "denodo-ha drain node1" in done.output
    assert not site.agents.nodes["node1"].imports


def test_an_empty_bucket_and_no_bucket(site: Site, denodo_ha: Run) -> None:
    site.drain("node1")
    done = run(site, denodo_ha, "--from", "main")
    assert done.exit_code == exit_codes.REFUSED
    assert "has no export of main yet" in done.output
    site.cloud.stacks.all[:] = [
        stack for stack in site.cloud.stacks.all if stack.name != "test-main-exports-copy"
    ]
    done = run(site, denodo_ha, "--from", "main")
    assert done.exit_code == exit_codes.REFUSED
    assert "test-main-exports-copy in us-east-1 has no bucket" in done.output


def test_a_cluster_without_exports_cannot_import(site: Site, denodo_ha: Run) -> None:
    """Copies arrive in the cluster's region, but the nodes have no login to import the copies."""
    site.put(site.copies, "node1", datetime(2026, 1, 1, tzinfo=UTC))
    site.drain("node1")
    resources = site.cloud.stack("spare").template["Resources"].values()
    (document,) = (each for each in resources if each["Type"] == "AWS::SSM::Document")
    actions = document["Properties"]["Content"]["parameters"]["Action"]
    every = actions["allowedValues"]
    actions["allowedValues"] = [name for name in every if name != "import-export"]
    try:
        for more in ((), ("--dry-run",)):
            done = run(site, denodo_ha, "--from", "main", *more)
            assert done.exit_code == exit_codes.REFUSED, done.output
            assert "add `exports` to clusters.spare if the key is missing, deploy" in done.output
    finally:
        actions["allowedValues"] = every
    assert not site.agents.nodes["node1"].imports


def test_a_failed_import_leaves_the_node_drained(site: Site, denodo_ha: Run) -> None:
    site.put(site.copies, "node1", datetime(2026, 1, 1, tzinfo=UTC))
    site.drain("node1")
    site.agents.nodes["node1"].import_outcome = 11
    done = run(site, denodo_ha, "--from", "main")
    assert done.exit_code == exit_codes.FAILED
    assert "did not import" in done.output
    assert "node1 stays drained" in done.output


def digest(**changes: Any) -> str:
    report = {
        "elements": 7,
        "not_compared": [],
        "differences": {},
        "not_shown": 0,
        **changes,
    }
    return json.dumps(report)


@pytest.mark.parametrize(
    ("output", "code", "says"),
    [
        (digest(), exit_codes.DONE, "same site digest (7 elements)"),
        (
            digest(differences={"sales/VIEW a": "differs after LAYOUT"}, not_shown=3),
            exit_codes.NO,
            "1 and 3 more of 7 elements differ",
        ),
        (digest(differences=1), exit_codes.FAILED, "denodo-ha roll --node node1"),
        ("", exit_codes.FAILED, "denodo-ha roll --node node1"),
    ],
)
def test_a_digest_test(site: Site, denodo_ha: Run, output: str, code: int, says: str) -> None:
    site.agents.nodes["node1"].digest_test = output
    where = ("-c", str(site.config), "--cluster", "spare")
    done = denodo_ha("catalog", "digest-test", "node1", *where)
    assert (done.exit_code, says in done.output) == (code, True), done.output
    done = denodo_ha("catalog", "digest-test", "node1", *where, "--format", "json")
    if code != exit_codes.FAILED:
        assert json.loads(done.stdout)["same"] is (code == exit_codes.DONE)
