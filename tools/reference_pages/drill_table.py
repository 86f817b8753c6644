"""The drill's table of the example `active-passive`, for README.md and the page of the drill."""

from collections.abc import Iterable
from typing import Final

from denodo_ha.cli.output import markdown_table
from denodo_ha.drill.drill_run import DrillResult
from denodo_ha.drill.text_report import HEADINGS, outcome_rows

EXAMPLE: Final = "active-passive"
_EXCERPT: Final = ("region lost", "switch thrown", "node lost")
"""Kinds of failures of which README.md shows one row each."""
_EXCERPT_COLUMNS: Final = 4


def text(result: DrillResult) -> str:
    """Return the table of all failures, for the documentation page of the drill."""
    return f"{markdown_table(HEADINGS, _rows(result))}\n"


def excerpt(result: DrillResult) -> str:
    """Return the first columns of one row for each kind of failure in `_EXCERPT`, for README.md."""
    rows = []
    for kind in _EXCERPT:
        for failures, *others in _rows(result):
            lines = [line for line in failures.split("\n") if line.startswith(f"{kind}: active")]
            if lines:
                rows.append((lines[0], *others[: _EXCERPT_COLUMNS - 1]))
                break
    return f"{markdown_table(HEADINGS[:_EXCERPT_COLUMNS], rows)}\n"


def _rows(result: DrillResult) -> Iterable[tuple[str, ...]]:
    return [row.cells for row in outcome_rows(result.worst_first, result.model)]
