"""`denodo-ha haproxy`: HAProxy's file, and the HAProxy of this machine by its sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration as loaded
from denodo_ha.cli.errors import CommandError, Failed, Interrupted, Refused, UsageError
from denodo_ha.environment.haproxy.config_file import Host, render_config
from denodo_ha.environment.haproxy.systemd_unit import render_drop_in
from denodo_ha.haproxy import remote_hosts
from denodo_ha.haproxy import render as haproxy_render
from denodo_ha.haproxy.apply import apply
from hosts.haproxy import commands, server_state_file
from hosts.haproxy.draining import drain as take_out
from hosts.haproxy.enabling import enable as bring_back
from hosts.haproxy.errors import HaproxyError
from hosts.haproxy.reloading import reload as load_anew
from hosts.haproxy.runtime_api import LocalHaproxy

haproxy = typer.Typer(
    help="""HAProxy's file, and the HAProxy that runs on this machine.

    [bold]Examples[/bold]

    denodo-ha haproxy render -c prod --check

    denodo-ha haproxy drain node1

    denodo-ha haproxy enable node1""",
    no_args_is_help=True,
)

_USUAL = LocalHaproxy()
_WHERE = "Where HAProxy is"

Run = Annotated[Path, typer.Option("--run", help="Folder of the sockets.", rich_help_panel=_WHERE)]
State = Annotated[
    Path, typer.Option("--state", help="The servers' state file.", rich_help_panel=_WHERE)
]
File = Annotated[
    Path, typer.Option("--file", help="HAProxy's configuration.", rich_help_panel=_WHERE)
]
Program = Annotated[
    str, typer.Option("--haproxy", help="The program that validates.", rich_help_panel=_WHERE)
]
Node = Annotated[str, typer.Argument(help="The node's name.")]
Hosts = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="HOST,HOST",
        help="Over ssh on these hosts, which have the program, instead of here.",
        rich_help_panel=_WHERE,
    ),
]
User = Annotated[
    str | None,
    typer.Option("--user", help="Who logs in there; default: as ssh does.", rich_help_panel=_WHERE),
]


@haproxy.command()
def render(
    *,
    config: options.Config = None,
    cluster: options.Cluster = None,
    check: Annotated[
        bool, typer.Option("--check", help="Have a real HAProxy validate the file.")
    ] = False,
    haproxy: Annotated[
        str | None, typer.Option("--haproxy", help="That HAProxy; default: the one in PATH.")
    ] = None,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Print the systemd drop-in instead.")
    ] = False,
    proxy_protocol: Annotated[
        bool,
        typer.Option(
            "--proxy-protocol", help="A balancer in front, and nobody else, sends PROXY headers."
        ),
    ] = False,
    address: Annotated[str, typer.Option(help="Address to listen on; default: all.")] = "",
    group: Annotated[str, typer.Option(help="Who may change HAProxy by its socket.")] = "haproxy",
    monitor_group: Annotated[
        str, typer.Option(help="Who may read its state by the other socket.")
    ] = "haproxy",
) -> None:
    """Print HAProxy's file for a cluster; nothing is asked of AWS."""
    if config is None:
        raise UsageError("which configuration? Give -c CONFIG: a path, or a name of config/")
    environment = loaded(config, deploying=False).environment
    name = haproxy_render.cluster(environment, cluster)
    host = Host(
        behind_proxy=proxy_protocol, address=address, group=group, monitor_group=monitor_group
    )
    if check:
        found = haproxy_render.program(haproxy)
        wrong = haproxy_render.wrong(environment, name, host, found)
        if wrong:
            typer.echo(f"denodo-ha: {found} does not accept the file:\n{wrong}", err=True)
            raise typer.Exit(exit_codes.NO)
        typer.echo(f"{found} accepts the file", err=True)
        missing = [
            one
            for one in haproxy_render.lacking(host)
            if one in render_config(environment, name, host)
        ]
        if missing:
            typer.echo(f"not on this machine, so left out: {', '.join(missing)}", err=True)
    settings = environment.clusters[name].balancer.proxy
    typer.echo(
        render_drop_in(settings, host) if systemd else render_config(environment, name, host),
        nl=False,
    )


