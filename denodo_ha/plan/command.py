"""`denodo-ha plan`: the effect of a deploy on each node and each shared database."""

import shlex
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws import cloud_assembly, deadline
from denodo_ha.aws.cdk_cli import Cdk
from denodo_ha.aws.clients import Aws
from denodo_ha.aws.concurrency import map_concurrently
from denodo_ha.aws.template_document import Template
from denodo_ha.cli import configuration_choice, exit_codes, options
from denodo_ha.cli.errors import AwsError, NotFound, UsageError
from denodo_ha.cli.output import print_json, print_line, print_table
from denodo_ha.cli.time_limit import ANSWER, limited
from denodo_ha.deployed import environment_locator, stack
from denodo_ha.deployed.cluster import Cluster, cluster_of_stack
from denodo_ha.deployed.failover.location import locate_failover
from denodo_ha.deployed.lost_nodes import LostNode, lost_nodes
from denodo_ha.environment import names
from denodo_ha.environment.facts.update_effects import Effect
from denodo_ha.environment.model.pins import Pins
from denodo_ha.plan import database_changes, dependent_stacks, failed_creations
from denodo_ha.plan.database_changes import DatabaseChange
from denodo_ha.plan.dependent_stacks import DependentStack
from denodo_ha.plan.failed_creations import FailedCreation
from denodo_ha.plan.node_changes import Change, changes, touched
from denodo_ha.plan.switch_change import SwitchChange, require_switch_at_primary, switch_changes

Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder of cdk synth, such as cdk.out.", show_default=False),
]

Destroyed = Annotated[
    str | None,
    typer.Option("--destroy", help="Show what destroying this cluster does.", show_default=False),
]


@dataclass(frozen=True)
class _Comparison:
    """Templates before and after a deploy, and findings about the deployed stacks.

    Attributes:
        before: deployed templates by stack.
        after: templates after the deploy by stack.
        failed: stacks whose creation failed, with the resources that would make the next deploy
            fail.
        dependent: deployed stacks that need a stack that would be destroyed.
        unknown: the deployed stacks that cannot be read, and why; these stacks are not compared.
        lost: nodes whose instances no longer exist, which no deploy creates again.
        notes: nodes whose replacement is not finished, and what else cannot be read.
    """

    before: dict[str, Template]
    after: dict[str, Template]
    failed: Sequence[FailedCreation] = ()
    dependent: Sequence[DependentStack] = ()
    unknown: Sequence[str] = ()
    lost: Sequence[LostNode] = ()
    notes: Sequence[str] = ()


