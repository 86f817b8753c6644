"""The Denodo Platform on the nodes: version, installation, servers and their options."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from denodo_ha.environment.facts.denodo_ports import Version
from denodo_ha.environment.facts.instance_memory import HEAP_MOST_GIB
from denodo_ha.environment.facts.limits import (
    CREATION_TIMEOUT_S,
    START_LIMIT_DEFAULT_S,
    STOP_LIMIT_DEFAULT_S,
)
from denodo_ha.environment.model.aws_field_types import ObjectUri, SecretArn, SecretVersion
from denodo_ha.environment.model.field_types import (
    ClusterName,
    Flag,
    FolderPath,
    Form,
    JvmOptions,
    LinuxUser,
    Whole,
    wrong,
)
from denodo_ha.environment.model.section import Section, short_form
from denodo_ha.environment.model.service import EVERY

Server = Literal[
    "vdp", "data-catalog", "design-studio", "scheduler", "scheduler-admin", "diagnostic-monitoring"
]
SERVERS_DEFAULT: tuple[Server, ...] = ("vdp", "data-catalog")
"""Ours: the servers of the default services jdbc, odbc and web."""

USER_DEFAULT = "denodo"


def _without_duplicates(values: tuple[Server, ...]) -> tuple[Server, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        what = f"names {' and '.join(twice)} twice"
        raise wrong(what, "each server is started once", "write each name once")
    return values


_Key = Annotated[
    str,
    Form(
        r"\*|[a-z][a-z0-9-]{0,15}",
        "is not a name for a cluster",
        "each cluster has its secret",
        "active",
        "write a cluster's name",
    ),
]


Secrets = Annotated[
    Mapping[_Key, SecretArn],
    Field(min_length=1),
    BeforeValidator(
        lambda value: {EVERY: value} if isinstance(value, str) else value,
        json_schema_input_type=SecretArn
        | Annotated[Mapping[ClusterName, SecretArn], Field(min_length=1)],
    ),
]
StartLimit = Annotated[
    Whole, Field(ge=CREATION_TIMEOUT_S.low, le=CREATION_TIMEOUT_S.high), CREATION_TIMEOUT_S
]
StopLimit = Annotated[Whole, Field(ge=10, le=CREATION_TIMEOUT_S.high)]


def cluster_secret(arns: Mapping[str, str] | None, cluster: str) -> str | None:
    """Return the ARN of a cluster's secret."""
    arns = arns or {}
    return arns.get(cluster, arns.get(EVERY))


class Jvm(Section):
    """Options of the servers' JVMs; options that are not given stay as in the image."""

    vdp: JvmOptions | None = None
    """Options of Virtual DataPort, instead of those from `heap_gib` or the instance type."""
    web: JvmOptions | None = None
    """Options of the web container."""
    scheduler: JvmOptions | None = None
    """Options of the Scheduler."""


class Tls(Section):
    """TLS of Denodo's own servers, from version 8.0 on."""

    secret: Secrets
    """Secret with key store, certificate and credentials (docs/node.md). One ARN, or a map of \
cluster to ARN if clusters are in different regions or accounts."""
    version: SecretVersion | None = None
    """Id of the secret's version: change it to make the nodes use a renewed certificate."""


class Metadata(Section):
    """The source of a new node's metadata; the node is not ready until it has the metadata."""

    source: Literal["manual", "catalog", "export"]
    """manual: an operator confirms the metadata; catalog: Virtual DataPort shares a metadata \
database that is set in the image (8.0 on); export: a VQL file in S3 is imported once per \
instance."""
    uri: ObjectUri | None = None
    """S3 address of the export."""
    login: Secrets | None = None
    """Secret with `username` and `password` of the importing user. One ARN, or a map of cluster \
to ARN."""


MetadataEntry = Annotated[
    Metadata,
    BeforeValidator(
        short_form("source"),
        json_schema_input_type=Literal["manual", "catalog"] | Metadata,
    ),
]


class Denodo(Section):
    """The Denodo Platform on the nodes."""

    version: Version
    """Version of the Denodo Platform, in quotes: it determines the ports, and whether nodes need \
auxiliary ports."""
    program: Flag = True
    """Whether this project's program sets up the nodes (docs/node.md); without it they stay as in \
their image, and health checks only connect."""
    home: FolderPath | None = None
    """Folder in which Denodo is installed; default: /opt/denodo/denodo_platform_8_0 for 8.0."""
    user: LinuxUser = USER_DEFAULT
    """Linux user that owns the installation and runs the servers."""
    servers: Annotated[
        tuple[Server, ...],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_without_duplicates),
    ] = SERVERS_DEFAULT
    """Servers that every node starts, in this order; default: vdp and data-catalog."""
    heap_gib: Annotated[Whole, Field(ge=1, le=HEAP_MOST_GIB)] | None = None
    """Heap of Virtual DataPort in GiB; default: half of the instance type's memory, if it is \
known."""
    jvm: Jvm = Jvm()
    """Options of the servers' JVMs."""
    tls: Tls | None = None
    """TLS of Denodo's own servers (8.0 on); default: as in the image."""
    security_token: Secrets | None = None
    """Secret with the Denodo Security Token, which promotions need (8.0 on). One ARN, or a map of \
cluster to ARN."""
    metadata: MetadataEntry = Metadata(source="manual")
    """The source of a new node's metadata."""
    signal: Literal["ready", "configured"] = "ready"
    """When CloudFormation considers a new node created: when it is ready to serve, or only \
configured, if it must be registered for a licence first."""
    start_limit: StartLimit = START_LIMIT_DEFAULT_S
    """Seconds in which a new node must become ready, else the deploy fails."""
    watchdog: Flag = True
    """Whether a server that dies is started again (docs/node.md)."""
    stop_limit: StopLimit = STOP_LIMIT_DEFAULT_S
    """Seconds that running queries may continue when a node is stopped."""

    def platform_home(self) -> str:
        """Return the folder in which Denodo is installed."""
        return self.home or f"/opt/denodo/denodo_platform_{self.version.replace('.', '_')}"
