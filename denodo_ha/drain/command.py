"""`denodo-ha drain` and `denodo-ha enable`: take a node out of service, and bring it back."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import Clock, RealClock
from denodo_ha.cli import options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import CHANGE_S, TimeLimit, limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.rotation.operation import LOCK_WAIT_S, OperationContext
from denodo_ha.deployed.rotation.rotation import HEALTHY_S, LONGEST_DRAIN_S, labels
from denodo_ha.drain.draining import WHY, Draining
from denodo_ha.drain.enabling import CONFIRM_S, Enabling
from denodo_ha.environment import names

if TYPE_CHECKING:
    from denodo_ha.drill.live.operation.found_site import FoundCluster

Node = Annotated[str, typer.Argument(metavar="NODE", help="The node's name.")]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Do not wait for the lock of a command that was killed.",
        rich_help_panel="How",
    ),
]


def real_clock() -> Clock:
    """Return the clock of the commands; tests replace it."""
    return RealClock()


def _context(site: "_Site", *, timeout: float | None, take_over: bool) -> OperationContext:
    aws = Aws(profile=site.profile)
    located = locate_environment(
        aws,
        config=site.config,
        environment=site.environment,
        regions=site.region,
        cluster=site.cluster,
    )
    recording.located_environment(aws, located)
    location = located.cluster(site.cluster)
    location.require_reachable()
    return OperationContext(
        aws,
        located.environment,
        location,
        clock=real_clock(),
        progress=Progress(),
        timeout=timeout,
        take_over=take_over,
    )


@dataclass(frozen=True)
class _Site:
    """Options that name the site of the node."""

    config: str | None
    environment: str | None
    region: list[str] | None
    profile: str | None
    cluster: str | None
    live: bool
    record: str | None
    balancer: str | None

    @property
    def is_found(self) -> bool:
        """True if the option `--live` names a site that has no stack of this project."""
        return self.live or self.record is not None or self.balancer is not None


def _found(
    site: _Site, node: str, *, timeout: float | None, take_over: bool
) -> "tuple[OperationContext, FoundCluster, str]":
    """Return an operation's context, the node's found cluster (`--live`), and the node's name."""
    from denodo_ha.drain.found_site import find_node  # noqa: PLC0415 - only with --live
    from denodo_ha.drill.live.operation.found_site import chosen_locator  # noqa: PLC0415 - for --live

    locator = chosen_locator(
        live=site.live,
        record=site.record,
        balancer=site.balancer,
        config=site.config,
        environment=site.environment,
    )
    aws = Aws(profile=site.profile)
    found, each = find_node(aws, site.region, locator, node, cluster=site.cluster)
    context = OperationContext(
        aws,
        names.FOUND_SITES,
        found.cluster.location,
        clock=real_clock(),
        progress=Progress(),
        timeout=timeout,
        take_over=take_over,
    )
    return context, found, each.name


def _draining(
    site: _Site, node: str, *, timeout: float | None, take_over: bool, force: bool
) -> tuple[Draining, str, str]:
    """Return the drain to run, the name of the cluster, and the node's name."""
    if not site.is_found:
        context = _context(site, timeout=timeout, take_over=take_over)
        return Draining(context, force=force), context.location.name, node
    from denodo_ha.drain.found_site import FoundDraining  # noqa: PLC0415 - only with --live

    context, found, name = _found(site, node, timeout=timeout, take_over=take_over)
    return FoundDraining(context, found=found, force=force), context.location.name, name


def _enabling(
    site: _Site, node: str, *, timeout: float | None, take_over: bool
) -> tuple[Enabling, str, str]:
    """Return the operation that enables nodes, the name of the cluster, and the node's name."""
    if not site.is_found:
        context = _context(site, timeout=timeout, take_over=take_over)
        return Enabling(context), context.location.name, node
    from denodo_ha.drain.found_site import FoundEnabling  # noqa: PLC0415 - only with --live

    context, found, name = _found(site, node, timeout=timeout, take_over=take_over)
    return FoundEnabling(context, found=found), context.location.name, name


