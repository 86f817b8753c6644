"""`denodo-ha drain` and `denodo-ha enable`: a node out of service, and back."""

from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import options
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.environment_locator import StackLocation
from denodo_ha.drain.draining import WHY, Draining
from denodo_ha.drain.enabling import Enabling

Node = Annotated[str, typer.Argument(metavar="NODE", help="The node's name.")]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Do not wait for the lock of a run that was killed.",
        rich_help_panel="How",
    ),
]


def real_clock() -> Clock:
    """The clock of the commands; tests have another."""
    return RealClock()


def _place(
    aws: Aws,
    config: str | None,
    environment: str | None,
    region: list[str] | None,
    cluster: str | None,
) -> tuple[str, StackLocation]:
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    place = site.cluster(cluster)
    place.require_reachable()
    return site.environment, place


def drain(
    node: Node,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    why: Annotated[
        str | None,
        typer.Option(
            "--why",
            metavar="TEXT",
            help=f"The reason, which status shows; default: {WHY}.",
            rich_help_panel="How",
        ),
    ] = None,
    timeout: options.Timeout = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Also if no healthy node is left: then nobody is served.",
            rich_help_panel="How",
        ),
    ] = False,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Take a node out of service: nothing new reaches it, and its connections have time to end.

    It leaves every shared group of its cluster and keeps its auxiliary group. The command waits
    for the deregistration delay, and marks the instance with who, when and why. Run it again to go
    on after an interruption; `enable` brings the node back.

        denodo-ha drain node1 --cluster active -c prod --why "new disk"

        denodo-ha drain node1 --cluster active -c prod --dry-run
    """
    aws, progress = Aws(profile=profile), Progress()
    name, place = _place(aws, config, environment, region, cluster)
    draining = Draining(
        aws,
        name,
        place,
        clock=real_clock(),
        progress=progress,
        force=force,
        timeout=timeout,
        take_over=take_over,
    )
    if dry_run:
        plan = draining.plan(node, why=why)
        groups = ", ".join(group.key for group in plan.inside)
        groups = plan.where if plan.serving else groups
        out_of = plan.where if plan.proxied else "every shared group"
        does = f"would leave {groups}" if groups else f"is out of {out_of} already"
        print_line(f"{place.name} {node}: {does}; its connections have {plan.delay} s to end")
        print_line(f"{place.name} {node}: marked {plan.mark}")
        return
    plan = draining.drain(node, why=why)
    was = "is out" if plan.inside or plan.serving else "was out already"
    keeps = f"; its auxiliary port {plan.keeps.port} stays" if plan.keeps else ""
    print_line(f"{place.name} {node} {was} of {plan.where}{keeps}; {plan.mark}")


def enable(
    node: Node,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    metadata_ok: Annotated[
        bool,
        typer.Option(
            "--metadata-ok",
            help="Tell the node that its metadata is right; until then it is not ready.",
            rich_help_panel="How",
        ),
    ] = False,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Bring a node back into every group that the deployed configuration says.

    Waits until it is healthy in each, then takes the mark of the drain away. Run it again to go on
    after an interruption.

        denodo-ha enable node1 --cluster active -c prod

        denodo-ha enable node1 --cluster active --metadata-ok -c prod
    """
    aws, progress = Aws(profile=profile), Progress()
    name, place = _place(aws, config, environment, region, cluster)
    enabling = Enabling(
        aws,
        name,
        place,
        clock=real_clock(),
        progress=progress,
        timeout=timeout,
        take_over=take_over,
    )
    if dry_run:
        plan = enabling.plan(node)
        if metadata_ok:
            print_line(f"{place.name} {node}: would be told that its metadata is right")
        groups = ", ".join(group.key for group in plan.missing)
        does = f"would come into {groups}" if groups else "is in every group"
        does = f"would come back on {plan.where}" if plan.proxied else does
        marked = f"; it is out {plan.mark}" if plan.mark else ""
        print_line(f"{place.name} {node}: {does}{marked}")
        return
    plan = enabling.enable(node, metadata_ok=metadata_ok)
    confirmed = "; its metadata is confirmed" if metadata_ok else ""
    back = "up on" if plan.proxied else "healthy in"
    print_line(f"{place.name} {node} is {back} {plan.where}{confirmed}")
