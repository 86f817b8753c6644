"""`denodo-ha catalog status`: nodes with different metadata, since when, and the database."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import exports, metadata_status
from denodo_ha.catalog.exports import Export, compare
from denodo_ha.cli import exit_codes
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.metadata_stack import MetadataStack
from denodo_ha.deployed.stack import Stack
from tests.commands.account import catalog_cloud
from tests.commands.account.catalog_cloud import REGION, STACK, Catalog
from tests.commands.conftest import Clouds, Run
from tests.support.assembly import Template
from tests.support.configurations import ACCOUNT, loaded, write

Templates = Callable[[Path], Mapping[str, Template]]
DAY = datetime(2026, 1, 1, tzinfo=UTC)


def made(node: str, day: float, digest: str) -> Export:
    return Export(DAY + timedelta(days=day), node, digest, 1)


@pytest.mark.parametrize(
    ("found", "groups", "since", "longer"),
    [
        ([], {}, None, False),
        ([made("a", 0, "x")], {"x": ("a",)}, None, False),
        ([made("a", 0, "x"), made("b", 1, "x")], {"x": ("a", "b")}, None, False),
        # The metadata of node b changed last on day 3, and node a still has the metadata of day 0.
        (
            [made("a", 0, "x"), made("b", 0, "x"), made("a", 2, "x"), made("b", 3, "y")],
            {"x": ("a",), "y": ("b",)},
            3,
            False,
        ),
        # The nodes have differed since the first change; later changes do not matter.
        (
            [made("a", 0, "x"), made("b", 0, "x"), made("a", 1, "y"), made("b", 5, "z")],
            {"y": ("a",), "z": ("b",)},
            1,
            False,
        ),
        # The nodes differed, then had the same metadata, and now differ again.
        (
            [
                made("a", 0, "x"),
                made("b", 0, "y"),
                made("b", 1, "x"),
                made("a", 4, "y"),
            ],
            {"x": ("b",), "y": ("a",)},
            4,
            False,
        ),
        # No older exports are kept, so the nodes may have differed before.
        ([made("a", 0, "x"), made("b", 2, "y")], {"x": ("a",), "y": ("b",)}, 2, True),
        # Unreadable exports and removed nodes are left out.
        (
            [made("a", 0, "x"), made("gone", 0, "q"), Export(DAY, "b", "", 0, "spoilt")],
            {"x": ("a",)},
            None,
            False,
        ),
    ],
)
def test_since_when_nodes_differ(
    found: list[Export],
    groups: dict[str, tuple[str, ...]],
    since: float | None,
    longer: bool,  # noqa: FBT001 - a value of the table above
) -> None:
    difference = compare(found, ["a", "b"])
    assert difference.groups == groups
    assert difference.since == (None if since is None else DAY + timedelta(days=since))
    assert difference.longer == longer


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"at": 1}', b'{"at": "x", "digest": "y"}'])
def test_an_unreadable_manifest(text: bytes) -> None:
    found = exports.parse_manifest("a", text, DAY)
    assert (found.at, found.digest) == (DAY, "")
    assert found.error


@pytest.fixture
def catalog(clouds: Clouds, templates_of: Templates, tmp_path: Path) -> Catalog:
    config = write(tmp_path, catalog_cloud.configuration())
    cloud = clouds(str(config))
    no_server: Any = None
    return catalog_cloud.deploy(cloud, no_server, config, templates_of(config)[STACK])


def put(catalog: Catalog, node: str, digest: str, at: datetime) -> None:
    client = catalog.cloud.client("s3", REGION)
    (bucket,) = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
    body = json.dumps({"at": at.isoformat(), "digest": digest, "size": 1})
    client.put_object(Bucket=bucket, Key=f"{node}/export.json", Body=body.encode())
    client.put_object(Bucket=bucket, Key=f"{node}/metadata.vql", Body=b"CREATE VIEW a;")


def ready(catalog: Catalog) -> None:
    """Put host and port into the secret of each component, as `catalog init` does."""
    for component in ("scheduler", "data-catalog"):
        value = {**catalog.value(component), "host": "db.example.com", "port": 5432}
        name = f"denodo/test/main/catalog/{component}"
        catalog.secrets.put_secret_value(SecretId=name, SecretString=json.dumps(value))


def test_status_before_init(catalog: Catalog, denodo_ha: Run) -> None:
    done = denodo_ha("catalog", "status", *catalog.arguments)
    assert done.exit_code == exit_codes.NO
    assert "that this project does not manage" in done.output
    assert "scheduler: has no database yet" in done.output
    assert done.output.count("never exported") == 2


def test_status_without_problems(catalog: Catalog, denodo_ha: Run) -> None:
    ready(catalog)
    now = datetime.now(UTC)
    for node in ("node1", "node2"):
        put(catalog, node, "abc", now)
    done = denodo_ha("catalog", "status", *catalog.arguments)
    assert done.exit_code == exit_codes.DONE, done.output
    assert "The exported nodes have the same metadata" in done.output
    json_text = denodo_ha("catalog", "status", *catalog.arguments, "--format", "json").output
    assert json.loads(json_text)["good"] is True
    for component in ("scheduler", "data-catalog"):
        assert catalog.value(component)["password"] not in json_text + done.output


def test_status_shows_which_nodes_differ_since_when(catalog: Catalog, denodo_ha: Run) -> None:
    ready(catalog)
    now = datetime.now(UTC).replace(microsecond=0)
    for days, node, digest in (
        (3, "node1", "x"),
        (3, "node2", "x"),
        (2, "node1", "y"),
        (1, "node2", "x"),
        (0, "node1", "y"),
    ):
        put(catalog, node, digest, now - timedelta(days=days))
    put(catalog, "removed", "z", now)
    done = denodo_ha("catalog", "status", *catalog.arguments)
    assert done.exit_code == exit_codes.NO
    since = (now - timedelta(days=2)).isoformat(timespec="minutes")
    assert f"The nodes' metadata differs since {since}: node1 | node2" in done.output
    assert "removed" not in done.output
    # Without the configuration file, every node that has exports is compared.
    found = denodo_ha("catalog", "status", "--environment", "test", "--region", REGION)
    assert "removed" in found.output


def test_an_export_that_is_overdue(catalog: Catalog, denodo_ha: Run) -> None:
    ready(catalog)
    now = datetime.now(UTC)
    put(catalog, "node1", "x", now - timedelta(days=3))
    put(catalog, "node2", "x", now)
    done = denodo_ha("catalog", "status", *catalog.arguments)
    assert done.exit_code == exit_codes.NO
    assert done.output.count("overdue") == 1


def test_a_stack_that_is_not_deployed(catalog: Catalog, denodo_ha: Run) -> None:
    catalog.cloud.stacks.all.pop()
    for command in ("status", "init"):
        done = denodo_ha("catalog", command, *catalog.arguments)
        assert done.exit_code == exit_codes.REFUSED
        assert f"{STACK} is not deployed" in done.output


def test_a_stack_without_a_database(catalog: Catalog, denodo_ha: Run) -> None:
    del catalog.cloud.stacks.all[-1].outputs["CatalogHost"]
    done = denodo_ha("catalog", "init", *catalog.arguments)
    assert done.exit_code == exit_codes.REFUSED
    assert "has no database" in done.output


def test_the_database_on_rds(catalog: Catalog, tmp_path: Path) -> None:
    client = catalog.cloud.client("rds", REGION)
    client.create_db_instance(
        DBInstanceIdentifier="it",
        DBInstanceClass="db.t4g.medium",
        Engine="postgres",
        AllocatedStorage=20,
        MasterUsername="admin1",
        MasterUserPassword="password",
        MultiAZ=True,
    )
    template: Any = {"Resources": {"Db": {"Type": "AWS::RDS::DBInstance", "Properties": {}}}}
    stack = Stack(
        STACK, "arn", REGION, ACCOUNT, "CREATE_COMPLETE", {}, {}, {}, template, {"Db": "it"}
    )
    metadata = MetadataStack(StackLocation("main", STACK, ACCOUNT, REGION), "test", stack)
    environment = loaded(tmp_path, catalog_cloud.configuration()).environment
    current = metadata_status.read_status(Aws(), metadata, environment)
    assert current.database
    assert (current.database.status, current.database.multi_az) == ("available", True)
    assert current.good
