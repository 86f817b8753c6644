"""`denodo-ha catalog`: a cluster's metadata database, and the metadata exports of its nodes."""

from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.catalog import (
    database_setup,
    learned_settings,
    metadata_status,
    password_rotation,
)
from denodo_ha.catalog.database_setup import ServerAccess
from denodo_ha.catalog.digest_test import TEST_S, run_digest_test
from denodo_ha.catalog.metadata_status import Database, Status
from denodo_ha.catalog.postgres_server import read_certificates
from denodo_ha.catalog.recovery_commands import import_export, restore_database
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import TableFormat
from denodo_ha.cli.output import (
    print_document,
    print_json,
    print_line,
    print_message,
    print_table,
    styled,
)
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import READ_S, TimeLimit, limited
from denodo_ha.deployed.environment_locator import EnvironmentLocation, locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.metadata_stack import COMPONENTS, MetadataStack, read_metadata_stack
from denodo_ha.deployed.node_agent import STATUS_S
from denodo_ha.environment.full_command import full_command
from denodo_ha.environment.model.catalog import Component

catalog = typer.Typer(
    name="catalog",
    help="""Set up and check the metadata database that nodes share, and compare their metadata.

    denodo-ha catalog init -c prod --ca eu-west-1-bundle.pem

    denodo-ha catalog learn node1 --cluster active -c prod

    denodo-ha catalog status -c prod

    denodo-ha catalog digest-test node1 --cluster active -c prod

    denodo-ha catalog import-export node1 -c prod --cluster dr --from main

    denodo-ha catalog restore-database --in passive -c prod
    """,
    no_args_is_help=True,
)

SET_UP_S = 600.0
"""Project default: seconds for `init` to set up the databases and logins of all components,
including the wait for another run of `init` or `rotate`."""
_DIGEST_LENGTH = 12
"""Number of digits of a digest that the table shows."""

Ca = Annotated[
    Path | None,
    typer.Option(
        "--ca",
        metavar="FILE",
        help="CA certificates (PEM) that verify the server's certificate; stored in the "
        "components' secrets, so that the nodes verify it as well. For RDS: "
        "https://truststore.pki.rds.amazonaws.com/REGION/REGION-bundle.pem",
    ),
]
Through = Annotated[
    str,
    typer.Option(
        "--through",
        metavar="ADDRESS[:PORT]",
        help="Connect to this address instead of the server's, for example to a port that Session "
        "Manager forwards. The certificate is verified for the server's own name.",
    ),
]
Admin = Annotated[
    str,
    typer.Option(
        "--admin-secret",
        metavar="ARN",
        help="Secret of the database administrator, if the secret in the stack's outputs is not "
        "valid, for example after a restore.",
    ),
]


@catalog.command("init")
@limited(TimeLimit(SET_UP_S))
@recorded("catalog init")
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
            help="SQL script that creates the Scheduler's tables; may be repeated. Runs only if "
            "the database has no tables.",
        ),
    ] = None,
    data_catalog_sql: Annotated[
        list[Path] | None,
        typer.Option(
            "--data-catalog-sql",
            metavar="FILE",
            help="SQL script that creates the Data Catalog's tables; may be repeated. Runs only if "
            "the database has no tables.",
        ),
    ] = None,
    dry_run: options.DryRun = False,
) -> None:
    """Create the missing databases and users of each component.

    Run this command on a machine that can reach the database server. Running it again changes
    nothing.
    """
    access = _server_access(ca, through, admin_secret)
    aws, _, metadata = _read_metadata(config, environment, region, profile, cluster)
    progress, count = Progress(), 0
    scripts: dict[Component, list[Path]] = {
        "scheduler": scheduler_sql or [],
        "data-catalog": data_catalog_sql or [],
    }
    for change in database_setup.init(aws, metadata, access, scripts=scripts, dry_run=dry_run):
        count += 1
        prefix = "would create or set " if dry_run else ""
        progress.say(f"{change.component}: {prefix}{change.what}")
    components = ", ".join(metadata.secrets)
    if not count:
        print_line(f"{components}: nothing is missing; nothing was changed")
    elif dry_run:
        print_line(f"{count} changes are needed; nothing was changed")
    else:
        print_line(f"{components}: ready. Roll the nodes, so that they use the new settings")
    for component in database_setup.components_without_tables(aws, metadata, access):
        print_line(
            f"{component}: the database has no tables yet, so nodes do not use the database; "
            f"run this command again with {database_setup.script_option(component)} FILE, or "
            "create the tables with Denodo's web form (docs/how-to/catalog.md)"
        )