@haproxy.command()
def drain(
    node: Node,
    *,
    timeout: options.Timeout = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the node has no sessions.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Also if nobody else serves.")] = False,
    host: Hosts = None,
    user: User = None,
    run: Run = _USUAL.run,
    state: State = _USUAL.state,
) -> None:
    """Take a node out without a lost session.

    denodo-ha haproxy drain node1

    denodo-ha haproxy drain node1 --host lb1,lb2
    """
    hosts = _hosts(host, user, LocalHaproxy(run, state))
    if hosts is not None:
        if wait:
            hosts.drain(node, timeout=timeout, force=force)
        else:
            hosts.take_out(node, force=force)
        return
    with _told():
        seconds = (timeout or commands.DRAIN_S) if wait else None
        take_out(LocalHaproxy(run, state), node, typer.echo, seconds=seconds, force=force)


@haproxy.command()
def enable(
    node: Node,
    *,
    timeout: options.Timeout = None,
    host: Hosts = None,
    user: User = None,
    run: Run = _USUAL.run,
    state: State = _USUAL.state,
) -> None:
    """Bring a node back, once it has passed its checks."""
    hosts = _hosts(host, user, LocalHaproxy(run, state))
    if hosts is not None:
        hosts.enable(node, timeout=timeout)
        return
    with _told():
        bring_back(LocalHaproxy(run, state), node, typer.echo, seconds=timeout or commands.ENABLE_S)


@haproxy.command()
def reload(
    new: Annotated[Path | None, typer.Argument(help="The new file; default: load again.")] = None,
    *,
    run: Run = _USUAL.run,
    state: State = _USUAL.state,
    file: File = _USUAL.config,
    haproxy: Program = _USUAL.program,
) -> None:
    """Validate a file, load it without a lost connection, and see that it serves."""
    with _told():
        load_anew(LocalHaproxy(run, state, file, haproxy), new, typer.echo)


@haproxy.command()
def save(*, run: Run = _USUAL.run, state: State = _USUAL.state) -> None:
    """Keep who is drained over the next reload; every other command here does so itself."""
    with _told():
        place = LocalHaproxy(run, state)
        with place.locked():
            server_state_file.save(place)


@haproxy.command()
def status(
    *,
    form: options.Format = options.TableFormat.table,
    run: Run = _USUAL.run,
    state: State = _USUAL.state,
) -> None:
    """Show nodes, sessions and processes; the exit code says how it is."""
    with _told():
        as_json = form is options.TableFormat.json
        code = commands.show_status(LocalHaproxy(run, state), as_json=as_json)
    raise typer.Exit(code)


@haproxy.command()
def verify(
    *,
    form: options.Format = options.TableFormat.table,
    run: Run = _USUAL.run,
    state: State = _USUAL.state,
    file: File = _USUAL.config,
    haproxy: Program = _USUAL.program,
) -> None:
    """See whether HAProxy serves as it is configured, and would after a reload."""
    with _told():
        place = LocalHaproxy(run, state, file, haproxy)
        code = commands.show_findings(place, as_json=form is options.TableFormat.json)
    raise typer.Exit(code)


haproxy.command()(apply)


def _hosts(host: str | None, user: str | None, place: LocalHaproxy) -> remote_hosts.Hosts | None:
    """Other hosts than this, where some are named."""
    if host is not None:
        return remote_hosts.Hosts.named(host, user=user, tell=typer.echo, place=place)
    if user is not None:
        raise UsageError("--user is for --host, which says where to log in; nothing was changed")
    return None


_KINDS: dict[int, type[CommandError]] = {
    exit_codes.USAGE: UsageError,
    exit_codes.REFUSED: Refused,
    exit_codes.FAILED: Failed,
}


@contextmanager
def _told() -> Iterator[None]:
    """HAProxy's errors as this program's, with the same exit codes."""
    try:
        yield
    except HaproxyError as error:
        raise _KINDS[error.code](str(error)) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted: `denodo-ha haproxy status` shows what stands") from None
