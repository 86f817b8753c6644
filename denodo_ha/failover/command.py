"""`denodo-ha failover`: which cluster the site's name leads to, and why; and moving it."""

from collections.abc import Callable
from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed.failover import dns_answer, location
from denodo_ha.deployed.failover import sides as failover_sides
from denodo_ha.deployed.failover.health_checks import HEALTHY, UNHEALTHY, UNKNOWN
from denodo_ha.deployed.failover.location import PRIMARY, FailoverLocation, Role
from denodo_ha.deployed.failover.sides import Sides
from denodo_ha.failover import report
from denodo_ha.failover.move import TIMEOUT_S, carry_out, demand_possible, plan, unknown

ATTEMPTS = 3
"""Ours: of looks. A region that is lost does not answer the tenth time either."""

failover = typer.Typer(
    no_args_is_help=True,
    help="""Where the failover's name leads, and moving it to the other side.

    [bold]Examples[/bold]

    denodo-ha failover status -c prod

    denodo-ha failover to passive -c prod --dry-run

    denodo-ha failover back --environment prod --region eu-central-1""",
)


def real_clock() -> Clock:
    """The clock of the commands; tests have another."""
    return RealClock()


@failover.command()
def status(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = TableFormat.table,
) -> None:
    """Show which side DNS answers, and why: every check, its children, its reason.

    Ends with 0 if both sides are healthy, 1 if one is not or is not known, 5 if both are
    unhealthy, 6 if nothing is known of either.

    [bold]Example[/bold]

    denodo-ha failover status -c prod --format json
    """
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    site = location.locate_failover(aws, config=config, environment=environment, regions=region)
    sides = failover_sides.read_sides(aws, site)
    answers = [
        dns_answer.by_resolver(site, sides, dns_answer.lookup),
        dns_answer.by_route53(aws, site, sides, dns_answer.lookup),
        dns_answer.by_rules(sides),
    ]
    show = report.as_json if form is TableFormat.json else report.as_table
    show(site, sides, answers)
    raise typer.Exit(_exit(sides))


def _exit(sides: Sides) -> int:
    states = {side.state for side in sides.both}
    ends = {HEALTHY: exit_codes.DONE, UNHEALTHY: exit_codes.DOWN, UNKNOWN: exit_codes.AWS}
    return ends[states.pop()] if len(states) == 1 else exit_codes.NO


@failover.command()
def to(
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="The cluster to move to.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
) -> None:
    """Move the site to a cluster, and wait until DNS answers it.

    Puts one datapoint of a metric; edits no record and no health check. Refuses if the cluster is
    not healthy, since Route 53 would not follow. Run again, it puts nothing if all is as it should
    be.

    [bold]Example[/bold]

    denodo-ha failover to passive -c prod
    """
    found = _found(config, environment, region, profile)
    _move(found, profile, lambda site: site.role(cluster), dry_run=dry_run, timeout=timeout)


@failover.command()
def back(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    dry_run: options.DryRun = False,
    timeout: options.Timeout = TIMEOUT_S,
) -> None:
    """Move the site back to the primary: the same as `to` with its name."""
    found = _found(config, environment, region, profile)
    _move(found, profile, lambda _site: PRIMARY, dry_run=dry_run, timeout=timeout)


def _found(
    config: str | None, environment: str | None, region: list[str] | None, profile: str | None
) -> tuple[Aws, FailoverLocation]:
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    return aws, location.locate_failover(
        aws, config=config, environment=environment, regions=region
    )


def _move(
    found: tuple[Aws, FailoverLocation],
    profile: str | None,
    role: Callable[[FailoverLocation], Role],
    *,
    dry_run: bool,
    timeout: int | None,
) -> None:
    aws, site = found
    planned = plan(aws, site, role(site), dns_answer.lookup)
    if planned.there:
        print_line(f"{site.endpoint} is answered with {planned.cluster}, and the switch is there")
        return
    demand_possible(planned)
    progress = Progress()
    if warning := unknown(planned):
        progress.say(f"warning: {warning}")
    if dry_run:
        put = "the switch is there already" if planned.thrown else f"would put {planned.datapoint}"
        print_line(f"{put}, and wait until DNS answers {planned.cluster}; nothing was changed")
        return
    done = carry_out(
        # The one call that counts is tried longer.
        Aws(profile=profile),
        planned,
        clock=real_clock(),
        progress=progress,
        timeout=timeout or TIMEOUT_S,
        look=dns_answer.lookup,
    )
    leads = "stays with" if done.by == dns_answer.SWITCH else "is answered with"
    print_line(f"{site.endpoint} {leads} {done.to} after {done.seconds:.0f} s, says {done.by}")
