"""`denodo-ha failover`: which cluster the site's name leads to, and why; and moving it."""

from collections.abc import Callable
from typing import Annotated

import typer

from ops import exits, failover_answers, failover_show, failover_sides, failover_site, options
from ops.aws import Aws
from ops.clock import Clock, RealClock
from ops.failover_checks import HEALTHY, UNHEALTHY, UNKNOWN
from ops.failover_move import TIMEOUT_S, carry_out, demand_possible, plan, unknown
from ops.failover_sides import Sides
from ops.failover_site import PRIMARY, Role, Site
from ops.options import TableFormat
from ops.progress import Progress
from ops.table import print_line

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
    site = failover_site.find(aws, config=config, environment=environment, regions=region)
    sides = failover_sides.read(aws, site)
    answers = [
        failover_answers.by_resolver(site, sides, failover_answers.lookup),
        failover_answers.by_route53(aws, site, sides, failover_answers.lookup),
        failover_answers.by_rules(sides),
    ]
    show = failover_show.as_json if form is TableFormat.json else failover_show.as_table
    show(site, sides, answers)
    raise typer.Exit(_exit(sides))


def _exit(sides: Sides) -> int:
    states = {side.state for side in sides.both}
    ends = {HEALTHY: exits.DONE, UNHEALTHY: exits.DOWN, UNKNOWN: exits.AWS}
    return ends[states.pop()] if len(states) == 1 else exits.NO


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
) -> tuple[Aws, Site]:
    aws = Aws(profile=profile, attempts=ATTEMPTS)
    return aws, failover_site.find(aws, config=config, environment=environment, regions=region)


def _move(
    found: tuple[Aws, Site],
    profile: str | None,
    role: Callable[[Site], Role],
    *,
    dry_run: bool,
    timeout: int | None,
) -> None:
    aws, site = found
    planned = plan(aws, site, role(site), failover_answers.lookup)
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
        look=failover_answers.lookup,
    )
    leads = "stays with" if done.by == failover_answers.SWITCH else "is answered with"
    print_line(f"{site.endpoint} {leads} {done.to} after {done.seconds:.0f} s, says {done.by}")
