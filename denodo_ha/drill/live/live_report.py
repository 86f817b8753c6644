"""Parts that only the report of a live drill has: health of targets, and parts not read."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from denodo_ha.cli.options import DocumentFormat
from denodo_ha.cli.output import (
    markdown_table,
    markdown_text,
    print_document,
    print_line,
    print_report_table,
)
from denodo_ha.deployed.target_health import HEALTHY
from denodo_ha.drill.live.live_drill import LiveDrill, health_summary, target_health_rows
from denodo_ha.environment.loading.problem import printable

_HEADINGS = ("Cluster", "Service", "Targets now")
_UNREAD = "Unknown parts; each outcome below that depends on an unknown part is uncertain:"
_ASSUMED = (
    "The outcomes above assume that every target is healthy before the failure, except drained "
    "nodes. A target that is not healthy now is already lost."
)


def live_report(drill: LiveDrill) -> dict[str, Any]:
    """Return the additional data of a report on a live drill, for programs."""
    return {
        "targets": [asdict(row) for row in target_health_rows(drill)],
        "unknown": [
            {"permission": part.action, "region": part.region, "text": part.text}
            for part in drill.site.unread
        ],
    }


def print_target_health(form: DocumentFormat, drill: LiveDrill) -> None:
    """Print the health of targets now, for a terminal or as Markdown."""
    rows = target_health_rows(drill)
    cells = list(health_summary(rows))
    remark = "" if all(row.state == HEALTHY for row in rows) else _ASSUMED
    if form is DocumentFormat.markdown:
        table = markdown_table(_HEADINGS, cells)
        print_document(f"\n{table}\n" + (f"\n{remark}\n" if remark else ""))
        return
    styled = [(row, "" if "\n" not in row[2] else "red") for row in cells]
    print_report_table(_HEADINGS, styled)
    if remark:
        print_line(remark)


def print_unread(form: DocumentFormat, drill: LiveDrill) -> None:
    """Print the parts that could not be read, before the outcomes that depend on these parts."""
    if drill.site.unread:
        print_sentences(form, _UNREAD, [part.text for part in drill.site.unread])


def print_sentences(form: DocumentFormat, title: str, sentences: Sequence[str]) -> None:
    """Print sentences as a list with a title, for a terminal or as Markdown."""
    if form is DocumentFormat.markdown:
        lines = [f"- {markdown_text(printable(text))}" for text in sentences]
        print_document("\n".join((f"**{title}**", "", *lines, "", "")))
        return
    print_line(title)
    for text in sentences:
        print_line(f"* {text}")
    print_line("")
