"""A drill as tables for people."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from denodo_ha.drill.policies import Verdict
from denodo_ha.drill.report.rows import FOOT, HEADINGS, Row


def show(
    title: str,
    found: Iterable[Row],
    verdicts: Iterable[Verdict],
    notes: Iterable[str],
    console: Console,
) -> None:
    """Print rows, policies and notes."""
    console.print(title, style="bold", highlight=False)
    table = Table(box=None, padding=(0, 2, 1, 0), header_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold", vertical="top")
    for row in found:
        table.add_row(*(Text(cell) for cell in row.cells), style="red" if row.bad else "")
    console.print(table)
    console.print(FOOT, style="dim", highlight=False)
    console.print()
    judged = [*verdicts]
    policies = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in ("Policy", "", "What must hold, and what breaks it"):
        policies.add_column(heading, overflow="fold", vertical="top")
    for verdict in judged:
        told = [verdict.policy.sentence, *(f"- {one}" for one in verdict.broken_by)]
        word = Text("holds", style="green") if verdict.holds else Text("broken", style="red")
        policies.add_row(verdict.policy.id, word, Text("\n".join(told)))
    if judged:
        console.print(policies)
    for note in notes:
        console.print(f"* {note}", highlight=False, soft_wrap=True, markup=False)
