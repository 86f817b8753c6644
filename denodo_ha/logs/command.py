"""`denodo-ha logs`: read what a node has logged, also after its instance was terminated."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Final

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.output import print_json, print_line, print_message, print_table
from denodo_ha.cli.time_limit import TimeLimit, limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.environment import names
from denodo_ha.environment.full_command import full_command
from denodo_ha.logs.log_reader import MOST_LINES, LogLine, LogReader, LogStream
from denodo_ha.logs.period import parse_time

SECONDS: Final = 60.0
"""Project default: seconds to read all pages of CloudWatch's answers."""
_TIME: Final = "%Y-%m-%d %H:%M:%S"


def real_clock() -> Clock:
    """Return the clock of the command; tests replace it."""
    return RealClock()


@limited(TimeLimit(SECONDS))
def logs(
    node: Annotated[
        str | None,
        typer.Argument(
            metavar="NODE",
            help="The node; without NODE, the nodes and the sources of their logs are listed.",
            show_default=False,
        ),
    ] = None,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    since: Annotated[
        str,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Start of the period: a time before now (30m, 2h, 7d), or a time in UTC "
            "(2026-11-27T03:00).",
            rich_help_panel="How",
        ),
    ] = "1h",
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="End of the period, in the same form as --since; default: now.",
            rich_help_panel="How",
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="SOURCE",
            help="Show only this source: a server of Denodo such as vdp, program (the node "
            "program), or cloud-init.",
            rich_help_panel="How",
        ),
    ] = None,
    form: options.Format = TableFormat.table,
) -> None:
    """Show what a node has logged in CloudWatch Logs, also if its instance is gone.

    The configuration needs logs: true. Lines arrive within about a minute.

        denodo-ha logs -c prod --cluster active

        denodo-ha logs node1 -c prod --cluster active --since 2h --source vdp
    """
    now = real_clock().now()
    begin = parse_time(since, "--since", now)
    end = parse_time(until, "--until", now) if until is not None else None
    aws = Aws(profile=profile)
    site = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    location = site.cluster(cluster)
    location.require_reachable()
    reader = LogReader(aws, location, names.log_group_prefix(site.environment, location.name))
    if node is None:
        _show_streams(reader.streams(), form)
        return
    streams = reader.streams(node)
    if not streams:
        raise UsageError(_unknown_node(node, reader.streams()))
    if source is not None:
        streams = _of_source(streams, source)
    read = reader.lines(streams, begin, end)
    if form is TableFormat.json:
        print_json(read.lines)
    else:
        for line in read.lines:
            print_line(_text(line))
    if not read.lines:
        print_message(_nothing(node, streams, since))
    elif not read.is_complete:
        last = f"{read.lines[-1].at:%Y-%m-%dT%H:%M:%S}"
        print_message(
            f"only the first {MOST_LINES} lines are shown; continue with --since {last}, or choose "
            "a --source"
        )


def _text(line: LogLine) -> str:
    source = f"{line.source}/{line.file}" if line.file else line.source
    return f"{line.at:{_TIME}} {source}: {line.text}"


def _show_streams(streams: Sequence[LogStream], form: TableFormat) -> None:
    ordered = sorted(streams, key=lambda stream: stream.name)
    if form is TableFormat.json:
        print_json(ordered)
        return
    rows = [
        (
            stream.node,
            stream.source,
            stream.file,
            stream.machine,
            f"{stream.last:{_TIME}}" if stream.last else "",
        )
        for stream in ordered
    ]
    print_table(["Node", "Source", "File", "Instance", "Last line (UTC)"], rows)


def _unknown_node(node: str, streams: Sequence[LogStream]) -> str:
    known = sorted({stream.node for stream in streams})
    if not known:
        return (
            f"no node has logged anything yet: nodes send their logs after `{full_command('roll')}`"
            ", or after their next boot (docs/how-to/logs.md)"
        )
    near = get_close_matches(node, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are logs of {', '.join(known)}"
    return f"there are no logs of {node}; {hint}"


def _of_source(streams: Sequence[LogStream], source: str) -> list[LogStream]:
    chosen = [stream for stream in streams if stream.source == source]
    if not chosen:
        known = ", ".join(sorted({stream.source for stream in streams}))
        message = f"{streams[0].node} has no source {source}; its sources are {known}"
        raise UsageError(message)
    return chosen


def _nothing(node: str, streams: Sequence[LogStream], since: str) -> str:
    last = max((stream.last for stream in streams if stream.last), default=None)
    hint = f"; the node's last line is of {last:{_TIME}}: give an earlier --since" if last else ""
    return f"{node} has logged nothing since {since}{hint}"
