"""`denodo-ha haproxy`: HAProxy's configuration file, and control of HAProxy on hosts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.polling import RealClock
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import CommandError, Failed, Interrupted, Refused, UsageError
from denodo_ha.cli.output import print_document, print_line, print_message
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.deployed.cluster import read_cluster
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.haproxy_instances import HaproxyInstances, has_haproxy
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.haproxy.systemd_unit import render_drop_in
from denodo_ha.haproxy import config_check
from denodo_ha.haproxy.remote_hosts import RemoteHosts
from hosts.haproxy import commands, draining, enabling, reloading, server_state_file
from hosts.haproxy.errors import HaproxyError
from hosts.haproxy.runtime_api import LocalHaproxy

haproxy = typer.Typer(
    help="""Render HAProxy's configuration file, and operate HAProxy on this or other machines.

    denodo-ha haproxy render -c prod --check

    denodo-ha haproxy drain node1

    denodo-ha haproxy enable node1""",
    no_args_is_help=True,
)

_DEFAULT = LocalHaproxy()
_PANEL = "HAProxy on this machine"

Run = Annotated[
    Path, typer.Option("--run", help="Folder of HAProxy's sockets.", rich_help_panel=_PANEL)
]
State = Annotated[
    Path,
    typer.Option(
        "--state", help="File in which HAProxy's server states are saved.", rich_help_panel=_PANEL
    ),
]
File = Annotated[
    Path, typer.Option("--file", help="HAProxy's configuration file.", rich_help_panel=_PANEL)
]
Program = Annotated[
    str,
    typer.Option(
        "--haproxy", help="HAProxy program that validates the file.", rich_help_panel=_PANEL
    ),
]
Node = Annotated[str, typer.Argument(help="The node's name.")]
Hosts = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="HOST,HOST",
        help="Run the command on these hosts over ssh, instead of on this machine.",
        rich_help_panel=_PANEL,
    ),
]
User = Annotated[
    str | None,
    typer.Option(
        "--user",
        help="Login name on the hosts. Default: ssh's configuration.",
        rich_help_panel=_PANEL,
    ),
]


@haproxy.command()
def render(
    *,
    config: options.Config = None,
    cluster: options.Cluster = None,
    check: Annotated[
        bool, typer.Option("--check", help="Validate the file with a real HAProxy.")
    ] = False,
    haproxy: Annotated[
        str | None,
        typer.Option(
            "--haproxy", help="HAProxy program that validates the file. Default: from PATH."
        ),
    ] = None,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Print the systemd drop-in and not the file.")
    ] = False,
    proxy_protocol: Annotated[
        bool,
        typer.Option(
            "--proxy-protocol",
            help="Expect PROXY headers from a load balancer in front, through which all clients "
            "must connect.",
        ),
    ] = False,
    address: Annotated[str, typer.Option(help="Address to listen on. Default: every one.")] = "",
    group: Annotated[
        str, typer.Option(help="Group that may change HAProxy through its socket.")
    ] = "haproxy",
    monitor_group: Annotated[
        str, typer.Option(help="Group that may read HAProxy's state through a second socket.")
    ] = "haproxy",
) -> None:
    """Print HAProxy's configuration file for a cluster, without any call to AWS."""
    if config is None:
        raise UsageError(
            "no configuration is named: add -c CONFIG (a path, or the name of a file in config/)"
        )
    environment = load_configuration(config, deploying=False).environment
    name = config_check.select_cluster(environment, cluster)
    host = Host(
        behind_proxy=proxy_protocol, address=address, group=group, monitor_group=monitor_group
    )
    file = render_config(environment, name, host)
    if check:
        program = config_check.find_haproxy(haproxy)
        errors = config_check.validation_errors(environment, name, host, program)
        if errors:
            first, *lines = errors.splitlines()
            print_message(f"denodo-ha: {program}: {first}")
            for line in lines:
                print_message(f"  {line}")
            raise typer.Exit(exit_codes.NO)
        print_message(f"{program} accepts the file")
        missing = [path for path in config_check.missing_files(host) if path in file]
        if missing:
            print_message(
                "these files do not exist on this machine, so HAProxy has not validated them: "
                f"{', '.join(missing)}"
            )
    settings = environment.clusters[name].balancer.proxy
    print_document(render_drop_in(settings, host) if systemd else file)


@haproxy.command()
def drain(
    node: Node,
    *,
    timeout: options.Timeout = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the node has no sessions.")
    ] = True,
    force: Annotated[
        bool, typer.Option("--force", help="Drain the node even if no other node serves.")
    ] = False,
    host: Hosts = None,
    user: User = None,
    run: Run = _DEFAULT.run,
    state: State = _DEFAULT.state,
) -> None:
    """Take a node out without losing a session.

    denodo-ha haproxy drain node1

    denodo-ha haproxy drain node1 --host lb1,lb2
    """
    local = LocalHaproxy(run, state)
    remote = _remote_hosts(host, user, local)
    if remote is not None:
        if wait:
            remote.drain(node, timeout=timeout, force=force)
        else:
            remote.take_out(node, force=force)
        return
    with _converted_errors():
        seconds = (timeout or commands.DRAIN_S) if wait else None
        draining.drain(local, node, print_line, seconds=seconds, force=force)


