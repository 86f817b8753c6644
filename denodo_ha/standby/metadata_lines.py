"""Lines 3 to 5: the metadata of both sites, the copies of exports, and the database's copy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog.exports import (
    Export,
    SiteFacts,
    read_exports,
    read_newest_manifests,
)
from denodo_ha.deployed.database_copy import DatabaseCopy
from denodo_ha.environment.facts.limits import DATABASE_COPY_DELAY_S
from denodo_ha.environment.full_command import full_command
from denodo_ha.standby.check_line import (
    NO,
    OK,
    UNKNOWN,
    CheckLine,
    Finding,
    Unknown,
    age_text,
    clock_text,
    line,
    unknown,
)
from denodo_ha.standby.data_sources import PingResults, source_findings

OVERDUE_INTERVALS: Final = 2
"""Project default: an export is too old after this number of intervals, as in `catalog status`."""
DATABASE_COPY_MAX: Final = 2 * timedelta(seconds=DATABASE_COPY_DELAY_S)
"""Project default: accepted age of the copy, twice the longest usual delay of backups."""
_EXPORT = "export of %s"


@dataclass(frozen=True)
class SiteExports:
    """The newest exports of one site's nodes, as they are in the standby's region.

    Attributes:
        cluster: name of the cluster.
        nodes: names of its nodes.
        every: interval of its exports; None if the cluster has no exports.
        newest: the newest export of each node, by the node's name.
    """

    cluster: str
    nodes: tuple[str, ...]
    every: timedelta | None
    newest: Mapping[str, Export] | Unknown


def read_site_exports(aws: Aws, region: str, bucket: str) -> Mapping[str, Export]:
    """Read the newest manifest of each node in a bucket of exports, or of copies of exports."""
    return read_newest_manifests(aws, region, bucket)


def read_equal_until(aws: Aws, region: str, own: str, copies: str) -> datetime | None:
    """Return since when the metadata of two sites differs; None if it is equal, or not known.

    The result is the time of the first export after the last moment at which all newest exports of
    both sites had the same site digest.
    """
    exports = [("own", each) for each in read_exports(aws, region, own)]
    exports += [("copy", each) for each in read_exports(aws, region, copies)]
    digests: dict[tuple[str, str], str | None] = {}
    since, was_equal = None, False
    for site, export in sorted(exports, key=lambda item: item[1].at):
        digests[site, export.node] = export.site.site_digest
        if len(set(digests.values())) == 1 and len({site for site, _ in digests}) > 1:
            since, was_equal = None, True
        elif since is None:
            since = export.at
    return since if was_equal else None


def equal_line(
    own: SiteExports,
    active: SiteExports,
    since: datetime | None,
    now: datetime,
    sources: PingResults | Unknown | None = None,
) -> CheckLine:
    """Judge whether all newest exports of both sites have one site digest.

    Args:
        own: the standby's exports.
        active: the copies of the active cluster's exports.
        since: time since which the digests differ; None if it is not known.
        now: the current time.
        sources: the standby's results of pinging data sources; None if the caller named no source.
    """
    findings = [*_equal(own, active, since, now), *source_findings(sources)]
    return line(3, "metadata equal", findings)


def _equal(
    own: SiteExports, active: SiteExports, since: datetime | None, now: datetime
) -> Iterator[Finding]:
    limit = f"one site digest on all nodes of {own.cluster} and {active.cluster}"
    facts: list[tuple[str, SiteFacts, datetime]] = []
    for site in (own, active):
        for name, export in _exports_of(site):
            if isinstance(export, Finding):
                yield export
            elif export.site.site_digest is None:
                seen = f"the export of {name} has no site digest"
                remedy = f"roll {name} to this version of the node program; then wait for an export"
                yield Finding(UNKNOWN, seen, limit=limit, remedy=remedy)
            else:
                facts.append((name, export.site, export.at))
    if not facts:
        return
    oldest = min(at for _, _, at in facts)
    if len({stated.not_compared for _, stated, _ in facts}) > 1:
        seen = "the site digests leave out different elements, so they cannot be compared"
        remedy = "deploy both clusters with one configuration, roll both, and wait for an export"
        yield Finding(UNKNOWN, seen, limit=limit, remedy=remedy)
        return
    groups: dict[str, list[str]] = {}
    for name, stated, _ in facts:
        groups.setdefault(str(stated.site_digest), []).append(name)
    if len(groups) == 1:
        yield Finding(OK, "equal", age=now - oldest, limit=limit)
        return
    listed = " | ".join(", ".join(names) for names in groups.values())
    when = f" since {clock_text(since, now)}" if since else ""
    bring = full_command(
        "catalog import-export", "NODE", "--from", active.cluster, cluster=own.cluster
    )
    remedy = (
        f"import the export into {own.cluster} (`{bring}`), or promote the change to "
        f"{own.cluster}, too"
    )
    yield Finding(NO, f"different{when}: {listed}", age=now - oldest, limit=limit, remedy=remedy)


def exports_line(own: SiteExports, active: SiteExports, now: datetime) -> CheckLine:
    """Judge the age of the standby's exports, and of the copies of the active cluster's exports."""
    findings = [finding for site in (own, active) for finding in _ages(site, now)]
    return line(4, "exports and copies", findings)


def _ages(site: SiteExports, now: datetime) -> Iterator[Finding]:
    for name, export in _exports_of(site):
        if isinstance(export, Finding):
            yield export
            continue
        assert site.every is not None
        limit = f"{age_text(site.every * OVERDUE_INTERVALS)} at most"
        age = now - export.at
        seen = f"{name} {age_text(age)}"
        if age <= site.every * OVERDUE_INTERVALS:
            yield Finding(OK, seen, age, limit)
        else:
            status = full_command("catalog status", cluster=site.cluster)
            remedy = (
                f"`{status}` shows whether {name} exports; if so, see why S3 does not copy the "
                "export"
            )
            yield Finding(NO, seen, age, limit, remedy)


def _exports_of(site: SiteExports) -> Iterator[tuple[str, Export | Finding]]:
    """Yield each node with its newest export, or with the finding that there is none."""
    if site.every is None:
        seen = f"{site.cluster} has no exports"
        remedy = f"add `exports` to clusters.{site.cluster}, and deploy"
        yield "", Finding(UNKNOWN, seen, remedy=remedy)
        return
    if isinstance(site.newest, Unknown):
        yield "", unknown(site.newest, f"exports of {site.cluster}")
        return
    for node in site.nodes:
        name, export = f"{site.cluster} {node}", site.newest.get(node)
        if export is None:
            seen = f"there is no export of {name} in the standby's region"
            status = full_command("catalog status", cluster=site.cluster)
            remedy = f"`{status}` shows the exports"
            yield name, Finding(NO, seen, remedy=remedy)
        elif export.error:
            yield name, Finding(UNKNOWN, f"the manifest of {name} is unreadable: {export.error}")
        else:
            yield name, export


def database_line(
    copy: DatabaseCopy | Unknown | None, now: datetime, *, exists: bool, is_copied: bool
) -> CheckLine:
    """Judge the copy of the active cluster's metadata database.

    Args:
        copy: the copy in the standby's region; None without a copy.
        now: the current time.
        exists: False if the active cluster has no database on RDS.
        is_copied: False if the configuration does not copy the database to the standby's region.
    """
    return line(5, "database copy", [_database(copy, now, exists=exists, is_copied=is_copied)])


def _database(
    copy: DatabaseCopy | Unknown | None, now: datetime, *, exists: bool, is_copied: bool
) -> Finding:
    limit = f"{age_text(DATABASE_COPY_MAX)} at most"
    if not exists:
        seen = "the active cluster has no metadata database on RDS"
        return Finding(OK, seen, limit=limit)
    if not is_copied:
        seen = "the active cluster's metadata database is not copied to the standby's region"
        remedy = "add `catalog.copy` to the active cluster, and deploy (docs/how-to/catalog.md)"
        return Finding(NO, seen, limit=limit, remedy=remedy)
    if isinstance(copy, Unknown):
        return unknown(copy, "database copy", limit)
    if copy is None or copy.latest_restorable is None:
        seen = f"there is no copy yet, status {copy.status}" if copy else "there is no copy"
        remedy = "deploy `catalog.copy`, and wait for the first copy"
        return Finding(NO, seen, limit=limit, remedy=remedy)
    age = now - copy.latest_restorable
    seen = f"restorable to {clock_text(copy.latest_restorable, now)}, status {copy.status}"
    if age <= DATABASE_COPY_MAX:
        return Finding(OK, seen, age, limit)
    remedy = (
        "RDS does not replicate the backups: see the KMS keys in both regions (AWS, RDS User Guide,"
        " "
        '"Troubleshooting stopped cross-Region automated backups")'
    )
    return Finding(NO, seen, age, limit, remedy)
