"""`denodo-ha verify`: verify DNS names, ports and protocols in the way that clients use them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.configuration_choice import load_configuration
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.time_limit import ANSWER, limited
from denodo_ha.verify import target_selection
from denodo_ha.verify.endpoint import require_ca_bundle
from denodo_ha.verify.findings import (
    StepLog,
    StepState,
    print_report,
    print_report_json,
    worst_state,
)
from denodo_ha.verify.manager_probe import probe_manager
from denodo_ha.verify.site import Site
from denodo_ha.verify.verification import Settings, Verification, require_services

if TYPE_CHECKING:
    from collections.abc import Callable

_TARGET_PANEL = "What is verified"
_METHOD_PANEL = "How"

Through = Annotated[
    str | None,
    typer.Option(
        "--through",
        metavar="TARGET",
        help="failover, CLUSTER (its load balancer) or CLUSTER/NODE (the node itself). Default: "
        "the failover name if there is one, else the only cluster.",
        rich_help_panel=_TARGET_PANEL,
    ),
]
Host = Annotated[
    str | None,
    typer.Option(
        "--host",
        metavar="HOST",
        help="Verify this name or address, without any call to AWS.",
        rich_help_panel=_TARGET_PANEL,
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name that clients use, for certificates and HTTP. Default: the failover name, "
        "else the verified name or address.",
        rich_help_panel=_TARGET_PANEL,
    ),
]
Balancers = Annotated[
    list[str] | None,
    typer.Option(
        "--balancer",
        metavar="CLUSTER=NAME",
        help="The DNS name of a load balancer, which is then not read from AWS; may be repeated.",
        rich_help_panel=_TARGET_PANEL,
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service",
        metavar="SERVICE",
        help="Verify only this service; may be repeated.",
        rich_help_panel=_TARGET_PANEL,
    ),
]
Connections = Annotated[
    int,
    typer.Option(
        "--connections",
        metavar="N",
        min=0,
        max=1000,
        help="Open N connections to each service, and show their distribution over the nodes.",
        rich_help_panel=_METHOD_PANEL,
    ),
]
Tls = Annotated[
    list[str] | None,
    typer.Option(
        "--tls",
        metavar="SERVICE",
        help="A service that speaks TLS on the nodes; may be repeated. Not needed for services "
        "with `tls` in the configuration, and for port 9443.",
        rich_help_panel=_METHOD_PANEL,
    ),
]
CaBundle = Annotated[
    Path | None,
    typer.Option(
        "--ca-bundle",
        metavar="FILE",
        help="Certificate authorities to trust, in PEM form. Default: those of this machine.",
        rich_help_panel=_METHOD_PANEL,
    ),
]
WebPath = Annotated[
    str,
    typer.Option(
        "--web-path",
        metavar="PATH",
        help="Path to request from web services. To verify stickiness, name a path that opens a "
        "session.",
        rich_help_panel=_METHOD_PANEL,
    ),
]
NodeMark = Annotated[
    str,
    typer.Option(
        "--node-mark",
        metavar="NAME",
        help="A header or cookie of web responses that names the node.",
        rich_help_panel=_METHOD_PANEL,
    ),
]
Timeout = Annotated[
    int,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        min=1,
        max=60,
        help="Time that each step may take.",
        rich_help_panel=_METHOD_PANEL,
    ),
]


@limited(ANSWER)
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
    ca_bundle: CaBundle = None,
    web_path: WebPath = "/",
    node_mark: NodeMark = "",
    timeout: Timeout = 5,
    form: options.Format = TableFormat.table,
) -> None:
    """Verify what clients see: DNS names, every service in its own protocol, which node answers.

    Run this command on a machine in the clients' network, which has the same network access as the
    clients. The command changes nothing and does not log in. If AWS does not return the name of a
    load balancer within 15 s, the output has a note. Exit code 0: everything is correct, or there
    are only notes; 1: something is wrong.

    denodo-ha verify -c prod

    denodo-ha verify -c prod --connections 50

    denodo-ha verify -c prod --through passive --service jdbc

    denodo-ha verify -c prod --through active/node1

    denodo-ha verify -c prod --host 10.0.3.17 --format json
    """
    if config is None:
        raise UsageError("no configuration is given: add -c CONFIG (a path, or a name of config/)")
    loaded = load_configuration(config)
    environment = loaded.environment
    require_services(environment, [*(service or ()), *(tls or ())])
    require_ca_bundle(ca_bundle)
    selection = target_selection.select(environment, through, host)
    log = StepLog("names")
    site = target_selection.locate(
        loaded,
        selection,
        host=host,
        given=target_selection.parse_balancers(environment, balancer or ()),
        deployed=target_selection.DeployedNames(loaded, profile),
        log=log,
    )
    settings = Settings(
        client_name=name or site.failover_name or site.host,
        timeout=float(timeout),
        ca_bundle=str(ca_bundle) if ca_bundle else None,
        services=tuple(service or ()),
        tls=tuple(tls or ()),
        web_path=web_path if web_path.startswith("/") else f"/{web_path}",
        node_mark=node_mark,
        connections=connections,
    )
    _verify(site, settings, log, target=f"{environment.name}, {selection}, {site.host}", form=form)


def _verify(
    site: Site, settings: Settings, log: StepLog, *, target: str, form: TableFormat
) -> None:
    verification = Verification(site, settings)
    logs = [log]
    if verification.resolve(log):
        tasks: list[tuple[StepLog, Callable[[StepLog], None]]] = [
            (StepLog(f"{port.name} {port.port}"), partial(verification.verify, port=port))
            for port in verification.ports()
        ]
        tasks += [
            (
                StepLog(f"{manager.name} {manager.port}"),
                partial(probe_manager, manager=manager, timeout=settings.timeout),
            )
            for manager in verification.managers()
        ]
        logs += [task_log for task_log, _ in tasks]
        # Ports are verified in parallel, because each port of a lost region takes its timeouts. A
        # test of the distribution runs alone: other connections would change what it measures.
        workers = 1 if settings.connections else max(len(tasks), 1)
        map_concurrently(lambda task: task[1](task[0]), tasks, workers=workers)
    if form is TableFormat.json:
        print_report_json(target, verification.cluster, logs)
    else:
        print_report(target, logs)
    if worst_state(logs) is StepState.WRONG:
        raise typer.Exit(exit_codes.NO)
