"""Metadata status of a cluster: its metadata database, and whether its nodes' metadata differs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.catalog import exports, logins
from denodo_ha.catalog.exports import Difference, Export
from denodo_ha.deployed.metadata_stack import MetadataStack
from denodo_ha.environment import names
from denodo_ha.environment.model.environment import Environment

_DATABASE = "AWS::RDS::DBInstance"
_OVERDUE_INTERVALS = 2
"""An export is overdue after this number of export intervals without a new export."""


@dataclass(frozen=True)
class Database:
    """The metadata database on RDS, with status and settings as RDS reports them."""

    name: str
    status: str
    version: str
    type: str
    multi_az: bool
    storage_gib: int
    pending: str


@dataclass(frozen=True)
class Node:
    """A node's newest export.

    `at` is the export's time, None if there is no export. `problem` says that there is no export,
    that its manifest cannot be read, or that the next export is overdue; empty without a problem.
    """

    name: str
    at: datetime | None
    digest: str
    problem: str


@dataclass(frozen=True)
class Status:
    """The metadata status of a cluster.

    Attributes:
        cluster: name of the cluster.
        host: address of the metadata database; empty if the cluster has no metadata database.
        database: the database on RDS, None if the stack did not create the server.
        uninitialised: components whose database `init` has not created yet.
        nodes: the nodes with their newest exports, empty if the cluster has no exports.
        difference: comparison of the nodes' metadata, None if the cluster has no exports.
    """

    cluster: str
    host: str
    database: Database | None
    uninitialised: tuple[str, ...]
    nodes: tuple[Node, ...]
    difference: Difference | None

    @property
    def good(self) -> bool:
        """Return True if the database is available and all nodes have the same metadata."""
        database = self.database is None or self.database.status == "available"
        same = self.difference is None or self.difference.since is None
        exported = not any(node.problem for node in self.nodes)
        return database and same and exported and not self.uninitialised


def read_status(
    aws: Aws, metadata: MetadataStack, environment: Environment | None, now: datetime | None = None
) -> Status:
    """Read the metadata status of a cluster.

    Args:
        aws: the credentials.
        metadata: metadata stack of the cluster.
        environment: the configuration if available; it also contains the names of nodes without an
            export.
        now: the current time.
    """
    region = metadata.location.region
    uninitialised = [
        component
        for component, arn in metadata.secrets.items()
        if "host" not in logins.read_login(aws, region, arn).value
    ]
    nodes: tuple[Node, ...] = ()
    difference = None
    if metadata.bucket is not None:
        kept = exports.read_exports(aws, region, metadata.bucket)
        cluster = environment.clusters[metadata.location.name] if environment else None
        node_names = sorted(cluster.nodes if cluster else {export.node for export in kept})
        every = cluster.exports.every if cluster and cluster.exports else None
        nodes = tuple(_nodes(kept, node_names, every, now or datetime.now(UTC)))
        difference = exports.compare(kept, node_names)
    return Status(
        cluster=metadata.location.name,
        host=metadata.stack.outputs.get(names.CATALOG_HOST, ""),
        database=_database(aws, metadata),
        uninitialised=tuple(uninitialised),
        nodes=nodes,
        difference=difference,
    )


def _nodes(
    kept: list[Export], node_names: Iterable[str], every: int | None, now: datetime
) -> Iterable[Node]:
    newest = exports.newest_exports(kept)
    for name in node_names:
        export = newest.get(name)
        if export is None:
            yield Node(name, None, "", "never exported")
        elif export.error:
            yield Node(name, export.at, "", f"unreadable: {export.error}")
        elif every is not None and now - export.at > timedelta(seconds=every * _OVERDUE_INTERVALS):
            yield Node(name, export.at, export.digest, "overdue")
        else:
            yield Node(name, export.at, export.digest, "")


def _database(aws: Aws, metadata: MetadataStack) -> Database | None:
    logical_ids = [id_ for id_, _ in metadata.stack.resources(_DATABASE)]
    if not logical_ids:
        return None
    name = metadata.stack.physical_ids[logical_ids[0]]
    with translated_errors():
        answer = aws.client("rds", metadata.location.region).describe_db_instances(
            DBInstanceIdentifier=name
        )
        instance: dict[str, Any] = answer["DBInstances"][0]
        pending = ", ".join(sorted(instance.get("PendingModifiedValues") or {}))
        return Database(
            name=name,
            status=instance["DBInstanceStatus"],
            version=instance["EngineVersion"],
            type=instance["DBInstanceClass"],
            multi_az=bool(instance["MultiAZ"]),
            storage_gib=int(instance["AllocatedStorage"]),
            pending=pending,
        )
