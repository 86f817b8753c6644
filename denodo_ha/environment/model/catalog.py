"""Where a cluster keeps its metadata: a shared database, and exports of what is not shared."""

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
from denodo_ha.environment.model.field_types import DomainName, Flag, HomePath, Port, Whole
from denodo_ha.environment.model.section import Section

Component = Literal["vdp", "scheduler", "data-catalog"]

Storage = Annotated[
    Whole, Field(ge=DATABASE_STORAGE_GIB.low, le=DATABASE_STORAGE_GIB.high), DATABASE_STORAGE_GIB
]
Retention = Annotated[
    Whole,
    Field(ge=DATABASE_RETENTION_DAYS.low, le=DATABASE_RETENTION_DAYS.high),
    DATABASE_RETENTION_DAYS,
]
Connections = Annotated[
    Whole, Field(ge=DATABASE_CONNECTIONS.low, le=DATABASE_CONNECTIONS.high), DATABASE_CONNECTIONS
]
Check = Annotated[Whole, Field(ge=CATALOG_CHECK_S[0], le=CATALOG_CHECK_S[1])]
Every = Annotated[Whole, Field(ge=EXPORT_EVERY_S[0], le=EXPORT_EVERY_S[1])]
SettingKey = Annotated[str, Field(min_length=1, max_length=256)]
SettingText = Annotated[str, Field(max_length=1000)]
Kept = Annotated[Whole, Field(ge=EXPORT_RETENTION_DAYS[0], le=EXPORT_RETENTION_DAYS[1])]


class ExistingServer(Section):
    """A PostgreSQL server that exists already, of version 15 or later, with TLS."""

    host: DomainName
    """Name of the server, as its certificate has it."""
    port: Port = POSTGRESQL_PORT
    """Port of the server."""
    secret: SecretArn
    """Secret with `username` and `password` of somebody who may create databases and roles."""
    prefix: DatabasePrefix | None = None
    """What the names of our databases and roles begin with, where others have such names."""


class ComponentSettings(Section):
    """How a component's settings are written, where its version has other keys than expected."""

    file: HomePath | None = None
    """File of the settings, from DENODO_HOME; default: the component's own."""
    entries: Mapping[SettingKey, SettingText | None] = {}
    """Keys with their values, beside or instead of the usual ones; null leaves a key alone. \
{url}, {user}, {password}, {host}, {port}, {database}, {node} are filled in."""


class Catalog(Section):
    """The database that the nodes of a cluster share, Amazon RDS for PostgreSQL or an own one."""

    components: Annotated[tuple[Component, ...], Field(min_length=1)] = (
        "scheduler",
        "data-catalog",
    )
    """Who keeps its metadata there; vdp only if named, as Denodo advises promotions for it."""
    existing: ExistingServer | None = None
    """A server that exists already; default: one is made on Amazon RDS."""
    version: DatabaseVersion = "16"
    """PostgreSQL version: major alone, and RDS takes new minor ones in the window; or exact."""
    type: DatabaseClass = "db.t4g.medium"
    """Instance class of the database."""
    storage_gib: Storage = DATABASE_STORAGE_GIB.low
    """Storage in GiB; it can grow and never shrink."""
    max_storage_gib: Storage | None = None
    """How far RDS may let the storage grow by itself; default: it does not."""
    max_connections: Connections = DATABASE_CONNECTIONS_DEFAULT
    """Connections that the database takes; a change waits for its next restart."""
    multi_az: Flag = True
    """Whether a standby in another zone takes over."""
    retention_days: Retention = DATABASE_RETENTION_DEFAULT_DAYS
    """Days that can be restored to any second."""
    maintenance_window: MaintenanceWindow | None = None
    """When RDS may restart the database, UTC, such as sun:03:00-sun:04:00; default: RDS chooses."""
    backup_window: DatabaseWindow | None = None
    """When RDS makes its daily snapshot, UTC, such as 01:00-02:00; default: RDS chooses."""
    deletion_protection: Flag = True
    """Refuse to delete the database."""
    final_snapshot: Flag = True
    """Whether a snapshot is made before the database is deleted or replaced."""
    kms_key: KmsKeyArn | None = None
    """Key that encrypts the database and its secrets; default: the account's keys."""
    subnets: Mapping[ZoneName, SubnetId] = {}
    """Private subnet of the database in each zone of an existing VPC; default: the nodes'."""
    check_interval: Check = CATALOG_CHECK_DEFAULT_S
    """Seconds between the check-ins of the Scheduler's cluster mode."""
    settings: Mapping[Component, ComponentSettings] = {}
    """How a component's settings are written, where its version differs."""


class Exports(Section):
    """Scheduled exports of every node's Virtual DataPort metadata, to a bucket of the cluster."""

    login: SecretArn
    """Secret with `username` and `password` of a Virtual DataPort administrator."""
    every: Every = EXPORT_EVERY_DEFAULT_S
    """Seconds between two exports of a node."""
    retention_days: Kept = EXPORT_RETENTION_DEFAULT_DAYS
    """Days that an export is kept after a newer one; the newest is always kept."""
    restore: Flag = True
    """Whether a replaced node takes its metadata from its newest export."""
