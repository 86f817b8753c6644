"""Copies of exports in the other region: one deploy creates the copies, and replaces nothing."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.loader import load
from tests.local_aws.cloud import Cloud, DeployError
from tests.support import local_aws_server
from tests.support.assembly import Assembly, synthesise
from tests.support.configurations import ACCOUNT, GONE, OTHER_ACCOUNT, changed, write
from tests.support.copied_sites import SPARE_REGION, copied_sites

MAIN, SPARE = "test-main-catalog", "test-spare-catalog"
MAIN_COPY, SPARE_COPY = "test-main-exports-copy", "test-spare-exports-copy"
BUCKET, ROLE, DATABASE = "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::RDS::DBInstance"


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("copied")
    return synthesise(load(write(folder, copied_sites())), folder / "out")


def test_each_cluster_has_copies_and_no_stack_needs_itself(copied: Assembly) -> None:
    assert MAIN_COPY in copied.dependencies[MAIN]
    assert SPARE_COPY in copied.dependencies[SPARE]
    for stack in (MAIN_COPY, SPARE_COPY):
        assert copied.dependencies[stack] <= {f"{stack}.assets"}
    assert "Fn::" not in json.dumps(copied.resources(MAIN_COPY, BUCKET))


def test_new_exports_are_copied_to_a_versioned_bucket(copied: Assembly) -> None:
    (copies,) = copied.resources(MAIN_COPY, BUCKET).values()
    (source,) = copied.resources(MAIN, BUCKET).values()
    (rule,) = source["ReplicationConfiguration"]["Rules"]
    assert rule["Destination"]["Bucket"] == f"arn:aws:s3:::{copies['BucketName']}"
    assert (rule["Status"], rule["DeleteMarkerReplication"]) == ("Enabled", {"Status": "Disabled"})
    for bucket in (copies, source):
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        (lifecycle,) = bucket["LifecycleConfiguration"]["Rules"]
        assert lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert copies["BucketName"] != source["BucketName"]
    assert len(copies["BucketName"]) <= 63


def test_the_role_may_only_replicate(copied: Assembly) -> None:
    (role,) = copied.resources(MAIN, ROLE).values()
    assert "s3.amazonaws.com" in json.dumps(role["AssumeRolePolicyDocument"])
    (policy,) = role["Policies"]
    allowed = {
        (action, resource)
        for statement in policy["PolicyDocument"]["Statement"]
        for action in statement["Action"]
        for resource in [statement["Resource"]]
    }
    (source,) = copied.resources(MAIN, BUCKET).values()
    (copies,) = copied.resources(MAIN_COPY, BUCKET).values()
    own, other = (f"arn:aws:s3:::{bucket['BucketName']}" for bucket in (source, copies))
    assert allowed == {
        ("s3:GetReplicationConfiguration", own),
        ("s3:ListBucket", own),
        ("s3:GetObjectVersionForReplication", f"{own}/*"),
        ("s3:GetObjectVersionAcl", f"{own}/*"),
        ("s3:GetObjectVersionTagging", f"{own}/*"),
        ("s3:ReplicateObject", f"{other}/*"),
        ("s3:ReplicateTags", f"{other}/*"),
    }


def test_nodes_of_the_other_cluster_may_read_the_copies(copied: Assembly) -> None:
    (copies,) = copied.resources(MAIN_COPY, BUCKET).values()
    readers = [
        stack
        for stack in ("test-main", "test-spare")
        if copies["BucketName"] in json.dumps(copied.resources(stack, ROLE))
        or copies["BucketName"] in json.dumps(copied.resources(stack, "AWS::IAM::Policy"))
    ]
    assert readers == ["test-spare"]


def test_an_operator_may_restore_only_where_a_copy_is(copied: Assembly) -> None:
    policies = {
        stack: json.dumps(copied.resources(stack, "AWS::IAM::ManagedPolicy"))
        for stack in copied.templates
    }
    assert [
        stack for stack, text in policies.items() if "RestoreDBInstanceToPointInTime" in text
    ] == [SPARE]
    assert "db:test-spare-restored" in policies[SPARE]


@pytest.mark.long
def test_copies_change_a_deployed_stack_in_place(copied: Assembly, tmp_path: Path) -> None:
    data = changed(copied_sites(copy=False), {"clusters/main/catalog/copy": GONE})
    alone = synthesise(load(write(tmp_path, data)), tmp_path / "out")
    assert MAIN_COPY not in alone.templates
    before = alone.templates[MAIN]["Resources"]
    after = copied.templates[MAIN]["Resources"]
    for kind, keys in (
        (BUCKET, {"ReplicationConfiguration"}),
        (DATABASE, {"AutomaticBackupReplicationRegion", "AutomaticBackupReplicationKmsKeyId"}),
    ):
        (id_,) = (key for key in before if before[key]["Type"] == kind)
        assert keys == {
            key
            for key, value in after[id_]["Properties"].items()
            if before[id_]["Properties"].get(key) != value
        }
    assert {after[key]["Type"] for key in after.keys() - before.keys()} == {ROLE}
    assert not before.keys() - after.keys()


@pytest.mark.long
def test_one_account_copies_to_the_other(tmp_path: Path) -> None:
    """Deploy two clusters of two accounts to the local AWS: copies need the other stack first.

    S3 evaluates the policy of the bucket that receives the copies.
    """
    accounts = local_aws_server.new_account(), local_aws_server.new_account()
    data = copied_sites(spare_account=OTHER_ACCOUNT)
    text = json.dumps(data).replace(ACCOUNT, accounts[0]).replace(OTHER_ACCOUNT, accounts[1])
    environment = load(write(tmp_path, json.loads(text))).environment
    assembly = synthesise(load(tmp_path / "environment.yaml"), tmp_path / "out")
    main, spare = (Cloud(local_aws_server.endpoint(), account) for account in accounts)
    with pytest.raises(DeployError, match="Destination bucket must exist"):
        main.deploy(_exports_alone(assembly, MAIN), stack="early")
    spare = spare.of(region=SPARE_REGION)
    spare.deploy(assembly.templates[MAIN_COPY]["Resources"], stack=MAIN_COPY)
    main.deploy(_exports_alone(assembly, MAIN), stack=MAIN)
    bucket = node_metadata.export_bucket_name(environment, "main")
    main.client("s3").put_object(Bucket=bucket, Key="node1/export.json", Body=b"{}")
    copies = node_metadata.export_copy_bucket_name(environment, "main")
    copy = spare.client("s3").get_object(Bucket=copies, Key="node1/export.json")
    # The local AWS gives a copy a version id of its own, unlike S3.
    assert copy["ReplicationStatus"] == "REPLICA"


def _exports_alone(assembly: Assembly, stack: str) -> dict[str, Any]:
    """Return the resources of a metadata stack that belong to the exports."""
    resources = assembly.templates[stack]["Resources"]
    return {id_: one for id_, one in resources.items() if id_.startswith("Exports")}
