"""`denodo-ha catalog`: the metadata that the nodes of a cluster share, and what they do not."""

from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.catalog import database_setup, password_rotation
from denodo_ha.catalog import status as status_
from denodo_ha.catalog.database_setup import Reach
from denodo_ha.catalog.location import COMPONENTS, Metadata, find
from denodo_ha.catalog.postgres_server import certificates
from denodo_ha.catalog.status import Status
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.output import print_json, print_line, print_table, styled
from denodo_ha.cli.progress import Progress
from denodo_ha.deployed import environment_locator
from denodo_ha.deployed.environment_locator import EnvironmentLocation
from denodo_ha.environment.model.catalog import Component

catalog = typer.Typer(
    name="catalog",
    help="""The metadata that nodes share, and what they do not.

    [bold]Examples[/bold]

    denodo-ha catalog init -c prod --ca eu-west-1-bundle.pem

    denodo-ha catalog status -c prod
    """,
    no_args_is_help=True,
)

_SHOWN = 12
"""How many digits of a digest are shown."""

Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="Certificates (PEM) that the server's is checked with; kept in the logins, so that "
        "the nodes check it, too. For RDS: "
        "https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem",
    ),
]
Through = Annotated[
    str,
    typer.Option(
        "--through",
        metavar="ADDRESS[:PORT]",
        help="Connect there instead, such as to a port that Session Manager forwards; the "
        "certificate is still the server's.",
    ),
]
Admin = Annotated[
    str,
    typer.Option(
        "--admin-secret",
        metavar="ARN",
        help="The administrator's secret, where it is not the stack's: after a restore.",
    ),
]


@catalog.command("init")
def init(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    ca: Ca = None,
    through: Through = "",
    admin_secret: Admin = "",
    scheduler_sql: Annotated[
        list[Path] | None,
        typer.Option(
            "--scheduler-sql",
            metavar="FILE",
            help="Script that makes the Scheduler's tables; may be repeated, and is run once, "
            "in an empty database.",
        ),
    ] = None,
    dry_run: options.DryRun = False,
) -> None:
    """Make a database and users for each component, as far as they are not there.

    Run where the server is reached. Running it again changes nothing.
    """
    reach = _reach(ca, through, admin_secret)
    aws, _, metadata = _found(config, environment, region, profile, cluster)
    progress, count = Progress(), 0
    for change in database_setup.init(
        aws, metadata, reach, scripts=scheduler_sql or [], dry_run=dry_run
    ):
        count += 1
        progress.say(f"{change.component}: {'would make ' if dry_run else ''}{change.what}")
    listed = ", ".join(metadata.secrets)
    if not count:
        print_line(f"{listed}: all there; nothing was changed")
    elif dry_run:
        print_line(f"{count} to make; nothing was changed")
    else:
        print_line(f"{listed}: ready. Roll the nodes, so that they take it over")


@catalog.command("rotate")
def rotate(
    component: Annotated[str, typer.Argument(help=f"One of {', '.join(COMPONENTS)}.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    ca: Ca = None,
    through: Through = "",
    admin_secret: Admin = "",
    finish: Annotated[
        bool, typer.Option("--finish", help="Lock the old user out, once no node uses it.")
    ] = False,
) -> None:
    """Give a component a new user and password; the old ones work until --finish."""
    reach, which = _reach(ca, through, admin_secret), _component(component)
    aws, _, metadata = _found(config, environment, region, profile, cluster)
    if finish:
        old = password_rotation.finish(aws, metadata, reach, which)
        print_line(f"{which}: {old} is locked out")
        return
    new = password_rotation.rotate(aws, metadata, reach, which)
    print_line(
        f"{which}: the secret names {new} with a new password. Roll the nodes, then "
        f"`denodo-ha catalog rotate {which} --finish`"
    )


@catalog.command("status")
def status(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    form: options.Format = TableFormat.table,
) -> None:
    """Say how the database is, and which nodes' own metadata differ, and since when."""
    aws, site, metadata = _found(config, environment, region, profile, cluster)
    found = status_.status(aws, metadata, site.loaded.environment if site.loaded else None)
    if form is TableFormat.json:
        print_json({"good": found.good, "status": found})
    else:
        _show(found)
    if not found.good:
        raise typer.Exit(exit_codes.NO)


def _show(found: Status) -> None:
    if found.database:
        one = found.database
        print_table(
            ["Database", "State", "PostgreSQL", "Class", "Multi-AZ", "GiB", "Pending"],
            [
                (
                    one.name,
                    styled("ok" if one.status == "available" else one.status),
                    one.version,
                    one.type,
                    "yes" if one.multi_az else "no",
                    str(one.storage_gib),
                    one.pending,
                )
            ],
        )
    elif found.host:
        print_line(f"Database: {found.host}, which is not looked after from here")
    for component in found.uninitialised:
        print_line(f"{component}: has no database yet; `denodo-ha catalog init` makes it")
    if found.nodes:
        print_table(
            ["Node", "Exported", "Metadata", "Problem"],
            [
                (
                    node.name,
                    node.at.isoformat(timespec="minutes") if node.at else "",
                    node.digest[:_SHOWN],
                    node.problem,
                )
                for node in found.nodes
            ],
        )
    difference = found.difference
    if difference and len(difference.groups) > 1:
        groups = " | ".join(", ".join(nodes) for nodes in difference.groups.values())
        begin = "before " if difference.longer else ""
        since = difference.since.isoformat(timespec="minutes") if difference.since else "?"
        print_line(f"The nodes differ since {begin}{since}: {groups}")
    elif difference and difference.groups:
        print_line("The exported nodes have the same metadata")


def _found(
    config: str | None,
    environment: str | None,
    region: list[str] | None,
    profile: str | None,
    cluster: str | None,
) -> tuple[Aws, EnvironmentLocation, Metadata]:
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=environment, regions=region
    )
    return aws, site, find(aws, site, cluster)


def _reach(ca: Path | None, through: str, admin: str) -> Reach:
    address, _, port = through.partition(":")
    if port and not port.isdigit():
        message = f"--through {through}: {port} is no port; write an address like 127.0.0.1:15432"
        raise UsageError(message)
    return Reach(certificates(ca), address, int(port or 0), admin)


def _component(name: str) -> Component:
    for one in COMPONENTS:
        if name == one:
            return one
    message = f"{name} is no component; write one of {', '.join(COMPONENTS)}"
    raise UsageError(message)
