"""Rules about the database of a catalog: one on RDS, or one that exists already."""

from collections.abc import Iterator
from datetime import timedelta

from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.facts import limits
from denodo_ha.environment.loading.problem import Path, Problem, Severity
from denodo_ha.environment.model.catalog import Catalog
from denodo_ha.environment.model.cluster import Cluster
from denodo_ha.environment.model.environment import Environment

_EVERYWHERE = frozenset({"components", "existing", "check_interval", "settings", "kms_key"})
"""What a catalog may say whoever made its database."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_WEEK = timedelta(weeks=1)

Span = tuple[timedelta, timedelta]
"""Begin and end, counted from Monday's or the day's midnight; the end may be in the next one."""


def existing_is_left_alone(environment: Environment) -> Iterator[Problem]:
    """A server that exists already is not changed."""
    for name, _, catalog in _catalogs(environment):
        if catalog.existing is None:
            continue
        for key in sorted(catalog.model_fields_set - _EVERYWHERE):
            yield Problem(
                ("clusters", name, "catalog", key),
                "is given for a server that exists",
                "it is not changed from here",
                f"remove {key}, or existing",
                at_key=True,
            )


def one_cluster_a_database(environment: Environment) -> Iterator[Problem]:
    """Two clusters do not share databases."""
    seen: dict[tuple[str, int, str | None], str] = {}
    for name, _, catalog in _catalogs(environment):
        server = catalog.existing
        if server is None:
            continue
        where = (server.host.lower(), server.port, server.prefix)
        if where in seen:
            yield Problem(
                ("clusters", name, "catalog", "existing"),
                f"names the databases of {seen[where]} too",
                "both clusters' Schedulers would fire each other's jobs, from two regions or not",
                "add a prefix of its own to each, such as "
                f"prefix: {environment.name.replace('-', '_')}_{name.replace('-', '_')}_",
            )
        seen.setdefault(where, name)


def two_zones(environment: Environment) -> Iterator[Problem]:
    """RDS wants subnets in two zones, whatever the nodes have."""
    for name, cluster, catalog in _catalogs(environment):
        path: Path = ("clusters", name)
        if catalog.existing is not None:
            continue
        for zone in catalog.subnets:
            if zone not in cluster.network.zones or cluster.network.vpc is None:
                given = cluster.network.vpc is not None
                yield Problem(
                    (*path, "catalog", "subnets", zone),
                    "is not one of the cluster's zones" if given else "is given, but no VPC",
                    "the database is where its nodes are"
                    if given
                    else "subnets belong to an existing VPC, and this one would be created",
                    "write one of the network's zones" if given else "remove subnets",
                    value=zone,
                    at_key=True,
                )
        if len(node_metadata.database_subnets(cluster)) < limits.DATABASE_ZONES.value:
            yield Problem(
                (*path, "catalog"),
                "has subnets in one zone only",
                f"RDS wants {limits.DATABASE_ZONES}",
                "add a second zone to network.zones, in an existing VPC with nodes or with a "
                "subnet in catalog.subnets",
            )


def private_subnets(environment: Environment) -> Iterator[Problem]:
    """The database is in private subnets, which a created VPC of a public node has not."""
    for name, cluster, catalog in _catalogs(environment):
        balancer, network = cluster.balancer, cluster.network
        public = balancer.kind == "none" and balancer.scheme == "internet-facing"
        if public and network.vpc is None and catalog.existing is None:
            yield Problem(
                ("clusters", name, "catalog"),
                "has no private subnet",
                "the VPC that is created for a public node has public subnets only",
                "give an existing VPC with catalog.subnets, or catalog.existing",
            )


def growth(environment: Environment) -> Iterator[Problem]:
    """Storage that may grow has room to."""
    for name, _, catalog in _catalogs(environment):
        least = int(catalog.storage_gib * limits.DATABASE_GROWTH)
        if catalog.max_storage_gib is not None and catalog.max_storage_gib < least:
            yield Problem(
                ("clusters", name, "catalog", "max_storage_gib"),
                f"is not a tenth more than the storage, {catalog.storage_gib}",
                "RDS refuses it (AWS, Amazon RDS, Managing capacity automatically with storage "
                "autoscaling)",
                f"write {least} or more",
                value=str(catalog.max_storage_gib),
            )


def windows(environment: Environment) -> Iterator[Problem]:
    """Windows last half an hour, maintenance a day at most, and they do not overlap."""
    allowed = limits.DATABASE_WINDOW_S
    for name, _, catalog in _catalogs(environment):
        path: Path = ("clusters", name, "catalog")
        week, day = _week_span(catalog.maintenance_window), _day_span(catalog.backup_window)
        for key, span, hour in (
            ("maintenance_window", week, "sun:03:00-sun:04:00"),
            ("backup_window", day, "01:00-02:00"),
        ):
            lasts = span[1] - span[0] if span else timedelta(seconds=allowed.low)
            if not allowed.low <= lasts.total_seconds() <= allowed.high:
                yield Problem(
                    (*path, key),
                    f"lasts {lasts} hours",
                    f"RDS takes windows from half an hour to a day ({allowed.source})",
                    f"write an hour, such as {hour}",
                    value=str(getattr(catalog, key)),
                )
        if week and day and _overlap(week, day):
            yield Problem(
                (*path, "maintenance_window"),
                f"overlaps the backup window, {catalog.backup_window}",
                f"RDS refuses windows that overlap ({allowed.source})",
                "write another hour",
                value=str(catalog.maintenance_window),
            )


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
    """Whether a weekly window meets a daily one."""
    daily = [(day[0] + n * _DAY, day[1] + n * _DAY) for n in range(-1, 2 * len(_DAYS))]
    return any(week[0] < end and begin < week[1] for begin, end in daily)


def where_secrets_are(environment: Environment) -> Iterator[Problem]:
    """Keys and secrets are of the cluster's region, and secrets of its account."""
    for name, cluster in environment.clusters.items():
        catalog, exports = cluster.catalog, cluster.exports
        found: list[tuple[Path, str]] = []
        if catalog and catalog.kms_key:
            found.append((("catalog", "kms_key"), catalog.kms_key))
        if catalog and catalog.existing:
            found.append((("catalog", "existing", "secret"), catalog.existing.secret))
        if exports:
            found.append((("exports", "login"), exports.login))
        for path, arn in found:
            region, account = arn.split(":")[3:5]
            for what, is_, should in (
                ("region", region, cluster.region),
                ("account", account, cluster.account),
            ):
                if is_ != should:
                    yield Problem(
                        ("clusters", name, *path),
                        f"is not of {'account ' if what == 'account' else ''}{should}",
                        "the nodes read secrets of their own region and account",
                        f"write one of {should}",
                        value=arn,
                    )


