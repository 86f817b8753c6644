"""`denodo-ha replace`: replace the instance of a lost node."""

from typing import Annotated

import typer

from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import limited
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.rotation.operation import OperationContext
from denodo_ha.environment.model.aws_field_types import is_instance_type
from denodo_ha.environment.model.pins import pins_file
from denodo_ha.rollout.node_replacement import NodeReplacement
from denodo_ha.rollout.node_sequence import BEGIN
from denodo_ha.rollout.roll_command import Minimum, TakeOver, WithoutLicenseManager
from denodo_ha.rollout.rollout_command import pinned_environment

NodeArgument = Annotated[str, typer.Argument(metavar="NODE", help="Name of the node.")]
EvenIfRunning = Annotated[
    bool,
    typer.Option(
        "--even-if-running",
        help="Also replace an instance that still exists; its disks are deleted.",
        rich_help_panel="How",
    ),
]
Type = Annotated[
    str | None,
    typer.Option(
        "--type",
        metavar="TYPE",
        help="Type of the new instance; default: the type of the node's pin.",
        rich_help_panel="How",
    ),
]


@limited(BEGIN)
@recorded("replace", extra_time=True)
def replace(
    node: NodeArgument,
    *,
    config: options.Config = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    even_if_running: EvenIfRunning = False,
    instance_type: Type = None,
    minimum: Minimum = None,
    timeout: options.Timeout = None,
    without_license_manager: WithoutLicenseManager = False,
    dry_run: options.DryRun = False,
    take_over: TakeOver = False,
) -> None:
    """Replace the instance of a lost node; the node keeps its name, zone, ports and pin.

    The command raises the node's generation in the pins file, which gives its instance a new
    logical id, deploys the stack with cdk, and brings the node back when it is ready with its
    metadata confirmed. Target groups, outputs, addresses and names remain the same. If EC2 has no
    capacity, the old pin is restored, and the message says what to try. Commit the pins file
    afterwards. Run the command again to continue, also after it was killed.

        denodo-ha replace node1 -c prod --cluster active --dry-run

        denodo-ha replace node1 -c prod --cluster active
    """
    if instance_type is not None and not is_instance_type(instance_type):
        message = f"--type {instance_type} is not an instance type; write a type such as m7i.xlarge"
        raise UsageError(message)
    aws = Aws(profile=profile)
    file, site = pinned_environment(aws, "replace", config=config, regions=region, cluster=cluster)
    recording.located_environment(aws, site)
    location = site.cluster(cluster)
    location.require_reachable()
    replacement = NodeReplacement(
        OperationContext(
            aws,
            site.environment,
            location,
            clock=RealClock(),
            progress=Progress(),
            timeout=timeout,
            take_over=take_over,
        ),
        file=file,
        cdk=Cdk(profile),
        minimum=minimum,
        without_license_manager=without_license_manager,
        even_if_running=even_if_running,
        instance_type=instance_type,
    )
    with BEGIN.stage(timeout):
        if dry_run:
            task = replacement.planned(node)
            print_line(f"{location.name} {node}: {task}")
        else:
            done = replacement.replace_node(node)
            print_line(f"{location.name}: {done}. Commit {pins_file(file).name}")
    raise typer.Exit(exit_codes.DONE)
