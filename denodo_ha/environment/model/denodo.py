"""The Denodo Platform on the nodes: version, installation, servers and their options."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from denodo_ha.environment.facts.denodo_ports import VERSION_PATTERN, Family, family_of
from denodo_ha.environment.facts.instance_memory import HEAP_MOST_GIB
from denodo_ha.environment.facts.limits import (
    BUSY_LIMIT_DEFAULT_S,
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

Version = Annotated[
    str,
    Form(
        VERSION_PATTERN,
        "is not a known version of Denodo",
        'the version determines ports, files and scripts; "7.0", any 8.x and any 9.x are known',
        '"8.0"',
    ),
]
Server = Literal[
    "vdp", "data-catalog", "design-studio", "scheduler", "scheduler-admin", "diagnostic-monitoring"
]
SERVERS_DEFAULT: tuple[Server, ...] = ("vdp", "data-catalog")
"""Project default: the servers of the default services jdbc, odbc and web."""

USER_DEFAULT = "denodo"


def _without_duplicates(values: tuple[Server, ...]) -> tuple[Server, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        what = f"lists {' and '.join(twice)} twice"
        raise wrong(what, "each server is started only once", "write each name once")
    return values


_Key = Annotated[
    str,
    Form(
        r"\*|[a-z][a-z0-9-]{0,15}",
        "is not a name for a cluster",
        "each key must be the name of a cluster, and each value the ARN of the cluster's secret",
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
    """Return the ARN of a cluster's secret; None if the cluster has none."""
    arns = arns or {}
    return arns.get(cluster, arns.get(EVERY))


class Jvm(Section):
    """Options of the servers' JVMs. A server without an entry keeps the image's options."""

    vdp: JvmOptions | None = None
    """Options of Virtual DataPort, which replace the heap size from `heap_gib` or the instance \
type."""
    web: JvmOptions | None = None
    """Options of the web container."""
    scheduler: JvmOptions | None = None
    """Options of the Scheduler."""


class Tls(Section):
    """TLS of Denodo's own servers, from version 8.0 on."""

    secret: Secrets
    """Secret with the key store, certificate and credentials (docs/reference/node.md). One ARN, \
or a map of cluster to ARN if clusters are in different regions or accounts."""
    version: SecretVersion | None = None
    """Id of the secret's version: change this id to make the nodes use a renewed certificate."""


class Metadata(Section):
    """The source of a new node's metadata; the node is not ready until it has the metadata."""

    source: Literal["manual", "catalog", "export"]
    """manual: an operator confirms the metadata; catalog: Virtual DataPort uses a shared metadata \
database that is configured in the image (8.0 or later); export: each new instance imports a \
VQL file from S3 once."""
    uri: ObjectUri | None = None
    """S3 address of the export."""
    login: Secrets | None = None
    """Secret with `username` and `password` of the Virtual DataPort user with which nodes import \
the file. One ARN, or a map of cluster to ARN."""


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
    """Version of the Denodo Platform, in quotes: "7.0", any 8.x or any 9.x. The version \
determines the ports, and whether nodes need auxiliary ports."""
    program: Flag = True
    """Let this project's node program set up the nodes (docs/reference/node.md). Without the \
program, Denodo keeps the settings of the node's image, and health checks only open a TCP \
connection."""
    home: FolderPath | None = None
    """Folder in which Denodo is installed, or a symbolic link to this folder; default: \
/opt/denodo/denodo_platform_8_0 for 8.x."""
    java_home: FolderPath | None = None
    """JAVA_HOME for Denodo's scripts; default: the `jre` folder of the installation."""
    user: LinuxUser = USER_DEFAULT
    """Linux user that owns the installation and runs the servers."""
    servers: Annotated[
        tuple[Server, ...],
        Field(min_length=1, json_schema_extra={"uniqueItems": True}),
        AfterValidator(_without_duplicates),
    ] = SERVERS_DEFAULT
    """Servers that every node starts, in this order; default: vdp and data-catalog."""
    heap_gib: Annotated[Whole, Field(ge=1, le=HEAP_MOST_GIB)] | None = None
    """Heap of Virtual DataPort in GiB; default: half of the instance type's memory, if this \
project knows the size of the memory."""
    jvm: Jvm = Jvm()
    """Options of the servers' JVMs."""
    tls: Tls | None = None
    """TLS of Denodo's own servers (8.0 or later); default: the settings of the image."""
    security_token: Secrets | None = None
    """Secret with the Denodo Security Token, which promotions need (8.0 or later). One ARN, \
or a map of cluster to ARN."""
    metadata: MetadataEntry = Metadata(source="manual")
    """The source of a new node's metadata."""
    readiness: Literal["auto", "ping", "strict"] = "auto"
    """Treatment of a node in promotion or single-user mode. auto: not ready, if the installed \
`ping.sh` has the option -r (8.0 from 2023 on); ping: ready; strict: not ready, and a \
`ping.sh` without the option is an error."""
    busy_limit: Annotated[Whole, Field(ge=0, le=3600)] = BUSY_LIMIT_DEFAULT_S
    """Seconds for which a node in promotion or single-user mode stays in service; the node queues \
requests during this time."""
    rmi_host: Literal["node", "balancer"] | None = None
    """Host name that the servers send to clients for further connections. node: the node's own \
name (default from 8.0 on); balancer: the load balancer's name (default for 7.0)."""
    web_jmx: Flag = False
    """Allow the Solution Manager's networks to use the JMX ports of the web container."""
    signal: Literal["ready", "configured"] = "ready"
    """State in which CloudFormation considers a new node created. ready: the node can serve \
clients; configured: the node is set up, but must be registered for a licence before the node can \
serve clients."""
    start_limit: StartLimit = START_LIMIT_DEFAULT_S
    """Seconds within which a new node must become ready; otherwise the deployment fails."""
    watchdog: Flag = True
    """Start a server again if its process ends unexpectedly (docs/reference/node.md)."""
    stop_limit: StopLimit = STOP_LIMIT_DEFAULT_S
    """Seconds for which running queries may continue when a node is stopped."""

    @property
    def family(self) -> Family:
        """Family of this version, which determines its ports, files and scripts."""
        family = family_of(self.version)
        assert family is not None  # the type of `version` allows only known versions
        return family

    def platform_home(self) -> str:
        """Return the folder in which Denodo is installed."""
        return self.home or f"/opt/denodo/denodo_platform_{self.family.replace('.', '_')}"
