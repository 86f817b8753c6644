"""`denodo-ha roll`: bring nodes to the state that the last deploy wrote for them."""

from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.rollout.cluster_order import cluster_order
from denodo_ha.rollout.node_sequence import BEGIN
from denodo_ha.rollout.state_roll import StateRoll

Node = Annotated[
    str | None,
    typer.Option("--node", metavar="NODE", help="Only this node.", rich_help_panel="Which"),
]
Minimum = Annotated[
    int | None,
    typer.Option(
        "--minimum",
        metavar="N",
        min=0,
        help="Number of other nodes that must be healthy in each target group while a node is "
        "out; default: all other nodes. A cluster of one node needs 0, and serves no clients "
        "meanwhile.",
        rich_help_panel="How",
    ),
]
AcceptReadiness = Annotated[
    bool,
    typer.Option(
        "--accept-readiness",
        help="Also roll nodes that are ready only by the readiness rules of an earlier version. "
        "Such a node comes back when it is ready by the rules of the node program that it runs "
        "now.",
        rich_help_panel="How",
    ),
]
WithoutLicenseManager = Annotated[
    bool,
    typer.Option(
        "--without-license-manager",
        help="Take a node out of service even if the License Manager does not answer.",
        rich_help_panel="How",
    ),
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Do not wait for the lock of a command that was killed.",
        rich_help_panel="How",
    ),
]


@limited(BEGIN)
@recorded("roll", extra_time=True)
def roll(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    node: Node = None,
    minimum: Minimum = None,
    timeout: options.Timeout = None,
    accept_readiness: AcceptReadiness = False,
    without_license_manager: WithoutLicenseManager = False,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Bring nodes to the state that the last deploy wrote for them, one at a time.

    Each node whose state differs is taken out of service, drained, changed, and brought back when
    it is ready and healthy. The first failure stops the roll and leaves the other nodes unchanged.
    Run the command again to continue, also after it was killed.

        denodo-ha roll -c prod --dry-run

        denodo-ha roll -c prod --cluster active --node node1
    """
    aws, progress = Aws(profile=profile), Progress()
    site = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    recording.located_environment(aws, site)
    clusters = cluster_order(site, cluster if node is None else site.cluster(cluster).name)
    for location in clusters:
        location.require_reachable()
    for location in clusters:
        context = OperationContext(
            aws,
            site.environment,
            location,
            clock=RealClock(),
            progress=progress,
            timeout=timeout,
            take_over=take_over,
        )
        state_roll = StateRoll(
            context,
            minimum=minimum,
            without_license_manager=without_license_manager,
            accept_readiness=accept_readiness,
        )
        with BEGIN.stage(timeout):
            if dry_run:
                for task in state_roll.plan(node):
                    print_line(f"{location.name} {task.node}: {task}")
                continue
            rolled = state_roll.roll(node)
        result = f"rolled {', '.join(rolled)}" if rolled else "every node has its desired state"
        print_line(f"{location.name}: {result}")
    raise typer.Exit(exit_codes.DONE)
