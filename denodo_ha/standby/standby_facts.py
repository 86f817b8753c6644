"""Facts of the standby check, which are read in parallel.

Nothing is read from the active cluster's region. The facts about the active cluster are read from
the configuration, the copies of its exports, and the history in the standby's region.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import begin
from denodo_ha.aws.polling import Clock
from denodo_ha.catalog.exports import Export
from denodo_ha.cli.errors import Failed
from denodo_ha.deployed.cluster import Cluster, read_cluster
from denodo_ha.deployed.database_copy import (
    DatabaseCopy,
    DatabaseSource,
    read_database_copy,
)
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.deployed.failover.location import PRIMARY, SECONDARY, FailoverLocation, Role
from denodo_ha.deployed.failover.sides import record_target
from denodo_ha.deployed.history.history_buckets import standby_buckets
from denodo_ha.deployed.history.history_entry import History, read_history
from denodo_ha.environment import names
from denodo_ha.environment.derived import node_metadata
from denodo_ha.environment.loading.loader import Loaded
from denodo_ha.environment.model.environment import Environment
from denodo_ha.standby import (
    machine_lines,
    metadata_lines,
    practice_line,
    quota_line,
    service_lines,
)
from denodo_ha.standby.check_line import Unknown, known
from denodo_ha.standby.data_sources import (
    DataSource,
    OdbcEndpoint,
    PingResults,
    ping_sources,
)
from denodo_ha.standby.machine_lines import Machines
from denodo_ha.standby.metadata_lines import SiteExports
from denodo_ha.standby.quota_line import HealthCheckQuota, Quotas
from denodo_ha.standby.service_lines import Record, TargetCount

ODBC: Final = "odbc"
"""Service through which the data sources are pinged."""
_HISTORY: Final = timedelta(days=365)
_SECTIONS: Final = (
    "add `exports` to both clusters, and deploy: the buckets of exports contain the history"
)


@dataclass(frozen=True)
class Standby:
    """The cluster that is checked, with the environment and the failover.

    Attributes:
        site: the location of the failover.
        loaded: the configuration.
        role: role of the standby.
        login: secret with the login to Denodo that pings the data sources.
        sources: data sources that the standby must reach.
    """

    site: FailoverLocation
    loaded: Loaded
    role: Role
    login: str = ""
    sources: tuple[DataSource, ...] = ()

    @property
    def location(self) -> StackLocation:
        """Return the standby's location."""
        return self.site.clusters[self.role]

    @property
    def name(self) -> str:
        """Return the standby's name."""
        return self.location.name

    @property
    def active(self) -> str:
        """Return the name of the active cluster, which the standby would replace."""
        return self.site.clusters[SECONDARY if self.role == PRIMARY else PRIMARY].name

    @property
    def environment(self) -> Environment:
        """Return the configuration's environment."""
        return self.loaded.environment


@dataclass(frozen=True)
class StandbyFacts:
    """All facts from which the ten lines of `denodo-ha failover check` are judged.

    Attributes:
        cluster: the standby's stack.
        targets: the standby's targets.
        record: the standby's failover record.
        own: the standby's exports.
        active: the copies of the active cluster's exports.
        sources: results of pinging the data sources; None if the caller named no source.
        differs_since: time since which the metadata of the sites differs; None if it is equal, or
            if the time is not known.
        has_database: True if the active cluster has a metadata database on RDS.
        is_database_copied: True if the configuration copies the active cluster's database to the
            standby's region.
        database: the copy of the active cluster's database; None if there is no copy.
        licences: the License Manager's answer to each node.
        machines: the standby's machines.
        quotas: the quotas of the standby's region.
        health_checks: the account's health checks.
        history: the history entries in the standby's region.
        caller: ARN of the credentials; empty if it is not known.
        now: the current time.
    """

    cluster: Cluster | Unknown
    targets: tuple[TargetCount, ...] | Unknown
    record: Record | Unknown
    own: SiteExports
    active: SiteExports
    sources: PingResults | Unknown | None
    differs_since: datetime | None
    has_database: bool
    is_database_copied: bool
    database: DatabaseCopy | Unknown | None
    licences: Mapping[str, str | Unknown] | Unknown
    machines: Machines | Unknown
    quotas: Quotas | Unknown
    health_checks: HealthCheckQuota | Unknown
    history: History | Unknown
    caller: str
    now: datetime


