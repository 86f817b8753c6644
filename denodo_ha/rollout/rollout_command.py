"""`denodo-ha rollout`: move nodes to the machine of the configuration."""

from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import Refused, UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import limited
from denodo_ha.deployed.environment_locator import EnvironmentLocation, locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.pins import pins_file
from denodo_ha.rollout.cluster_order import cluster_order
from denodo_ha.rollout.machine_rollout import MachineRollout
from denodo_ha.rollout.node_sequence import BEGIN
from denodo_ha.rollout.roll_command import Minimum, TakeOver, WithoutLicenseManager

Snapshot = Annotated[
    bool,
    typer.Option(
        "--snapshot",
        help="Before a node's instance is stopped or replaced, create a snapshot of its root "
        "volume, and wait until it is complete. Snapshots remain until you delete them.",
        rich_help_panel="How",
    ),
]


def pinned_environment(
    aws: Aws,
    command: str,
    *,
    config: str | None,
    regions: list[str] | None,
    cluster: str | None,
) -> tuple[Path, EnvironmentLocation]:
    """Return the configuration file, beside which the pins file is, and the environment's location.

    Args:
        aws: the credentials.
        command: the command that changes the pins file, for error messages.
        config: value of the option `-c`.
        regions: values of the option `--region`.
        cluster: value of the option `--cluster`.

    Raises:
        UsageError: The option `-c` is missing, or there is no such cluster.
    """
    if config is None:
        message = f"{command} changes the pins file beside the configuration file: add -c CONFIG"
        raise UsageError(message)
    file = configuration_choice.configuration_path(config)
    site = locate_environment(
        aws, config=config, environment=None, regions=regions, cluster=cluster
    )
    return file, site


@limited(BEGIN)
@recorded("rollout", extra_time=True)
def rollout(
    *,
    config: options.Config = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    minimum: Minimum = None,
    timeout: options.Timeout = None,
    snapshot: Snapshot = False,
    without_license_manager: WithoutLicenseManager = False,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Move nodes to the image, type and disks of the configuration, one at a time.

    Each node whose image, type or disks differ is taken out of service, Denodo is stopped, the new
    pin is written, the stack is deployed with cdk, and the node is brought back when it is ready
    with its metadata confirmed. Commit the pins file afterwards. Run the command again to continue,
    also after it was killed.

        denodo-ha rollout -c prod --dry-run

        denodo-ha rollout -c prod --cluster active
    """
    aws, progress = Aws(profile=profile), Progress()
    file, site = pinned_environment(aws, "rollout", config=config, regions=region, cluster=cluster)
    recording.located_environment(aws, site)
    if not pins_file(file).exists():
        message = (
            f"there is no pins file {pins_file(file)}. Nothing was changed. Write the pins of the "
            f"nodes with `{full_command('pin')}` first"
        )
        raise Refused(message)
    clusters = cluster_order(site, cluster)
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
        machine_rollout = MachineRollout(
            context,
            file=file,
            cdk=Cdk(profile),
            minimum=minimum,
            snapshot=snapshot,
            without_license_manager=without_license_manager,
        )
        with BEGIN.stage(timeout):
            if dry_run:
                for task in machine_rollout.plan():
                    print_line(f"{location.name} {task.node}: {task}")
                continue
            moved = machine_rollout.roll_out()
        result = f"rolled out {', '.join(moved)}" if moved else "every node is as configured"
        print_line(f"{location.name}: {result}")
    raise typer.Exit(exit_codes.DONE)
