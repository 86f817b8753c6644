"""`denodo-ha plan`: what a deploy would do to each node and to each shared database."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws import cloud_assembly
from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.template_document import Template
from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import NotFound, UsageError
from denodo_ha.cli.output import print_json, print_line, print_table
from denodo_ha.deployed import environment_locator, stack
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.plan import database_changes
from denodo_ha.plan.database_changes import DatabaseChange
from denodo_ha.plan.node_changes import Change, changes, touched

Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder of cdk synth, such as cdk.out.", show_default=False),
]


def plan(
    base: Folder = None,
    new: Folder = None,
    *,
    config: options.Config = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Say what a deploy would do to each node: nothing, state only, in place, restart, replacement.

    Between two folders of cdk synth no account is asked: for pull requests. With -c CONFIG what is
    deployed is compared with the configuration, or with one folder. Of a shared database: nothing,
    in place, interruption, replacement. Exit code 1: two nodes of a cluster, or more, would not
    serve at once, or a database would lose what it keeps.

        denodo-ha plan base.out new.out

        denodo-ha plan -c prod
    """
    if base is not None and new is not None:
        before, after = cloud_assembly.read_templates(base), cloud_assembly.read_templates(new)
    elif config is not None:
        before, after = _deployed(config, base, region, profile)
    else:
        message = "compare what? Give two folders of cdk synth, or -c CONFIG for what is deployed"
        raise UsageError(message)
    pairs = [(before.get(name), after.get(name)) for name in sorted({*before, *after})]
    found = [change for pair in pairs for change in changes(*pair)]
    databases = [change for pair in pairs for change in database_changes.changes(*pair)]
    many = {cluster: nodes for cluster, nodes in touched(found).items() if len(nodes) > 1}
    if form is options.TableFormat.json:
        print_json({"nodes": found, "touched": touched(found), "databases": databases})
    else:
        _show(found, many, databases)
    lost = any(one.loses for one in databases)
    raise typer.Exit(exit_codes.NO if many or lost else exit_codes.DONE)


def _deployed(
    config: str, folder: Path | None, regions: list[str] | None, profile: str | None
) -> tuple[dict[str, Template], dict[str, Template]]:
    """The templates of clusters and their metadata as deployed, and as they would be."""
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=regions
    )
    kept = [
        replace(place, stack=names.catalog_stack(site.environment, place.name))
        for place in site.reachable
    ]
    wanted = [*site.reachable, *kept]
    before: dict[str, Template] = {}
    for place in wanted:
        try:
            before[place.stack] = stack.read_stack(aws, place).template
        except NotFound:
            # All that is in it is new.
            continue
    if folder is not None:
        after = cloud_assembly.read_templates(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="denodo-ha-") as made:
            out = Path(made) / "cdk.out"
            Cdk(profile).synth(configuration_choice.configuration_path(config), out)
            after = cloud_assembly.read_templates(out)
    here = {place.stack for place in wanted}
    return before, {name: template for name, template in after.items() if name in here}


def _show(found: list[Change], many: dict[str, list[str]], databases: list[DatabaseChange]) -> None:
    rows = [
        [one.cluster, one.node, one.effect.value, "; ".join(one.why), _then(one)] for one in found
    ]
    rows += [
        [one.cluster, "(database)", _interrupted(one), "; ".join(one.why), _restored(one)]
        for one in databases
    ]
    print_table(["Cluster", "Node", "Deploy", "Because", "Then"], rows)
    for cluster, nodes in many.items():
        print_line(
            f"{cluster}: {', '.join(nodes)} would not serve at once; pin them (`denodo-ha pin`), "
            "and move one at a time with `denodo-ha rollout`"
        )
    for one in databases:
        if one.loses:
            print_line(
                f"{one.cluster}: its database would be gone with all that its components keep "
                'there; read "Restore the database" in docs/catalog.md first'
            )


def _interrupted(change: DatabaseChange) -> str:
    return f"{change.effect.value}, {change.when}" if change.when else change.effect.value


def _restored(change: DatabaseChange) -> str:
    """What is to be done after the deploy."""
    if change.effect is Effect.NEW:
        return "denodo-ha catalog init, then roll"
    return "restore it" if change.effect is Effect.REPLACEMENT else ""


def _then(change: Change) -> str:
    """What is to be done after the deploy."""
    stated = any(one.startswith("state: ") for one in change.why)
    if change.effect in {Effect.NEW, Effect.REPLACEMENT}:
        return "confirm its metadata"
    if not stated:
        return ""
    return "denodo-ha roll restarts its servers" if change.restarts else "denodo-ha roll"