def read_facts(aws: Aws, standby: Standby, clock: Clock) -> StandbyFacts:
    """Read all facts in parallel; a fact that cannot be read is unknown, with the reason."""
    pool = ThreadPoolExecutor(max_workers=12)
    site, role, location = standby.site, standby.role, standby.location
    region = location.region

    def start(read: Callable[[], Any]) -> Callable[[], Any]:
        return begin(pool, known, read).result

    def of_cluster(read: Callable[[Cluster], Any]) -> Callable[[], Any]:
        def wait() -> Any:
            stack_or_reason = cluster()
            return (
                stack_or_reason if isinstance(stack_or_reason, Unknown) else read(stack_or_reason)
            )

        return start(wait)

    try:
        cluster = start(lambda: _cluster(aws, location))
        targets = of_cluster(lambda located: service_lines.read_targets(aws, located))
        licences = of_cluster(lambda located: machine_lines.read_licences(aws, located, clock))
        machines = of_cluster(lambda located: machine_lines.read_machines(aws, located))
        sources = of_cluster(lambda located: _ping_sources(aws, standby, located))
        record = start(lambda: service_lines.read_record(aws, site, role))
        own = start(lambda: _exports(aws, standby, standby.name))
        active = start(lambda: read_active_exports(aws, standby))
        database = start(lambda: _database(aws, standby))
        quotas = start(lambda: quota_line.read_quotas(aws, region))
        checks = start(lambda: quota_line.read_health_check_quota(aws, region))
        history = start(lambda: _history(aws, standby, clock))
        account = start(lambda: aws.account([region]))
        own_exports = _site_exports(standby, standby.name, own())
        active_exports = _site_exports(standby, standby.active, active())
        since = start(lambda: _differs_since(aws, standby, own_exports, active_exports))
        account()
        differs_since = since()
        return StandbyFacts(
            cluster=cluster(),
            targets=targets(),
            record=record(),
            own=own_exports,
            active=active_exports,
            sources=sources() if standby.sources else None,
            differs_since=None if isinstance(differs_since, Unknown) else differs_since,
            has_database=_has_database(standby),
            is_database_copied=_is_database_copied(standby),
            database=database(),
            licences=licences(),
            machines=machines(),
            quotas=quotas(),
            health_checks=checks(),
            history=history(),
            caller=aws.caller,
            now=clock.now(),
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _cluster(aws: Aws, location: StackLocation) -> Cluster:
    if location.unreachable:
        raise Failed(location.unreachable)
    return read_cluster(aws, location)


def _ping_sources(aws: Aws, standby: Standby, cluster: Cluster) -> PingResults | Unknown | None:
    if not standby.sources:
        return None
    service = standby.environment.services.get(ODBC)
    host = record_target(cluster)
    if service is None or not host:
        message = (
            f"{standby.name} has no load balancer with the service {ODBC}, through which the "
            "command pings data sources"
        )
        raise Failed(message)
    endpoint = OdbcEndpoint(host, service.port, tls=service.tls is not None)
    region = standby.location.region
    return ping_sources(aws, region, standby.login, endpoint, standby.sources)


def _bucket(standby: Standby, name: str) -> str | None:
    """Return the bucket in the standby's region that has a cluster's exports or copies of them."""
    environment = standby.environment
    if environment.clusters[name].exports is None:
        return None
    if name == standby.name:
        return node_metadata.export_bucket_name(environment, name)
    if node_metadata.export_copy_target(environment, name) != standby.name:
        return None
    return node_metadata.export_copy_bucket_name(environment, name)


def read_active_exports(aws: Aws, standby: Standby) -> Mapping[str, Export]:
    """Read the newest copies of the active cluster's exports, in the standby's region.

    Raises:
        Failed: The exports are not copied to the standby's region.
        AwsError: AWS did not answer, or denied a call.
    """
    return _exports(aws, standby, standby.active)


def _exports(aws: Aws, standby: Standby, name: str) -> Mapping[str, Export]:
    bucket = _bucket(standby, name)
    if bucket is None:
        message = f"the exports of {name} are not copied to the region of {standby.name}"
        raise Failed(message)
    return metadata_lines.read_site_exports(aws, standby.location.region, bucket)


def _site_exports(
    standby: Standby, name: str, newest: Mapping[str, Export] | Unknown
) -> SiteExports:
    settings = standby.environment.clusters[name]
    every = timedelta(seconds=settings.exports.every) if settings.exports else None
    return SiteExports(name, tuple(sorted(settings.nodes)), every, newest)


def _differs_since(
    aws: Aws, standby: Standby, own: SiteExports, active: SiteExports
) -> datetime | None:
    buckets = _bucket(standby, own.cluster), _bucket(standby, active.cluster)
    if isinstance(own.newest, Unknown) or isinstance(active.newest, Unknown) or None in buckets:
        return None
    exports = [*own.newest.values(), *active.newest.values()]
    if len({export.site.site_digest for export in exports}) < 2:
        return None
    region = standby.location.region
    return metadata_lines.read_equal_until(aws, region, str(buckets[0]), str(buckets[1]))


def _history(aws: Aws, standby: Standby, clock: Clock) -> History:
    buckets = list(standby_buckets(standby.environment, standby.name))
    if not buckets:
        message = f"there is no bucket of exports in the region of {standby.name}; {_SECTIONS}"
        raise Failed(message)
    return read_history(aws, buckets, clock.now() - _HISTORY, practice_line.COMMANDS)


def _database(aws: Aws, standby: Standby) -> DatabaseCopy | None:
    """Read the copy of the active cluster's database.

    Raises:
        AwsError: AWS did not answer, or denied the call.
    """
    if not _is_database_copied(standby):
        return None
    return read_copy(aws, standby)


def read_copy(aws: Aws, standby: Standby) -> DatabaseCopy | None:
    """Read the copy of the active cluster's database in the standby's region; None without a copy.

    Raises:
        AwsError: AWS did not answer, or denied the call.
    """
    active = standby.environment.clusters[standby.active]
    source = DatabaseSource(
        names.catalog_stack(standby.environment.name, standby.active),
        active.account,
        active.region,
    )
    return read_database_copy(aws, standby.location.region, source)


def _has_database(standby: Standby) -> bool:
    return node_metadata.creates_database(standby.environment.clusters[standby.active])


def _is_database_copied(standby: Standby) -> bool:
    """Return whether the active cluster's database is copied to the standby's region."""
    catalog = standby.environment.clusters[standby.active].catalog
    copy = catalog.copy if catalog is not None else None
    if copy is None:
        return False
    return standby.environment.clusters[copy.to].region == standby.location.region
