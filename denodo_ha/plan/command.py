"""`denodo-ha plan`: the effect of a deploy on each node and each shared database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.aws.clients import Aws
from denodo_ha.aws.template_document import Template
from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.output import print_json, print_line, print_table
from denodo_ha.cli.time_limit import ANSWER, limited
from denodo_ha.deployed import stack
from denodo_ha.deployed.failover.location import locate_failover
from denodo_ha.environment.full_command import full_command
from denodo_ha.plan import balancer_changes, comparison, database_changes
from denodo_ha.plan.balancer_changes import BalancerChange
from denodo_ha.plan.change_rows import COLUMNS, change_rows, next_commands
from denodo_ha.plan.comparison import ALL
from denodo_ha.plan.database_changes import DatabaseChange
from denodo_ha.plan.dependent_stacks import DependentStack
from denodo_ha.plan.failed_creations import FailedCreation
from denodo_ha.plan.node_changes import Change, changes, touched
from denodo_ha.plan.switch_change import SwitchChange, require_switch_at_primary, switch_changes

Folder = Annotated[
    Path | None,
    typer.Argument(help="Output folder of cdk synth, such as cdk.out.", show_default=False),
]

Destroyed = Annotated[
    str | None,
    typer.Option("--destroy", help="Show what destroying this cluster does.", show_default=False),
]
DestroyedAll = Annotated[
    bool,
    typer.Option("--destroy-all", help="Show what destroying the whole environment does."),
]


@limited(replace(ANSWER, then="the synthesis, and 13.5 s to read what a failed deploy has left"))
def plan(
    base: Folder = None,
    new: Folder = None,
    *,
    config: options.Config = None,
    destroy: Destroyed = None,
    destroy_all: DestroyedAll = False,
    region: options.Regions = None,
    profile: options.Profile = None,
    form: options.Format = options.TableFormat.table,
) -> None:
    """Show what a deploy does to each node: nothing, state only, in place, restart, replacement.

    The effect on a load balancer or a shared database is nothing, in place, interruption or
    replacement. Two output folders of cdk synth are compared without any AWS call, for pull
    requests. With -c CONFIG the deployed stacks are compared with the configuration, or with one
    folder. After a failed first deploy, the command lists the resources that the deploy has left,
    and prints the commands with which the next deploy succeeds. Exit code 1: two or more nodes of a
    cluster would stop serving at the same time, a load balancer would lose its DNS name, a database
    would lose its data, or the deploy or destroy would fail. Exit code 3: the namespace of the
    failover switch would change while the switch is set to the secondary. Exit code 6: a deployed
    stack cannot be read within 15 s; the other stacks are compared.

        denodo-ha plan base.out new.out

        denodo-ha plan -c prod

        denodo-ha plan -c prod --destroy passive

        denodo-ha plan -c prod --destroy-all
    """
    destroyed = ALL if destroy_all and destroy is None else destroy
    if destroy_all and destroy is not None:
        raise UsageError("--destroy CLUSTER and --destroy-all exclude each other")
    compared = comparison.compared((base, new), config, destroyed, region, profile)
    before, after = compared.before, compared.after
    pairs = [(before.get(name), after.get(name)) for name in sorted({*before, *after})]
    nodes = [change for pair in pairs for change in changes(*pair)]
    databases = [change for pair in pairs for change in database_changes.changes(*pair)]
    balancers = [change for pair in pairs for change in balancer_changes.changes(*pair)]
    at_once = {cluster: names for cluster, names in touched(nodes).items() if len(names) > 1}
    switches = switch_changes(before, after)
    if destroyed is not None:
        at_once, switches = {}, []
    waiting = [name for name, template in sorted(after.items()) if _has_waiting_alarm(template)]
    if form is options.TableFormat.json:
        print_json(
            {
                "nodes": nodes,
                "touched": touched(nodes),
                "databases": databases,
                "balancers": balancers,
                "waiting_alarms": waiting,
                "failed": compared.failed,
                "dependent": compared.dependent,
                "switches": switches,
                "unknown": compared.unknown,
                "lost": compared.lost,
            }
        )
    else:
        _show(nodes, at_once, databases, balancers)
        if destroyed is None:
            _show_next(nodes, databases)
            _show_lost_names(balancers)
        _show_lost_databases(databases, before, is_destroy=destroyed is not None)
        _show_waiting(waiting)
        _show_failed(compared.failed)
        _show_dependent(compared.dependent)
        _show_switches(switches)
        for node in compared.lost:
            print_line(
                f"! {node.cluster}: {node}, and no deploy creates the instance again: {node.remedy}"
            )
        for line in compared.notes:
            print_line(f"- {line}")
        for line in compared.unknown:
            print_line(f"! {line}")
    if config is not None and switches:
        aws = Aws(profile=profile)
        with ANSWER.stage():
            site = locate_failover(aws, config=config, environment=None, regions=None)
            require_switch_at_primary(aws, site, switches[0])
    # `plan --destroy` lists the deleted data in its output, so the data does not count as lost
    # here.
    lost = destroyed is None and any(change.loses for change in databases)
    replaced = destroyed is None and any(change.loses_name for change in balancers)
    refused = at_once or lost or replaced or compared.failed or compared.dependent
    if refused:
        raise typer.Exit(exit_codes.NO)
    raise typer.Exit(exit_codes.AWS if compared.unknown else exit_codes.DONE)


def _has_waiting_alarm(template: Template) -> bool:
    """Return whether a cluster has two alarms for minutes without data.

    The cluster's health check monitors only one of these alarms.
    """
    alarms = [
        properties
        for kind, properties in stack.resources_of(template).values()
        if kind == "AWS::CloudWatch::Alarm" and properties.get("MetricName") == "ActiveFlowCount"
    ]
    return len(alarms) > 1


def _show_waiting(stacks: Sequence[str]) -> None:
    pin = full_command("pin")
    for stack_name in stacks:
        print_line(
            f"{stack_name}: one more deploy is needed: this deploy creates an alarm for minutes "
            "without data, and a health check follows the alarm only after pin has found the alarm "
            f"in the state OK. Deploy, run `{pin}` after some minutes, commit the pins file, and "
            "deploy again"
        )


def _show_failed(failed: Sequence[FailedCreation]) -> None:
    for item in failed:
        problem = f"its creation failed ({item.status})" if item.status else "it does not exist"
        print_line(f"stack {item.stack}: {problem}, and the next deploy needs the commands below")
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
    changes: list[Change],
    at_once: dict[str, list[str]],
    databases: list[DatabaseChange],
    balancers: list[BalancerChange],
) -> None:
    print_table(COLUMNS, change_rows(changes, balancers, databases))
    for cluster, nodes in at_once.items():
        pin, rollout = (full_command(name, cluster=cluster) for name in ("pin", "rollout"))
        print_line(
            f"{cluster}: {', '.join(nodes)} would stop serving at the same time. Pin these nodes "
            f"(`{pin}`), and move them one at a time with `{rollout}`"
        )


def _show_next(nodes: Sequence[Change], databases: Sequence[DatabaseChange]) -> None:
    for command in next_commands(nodes, databases):
        print_line(f"After the deploy: {command}")


def _show_lost_names(balancers: Sequence[BalancerChange]) -> None:
    for balancer in balancers:
        if balancer.loses_name:
            print_line(
                f"{balancer.cluster}: the DNS name of {balancer.balancer} would no longer exist. "
                "Clients that use this name could not connect any more; a failover name leads to "
                "the new load balancer only after the failover stack is deployed. Instead, build a "
                "second cluster, and fail over to the second cluster"
            )


def _show_lost_databases(
    changes: Sequence[DatabaseChange], before: Mapping[str, Template], *, is_destroy: bool
) -> None:
    has_snapshot = any(
        resource.get("DeletionPolicy") == "Snapshot"
        for template in before.values()
        for resource in stack.mapping_in(template, "Resources").values()
        if isinstance(resource, Mapping) and resource.get("Type") == database_changes.INSTANCE
    )
    for change in changes:
        if change.loses and is_destroy:
            snapshot = "with" if has_snapshot else "without"
            print_line(
                f"{change.cluster}: the cluster's database is deleted, {snapshot} a final snapshot"
            )
        elif change.loses:
            print_line(
                f"{change.cluster}: the cluster's database would be lost, with all data in it. "
                'First read "Restore the database" in docs/how-to/catalog.md'
            )


def _show_switches(switches: list[SwitchChange]) -> None:
    for change in switches:
        print_line(
            f"{change.stack}: {change.text}. Deploy the stack only while the switch is set to the "
            f"primary (`{full_command('failover status')}`), and after this version of denodo-ha "
            "is installed on each machine on which operators run denodo-ha"
        )
