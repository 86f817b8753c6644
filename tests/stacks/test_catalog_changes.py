"""Changes of `catalog` keep the database, and changes of the cluster do not affect the database."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.derived.node_state import Deployed, desired_state
from denodo_ha.environment.loading.loader import load
from hosts.denodo.state_reader import parse
from tests.support import cfn_lint
from tests.support.assembly import ROOT, Template, synthesise

Data = dict[str, Any]
CLUSTER, STACK = "denodo80s-main", "denodo80s-main-catalog"
DATABASE = "AWS::RDS::DBInstance"


@pytest.fixture
def example() -> Data:
    text = (ROOT / "config/examples/shared-catalog.yaml").read_text()
    return dict(YAML(typ="safe").load(text))


def templates(data: Data, folder: Path) -> dict[str, Template]:
    folder.mkdir()
    file = folder / "environment.yaml"
    file.write_text(json.dumps(data))
    return synthesise(load(file), folder / "out").templates


def database(template: Template) -> tuple[str, dict[str, Any]]:
    ((id_, one),) = (
        (id_, resource)
        for id_, resource in template["Resources"].items()
        if resource["Type"] == DATABASE
    )
    return id_, one["Properties"]


def replacing() -> set[str]:
    """Return the properties that replace a database, as CloudFormation publishes them."""
    schema = cfn_lint.schema(DATABASE)
    return {path.removeprefix("/properties/") for path in schema["createOnlyProperties"]}


@pytest.mark.parametrize(
    ("changes", "in_place"),
    [
        ({"type": "db.m6g.large"}, {"DBInstanceClass"}),
        ({"version": "17"}, {"EngineVersion", "DBParameterGroupName"}),
        ({"version": "16.4"}, {"EngineVersion", "AutoMinorVersionUpgrade"}),
        ({"storage_gib": 40, "max_storage_gib": 80}, {"AllocatedStorage", "MaxAllocatedStorage"}),
        ({"multi_az": False}, {"MultiAZ"}),
        ({"deletion_protection": False}, {"DeletionProtection"}),
        ({"max_connections": 500}, set()),
    ],
    # Sorted, because a set's order differs between processes and test ids must not.
    ids=lambda one: str(sorted(one)),
)
def test_a_change_keeps_the_database(
    example: Data, tmp_path: Path, changes: Data, in_place: set[str]
) -> None:
    before = templates(example, tmp_path / "before")
    after_data = copy.deepcopy(example)
    after_data["clusters"]["main"]["catalog"] |= changes
    after = templates(after_data, tmp_path / "after")
    (old_id, old), (new_id, new) = database(before[STACK]), database(after[STACK])
    assert new_id == old_id
    changed = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    assert changed == in_place
    assert changed & replacing() == set()
    assert new["AllowMajorVersionUpgrade"] is True
    assert after[CLUSTER] == before[CLUSTER]


def test_another_key_replaces_it_and_says_so(example: Data, tmp_path: Path) -> None:
    """Another KMS key replaces the database: RDS keeps a snapshot, and `denodo-ha plan` says so."""
    assert "KmsKeyId" in replacing()
    example["clusters"]["main"]["catalog"]["kms_key"] = (
        "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    )
    template = templates(example, tmp_path / "key")[STACK]
    id_, properties = database(template)
    assert properties["KmsKeyId"].endswith("1234567890ab")
    assert template["Resources"][id_]["UpdateReplacePolicy"] == "Snapshot"


def test_nothing_that_happens_to_a_cluster_touches_the_data(example: Data, tmp_path: Path) -> None:
    before = templates(example, tmp_path / "before")
    main = example["clusters"]["main"]
    main["nodes"] = {"other": {"zone": "eu-west-1a"}, "third": {"zone": "eu-west-1b"}}
    main["balancer"]["scheme"] = "internet-facing"
    main["instance"]["type"] = "m5.2xlarge"
    main["network"]["cidr"] = "10.99.0.0/16"
    example["services"]["jdbc"] = 12345
    after = templates(example, tmp_path / "after")
    assert after[CLUSTER] != before[CLUSTER]
    assert after[STACK] == before[STACK]


def test_the_nodes_know_where_to_look(example: Data, tmp_path: Path) -> None:
    """Desired states name the secrets and the bucket that the metadata stack creates."""
    example["clusters"]["main"]["catalog"]["settings"] = {
        "data-catalog": {"file": "conf/x.properties", "entries": {"a": "{url}", "b": None}}
    }
    file = tmp_path / "environment.yaml"
    file.write_text(json.dumps(example))
    environment = load(file).environment
    deployed = Deployed(rmi_host="", stack="s", resource="r", program="s3://b/k")
    machine = environment.clusters["main"].instance
    assert machine is not None
    content = desired_state(environment, "main", "node1", machine=machine, deployed=deployed)
    state = parse(json.dumps(content))
    prefix = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:denodo/denodo80s/main/catalog"
    assert {name: one.secret for name, one in state.catalog.items()} == {
        name: f"{prefix}/{name}" for name in ("scheduler", "data-catalog")
    }
    assert state.catalog["data-catalog"].file == "conf/x.properties"
    assert state.catalog["data-catalog"].entries == {"a": "{url}", "b": None}
    template = synthesise(load(file), tmp_path / "out").templates[STACK]["Resources"].values()
    names = {one["Properties"].get("Name") for one in template}
    assert {one.secret.split(":secret:")[1] for one in state.catalog.values()} <= names
    assert state.exports
    assert state.exports.bucket in {one["Properties"].get("BucketName") for one in template}
    assert state.metadata.uri == f"s3://{state.exports.bucket}/node1/export.json"
    assert len(state.exports.bucket) <= 63


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn")],
)
def test_partitions(region: str, partition: str) -> None:
    assert node_metadata.partition(region) == partition