@limited(replace(ANSWER, then="the synthesis, and as long for what failed first deploys have left"))
def plan(
    base: Folder = None,
    new: Folder = None,
    *,
    config: options.Config = None,
    destroy: Destroyed = None,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Show what a deploy does to each node: nothing, state only, in place, restart, replacement.

    For a shared database: nothing, in place, interruption, replacement. Two folders of cdk synth
    are compared without any AWS call, for pull requests. With -c CONFIG the deployed stacks are
    compared with the configuration, or with one folder. After a failed first deploy, the command
    lists the resources that the deploy has left, and prints the commands with which the next deploy
    succeeds. Exit code 1: two or more nodes of a cluster would stop serving at once, a database
    would lose its data, or the deploy or destroy would fail. Exit code 3: the failover switch would
    change its namespace while it is set to the secondary. Exit code 6: a deployed stack cannot be
    read within 15 s; the other stacks are compared.

        denodo-ha plan base.out new.out

        denodo-ha plan -c prod

        denodo-ha plan -c prod --destroy passive
    """
    compared = _compared((base, new), config, destroy, region, profile)
    before, after = compared.before, compared.after
    pairs = [(before.get(name), after.get(name)) for name in sorted({*before, *after})]
    nodes = [change for pair in pairs for change in changes(*pair)]
    databases = [change for pair in pairs for change in database_changes.changes(*pair)]
    at_once = {cluster: names for cluster, names in touched(nodes).items() if len(names) > 1}
    if destroy is not None:
        at_once = {}
    switches = switch_changes(before, after)
    waiting = [name for name, template in sorted(after.items()) if _has_waiting_alarm(template)]
    if form is options.TableFormat.json:
        print_json(
            {
                "nodes": nodes,
                "touched": touched(nodes),
                "databases": databases,
                "waiting_alarms": waiting,
                "failed": compared.failed,
                "dependent": compared.dependent,
                "switches": switches,
                "unknown": compared.unknown,
                "lost": compared.lost,
            }
        )
    else:
        _show(nodes, at_once, databases)
        _show_waiting(waiting)
        _show_failed(compared.failed)
        _show_dependent(compared.dependent)
        _show_switches(switches)
        for node in compared.lost:
            print_line(f"! {node.cluster}: {node}, and no deploy creates it again: {node.remedy}")
        for line in compared.notes:
            print_line(f"- {line}")
        for line in compared.unknown:
            print_line(f"! {line}")
    if config is not None and switches:
        aws = Aws(profile=profile)
        with ANSWER.stage():
            site = locate_failover(aws, config=config, environment=None, regions=None)
            require_switch_at_primary(aws, site, switches[0])
    lost = any(change.loses for change in databases)
    refused = at_once or lost or compared.failed or compared.dependent
    if refused:
        raise typer.Exit(exit_codes.NO)
    raise typer.Exit(exit_codes.AWS if compared.unknown else exit_codes.DONE)


def _compared(
    folders: tuple[Path | None, Path | None],
    config: str | None,
    destroy: str | None,
    regions: list[str] | None,
    profile: str | None,
) -> _Comparison:
    """Return the comparison that the options select."""
    base, new = folders
    if base is not None and new is not None and destroy is None:
        return _Comparison(cloud_assembly.read_templates(base), cloud_assembly.read_templates(new))
    if config is not None and destroy is not None and base is None:
        return _destroyed(config, destroy, regions, profile)
    if config is not None and destroy is None:
        return _deployed(config, base, regions, profile)
    if destroy is not None:
        raise UsageError("--destroy CLUSTER needs -c CONFIG, and no folder of cdk synth")
    message = "nothing to compare: give two folders of cdk synth, or -c CONFIG for what is deployed"
    raise UsageError(message)


def _deployed(
    config: str, folder: Path | None, regions: list[str] | None, profile: str | None
) -> _Comparison:
    """Compare the environment's deployed stacks with the stacks after a deploy."""
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=regions
    )
    databases = [
        replace(location, stack=names.catalog_stack(site.environment, location.name))
        for location in site.reachable
    ]
    locations = [*site.reachable, *databases]
    if site.failover is not None and not site.failover.unreachable:
        locations.append(site.failover)
    with deadline.limited(deadline.LOOK_S):
        answers = stack.read_stacks(aws, locations)
    read = dict(zip((location.stack for location in locations), answers, strict=True))
    deployed = {name: item for name, item in read.items() if isinstance(item, stack.Stack)}
    # NotFound is not an error: all resources of a stack that does not exist are new.
    errors = {
        name: item for name, item in read.items() if not isinstance(item, stack.Stack | NotFound)
    }
    if errors and not deployed:
        raise next(iter(errors.values()))
    clusters = [
        cluster_of_stack(location, deployed[location.stack])
        for location in site.reachable
        if location.stack in deployed
    ]
    lost, notes = _lost_nodes(aws, clusters)
    if site.loaded is not None:
        notes += _unfinished_replacements(site.loaded.pins, clusters)
    locations = [location for location in locations if location.stack not in errors]
    if folder is not None:
        after = cloud_assembly.read_templates(folder)
    else:
        with tempfile.TemporaryDirectory(prefix="denodo-ha-") as temporary:
            out = Path(temporary) / "cdk.out"
            Cdk(profile).synth(configuration_choice.configuration_path(config), out)
            after = cloud_assembly.read_templates(out)
    stacks = {location.stack: location for location in locations if location.stack in after}
    existing = {
        name: item for name, item in deployed.items() if not failed_creations.is_failed(item)
    }
    deploy = f"npx cdk deploy -c config={shlex.quote(config)}"
    # A synthesis may have taken all of the command's time.
    with nullcontext() if folder is not None else ANSWER.stage():
        failed = [
            failed_creations.failed_creation(
                aws, location, deployed.get(name), after[name], deploy=deploy
            )
            for name, location in stacks.items()
            if name not in existing
        ]
    return _Comparison(
        before={name: item.template for name, item in existing.items()},
        after={name: after[name] for name in stacks},
        failed=[item for item in failed if item is not None],
        unknown=[f"{name} is unknown: {error}" for name, error in sorted(errors.items())],
        lost=lost,
        notes=notes,
    )


def _lost_nodes(aws: Aws, clusters: Sequence[Cluster]) -> tuple[list[LostNode], list[str]]:
    """Return the lost nodes of clusters, and why the instances of other clusters are not known."""

    def read(cluster: Cluster) -> list[LostNode] | str:
        try:
            return lost_nodes(aws, cluster, None)
        except AwsError as error:
            return f"{cluster.name}: the state of its instances is unknown: {error}"

    with deadline.limited(deadline.LOOK_S):
        answers = map_concurrently(read, clusters)
    return (
        [node for answer in answers if not isinstance(answer, str) for node in answer],
        [answer for answer in answers if isinstance(answer, str)],
    )


