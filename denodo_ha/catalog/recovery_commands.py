"""`denodo-ha catalog import-export` and `restore-database`.

The commands import a metadata export into a node, and restore a database from a database copy.
"""

from dataclasses import replace
from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.polling import RealClock
from denodo_ha.catalog.database_restore import RESTORE_S, DatabaseRestore, find_copy
from denodo_ha.catalog.export_import import IMPORT_S, ExportImport, find_source
from denodo_ha.cli import options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_line, print_message
from denodo_ha.cli.progress import Progress
from denodo_ha.cli.time_limit import CHANGE_S, TimeLimit, limited
from denodo_ha.deployed.environment_locator import locate_environment
from denodo_ha.deployed.history import recording
from denodo_ha.deployed.history.recording import recorded
from denodo_ha.deployed.rotation.operation import LOCK_WAIT_S, OperationContext
from denodo_ha.environment import names
from denodo_ha.environment.derived.node_metadata import restored_database_name


@limited(TimeLimit(CHANGE_S + IMPORT_S, waits=(LOCK_WAIT_S,)))
@recorded("catalog import-export")
def import_export(
    node: Annotated[str, typer.Argument(help="Drained node into which the export is imported.")],
    *,
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    cluster: options.Cluster = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="CLUSTER",
            help="Import the newest copy of CLUSTER's exports; default: the node's own "
            "newest export.",
        ),
    ] = None,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Do not wait for the lock of a command that was killed."),
    ] = False,
) -> None:
    """Import the newest metadata export into a drained node, from a bucket in the node's region.

    The node waits until a copied export has arrived completely. The node stays drained: check the
    node, then enable it.

        denodo-ha catalog import-export node1 -c prod --cluster dr --from main
    """
    aws, progress = Aws(profile=profile), Progress()
    located = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=cluster
    )
    recording.located_environment(aws, located)
    location = located.cluster(cluster)
    location.require_reachable()
    context = OperationContext(
        aws,
        located.environment,
        location,
        clock=RealClock(),
        progress=progress,
        timeout=timeout,
        take_over=take_over,
    )
    operation = ExportImport(context)
    exports = find_source(aws, located, location, source)
    plan = operation.plan(node, exports) if dry_run else operation.run(node, exports)
    which = f"the export of {plan.of} at {plan.at.isoformat(timespec='minutes')} ({plan.uri})"
    if dry_run:
        print_line(f"{node} would import {which}; nothing was changed")
    else:
        print_line(f"{node} has imported {which}, and stays drained: check {node}, then enable it")


@limited(TimeLimit(CHANGE_S, waits=(RESTORE_S,)))
@recorded("catalog restore-database")
def restore_database(
    *,
    target: Annotated[
        str,
        typer.Option("--in", metavar="CLUSTER", help="Cluster in whose region the copy is."),
    ],
    config: options.Config = None,
    environment: options.Environment = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    timeout: options.Timeout = None,
    dry_run: options.DryRun = False,
) -> None:
    """Restore the newest copy of another cluster's metadata database, as a new database.

    The command needs the configuration, and only the region of the copy. No node uses the restored
    database until you change the nodes (docs/how-to/catalog.md). After an interruption, run the
    same command again to continue.

        denodo-ha catalog restore-database --in passive -c prod
    """
    aws, progress = Aws(profile=profile), Progress()
    located = locate_environment(
        aws, config=config, environment=environment, regions=region, cluster=target
    )
    recording.located_environment(aws, located)
    location = located.cluster(target)
    location.require_reachable()
    if located.loaded is None:
        raise UsageError(
            "no configuration is given; add -c CONFIG, which names the copied database"
        )
    copy, source = find_copy(aws, located.loaded.environment, location)
    name = restored_database_name(located.environment, target)
    restore = DatabaseRestore(
        aws, located.environment, location, clock=RealClock(), progress=progress
    )
    stack = replace(location, stack=names.catalog_stack(located.environment, target))
    settings = restore.settings(stack)
    latest = copy.latest_restorable
    state = latest.isoformat(timespec="seconds") if latest else "no time"
    if dry_run:
        print_line(
            f"would restore {copy.database} of {source} as {name} in {location.region}, with its "
            f"state of {state}; nothing was changed"
        )
        return
    database = restore.run(copy, name, settings, timeout=timeout or RESTORE_S)
    print_line(
        f"{database.name} ({database.host}) has the metadata of {source}; no node uses this "
        f"database yet. The secret of the database administrator is {database.admin_secret}"
    )
    print_message(
        f"Before a node of {target} uses the restored database, stop the Scheduler on every node "
        f"of {source} and of {target}: two Schedulers on one state start each job twice. The next "
        "steps are in docs/how-to/catalog.md, Restore the database in the other region"
    )