def loosened(environment: Environment) -> Iterator[Problem]:
    """What makes the data easier to lose is said at every synth."""
    for name, cluster, catalog in _catalogs(environment):
        if not node_metadata.creates_database(cluster):
            continue
        for key, consequence, remedy in _LOOSENED:
            if not getattr(catalog, key):
                yield Problem(
                    ("clusters", name, "catalog", key),
                    "is false",
                    consequence,
                    remedy,
                    value="false",
                    severity=Severity.WARNING,
                    rule=f"catalog-{key.replace('_', '-')}",
                )


_LOOSENED = (
    (
        "multi_az",
        "the loss of the database's zone stops the Scheduler and the Data Catalog of all nodes",
        "write multi_az: true",
    ),
    (
        "deletion_protection",
        "one command deletes the metadata of all nodes",
        "write deletion_protection: true",
    ),
    (
        "final_snapshot",
        "what deletes or replaces the database deletes the metadata for good",
        "write final_snapshot: true",
    ),
)


def _catalogs(environment: Environment) -> Iterator[tuple[str, Cluster, Catalog]]:
    for name, cluster in environment.clusters.items():
        if cluster.catalog is not None:
            yield name, cluster, cluster.catalog


RULES = (
    existing_is_left_alone,
    one_cluster_a_database,
    two_zones,
    private_subnets,
    growth,
    windows,
    where_secrets_are,
    loosened,
)
