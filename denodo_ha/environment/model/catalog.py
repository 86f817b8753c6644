"""Metadata of a cluster: a shared metadata database, and exports of metadata that is not shared."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from denodo_ha.environment.facts.denodo_ports import POSTGRESQL_PORT
from denodo_ha.environment.facts.limits import (
    CATALOG_CHECK_DEFAULT_S,
    CATALOG_CHECK_S,
    DATABASE_CONNECTIONS,
    DATABASE_CONNECTIONS_DEFAULT,
    DATABASE_RETENTION_DAYS,
    DATABASE_RETENTION_DEFAULT_DAYS,
    DATABASE_STORAGE_GIB,
    EXPORT_EVERY_DEFAULT_S,
    EXPORT_EVERY_S,
    EXPORT_RETENTION_DAYS,
    EXPORT_RETENTION_DEFAULT_DAYS,
    NOT_COMPARED_MOST,
)
from denodo_ha.environment.model.aws_field_types import (
    DatabaseClass,
    DatabasePrefix,
    DatabaseVersion,
    DatabaseWindow,
    KmsKeyArn,
    MaintenanceWindow,
    SecretArn,
    SubnetId,
    ZoneName,
)
from denodo_ha.environment.model.field_types import (
    ClusterName,
    DomainName,
    Flag,
    HomePath,
    Port,
    Whole,
)
from denodo_ha.environment.model.section import Section

Component = Literal["vdp", "scheduler", "data-catalog"]

StorageGib = Annotated[
    Whole, Field(ge=DATABASE_STORAGE_GIB.low, le=DATABASE_STORAGE_GIB.high), DATABASE_STORAGE_GIB
]
BackupRetentionDays = Annotated[
    Whole,
    Field(ge=DATABASE_RETENTION_DAYS.low, le=DATABASE_RETENTION_DAYS.high),
    DATABASE_RETENTION_DAYS,
]
Connections = Annotated[
    Whole, Field(ge=DATABASE_CONNECTIONS.low, le=DATABASE_CONNECTIONS.high), DATABASE_CONNECTIONS
]
CheckSeconds = Annotated[Whole, Field(ge=CATALOG_CHECK_S[0], le=CATALOG_CHECK_S[1])]
ExportSeconds = Annotated[Whole, Field(ge=EXPORT_EVERY_S[0], le=EXPORT_EVERY_S[1])]
SettingKey = Annotated[str, Field(min_length=1, max_length=256)]
SettingText = Annotated[str, Field(max_length=1000)]
ExportRetentionDays = Annotated[
    Whole, Field(ge=EXPORT_RETENTION_DAYS[0], le=EXPORT_RETENTION_DAYS[1])
]

ElementPattern = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[ -~]+$")]
"""Pattern for metadata elements as `catalog digest-test` prints their names; `*` is any text."""
NotCompared = Annotated[tuple[ElementPattern, ...], Field(max_length=NOT_COMPARED_MOST)]


class ExistingServer(Section):
    """An existing PostgreSQL server, of version 15 or later, with TLS."""

    host: DomainName
    """Host name of the server, as in the server's certificate."""
    port: Port = POSTGRESQL_PORT
    """Port of the server."""
    secret: SecretArn
    """Secret with `username` and `password` of a role that may create databases and roles."""
    prefix: DatabasePrefix | None = None
    """Prefix for the names of the created databases and roles; needed if the server already has \
databases or roles with the names without a prefix."""


class ComponentSettings(Section):
    """Settings file and keys of a component, for versions that do not use the defaults."""

    file: HomePath | None = None
    """File with the settings, relative to DENODO_HOME; default: the component's file in the \
versions that this project knows."""
    entries: Mapping[SettingKey, SettingText | None] = {}
    """Keys and values that are added to the default settings or replace default values; null \
leaves a key of the file unchanged. {url}, {user}, {password}, {host}, {port}, {database} and \
{node} are placeholders."""


