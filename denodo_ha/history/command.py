"""`denodo-ha history`: show what commands have changed at both sites."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.output import print_json, print_message, print_table
from denodo_ha.cli.time_limit import ANSWER, limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.history.history_buckets import history_buckets
from denodo_ha.deployed.history.history_entry import HistoryChange, HistoryEntry, read_history

_DAYS = 30
_LONGEST_DAYS = 3_650


@limited(ANSWER)
def history(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    days: Annotated[
        int,
        typer.Option(
            "--days",
            metavar="DAYS",
            min=1,
            max=_LONGEST_DAYS,
            help="Number of days to show, up to now.",
            rich_help_panel="Which",
        ),
    ] = _DAYS,
    form: options.Format = TableFormat.table,
) -> None:
    """Show what commands have changed: who, when, what was before and after, and the result.

    A command that changes a cluster writes an entry into the other cluster's bucket of metadata
    exports or, if the other cluster has no bucket, into the bucket of the changed cluster. This
    command merges the buckets of all clusters. Exit code 6: a bucket could not be read, so entries
    may be missing.

        denodo-ha history -c prod

        denodo-ha history -c prod --days 365 --format json
    """
    aws = Aws(profile=profile)
    located = locate_environment(aws, config=config, environment=environment, regions=region)
    configured = located.loaded.environment if located.loaded else None
    since = datetime.now(UTC) - timedelta(days=days)
    with deadline.limited(deadline.LOOK_S):
        buckets = history_buckets(located.environment, located.clusters, configured)
        read = read_history(aws, buckets, since)
    unread = [*read.unread, *located.unread]
    unread += [f"{each.name}: {each.unreachable}" for each in located.clusters if each.unreachable]
    if form is TableFormat.json:
        print_json({"entries": read.entries, "unread": unread})
    elif read.entries:
        print_table(
            ["Time", "Who", "Command", "Changed", "Result", "Seconds"], map(_row, read.entries)
        )
    elif read.exists:
        print_message(f"no command has changed anything in the last {days} days")
    else:
        print_message(
            "there is no history: commands write their entries into the clusters' buckets of "
            "metadata exports, and no cluster has such a bucket; add `exports` to a cluster's "
            "configuration, and deploy"
        )
    for problem in unread:
        print_message(f"denodo-ha: {problem}")
    if unread:
        raise typer.Exit(exit_codes.AWS)


def _row(entry: HistoryEntry) -> tuple[str, ...]:
    return (
        f"{entry.at:%Y-%m-%d %H:%M:%S}",
        entry.who,
        entry.command,
        "; ".join(_changes(entry.changes)),
        f"{entry.verdict}: {entry.message}" if entry.message else entry.verdict,
        f"{entry.seconds:.0f}",
    )


def _changes(changes: Iterable[HistoryChange]) -> Iterable[str]:
    for change in changes:
        subject = " ".join(part for part in (change.cluster, change.subject) if part)
        states = " -> ".join(part for part in (change.before, change.after) if part)
        yield f"{subject}: {states}"
