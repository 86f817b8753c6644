"""`denodo-ha shift`: take a zone out of a cluster's load balancer, and bring it back."""

from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.cli import options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.deployed.cluster import read_cluster
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.zonal_shift.shifting import LONGEST_HOURS, ZonalShifts

_HOURS = 8


@limited(TimeLimit(READ_S))
@recorded("shift")
def shift(
    zone: Annotated[
        str | None,
        typer.Argument(
            metavar="ZONE", help="The availability zone that gets no traffic.", show_default=False
        ),
    ] = None,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    hours: Annotated[
        int,
        typer.Option(
            "--hours",
            min=1,
            max=LONGEST_HOURS,
            help="Hours after which AWS ends the shift.",
            rich_help_panel="How",
        ),
    ] = _HOURS,
    why: Annotated[
        str, typer.Option("--why", metavar="TEXT", help="The reason.", rich_help_panel="How")
    ] = "denodo-ha shift",
    back: Annotated[
        bool,
        typer.Option(
            "--back", help="End the shift: the zone gets traffic again.", rich_help_panel="How"
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Shift even if a service has no healthy node in another zone.",
            rich_help_panel="How",
        ),
    ] = False,
    dry_run: options.DryRun = False,
) -> None:
    """Shift traffic away from a zone of a cluster's load balancer, or show the active shift.

    Use a shift if a zone works badly, but is not down. The configuration needs
    balancer.zonal_shift: true. AWS ends the shift after --hours; --back ends the shift now. Run the
    command again to extend the shift.

        denodo-ha shift eu-west-1a -c prod --cluster active --why "latency"

        denodo-ha shift --back --cluster active -c prod
    """
    if back and zone is not None:
        raise UsageError("--back brings the shifted zone back, and takes no ZONE: leave ZONE out")
    aws = Aws(profile=profile)
    site = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    recording.located_environment(aws, site)
    location = site.cluster(cluster)
    location.require_reachable()
    shifts = ZonalShifts(aws, read_cluster(aws, location))
    if zone is not None and dry_run:
        shifts.require_possible(zone, force=force)
        print_line(f"{location.name}: {zone} would get no new connections for {hours} h")
        return
    if zone is not None:
        until = shifts.start(zone, hours=hours, comment=why, force=force)
        print_line(f"{location.name}: {zone} gets no new connections until {until}")
        return
    for item in shifts.cancel() if back and not dry_run else shifts.active():
        state = (
            ("would be back" if dry_run else "is back")
            if back
            else f"is shifted until {item.until}"
        )
        print_line(f"{location.name}: {item.zone} {state} ({item.comment})")