class DatabaseCopy(Section):
    """Replication of the database's backups to the region of another cluster, by RDS."""

    to: ClusterName
    """Cluster in whose region the backups are kept; the copy can be restored in this region."""
    kms_key: KmsKeyArn
    """Key that encrypts the copy, in the region of the copy."""


class Catalog(Section):
    """Metadata database that the nodes of a cluster share: created on RDS, or existing."""

    components: Annotated[tuple[Component, ...], Field(min_length=1)] = (
        "scheduler",
        "data-catalog",
    )
    """Components that store their metadata in this database. To include Virtual DataPort, list \
vdp explicitly: Denodo recommends promotions instead of a shared database for Virtual DataPort."""
    existing: ExistingServer | None = None
    """Existing PostgreSQL server; default: a database is created on Amazon RDS."""
    version: DatabaseVersion = "16"
    """PostgreSQL version: a major version, for which RDS installs minor upgrades in the \
maintenance window, or an exact version."""
    type: DatabaseClass = "db.t4g.medium"
    """Instance class of the database."""
    storage_gib: StorageGib = DATABASE_STORAGE_GIB.low
    """Storage in GiB; it can be increased but not decreased."""
    max_storage_gib: StorageGib | None = None
    """Size in GiB up to which RDS increases the storage automatically; default: no increase."""
    max_connections: Connections = DATABASE_CONNECTIONS_DEFAULT
    """Maximum number of connections; a change takes effect at the next restart."""
    multi_az: Flag = True
    """Run a standby instance of the database in another zone, which takes over if the database \
fails."""
    retention_days: BackupRetentionDays = DATABASE_RETENTION_DEFAULT_DAYS
    """Days for which RDS keeps backups; the database can be restored to any second of this time."""
    maintenance_window: MaintenanceWindow | None = None
    """Weekly window, in UTC, in which RDS may restart the database, such as sun:03:00-sun:04:00; \
default: RDS chooses."""
    backup_window: DatabaseWindow | None = None
    """Daily window, in UTC, in which RDS creates a backup snapshot, such as 01:00-02:00; default: \
RDS chooses."""
    deletion_protection: Flag = True
    """Refuse to delete the database."""
    final_snapshot: Flag = True
    """Create a snapshot before the database is deleted or replaced."""
    log_exports: Flag = False
    """Send PostgreSQL's logs to CloudWatch Logs, which keeps the logs until you delete them."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the database and its secrets; default: the account's keys."""
    copy: DatabaseCopy | None = None  # type: ignore[assignment]  # hides pydantic's method
    """Copy of the database's backups in another region, a few minutes old; default: none. AWS \
charges for the transfer and the storage of the copy (docs/how-to/catalog.md)."""
    subnets: Mapping[ZoneName, SubnetId] = {}
    """Private subnet of the database in each zone of an existing VPC; default: the subnets of the \
nodes."""
    check_interval: CheckSeconds = CATALOG_CHECK_DEFAULT_S
    """Seconds between check-ins of a Scheduler server in cluster mode."""
    settings: Mapping[Component, ComponentSettings] = {}
    """Settings file and keys of a component, for versions that need other settings than the \
default."""


class Exports(Section):
    """Scheduled exports of every node's Virtual DataPort metadata to a bucket of the cluster."""

    login: SecretArn
    """Secret with `username` and `password` of a Virtual DataPort administrator."""
    every: ExportSeconds = EXPORT_EVERY_DEFAULT_S
    """Seconds between the exports of a node."""
    retention_days: ExportRetentionDays = EXPORT_RETENTION_DEFAULT_DAYS
    """Days after which an export is deleted once a newer export exists; the newest export is \
kept."""
    restore: Flag = True
    """Import a node's newest export when the node is replaced."""
    copy: Flag | None = None  # type: ignore[assignment]  # hides pydantic's deprecated method
    """Copy the exports to a bucket in the region of the failover's other cluster. Default: true \
if the two clusters of the failover are in different regions."""
    not_compared: NotCompared = ()
    """Elements that the site digest leaves out, such as `sales/DATASOURCE JDBC test_*`, because \
these elements are intended to differ between nodes or sites."""