@haproxy.command()
def enable(
    node: Node,
    *,
    timeout: options.Timeout = None,
    host: Hosts = None,
    user: User = None,
    run: Run = _DEFAULT.run,
    state: State = _DEFAULT.state,
) -> None:
    """Bring a node back, once its health checks have passed."""
    local = LocalHaproxy(run, state)
    remote = _remote_hosts(host, user, local)
    if remote is not None:
        remote.enable(node, timeout=timeout)
        return
    with _converted_errors():
        enabling.enable(local, node, print_line, seconds=timeout or commands.ENABLE_S)


@haproxy.command()
def reload(
    new: Annotated[
        Path | None, typer.Argument(help="The new file. Default: load the current file again.")
    ] = None,
    *,
    run: Run = _DEFAULT.run,
    state: State = _DEFAULT.state,
    file: File = _DEFAULT.config,
    haproxy: Program = _DEFAULT.program,
) -> None:
    """Validate a file, load it without losing a connection, and verify that HAProxy serves."""
    with _converted_errors():
        reloading.reload(LocalHaproxy(run, state, file, haproxy), new, print_line)


@haproxy.command()
def save(*, run: Run = _DEFAULT.run, state: State = _DEFAULT.state) -> None:
    """Save which nodes are drained, for the next reload; drain and enable also save this."""
    with _converted_errors():
        local = LocalHaproxy(run, state)
        with local.locked():
            server_state_file.save(local)


@haproxy.command()
def prepare(
    *,
    run: Run = _DEFAULT.run,
    state: State = _DEFAULT.state,
    file: File = _DEFAULT.config,
    haproxy: Program = _DEFAULT.program,
) -> None:
    """Save the states with which the file's servers start, before a start or reload by systemd.

    The generated systemd drop-in runs this command. `reload` also saves these states.
    """
    with _converted_errors():
        local = LocalHaproxy(run, state, file, haproxy)
        with local.locked():
            reloading.prepare_start(local, print_line)


@haproxy.command()
def status(
    *,
    form: options.Format = options.TableFormat.table,
    run: Run = _DEFAULT.run,
    state: State = _DEFAULT.state,
) -> None:
    """Show nodes, sessions and processes; the exit code reports the state."""
    with _converted_errors():
        as_json = form is options.TableFormat.json
        code = commands.show_status(LocalHaproxy(run, state), as_json=as_json)
    raise typer.Exit(code)


@haproxy.command()
def verify(
    *,
    form: options.Format = options.TableFormat.table,
    run: Run = _DEFAULT.run,
    state: State = _DEFAULT.state,
    file: File = _DEFAULT.config,
    haproxy: Program = _DEFAULT.program,
) -> None:
    """Verify that HAProxy runs its configuration file, and would do so after a reload, too."""
    with _converted_errors():
        local = LocalHaproxy(run, state, file, haproxy)
        code = commands.show_findings(local, as_json=form is options.TableFormat.json)
    raise typer.Exit(code)


@haproxy.command()
@limited(TimeLimit(READ_S, then="10 minutes for each instance"))
@recorded("haproxy apply", extra_time=True)
def apply(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
) -> None:
    """On AWS: load the file of the last deploy on each HAProxy instance, one at a time.

    The file is validated, loaded without losing a connection, and verified. If the file
    is not valid, the instance keeps its old file, and the remaining instances are not changed.

        denodo-ha haproxy apply -c prod
    """
    aws = Aws(profile=profile)
    location = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    recording.located_environment(aws, location)
    stacks = [location.cluster(cluster)] if cluster else list(location.clusters)
    for stack in stacks:
        stack.require_reachable()
    clusters = map_concurrently(lambda stack: read_cluster(aws, stack), stacks)
    behind = [deployed for deployed in clusters if has_haproxy(deployed)]
    if not behind:
        raise UsageError("no cluster of this environment uses HAProxy")
    for deployed in behind:
        results = HaproxyInstances(aws, deployed, RealClock()).apply()
        for instance_id, output in results.items():
            print_line(f"{deployed.name} {instance_id}: {'; '.join(output.splitlines())}")


def _remote_hosts(host: str | None, user: str | None, local: LocalHaproxy) -> RemoteHosts | None:
    """Return the hosts that the option `--host` names; None without `--host`: this machine."""
    if host is not None:
        return RemoteHosts.parse(host, user=user, report=print_line, haproxy=local)
    if user is not None:
        raise UsageError(
            "--user is the login name on the hosts of --host, so --user needs --host; nothing was "
            "changed"
        )
    return None


_ERROR_CLASSES: dict[int, type[CommandError]] = {
    exit_codes.USAGE: UsageError,
    exit_codes.REFUSED: Refused,
    exit_codes.FAILED: Failed,
}


@contextmanager
def _converted_errors() -> Iterator[None]:
    """Convert errors of the HAProxy program to command errors with the same exit code."""
    try:
        yield
    except HaproxyError as error:
        # HAProxy prints each alert on its own line.
        message = "; ".join(str(error).splitlines())
        raise _ERROR_CLASSES[error.code](message) from error
    except KeyboardInterrupt:
        status = full_command("haproxy status")
        message = f"interrupted: run `{status}` to see the current state"
        raise Interrupted(message) from None
