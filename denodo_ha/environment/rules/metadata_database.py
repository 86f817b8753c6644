"""Rules about the metadata database: created on RDS, or on an existing server."""

from collections.abc import Iterator
from datetime import timedelta

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.catalog import Catalog
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

_FOR_ANY_SERVER = frozenset({"components", "existing", "check_interval", "settings", "kms_key"})
"""Keys of `catalog` that also apply to an existing server."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)

Span = tuple[timedelta, timedelta]
"""Start and end of a window: time since midnight for a daily window, since Monday 00:00 for a
weekly window. The end may be in the next day or week."""


def existing_server_options(environment: Environment) -> Iterator[Problem]:
    """Keys that would change an existing server are not allowed."""
    for name, _, catalog in _catalogs(environment):
        if catalog.existing is None:
            continue
        for key in sorted(catalog.model_fields_set - _FOR_ANY_SERVER):
            yield Problem(
                ("clusters", name, "catalog", key),
                "is not allowed for an existing server",
                "the stacks do not change an existing server",
                f"remove {key}, or remove existing",
                at_key=True,
            )


def databases_of_one_cluster(environment: Environment) -> Iterator[Problem]:
    """Two clusters must not share databases."""
    seen: dict[tuple[str, int, str | None], str] = {}
    for name, _, catalog in _catalogs(environment):
        server = catalog.existing
        if server is None:
            continue
        identity = (server.host.lower(), server.port, server.prefix)
        if identity in seen:
            yield Problem(
                ("clusters", name, "catalog", "existing"),
                f"is also the server of {seen[identity]}, with the same database names",
                "the Schedulers of both clusters would run each other's jobs, even across regions",
                "give each cluster its own prefix, such as prefix: "
                f"{environment.name.replace('-', '_')}_{name.replace('-', '_')}_",
            )
        seen.setdefault(identity, name)


def database_copies(environment: Environment) -> Iterator[Problem]:
    """A database can be copied to another region of the account, with a key of that region."""
    for name, cluster, catalog in _catalogs(environment):
        if catalog.copy is None or catalog.existing is not None:
            continue
        path: Path = ("clusters", name, "catalog", "copy")
        other = environment.clusters.get(catalog.copy.to)
        if other is None:
            reason, remedy = (
                "the file has no cluster of this name",
                "write the name of a cluster of this file",
            )
        else:
            reason, remedy = _no_database_copy(cluster, catalog.copy.to, other)
        if reason:
            yield Problem(
                (*path, "to"),
                "is not a cluster that can have the copy of the database",
                reason,
                remedy,
                value=catalog.copy.to,
            )
            continue
        assert other is not None
        _, _, _, region, account, _ = catalog.copy.kms_key.split(":", 5)
        if (region, account) != (other.region, other.account):
            yield Problem(
                (*path, "kms_key"),
                f"is not a key of account {other.account} in {other.region}",
                "RDS encrypts the copy with a key of the region in which the copy is",
                f"write the ARN of a key in {other.region}",
                value=catalog.copy.kms_key,
            )


def _no_database_copy(cluster: Cluster, other_name: str, other: Cluster) -> tuple[str, str]:
    """Return why a database cannot be copied to a cluster's region, and what to do."""
    if other.region == cluster.region:
        reason = "the copy would be lost with the region of the database"
        return reason, "write the name of a cluster in another region"
    if other.account != cluster.account:
        reason = (
            "RDS replicates automated backups within one account (Amazon RDS User Guide, "
            "Replicating automated backups to another AWS Region)"
        )
        return reason, "remove copy, and share a snapshot with the other account"
    if node_metadata.partition(other.region) != node_metadata.partition(cluster.region):
        return f"{other_name} is in another AWS partition", "remove copy"
    if not node_metadata.creates_database(other):
        reason = (
            f"{other_name} has no database on RDS, and a restored database needs the subnets, "
            "security group and parameters of that database"
        )
        return reason, f"add a catalog without existing to {other_name}"
    return "", ""


def database_zones(environment: Environment) -> Iterator[Problem]:
    """A database on RDS must have subnets in two zones, even if the nodes are in one zone."""
    for name, cluster, catalog in _catalogs(environment):
        path: Path = ("clusters", name)
        if catalog.existing is not None:
            continue
        for zone in catalog.subnets:
            if zone not in cluster.network.zones or cluster.network.vpc is None:
                given = cluster.network.vpc is not None
                yield Problem(
                    (*path, "catalog", "subnets", zone),
                    "is not one of the cluster's zones"
                    if given
                    else "is set, but network.vpc is not",
                    "the database can be only in the zones of the cluster"
                    if given
                    else "subnets belong to an existing VPC, and without network.vpc the stack "
                    "creates a VPC with its own subnets",
                    "write one of network.zones" if given else "remove subnets",
                    value=zone,
                    at_key=True,
                )
        if len(node_metadata.database_subnets(cluster)) < limits.DATABASE_ZONES.value:
            yield Problem(
                (*path, "catalog"),
                "has subnets in only one zone",
                f"RDS needs {limits.DATABASE_ZONES}",
                "add a second zone to network.zones; in an existing VPC, also set a subnet for "
                "this zone, with the key nodes in network.zones or with catalog.subnets",
            )


