"""The output of the command `denodo-ha drill`, in every format."""

from typing import TYPE_CHECKING

from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import print_document, print_json, print_line
from denodo_ha.drill.comparison import OutcomeChange
from denodo_ha.drill.drill_run import DrillResult, worst_first
from denodo_ha.drill.event_orders import OrdersResult
from denodo_ha.drill.json_report import comparison_report, drill_report, orders_report
from denodo_ha.drill.policies import Verdict
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

if TYPE_CHECKING:
    from denodo_ha.drill.live.live_drill import LiveDrill

_MAX_CLUSTERS_IN_TITLE = 6


def print_drill(
    form: DocumentFormat,
    result: DrillResult,
    verdicts: tuple[Verdict, ...],
    searches: tuple[OrdersResult, ...] | None,
    live_drill: "LiveDrill | None",
) -> None:
    """Print a drill.

    Args:
        form: the output format.
        result: the drill.
        verdicts: the verdicts on policies.
        searches: the results of the searches of event orders; None without `--orders`.
        live_drill: the live drill, with the site that was read; None for a drill of templates.
    """
    if form is DocumentFormat.json:
        report = drill_report(result, verdicts)
        if searches is not None:
            report["orders"] = [orders_report(search) for search in searches]
        if live_drill is not None:
            report["live"] = _live_report(live_drill)
        print_json(report)
        return
    if live_drill is not None:
        _print_unread(form, live_drill)
    rows = outcome_rows(result.worst_first, result.model)
    _print_text(form, Report(_title(result), rows, verdicts, result.model.notes))
    for line in orders_lines(searches) if searches is not None else ():
        print_line(line)
    if live_drill is not None:
        _print_target_health(form, live_drill)


def _live_report(live_drill: "LiveDrill") -> dict[str, object]:
    from denodo_ha.drill.live.live_report import live_report  # noqa: PLC0415 - needs boto3

    return live_report(live_drill)


def _print_unread(form: DocumentFormat, live_drill: "LiveDrill") -> None:
    from denodo_ha.drill.live.live_report import print_unread  # noqa: PLC0415 - needs boto3

    print_unread(form, live_drill)


def _print_target_health(form: DocumentFormat, live_drill: "LiveDrill") -> None:
    from denodo_ha.drill.live.live_report import print_target_health  # noqa: PLC0415 - needs boto3

    print_target_health(form, live_drill)


def print_comparison(
    form: DocumentFormat,
    results: tuple[DrillResult, DrillResult],
    changes: tuple[OutcomeChange, ...],
    verdicts: tuple[tuple[Verdict, ...], tuple[Verdict, ...]],
    live_drill: "LiveDrill | None",
) -> None:
    """Print the difference between two drills; results and verdicts are pairs (base, new).

    Args:
        form: the output format.
        results: the drills.
        changes: the outcomes that differ.
        verdicts: the verdicts on policies.
        live_drill: the new drill if it is live, with the site that was read; None for a drill of
            templates.
    """
    base, new = results
    if form is DocumentFormat.json:
        report = comparison_report(changes, verdicts[1], before=verdicts[0])
        if live_drill is not None:
            report |= _drift_report(base, live_drill, changes)
        print_json(report)
        return
    before = worst_first(change.before for change in changes if change.before)
    after = worst_first(change.after for change in changes if change.after)
    if live_drill is not None:
        _print_drift(form, base, live_drill, changes)
    elif not changes:
        print_line("Every failure has the same outcome as before.")
    if changes:
        _print_changes(form, changes, new)
    if before:
        _print_text(form, Report("Before", outcome_rows(before, base.model)))
    rows = outcome_rows(after, new.model)
    _print_text(form, Report("Now", rows, verdicts[1], new.model.notes))
    if live_drill is not None:
        _print_target_health(form, live_drill)


def _drift_report(
    base: DrillResult, live_drill: "LiveDrill", changes: tuple[OutcomeChange, ...]
) -> dict[str, object]:
    from denodo_ha.drill.live.drift_report import drift_report  # noqa: PLC0415 - needs boto3

    return {**drift_report(base, live_drill, changes), "live": _live_report(live_drill)}


def _print_drift(
    form: DocumentFormat,
    base: DrillResult,
    live_drill: "LiveDrill",
    changes: tuple[OutcomeChange, ...],
) -> None:
    from denodo_ha.drill.live.drift_report import print_drift  # noqa: PLC0415 - needs boto3

    print_drift(form, base, live_drill, changes)


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
