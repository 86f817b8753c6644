"""`denodo-ha roll`: nodes take the state that the last deploy wrote for them."""

from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.rollout.cluster_order import ordered
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
        help="How many other nodes must be healthy in each group while one is out; default: all "
        "of them. A cluster of one node needs 0: nobody is served meanwhile.",
        rich_help_panel="How",
    ),
]
TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Do not wait for the lock of a run that was killed.",
        rich_help_panel="How",
    ),
]


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
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Bring nodes to the state that the last deploy wrote for them, one at a time.

    Each node whose state differs is taken out of the balancer, drained, changed, and brought back
    when it is ready and healthy. The first failure stops, and the others stay as they are. Run it
    again to go on, also after it was killed.

        denodo-ha roll -c prod --dry-run

        denodo-ha roll -c prod --cluster active --node node1
    """
    aws, progress = Aws(profile=profile), Progress()
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    chosen = ordered(site, cluster if node is None else site.cluster(cluster).name)
    for place in chosen:
        place.require_reachable()
    for place in chosen:
        rolling = StateRoll(
            aws,
            site.environment,
            place,
            clock=RealClock(),
            progress=progress,
            minimum=minimum,
            timeout=timeout,
        )
        if dry_run:
            for wish in rolling.look(node):
                print_line(f"{place.name} {wish.node}: {wish}")
            continue
        changed = rolling.roll(node, take_over=take_over)
        done = f"rolled {', '.join(changed)}" if changed else "every node has its desired state"
        print_line(f"{place.name}: {done}")
    raise typer.Exit(exit_codes.DONE)
