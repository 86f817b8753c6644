"""`denodo-ha verify`: from where it runs, is everything as clients need it."""

import ssl
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import TableFormat
from denodo_ha.environment.model.environment import Environment
from denodo_ha.verify import report, target_selection
from denodo_ha.verify.site import Site
from denodo_ha.verify.step import Log, State
from denodo_ha.verify.tls_probe import Trust
from denodo_ha.verify.verification import Run, Settings

_WHAT = "What is verified"
_HOW = "How"

Through = Annotated[
    str | None,
    typer.Option(
        "--through",
        metavar="TARGET",
        help="failover, CLUSTER (its balancer) or CLUSTER/NODE (the node itself). Default: the "
        "failover name where there is one, else the only cluster.",
        rich_help_panel=_WHAT,
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Ask this name or address instead of what AWS names; AWS is then asked nothing.",
        rich_help_panel=_WHAT,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name that clients use, for certificates and HTTP. Default: the failover name, "
        "else what is asked.",
        rich_help_panel=_WHAT,
    ),
]
Balancers = Annotated[
    list[str] | None,
    typer.Option(
        "--balancer",
        metavar="CLUSTER=NAME",
        help="A balancer's name, so that AWS need not be asked for it; may be repeated.",
        rich_help_panel=_WHAT,
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="SERVICE",
        help="Only this service; may be repeated.",
        rich_help_panel=_WHAT,
    ),
]
Connections = Annotated[
    int,
    typer.Option(
        "--connections",
        metavar="N",
        min=0,
        max=1000,
        help="Open so many connections to each service, and show how they spread over nodes.",
        rich_help_panel=_HOW,
    ),
]
Tls = Annotated[
    list[str] | None,
    typer.Option(
        "--tls",
        metavar="SERVICE",
        help="This service speaks TLS on the nodes; may be repeated. Known without it: a "
        "service's `tls`, and port 9443.",
        rich_help_panel=_HOW,
    ),
]
Bundle = Annotated[
    Path | None,
    typer.Option(
        "--ca-bundle",
        metavar="FILE",
        help="Certificate authorities to trust, in PEM form. Default: this machine's.",
        rich_help_panel=_HOW,
    ),
]
WebPath = Annotated[
    str,
    typer.Option(
        "--web-path",
        metavar="PATH",
        help="What web services are asked for; a path that opens a session shows stickiness.",
        rich_help_panel=_HOW,
    ),
]
Mark = Annotated[
    str,
    typer.Option(
        "--node-mark",
        metavar="NAME",
        help="A header or cookie of web answers that names the node.",
        rich_help_panel=_HOW,
    ),
]
Seconds = Annotated[
    int,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=1,
        max=60,
        help="How long each step may take.",
        rich_help_panel=_HOW,
    ),
]


def verify(
    *,
    config: options.Config = None,
    profile: options.Profile = None,
    through: Through = None,
    host: Host = None,
    name: Name = None,
    balancer: Balancers = None,
    service: Services = None,
    connections: Connections = 0,
    tls: Tls = None,
    ca_bundle: Bundle = None,
    web_path: WebPath = "/",
    node_mark: Mark = "",
    timeout: Seconds = 5,
    form: options.Format = TableFormat.table,
) -> None:
    """Verify what clients see: names, every service in its own protocol, where it leads.

    It runs where clients are: what it cannot reach, they cannot. Nothing is changed, nobody
    logs in. Exit code 0 if all is right (notes included), 1 if something is wrong.

    [bold]Examples[/bold]

    denodo-ha verify -c prod

    denodo-ha verify -c prod --connections 50

    denodo-ha verify -c prod --through passive --service jdbc

    denodo-ha verify -c prod --through active/node1

    denodo-ha verify -c prod --host 10.0.3.17 --format json
    """
    if config is None:
        raise UsageError("which environment? Give -c CONFIG: it says what there is to verify")
    loaded = load_configuration(config)
    environment = loaded.environment
    _check_services(environment, [*(service or ()), *(tls or ())])
    _check_bundle(ca_bundle)
    selection = target_selection.select(environment, through, host)
    log = Log("names")
    site = target_selection.locate(
        loaded,
        selection,
        host=host,
        given=_given(environment, balancer or ()),
        deployed=target_selection.DeployedNames(loaded, profile),
        log=log,
    )
    settings = Settings(
        name=name or site.endpoint or site.host,
        seconds=float(timeout),
        bundle=str(ca_bundle) if ca_bundle else None,
        services=tuple(service or ()),
        tls=tuple(tls or ()),
        path=web_path if web_path.startswith("/") else f"/{web_path}",
        mark=node_mark,
        connections=connections,
    )
    _run(site, settings, log, what=f"{environment.name}, {selection}", form=form)


def _run(site: Site, settings: Settings, log: Log, *, what: str, form: TableFormat) -> None:
    run = Run(site, settings)
    logs = [log]
    if run.names(log):
        for subject in run.subjects():
            logs.append(Log(f"{subject.name} {subject.port}"))
            run.verify(logs[-1], subject)
    said = f"{what}, {site.host}"
    if form is TableFormat.json:
        report.as_json(said, run.cluster, logs)
    else:
        report.table(said, logs)
    if report.worst(logs) is State.WRONG:
        raise typer.Exit(exit_codes.NO)


def _check_services(environment: Environment, named: Iterable[str]) -> None:
    known = ", ".join(sorted(environment.services))
    for one in named:
        if one not in environment.services:
            message = f"{environment.name} has no service {one!r}; it has {known}"
            raise UsageError(message)


def _check_bundle(bundle: Path | None) -> None:
    if bundle is None:
        return
    try:
        Trust(str(bundle)).context()
    except ssl.SSLError:
        message = f"--ca-bundle: {bundle} holds no certificate in PEM form"
        raise UsageError(message) from None
    except OSError as error:
        message = f"--ca-bundle: {bundle} cannot be read ({error.strerror})"
        raise UsageError(message) from None


def _given(environment: Environment, balancers: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in balancers:
        cluster, _, name = one.partition("=")
        if cluster not in environment.clusters or not name:
            known = ", ".join(sorted(environment.clusters))
            message = f"--balancer: {one!r} is not CLUSTER=NAME; clusters are {known}"
            raise UsageError(message)
        found[cluster] = name
    return found