@limited(TimeLimit(CHANGE_S, waits=(LOCK_WAIT_S, LONGEST_DRAIN_S)))
@recorded("drain")
def drain(
    node: Node,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    live: options.Live = False,
    record: options.Record = None,
    balancer: options.LoadBalancer = None,
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
            help="Drain the node even if no other node is healthy: clients are not served then.",
            rich_help_panel="How",
        ),
    ] = False,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Take a node out of service: it gets no new connections, and existing ones have time to end.

    The node is deregistered from every shared target group of its cluster, and remains registered
    in the target group of its auxiliary port. The command waits for the deregistration delay. A
    drain tag on the instance records who drained the node, when and why. Run the command again to
    continue after an interruption; `enable` brings the node back. With --cluster, the command needs
    only the region of the cluster; at most its entry in the history is written to another region,
    at the end. With --live, NODE is the tag Name or the id of an instance, and further tags record
    the target groups in which the instance was registered.

        denodo-ha drain node1 --cluster active -c prod --why "new disk"

        denodo-ha drain node1 --cluster active -c prod --dry-run

        denodo-ha drain denodo-node1 --live --region eu-west-1 --balancer nlb
    """
    site = _Site(config, environment, region, profile, cluster, live, record, balancer)
    draining, name, node = _draining(site, node, timeout=timeout, take_over=take_over, force=force)
    if dry_run:
        plan = draining.plan(node, why=why)
        change = (
            f"would leave {labels(plan.open)}" if plan.open else f"is out of {plan.scope} already"
        )
        print_line(f"{name} {node}: {change}; its connections have {plan.seconds} s to end")
        print_line(f"{name} {node}: its drain tag would be: {plan.tag}")
        return
    plan = draining.drain(node, why=why)
    change = "is out" if plan.open else "was out already"
    keeps = "".join(f"; its auxiliary port {group.port} stays registered" for group in plan.keeps)
    print_line(f"{name} {node} {change} of {plan.scope}{keeps}; drained {plan.tag}")


@limited(TimeLimit(CHANGE_S + CONFIRM_S, waits=(LOCK_WAIT_S, HEALTHY_S)))
@recorded("enable")
def enable(
    node: Node,
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    live: options.Live = False,
    record: options.Record = None,
    balancer: options.LoadBalancer = None,
    metadata_ok: Annotated[
        bool,
        typer.Option(
            "--metadata-ok",
            help="Confirm that the node's metadata is correct: the node is not ready before.",
            rich_help_panel="How",
        ),
    ] = False,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Bring a node back into every target group that the deployed configuration gives it.

    The command waits until the node is healthy in each target group, then removes the drain tag.
    Run the command again to continue after an interruption. With --live, the node comes back
    into the target groups that its tags name.

        denodo-ha enable node1 --cluster active -c prod

        denodo-ha enable node1 --cluster active --metadata-ok -c prod

        denodo-ha enable denodo-node1 --live --region eu-west-1 --balancer nlb
    """
    site = _Site(config, environment, region, profile, cluster, live, record, balancer)
    if site.is_found and metadata_ok:
        raise UsageError(
            "--metadata-ok cannot be used with --live: on the nodes of a site without a stack of "
            "this project, no node program runs that could record the confirmation"
        )
    enabling, name, node = _enabling(site, node, timeout=timeout, take_over=take_over)
    if dry_run:
        plan = enabling.plan(node)
        if metadata_ok:
            print_line(f"{name} {node}: its metadata would be confirmed")
        change = (
            f"would be registered in {labels(plan.missing)}"
            if plan.missing
            else f"would wait until it is healthy {plan.scope}"
        )
        drained = f"; the node is out {plan.tag}" if plan.tag else ""
        print_line(f"{name} {node}: {change}{drained}")
        return
    plan = enabling.enable(node, metadata_ok=metadata_ok)
    confirmed = "; its metadata is confirmed" if metadata_ok else ""
    print_line(f"{name} {node} is healthy {plan.scope}{confirmed}")
