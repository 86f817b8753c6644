"""How a cluster's metadata is: its database, and whether the nodes' own differ."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.error_translation import translated_errors
from denodo_ha.catalog import exports, logins
from denodo_ha.catalog.exports import Difference, Export
from denodo_ha.catalog.location import Metadata
from denodo_ha.environment import names
from denodo_ha.environment.model.environment import Environment

_DATABASE = "AWS::RDS::DBInstance"
_GRACE = 2
"""Of how many intervals one export may be missed."""


@dataclass(frozen=True)
class Database:
    """The database on RDS: status and settings as RDS says."""

    name: str
    status: str
    version: str
    type: str
    multi_az: bool
    storage_gib: int
    pending: str


@dataclass(frozen=True)
class Node:
    """A node's newest export; `at` is None where there is none, `problem` says what is wrong."""

    name: str
    at: datetime | None
    digest: str
    problem: str


@dataclass(frozen=True)
class Status:
    """What was found.

    Attributes:
        cluster: the cluster.
        host: the database's address, empty without one.
        database: the database on RDS, None where it is somebody else's or there is none.
        uninitialised: components whose login does not work yet.
        nodes: the nodes and their exports, empty where there are no exports.
        difference: whether they differ.
    """

    cluster: str
    host: str
    database: Database | None
    uninitialised: tuple[str, ...]
    nodes: tuple[Node, ...]
    difference: Difference | None

    @property
    def good(self) -> bool:
        """Whether there is nothing to do."""
        database = self.database is None or self.database.status == "available"
        same = self.difference is None or self.difference.since is None
        exported = not any(node.problem for node in self.nodes)
        return database and same and exported and not self.uninitialised


def status(
    aws: Aws, metadata: Metadata, environment: Environment | None, now: datetime | None = None
) -> Status:
    """How a cluster's metadata is.

    Args:
        aws: credentials.
        metadata: which cluster's.
        environment: the configuration, where it is at hand: it knows nodes that never exported.
        now: the time.
    """
    region = metadata.location.region
    empty = [
        component
        for component, arn in metadata.secrets.items()
        if "host" not in logins.read(aws, region, arn).value
    ]
    nodes: tuple[Node, ...] = ()
    difference = None
    if metadata.bucket is not None:
        found = exports.read(aws, region, metadata.bucket)
        cluster = environment.clusters[metadata.location.name] if environment else None
        known = sorted(cluster.nodes) if cluster else sorted({one.node for one in found})
        every = cluster.exports.every if cluster and cluster.exports else None
        nodes = tuple(_nodes(found, known, every, now or datetime.now(UTC)))
        difference = exports.compare(found, known)
    return Status(
        cluster=metadata.location.name,
        host=metadata.stack.outputs.get(names.CATALOG_HOST, ""),
        database=_database(aws, metadata),
        uninitialised=tuple(empty),
        nodes=nodes,
        difference=difference,
    )


def _nodes(
    found: list[Export], known: Iterable[str], every: int | None, now: datetime
) -> Iterable[Node]:
    last = exports.newest(found)
    for name in known:
        one = last.get(name)
        if one is None:
            yield Node(name, None, "", "never exported")
        elif one.error:
            yield Node(name, one.at, "", f"unreadable: {one.error}")
        elif every is not None and now - one.at > timedelta(seconds=every * _GRACE):
            yield Node(name, one.at, one.digest, "overdue")
        else:
            yield Node(name, one.at, one.digest, "")


def _database(aws: Aws, metadata: Metadata) -> Database | None:
    found = [id_ for id_, _ in metadata.stack.resources(_DATABASE)]
    if not found:
        return None
    name = metadata.stack.physical_ids[found[0]]
    with translated_errors():
        answer = aws.client("rds", metadata.location.region).describe_db_instances(
            DBInstanceIdentifier=name
        )
    shown: dict[str, Any] = answer["DBInstances"][0]
    pending = ", ".join(sorted(shown.get("PendingModifiedValues") or {}))
    return Database(
        name=name,
        status=shown["DBInstanceStatus"],
        version=shown["EngineVersion"],
        type=shown["DBInstanceClass"],
        multi_az=bool(shown["MultiAZ"]),
        storage_gib=int(shown["AllocatedStorage"]),
        pending=pending,
    )
