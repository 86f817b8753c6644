"""`denodo-ha drill`: what every single failure would do, before a deploy."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from denodo_ha.cli import exit_codes, options
from denodo_ha.cli.errors import UsageError
from denodo_ha.cli.options import DocumentFormat
from denodo_ha.drill import comparison
from denodo_ha.drill.drill_run import Drilled, drill_paths
from denodo_ha.drill.outcome import Outcome
from denodo_ha.drill.policies import IDS, Verdict, judge
from denodo_ha.drill.report import table
from denodo_ha.drill.report.json_report import report
from denodo_ha.drill.report.markdown import markdown
from denodo_ha.drill.report.rows import Row, rows

_WIDEST = 160


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
    drained: Annotated[
        list[str] | None,
        typer.Option(
            "--drained", metavar="CLUSTER/NODE", help="Start with this node drained; repeatable."
        ),
    ] = None,
    max_recovery: Annotated[
        int | None,
        typer.Option(
            "--max-recovery", metavar="SECONDS", min=0, help="Break if a loss takes longer."
        ),
    ] = None,
    min_secondary: Annotated[
        int,
        typer.Option(
            "--min-secondary",
            metavar="N",
            min=0,
            help="Break if the secondary has fewer jdbc nodes.",
        ),
    ] = 1,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="POLICY", help="Leave this policy out; repeatable."),
    ] = None,
) -> None:
    """Work out what every single failure would do, from templates alone.

    No account and no network: AWS's documented rules, applied to what the templates say. Exit code
    1 when a policy is broken.

        denodo-ha drill cdk.out

        denodo-ha drill cdk.out --against /tmp/base/cdk.out --format markdown
    """
    ignored = ignore or []
    for one in ignored:
        if one not in IDS:
            message = f"--ignore {one}: there is no such policy; these are: {', '.join(IDS)}"
            raise UsageError(message)
    new = drill_paths(paths, drained or ())

    def judged(found: Drilled) -> tuple[Verdict, ...]:
        return judge(found, max_recovery=max_recovery, min_secondary=min_secondary, ignored=ignored)

    verdicts = judged(new)
    if against is None:
        _show(form, new, verdicts)
    else:
        base = drill_paths([against], _still(drained or (), against))
        _show_changes(form, (base, new), (judged(base), verdicts))
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(exit_codes.NO)


def _still(drained: Iterable[str], base: Path) -> list[str]:
    """The drained nodes that the base has, too: a new node can't have been drained there."""
    found = drill_paths([base])
    known = {f"{one.cluster}/{one.name}" for one in found.model.nodes.values()}
    return [one for one in drained if one in known]


def _show(form: DocumentFormat, drilled: Drilled, verdicts: tuple[Verdict, ...]) -> None:
    if form is DocumentFormat.json:
        typer.echo(json.dumps(report(drilled, verdicts), indent=1))
        return
    _tell(form, _title(drilled), rows(drilled.worst_first, drilled.model), verdicts, drilled)


def _show_changes(
    form: DocumentFormat, both: tuple[Drilled, Drilled], verdicts: tuple[tuple[Verdict, ...], ...]
) -> None:
    base, new = both
    found = comparison.changes(base, new)
    if form is DocumentFormat.json:
        typer.echo(json.dumps(comparison.report(found, verdicts[1], verdicts[0]), indent=1))
        return
    before = [change.before for change in found if change.before]
    after = [change.after for change in found if change.after]
    if not found:
        typer.echo("Every failure does what it did before.")
    if before:
        _tell(form, "Before", _worst_first(before, base), (), None)
    _tell(form, "Now", _worst_first(after, new), verdicts[1], new)


def _worst_first(outcomes: list[Outcome], drilled: Drilled) -> list[Row]:
    ordered = sorted(outcomes, key=lambda one: one.severity, reverse=True)
    return rows(ordered, drilled.model)


def _tell(
    form: DocumentFormat,
    title: str,
    found: list[Row],
    verdicts: tuple[Verdict, ...],
    drilled: Drilled | None,
) -> None:
    notes = drilled.model.notes if drilled else ()
    if form is DocumentFormat.markdown:
        typer.echo(markdown(title, found, verdicts, notes), nl=False)
        return
    width = min(max(shutil.get_terminal_size((_WIDEST, 24)).columns, 100), _WIDEST)
    table.show(title, found, verdicts, notes, Console(width=width))


def _title(drilled: Drilled) -> str:
    parts = []
    for one in drilled.model.clusters.values():
        zones = {drilled.model.nodes[key].zone for key in one.nodes}
        nodes = f"{len(one.nodes)} node{'s' if len(one.nodes) != 1 else ''}"
        where = f"{len(zones)} zone{'s' if len(zones) != 1 else ''}"
        parts.append(f"{one.name}: {one.region}, {nodes} in {where}")
    many = len(parts) > 6
    shown = f"{len(parts)} clusters" if many else "; ".join(parts)
    drained = sorted(
        f"{drilled.model.nodes[key].cluster}/{drilled.model.nodes[key].name}"
        for key in drilled.drained
    )
    return f"{shown}; drained: {', '.join(drained)}" if drained else shown
