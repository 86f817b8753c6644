"""Report on drift between templates and a live site: other outcomes, and all differences."""

from collections.abc import Sequence
from typing import Any

from denodo_ha.cli.options import DocumentFormat
from denodo_ha.drill.comparison import OutcomeChange
from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.live.drift import drift_sentences, model_differences
from denodo_ha.drill.live.live_drill import LiveDrill
from denodo_ha.drill.live.live_report import print_sentences


def drift_report(
    base: DrillResult, drill: LiveDrill, changes: Sequence[OutcomeChange]
) -> dict[str, Any]:
    """Return the drift between templates and a live site, as data for programs."""
    differences = model_differences(base.model, drill.result.model, drill.site.unread)
    return {
        "drift": drift_sentences(changes, differences, drill.result.model),
        "differences": [
            {"cluster": one.cluster, "kind": one.subject, "text": one.text} for one in differences
        ],
    }


def print_drift(
    form: DocumentFormat, base: DrillResult, drill: LiveDrill, changes: Sequence[OutcomeChange]
) -> None:
    """Print the drift between templates and a live site, for a terminal or as Markdown."""
    report = drift_report(base, drill, changes)
    texts = [
        f"{one['cluster']}: {one['text']}" if one["cluster"] else one["text"]
        for one in report["differences"]
    ]
    if report["drift"]:
        print_sentences(form, "Drift:", report["drift"])
    else:
        more = ", although some settings differ" if texts else ""
        same = (
            "none: every failure has the same outcome for the deployed resources and for the "
            f"templates{more}"
        )
        print_sentences(form, "Drift:", [same])
    if texts:
        print_sentences(form, "Differences:", texts)
    if drill.site.unread:
        print_sentences(form, "Not compared:", [part.text for part in drill.site.unread])
