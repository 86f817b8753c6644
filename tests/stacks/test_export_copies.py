"""Copies of exports in the other region: one deploy creates them, and nothing is replaced."""

import json
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.loader import load
from tests.support.assembly import Assembly, synthesise
from tests.support.configurations import ACCOUNT, OTHER_ACCOUNT, Data, changed, twins, write

MAIN, SPARE = "test-main-catalog", "test-spare-catalog"
MAIN_COPY, SPARE_COPY = "test-main-exports-copy", "test-spare-exports-copy"
BUCKET, ROLE, POLICY = "AWS::S3::Bucket", "AWS::IAM::Role", "AWS::S3::BucketPolicy"


def exporting(**more: Any) -> Data:
    """Return two clusters with exports, the second one in another account."""

    def exports(account: str, region: str) -> Data:
        login = f"arn:aws:secretsmanager:{region}:{account}:secret:login-AbCdEf"
        return {"login": login, **more}

    return changed(
        twins(),
        {
            "clusters/main/exports": exports(ACCOUNT, "eu-west-1"),
            "clusters/spare/exports": exports(OTHER_ACCOUNT, "us-east-1"),
            "clusters/spare/account": OTHER_ACCOUNT,
            "failover/account": ACCOUNT,
        },
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("copied")
    return synthesise(load(write(folder, exporting())), folder / "out")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    folder = tmp_path_factory.mktemp("alone")
    return synthesise(load(write(folder, exporting(copy=False))), folder / "out")


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


def test_another_account_admits_the_role_before_it_exists(copied: Assembly) -> None:
    (policy,) = copied.resources(MAIN_COPY, POLICY).values()
    (role,) = copied.resources(MAIN, ROLE).values()
    statements = [
        statement
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert len(statements) == 2
    for statement in statements:
        assert ACCOUNT in json.dumps(statement["Principal"])
        principal = statement["Condition"]["ArnEquals"]["aws:PrincipalArn"]
        assert principal == f"arn:aws:iam::{ACCOUNT}:role/{role['RoleName']}"


def test_nodes_of_the_other_cluster_may_read_the_copies(copied: Assembly) -> None:
    (copies,) = copied.resources(MAIN_COPY, BUCKET).values()
    readers = [
        stack
        for stack in ("test-main", "test-spare")
        if copies["BucketName"] in json.dumps(copied.resources(stack, ROLE))
        or copies["BucketName"] in json.dumps(copied.resources(stack, "AWS::IAM::Policy"))
    ]
    assert readers == ["test-spare"]


def test_copies_change_a_deployed_stack_in_place(copied: Assembly, alone: Assembly) -> None:
    assert MAIN_COPY not in alone.templates
    before = alone.templates[MAIN]["Resources"]
    after = copied.templates[MAIN]["Resources"]
    (id_,) = (key for key in before if before[key]["Type"] == BUCKET)
    changed_keys = {
        key
        for key, value in after[id_]["Properties"].items()
        if before[id_]["Properties"].get(key) != value
    }
    assert changed_keys == {"ReplicationConfiguration"}
    assert {after[key]["Type"] for key in after.keys() - before.keys()} == {ROLE}
    assert not before.keys() - after.keys()


@pytest.mark.parametrize("more", [{}, {"copy": True}])
def test_the_default_is_a_copy_where_there_are_two_regions(tmp_path: Path, more: Data) -> None:
    environment = load(write(tmp_path, exporting(**more))).environment
    assert node_metadata.export_copy_target(environment, "main") == "spare"
    assert node_metadata.copied_clusters(environment, "main") == ("spare",)
    assert len(node_metadata.readable_export_buckets(environment, "main")) == 2