def _unfinished_replacements(pins: Pins, clusters: Sequence[Cluster]) -> list[str]:
    return [
        f"{cluster.name}: the replacement of {node.name} is not finished: run `denodo-ha replace "
        f"{node.name} --cluster {cluster.name}`"
        for cluster in clusters
        for node in cluster.nodes
        if (pin := pins.of(cluster.name, node.name)) is not None and pin.replacing is not None
    ]


def _destroyed(
    config: str, cluster: str, regions: list[str] | None, profile: str | None
) -> _Comparison:
    """Compare a deployed cluster with its state after the stack is destroyed."""
    aws = Aws(profile=profile)
    site = environment_locator.locate_environment(
        aws, config=config, environment=None, regions=regions
    )
    location = site.cluster(cluster)
    location.require_reachable()
    dependent = dependent_stacks.dependent_stacks(aws, site, location, config=config)
    before = stack.read_stack(aws, location).template
    return _Comparison(before={location.stack: before}, after={}, dependent=dependent)


def _has_waiting_alarm(template: Template) -> bool:
    """Return whether a cluster has two no-data alarms; its health check monitors only one."""
    alarms = [
        properties
        for kind, properties in stack.resources_of(template).values()
        if kind == "AWS::CloudWatch::Alarm" and properties.get("MetricName") == "ActiveFlowCount"
    ]
    return len(alarms) > 1


def _show_waiting(stacks: Sequence[str]) -> None:
    for stack_name in stacks:
        print_line(
            f"{stack_name}: one more deploy: an alarm of minutes without data is new, and no "
            "health check follows it before denodo-ha pin has seen it OK. Deploy, run "
            "denodo-ha pin after some minutes, commit the pins file, and deploy again"
        )


def _show_failed(failed: Sequence[FailedCreation]) -> None:
    for item in failed:
        state = f"its creation failed ({item.status})" if item.status else "it does not exist"
        print_line(f"{item.stack}: {state}, and the next deploy needs this:")
        for leftover in item.leftovers:
            print_line(f"  {leftover.resource}: {leftover.why}")
            if leftover.instead:
                print_line(f"    {leftover.instead}")
        print_line("  Run, in this order:")
        for command in item.commands:
            print_line(f"    {command}")


def _show_dependent(dependent: Sequence[DependentStack]) -> None:
    for item in dependent:
        print_line(f"{item.stack}: {item.why}. First {item.first}")


def _show(
    changes: list[Change], at_once: dict[str, list[str]], databases: list[DatabaseChange]
) -> None:
    rows = [
        [
            change.cluster,
            change.node,
            change.effect.value,
            "; ".join(change.why),
            _next_step(change),
        ]
        for change in changes
    ]
    rows += [
        [
            change.cluster,
            "(database)",
            _database_effect(change),
            "; ".join(change.why),
            _next_database_step(change),
        ]
        for change in databases
    ]
    print_table(["Cluster", "Node", "Deploy", "Because", "Then"], rows)
    for cluster, nodes in at_once.items():
        print_line(
            f"{cluster}: {', '.join(nodes)} would stop serving at once. Pin them (`denodo-ha "
            "pin`), and move them one at a time with `denodo-ha rollout`"
        )
    for change in databases:
        if change.loses:
            print_line(
                f"{change.cluster}: its database would be lost, with all data of its components. "
                'First read "Restore the database" in docs/catalog.md'
            )


def _show_switches(switches: list[SwitchChange]) -> None:
    for change in switches:
        print_line(
            f"{change.stack}: {change.text}. Deploy it only while the switch is set to the primary "
            "(`denodo-ha failover status`), after this version of denodo-ha is installed wherever "
            "operators run it"
        )


def _database_effect(change: DatabaseChange) -> str:
    return f"{change.effect.value}, {change.when}" if change.when else change.effect.value


def _next_database_step(change: DatabaseChange) -> str:
    """Return what to do after the deploy."""
    if change.effect is Effect.NEW:
        return "denodo-ha catalog init, then roll"
    return "restore it" if change.effect is Effect.REPLACEMENT else ""


def _next_step(change: Change) -> str:
    """Return what to do after the deploy."""
    has_new_state = any(why.startswith("state: ") for why in change.why)
    if change.effect in {Effect.NEW, Effect.REPLACEMENT}:
        return "confirm its metadata"
    if not has_new_state:
        return ""
    return "denodo-ha roll restarts its servers" if change.restarts else "denodo-ha roll"
