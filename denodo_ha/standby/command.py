"""`denodo-ha failover check`: the command."""

from dataclasses import replace
from typing import Annotated

import typer

from denodo_ha.aws import deadline
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import AccessDenied, AwsError, UsageError
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import ANSWER, limited
from denodo_ha.deployed.failover import dns_answer
from denodo_ha.deployed.failover.location import (
    PRIMARY,
    ROLES,
    SECONDARY,
    FailoverLocation,
    Role,
    locate_failover,
    with_deployed_switch,
)
from denodo_ha.deployed.failover.sides import read_records, record_name
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.standby import quota_line
from denodo_ha.standby.check_line import NOT_READY, READY, Unknown, known
from denodo_ha.standby.data_sources import parse_sources
from denodo_ha.standby.report import print_report, print_report_json, put_ages, put_verdict
from denodo_ha.standby.standby_check import StandbyReport, check_standby, judge
from denodo_ha.standby.standby_facts import Standby

ATTEMPTS = 2
"""Project default: attempts of each AWS call; a fact whose calls fail is unknown."""
LOCATE_S = 2.0
"""Project default: seconds to find out which cluster is the standby, and the switch's namespace."""
RECORD_S = 2.0
"""Project default: seconds to put the metrics that the option --record writes."""
_EXIT = {READY: exit_codes.DONE, NOT_READY: exit_codes.NO}


def real_clock() -> Clock:
    """Return the clock of the command; tests replace it."""
    return RealClock()


@limited(ANSWER)
@recorded("failover check")
def check(
    *,
    config: options.Config = None,
    profile: options.Profile = None,
    standby: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="CLUSTER",
            help="The cluster to check; default: the cluster to which the failover name does not "
            "lead.",
            rich_help_panel="Which environment",
        ),
    ] = None,
    login: Annotated[
        str | None,
        typer.Option(
            "--login",
            metavar="SECRET",
            help="Secret in the standby's region with username and password of a Denodo user, with "
            "which the command pings the data sources.",
            rich_help_panel="How",
        ),
    ] = None,
    data_source: Annotated[
        list[str] | None,
        typer.Option(
            "--data-source",
            metavar="DATABASE/TYPE/NAME",
            help="Data source that the standby must reach, such as sales/JDBC/orders; may be "
            "repeated; needs --login.",
            rich_help_panel="How",
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Publish the verdict and the ages as metrics, and record the quotas of both "
            "regions in the history.",
            rich_help_panel="How",
        ),
    ] = False,
    form: options.Format = TableFormat.table,
) -> None:
    """Show whether the standby could take over now: ten lines, and one verdict.

    Each line is ok, no or unknown, with what was seen, its age and the limit. Nothing is read from
    the active cluster's region, so the answer is the same while that region is lost. Exit code 0:
    ready; 1: at least one line is no; 6: no line is no, but at least one line is unknown.

    denodo-ha failover check -c prod

    denodo-ha failover check --for passive -c prod --record
    """
    if config is None:
        message = (
            "failover check compares the standby with the configuration: add -c CONFIG; nothing "
            "was changed"
        )
        raise UsageError(message)
    sources = parse_sources(data_source or ())
    if bool(sources) != bool(login):
        message = (
            "--login and --data-source belong together: the command pings the data sources with "
            "the login; give both options or neither; nothing was changed"
        )
        raise UsageError(message)
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    with deadline.limited(LOCATE_S):
        site = locate_failover(aws, config=config, environment=None, regions=None)
        checked = located_standby(aws, site, standby)
        checked = replace(checked, login=login or "", sources=sources)
    report = check_standby(aws, checked, real_clock())
    if record:
        report = _record(aws, checked, report)
    show = print_report_json if form is TableFormat.json else print_report
    show(checked, report)
    raise typer.Exit(_EXIT.get(report.verdict, exit_codes.AWS))


def located_standby(aws: Aws, site: FailoverLocation, name: str | None) -> Standby:
    """Return the standby: the cluster `name`, else the cluster that does not serve.

    If no name is given and DNS does not answer, the standby is the secondary.

    Raises:
        UsageError: The cluster does not belong to the failover.
    """
    assert site.loaded is not None
    return Standby(site, site.loaded, site.role(name) if name else _idle_role(aws, site))


def _idle_role(aws: Aws, site: FailoverLocation) -> Role:
    answered = dns_answer.lookup(site.endpoint)
    if answered is None:
        return SECONDARY
    records = known(lambda: read_records(aws, site))
    if isinstance(records, Unknown):
        return SECONDARY
    targets = {role: record_name(records.get(role)) for role in ROLES}
    serving = dns_answer.matching_role(answered, targets, dns_answer.lookup)
    return PRIMARY if serving == SECONDARY else SECONDARY


def _record(aws: Aws, standby: Standby, report: StandbyReport) -> StandbyReport:
    """Put the ages and the verdict as metrics, and return the report with its lines judged again.

    Putting metrics shows whether the caller may put metrics in the switch's namespace; line 10
    judges this permission.
    """
    site = with_deployed_switch(aws, standby.site)
    clusters = [site.clusters[standby.role], site.clusters[site.role(standby.active)]]
    recording.located(aws, site.environment, clusters, standby.environment)
    try:
        with deadline.limited(RECORD_S):
            put_ages(aws, site, report)
            lines = judge(standby, report.facts, has_put=True)
            report = StandbyReport(lines, report.facts)
            put_verdict(aws, site, report)
    except AwsError as error:
        Progress().say(f"warning: the metrics were not published: {error}")
        if not isinstance(error, AccessDenied):
            return report
        return StandbyReport(judge(standby, report.facts, refused=str(error)), report.facts)
    recording.note("", standby.name, before="checked", after=report.verdict)
    recording.detail(put=True, lines={line.number: line.state for line in report.lines})
    recording.detail(quotas=_quotas(aws, standby, report))
    return report


def _quotas(aws: Aws, standby: Standby, report: StandbyReport) -> dict[str, object]:
    """Return the quotas of both clusters' regions, without a region that does not answer."""
    active = standby.site.clusters[standby.site.role(standby.active)]
    with deadline.limited(RECORD_S):
        of_active = (
            Unknown(active.unreachable)
            if active.unreachable
            else known(lambda: quota_line.read_quotas(aws, active.region))
        )
    values = {standby.name: report.facts.quotas, standby.active: of_active}
    return {name: each for name, each in values.items() if not isinstance(each, Unknown)}
