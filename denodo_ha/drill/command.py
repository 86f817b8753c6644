"""The command `denodo-ha drill`: the outcome of every single failure, before a deploy."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import print_document, print_json, print_line
from denodo_ha.drill.comparison import OutcomeChange, outcome_changes
from denodo_ha.drill.drill_run import DrillResult, drill_paths, worst_first
from denodo_ha.drill.event_orders import OrdersResult, search_orders
from denodo_ha.drill.json_report import comparison_report, drill_report, orders_report
from denodo_ha.drill.policies import POLICY_IDS, Verdict, apply_policies
from denodo_ha.drill.text_report import (
    Report,
    change_rows,
    markdown_changes,
    markdown_report,
    orders_lines,
    outcome_rows,
    print_changes,
    print_report,
)

_MAX_CLUSTERS_IN_TITLE = 6


def drill(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...", help="A cdk.out folder, or templates (JSON or YAML), one stack each."
        ),
    ],
    *,
    form: options.Document = DocumentFormat.table,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="PATH",
            help="Show only what differs from this cdk.out or template.",
        ),
    ] = None,
    orders: Annotated[
        bool,
        typer.Option(
            "--orders",
            help="Also search every order of failures and repairs; exit with 1 if one does harm.",
        ),
    ] = False,
    orders_depth: Annotated[
        int | None,
        typer.Option(
            "--orders-depth",
            metavar="EVENTS",
            min=1,
            help="With --orders: search orders of at most so many events (default: all).",
        ),
    ] = None,
    no_worse: Annotated[
        bool,
        typer.Option(
            "--no-worse",
            help="With --against: exit with 1 if a failure is worse than before.",
        ),
    ] = False,
    drained: Annotated[
        list[str] | None,
        typer.Option(
            "--drained", metavar="CLUSTER/NODE", help="Start with this node drained; repeatable."
        ),
    ] = None,
    max_recovery: Annotated[
        int | None,
        typer.Option(
            "--max-recovery",
            metavar="SECONDS",
            min=0,
            help="Exit with 1 if the recovery from a loss takes longer.",
        ),
    ] = None,
    min_secondary: Annotated[
        int,
        typer.Option(
            "--min-secondary",
            metavar="N",
            min=0,
            help="Exit with 1 if the secondary has fewer jdbc nodes.",
        ),
    ] = 1,
    max_load: Annotated[
        int | None,
        typer.Option(
            "--max-load",
            metavar="PERCENT",
            min=100,
            help="Exit with 1 if a node has more of its load after the loss of another.",
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="POLICY", help="Do not apply this policy; repeatable."),
    ] = None,
) -> None:
    """Work out the outcome of every single failure, from templates alone.

    The drill applies AWS's documented rules to the templates. It needs no account and no network.
    Exit code 1: a policy is broken. Exit code 2: no policy is broken, but at least one is unknown,
    because the templates do not contain all values on which the policy depends.

        denodo-ha drill cdk.out

        denodo-ha drill cdk.out --orders

        denodo-ha drill cdk.out --against base.out --no-worse --format markdown
    """
    if no_worse and against is None:
        raise UsageError("--no-worse: needs --against PATH, the templates to compare with")
    if orders and against is not None:
        raise UsageError("--orders: not together with --against; run the drill once for each")
    ignored = ignore or []
    for policy in ignored:
        if policy not in POLICY_IDS:
            message = (
                f"--ignore {policy}: there is no such policy; the policies are: "
                f"{', '.join(POLICY_IDS)}"
            )
            raise UsageError(message)

    def verdicts_on(result: DrillResult) -> tuple[Verdict, ...]:
        return apply_policies(
            result,
            max_recovery=max_recovery,
            min_secondary=min_secondary,
            max_load=max_load,
            ignored=ignored,
        )

    result = drill_paths(paths, drained or ())
    verdicts = verdicts_on(result)
    is_worse = False
    searches = search_orders(result.model, orders_depth, result.start) if orders else None
    if against is None:
        _print_drill(form, result, verdicts, searches)
    else:
        base = _drill_of_base(against, drained or ())
        changes = outcome_changes(base, result)
        is_worse = any(change.verdict == "worse" for change in changes)
        _print_comparison(form, (base, result), changes, (verdicts_on(base), verdicts))
    words = {verdict.word for verdict in verdicts} | {search.word for search in searches or ()}
    if (no_worse and is_worse) or "broken" in words:
        raise typer.Exit(exit_codes.NO)
    if "unknown" in words:
        raise typer.Exit(exit_codes.USAGE)


def _drill_of_base(path: Path, drained: Sequence[str]) -> DrillResult:
    """Return the drill of the base templates; ignore nodes to drain that are not in the base."""
    base = drill_paths([path])
    names = {f"{machine.cluster}/{machine.name}" for machine in base.model.machines.values()}
    in_base = [name for name in drained if name in names]
    return drill_paths([path], in_base) if in_base else base


def _print_drill(
    form: DocumentFormat,
    result: DrillResult,
    verdicts: tuple[Verdict, ...],
    searches: tuple[OrdersResult, ...] | None,
) -> None:
    if form is DocumentFormat.json:
        report = drill_report(result, verdicts)
        if searches is not None:
            report["orders"] = [orders_report(search) for search in searches]
        print_json(report)
        return
    rows = outcome_rows(result.worst_first, result.model)
    _print_text(form, Report(_title(result), rows, verdicts, result.model.notes))
    for line in orders_lines(searches) if searches is not None else ():
        print_line(line)


def _print_comparison(
    form: DocumentFormat,
    results: tuple[DrillResult, DrillResult],
    changes: tuple[OutcomeChange, ...],
    verdicts: tuple[tuple[Verdict, ...], tuple[Verdict, ...]],
) -> None:
    """Print the difference between two drills; results and verdicts are pairs (base, new)."""
    base, new = results
    if form is DocumentFormat.json:
        print_json(comparison_report(changes, verdicts[1], before=verdicts[0]))
        return
    before = worst_first(change.before for change in changes if change.before)
    after = worst_first(change.after for change in changes if change.after)
    if not changes:
        print_line("Every failure does what it did before.")
    else:
        _print_changes(form, changes, new)
    if before:
        _print_text(form, Report("Before", outcome_rows(before, base.model)))
    rows = outcome_rows(after, new.model)
    _print_text(form, Report("Now", rows, verdicts[1], new.model.notes))


def _print_changes(
    form: DocumentFormat, changes: tuple[OutcomeChange, ...], new: DrillResult
) -> None:
    rows = change_rows(changes, new.model)
    if form is DocumentFormat.markdown:
        print_document(markdown_changes(rows))
        return
    print_changes(rows)


def _print_text(form: DocumentFormat, report: Report) -> None:
    if form is DocumentFormat.markdown:
        print_document(markdown_report(report))
        return
    print_report(report)


def _title(result: DrillResult) -> str:
    """Return a title with the clusters (if there are many, their number) and the drained nodes."""
    model = result.model
    clusters = []
    for cluster in model.clusters.values():
        zones = {model.machines[key].zone for key in cluster.nodes}
        nodes = f"{len(cluster.nodes)} node{'s' if len(cluster.nodes) != 1 else ''}"
        in_zones = f"{len(zones)} zone{'s' if len(zones) != 1 else ''}"
        clusters.append(f"{cluster.name}: {cluster.region}, {nodes} in {in_zones}")
    is_long = len(clusters) > _MAX_CLUSTERS_IN_TITLE
    title = f"{len(clusters)} clusters" if is_long else "; ".join(clusters)
    machines = (model.machines[key] for key in result.drained)
    drained = sorted(f"{machine.cluster}/{machine.name}" for machine in machines)
    return f"{title}; drained: {', '.join(drained)}" if drained else title