def database_private_subnets(environment: Environment) -> Iterator[Problem]:
    """The database must be in private subnets, but a VPC created for a public node has none."""
    for name, cluster, catalog in _catalogs(environment):
        balancer, network = cluster.balancer, cluster.network
        public = balancer.kind == "none" and balancer.scheme == "internet-facing"
        if public and network.vpc is None and catalog.existing is None:
            yield Problem(
                ("clusters", name, "catalog"),
                "has no private subnet",
                "the VPC that is created for a public node has only public subnets",
                "use an existing VPC with catalog.subnets, or an existing server with "
                "catalog.existing",
            )


def database_storage_growth(environment: Environment) -> Iterator[Problem]:
    """`max_storage_gib` must exceed `storage_gib` by the minimum that RDS requires."""
    for name, _, catalog in _catalogs(environment):
        least = int(catalog.storage_gib * limits.DATABASE_GROWTH)
        if catalog.max_storage_gib is not None and catalog.max_storage_gib < least:
            yield Problem(
                ("clusters", name, "catalog", "max_storage_gib"),
                f"must be at least a tenth more than storage_gib, {catalog.storage_gib}",
                "RDS rejects a smaller value (AWS, Amazon RDS, Managing capacity automatically "
                "with storage autoscaling)",
                f"write {least} or more",
                value=str(catalog.max_storage_gib),
            )


def database_windows(environment: Environment) -> Iterator[Problem]:
    """Windows must last from half an hour to a day, and must not overlap."""
    allowed = limits.DATABASE_WINDOW_S
    for name, _, catalog in _catalogs(environment):
        path: Path = ("clusters", name, "catalog")
        week, day = _week_span(catalog.maintenance_window), _day_span(catalog.backup_window)
        for key, span, example in (
            ("maintenance_window", week, "sun:03:00-sun:04:00"),
            ("backup_window", day, "01:00-02:00"),
        ):
            lasts = span[1] - span[0] if span else timedelta(seconds=allowed.low)
            if not allowed.low <= lasts.total_seconds() <= allowed.high:
                yield Problem(
                    (*path, key),
                    f"lasts {lasts} hours",
                    f"RDS accepts windows from half an hour to a day ({allowed.source})",
                    f"write a window of an hour, such as {example}",
                    value=str(getattr(catalog, key)),
                )
        if week and day and _overlap(week, day):
            yield Problem(
                (*path, "maintenance_window"),
                f"overlaps the backup window, {catalog.backup_window}",
                f"RDS rejects windows that overlap ({allowed.source})",
                "write a window that does not overlap the backup window",
                value=str(catalog.maintenance_window),
            )


def secret_locations(environment: Environment) -> Iterator[Problem]:
    """KMS keys and secrets must be in the region and account of the cluster."""
    for name, cluster in environment.clusters.items():
        catalog, exports = cluster.catalog, cluster.exports
        arns: list[tuple[Path, str]] = []
        if catalog and catalog.kms_key:
            arns.append((("catalog", "kms_key"), catalog.kms_key))
        if catalog and catalog.existing:
            arns.append((("catalog", "existing", "secret"), catalog.existing.secret))
        if exports:
            arns.append((("exports", "login"), exports.login))
        for path, arn in arns:
            region, account = arn.split(":")[3:5]
            for label, actual, expected in (
                ("", region, cluster.region),
                ("account ", account, cluster.account),
            ):
                if actual != expected:
                    yield Problem(
                        ("clusters", name, *path),
                        f"is not an ARN of {label}{expected}",
                        "keys and secrets must be in the region and account of the cluster",
                        f"write an ARN of {expected}",
                        value=arn,
                    )


def database_safeguards(environment: Environment) -> Iterator[Problem]:
    """The safeguards of a created database should be on."""
    for name, cluster, catalog in _catalogs(environment):
        if not node_metadata.creates_database(cluster):
            continue
        for key, consequence in SAFEGUARDS:
            if not getattr(catalog, key):
                yield Problem(
                    ("clusters", name, "catalog", key),
                    "is false",
                    consequence,
                    f"write {key}: true",
                    value="false",
                    severity=Severity.WARNING,
                    rule=f"catalog-{key.replace('_', '-')}",
                )


SAFEGUARDS = (
    (
        "multi_az",
        "if the zone of the database fails, the Scheduler and the Data Catalog of all nodes stop",
    ),
    ("deletion_protection", "a single command can delete the metadata of all nodes"),
    (
        "final_snapshot",
        "if the database is deleted or replaced, its metadata cannot be restored",
    ),
)
"""Keys of `catalog` that are true by default, with the consequence of setting them to false."""


def _clock(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))


def _day_span(window: str | None) -> Span | None:
    if window is None:
        return None
    begin, end = (_clock(part) for part in window.split("-"))
    return begin, end if end > begin else end + _DAY


def _week_span(window: str | None) -> Span | None:
    if window is None:
        return None
    begin, end = (_DAYS.index(part[:3]) * _DAY + _clock(part[4:]) for part in window.split("-"))
    return begin, end if end > begin else end + _WEEK


def _overlap(week: Span, day: Span) -> bool:
    """Return whether a weekly window overlaps a daily window."""
    daily = [(day[0] + n * _DAY, day[1] + n * _DAY) for n in range(-1, 2 * len(_DAYS))]
    return any(week[0] < end and begin < week[1] for begin, end in daily)


def _catalogs(environment: Environment) -> Iterator[tuple[str, Cluster, Catalog]]:
    for name, cluster in environment.clusters.items():
        if cluster.catalog is not None:
            yield name, cluster, cluster.catalog


RULES = (
    existing_server_options,
    databases_of_one_cluster,
    database_copies,
    database_zones,
    database_private_subnets,
    database_storage_growth,
    database_windows,
    secret_locations,
    database_safeguards,
)
