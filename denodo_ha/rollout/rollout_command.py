"""`denodo-ha rollout`: nodes move to the machine that the configuration asks for."""

import typer

from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import Refused, UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.environment.model.pins import pins_file
from denodo_ha.rollout.cluster_order import ordered
from denodo_ha.rollout.machine_rollout import MachineRollout
from denodo_ha.rollout.roll_command import Minimum, TakeOver


def rollout(
    *,
    config: options.Config = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    minimum: Minimum = None,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Move nodes to the image, type and disks of the configuration, one at a time.

    Each node that runs something else is taken out of the balancer, its pin is moved, the stack is
    deployed with cdk, and the node is brought back when it is ready with its metadata confirmed.
    Commit the pins file afterwards. Run it again to go on, also after it was killed.

        denodo-ha rollout -c prod --dry-run

        denodo-ha rollout -c prod --cluster active
    """
    if config is None:
        raise UsageError("rollout moves pins beside a configuration's file: name it with -c CONFIG")
    file, aws, progress = (
        configuration_choice.configuration_path(config),
        Aws(profile=profile),
        Progress(),
    )
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=region
    )
    if not pins_file(file).exists():
        message = (
            f"there is no {pins_file(file)}; nothing was changed. Write what the nodes run with "
            f"`denodo-ha pin -c {config}` first"
        )
        raise Refused(message)
    wanted = ordered(site, cluster)
    for place in wanted:
        place.require_reachable()
    for place in wanted:
        rolling = MachineRollout(
            aws,
            place,
            file=file,
            cdk=Cdk(profile),
            clock=RealClock(),
            progress=progress,
            minimum=minimum,
            timeout=timeout,
        )
        if dry_run:
            for move in rolling.look():
                print_line(f"{place.name} {move.node}: {move}")
            continue
        moved = rolling.roll_out(take_over=take_over)
        done = f"rolled out {', '.join(moved)}" if moved else "every node is as configured"
        print_line(f"{place.name}: {done}")
    raise typer.Exit(exit_codes.DONE)
