"""`denodo-ha rollout`: nodes move to the machine that the configuration asks for."""

import typer

from config.pins import pins_file
from ops import chosen, exits, options, places
from ops.aws import Aws
from ops.cdk import Cdk
from ops.clock import RealClock
from ops.errors import Refused, UsageError
from ops.order import ordered
from ops.progress import Progress
from ops.roll import Minimum, TakeOver
from ops.rolling_out import RollingOut
from ops.table import print_line


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
    file, aws, progress = chosen.file(config), Aws(profile=profile), Progress()
    site = places.find(aws, config=config, environment=None, regions=region)
    if not pins_file(file).exists():
        message = (
            f"there is no {pins_file(file)}; nothing was changed. Write what the nodes run with "
            f"`denodo-ha pin -c {config}` first"
        )
        raise Refused(message)
    wanted = ordered(site, cluster)
    for place in wanted:
        place.demand()
    for place in wanted:
        rolling = RollingOut(
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
    raise typer.Exit(exits.DONE)