@catalog.command("learn")
@limited(TimeLimit(READ_S + STATUS_S))
def learn(
    node: Annotated[str, typer.Argument(help="Node on which Denodo's web form was used.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    component: Annotated[
        str,
        typer.Option(
            "--component",
            metavar="COMPONENT",
            help="Only this component: scheduler or data-catalog.",
        ),
    ] = "",
) -> None:
    """Print the settings that Denodo's web form has written on a node, for `catalog.settings`.

    Logins and addresses are placeholders: the output contains no password. Nothing is changed.
    """
    aws, clock = Aws(profile=profile), RealClock()
    located = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    location = located.cluster(cluster)
    location.require_reachable()
    settings = learned_settings.read_settings(aws, location, node, clock=clock)
    settings = learned_settings.chosen(settings, node, component)
    for name, learned in settings.items():
        for note in learned.notes:
            print_message(f"{name}: {note}")
    if text := learned_settings.as_yaml(settings):
        print_document(text)
    else:
        print_message(f"{node}: the default settings are right; `catalog.settings` is not needed")


@catalog.command("digest-test")
@limited(TimeLimit(READ_S + TEST_S))
def digest_test(
    node: Annotated[str, typer.Argument(help="Node that exports its metadata twice.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    form: options.Format = TableFormat.table,
) -> None:
    """Export a node's metadata twice, and show what differs in the site digest.

    Two sites can be compared only if this test shows no difference. The key `exports.not_compared`
    leaves elements out of the digest. Nothing is stored or changed, and no value is shown.
    """
    aws = Aws(profile=profile)
    located = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    location = located.cluster(cluster)
    location.require_reachable()
    result = run_digest_test(aws, location, node, clock=RealClock(), progress=Progress())
    if form is TableFormat.json:
        print_json({"same": result.same, "test": result})
    elif result.same:
        print_line(f"{node}: both exports have the same site digest ({result.elements} elements)")
    else:
        print_table(["Element", "Difference"], list(result.differences.items()))
        more = f" and {result.not_shown} more" if result.not_shown else ""
        print_line(
            f"{node}: {len(result.differences)}{more} of {result.elements} elements differ between "
            "two exports, so site digests of this installation cannot be compared yet; add these "
            "elements to exports.not_compared, deploy, roll, and run this command again"
        )
    if not result.same:
        raise typer.Exit(exit_codes.NO)


catalog.command("import-export")(import_export)


@catalog.command("rotate")
@limited(TimeLimit(SET_UP_S))
@recorded("catalog rotate")
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
        bool,
        typer.Option("--finish", help="Disable the old user's login, if no node uses this user."),
    ] = False,
) -> None:
    """Give a component another user with a new password; the old user works until --finish."""
    access, checked_component = _server_access(ca, through, admin_secret), _component(component)
    aws, _, metadata = _read_metadata(config, environment, region, profile, cluster)
    if finish:
        old_user = password_rotation.finish(aws, metadata, access, checked_component)
        print_line(f"{component}: the login of {old_user} is disabled")
        return
    new_user = password_rotation.rotate(aws, metadata, access, checked_component)
    roll = full_command("roll", cluster=metadata.location.name)
    server = ["--ca", str(ca)] if ca else []
    server += ["--through", through] if through else []
    server += ["--admin-secret", admin_secret] if admin_secret else []
    finish_command = full_command(
        "catalog rotate", component, "--finish", *server, cluster=metadata.location.name
    )
    print_line(
        f"{component}: the secret contains {new_user} with a new password. Roll the nodes with "
        f"`{roll}`, then run `{finish_command}`"
    )


catalog.command("restore-database")(restore_database)


@catalog.command("status")
@limited(TimeLimit(READ_S))
def status(
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    form: options.Format = TableFormat.table,
) -> None:
    """Show the state of the metadata database, and since when the nodes' metadata differs."""
    aws, located, metadata = _read_metadata(config, environment, region, profile, cluster)
    loaded = located.loaded.environment if located.loaded else None
    current = metadata_status.read_status(aws, metadata, loaded)
    if form is TableFormat.json:
        print_json({"good": current.good, "status": current})
    else:
        _print_status(current, metadata.location.name)
    if not current.good:
        raise typer.Exit(exit_codes.NO)


def _print_status(current: Status, cluster: str) -> None:
    if current.database:
        _print_database(current.database)
    elif current.host:
        print_line(
            f"Database: {current.host}, an existing server that this project does not manage"
        )
    init = full_command("catalog init", cluster=cluster)
    for component in current.uninitialised:
        print_line(f"{component}: has no database yet; `{init}` creates the database")
    if current.nodes:
        print_table(
            ["Node", "Exported", "Metadata", "Problem"],
            [
                (
                    node.name,
                    node.at.isoformat(timespec="minutes") if node.at else "",
                    node.digest[:_DIGEST_LENGTH],
                    node.problem,
                )
                for node in current.nodes
            ],
        )
    difference = current.difference
    if difference and len(difference.groups) > 1:
        groups = " | ".join(", ".join(nodes) for nodes in difference.groups.values())
        before = "before " if difference.longer else ""
        since = difference.since.isoformat(timespec="minutes") if difference.since else "?"
        print_line(f"The nodes' metadata differs since {before}{since}: {groups}")
    elif difference and difference.groups:
        print_line("The exported nodes have the same metadata")


def _print_database(database: Database) -> None:
    print_table(
        ["Database", "State", "PostgreSQL", "Class", "Multi-AZ", "GiB", "Pending"],
        [
            (
                database.name,
                styled("ok" if database.status == "available" else database.status),
                database.version,
                database.type,
                "yes" if database.multi_az else "no",
                str(database.storage_gib),
                database.pending,
            )
        ],
    )


def _read_metadata(
    config: str | None,
    environment: str | None,
    region: list[str] | None,
    profile: str | None,
    cluster: str | None,
) -> tuple[Aws, EnvironmentLocation, MetadataStack]:
    aws = Aws(profile=profile)
    located = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    recording.located_environment(aws, located)
    return aws, located, read_metadata_stack(aws, located, cluster)


def _server_access(ca: Path | None, through: str, admin: str) -> ServerAccess:
    address, _, port = through.partition(":")
    if port and not port.isdigit():
        message = (
            f"--through {through}: {port} is not a port; write an address like 127.0.0.1:15432"
        )
        raise UsageError(message)
    return ServerAccess(read_certificates(ca), address, int(port or 0), admin)


def _component(name: str) -> Component:
    for component in COMPONENTS:
        if name == component:
            return component
    message = f"{name} is not a component; write one of {', '.join(COMPONENTS)}"
    raise UsageError(message)
