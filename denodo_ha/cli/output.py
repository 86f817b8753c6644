"""Tables, Markdown and JSON on stdout, and messages on stderr.

print_table(["Node", "State"], [["node1", styled("healthy")]])
print_json({"nodes": [...]})

Texts may come from outside: names of resources, tags, messages of nodes, of HAProxy and of AWS.
Such texts are made printable only in this module, in `denodo_ha.cli.progress`, in `logging_setup`
and in `main.exit_with_error`; no other module writes to the standard streams. JSON output contains
these texts unchanged.
"""

import dataclasses
import errno
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from denodo_ha.cli import process
from denodo_ha.cli.errors import Failed
from denodo_ha.environment.loading.problem import printable

_STYLES = {
    **dict.fromkeys(("healthy", "running", "ready", "ok", "yes", "up"), "green"),
    **dict.fromkeys(("initial", "draining", "pending", "stopping", "degraded"), "yellow"),
    **dict.fromkeys(("drain", "maint", "drain, down"), "yellow"),
    **dict.fromkeys(("unhealthy", "unused", "unavailable", "stopped", "terminated"), "red"),
    **dict.fromkeys(("shutting-down", "down", "gone", "no", "no address"), "red"),
}

_UNCUT = 10_000
"""Width of a table if stdout is not a terminal, so that each row is one line."""

_REPORT_WIDTHS = (120, 180)
"""Minimum and maximum width of a report's table, whose cells are wrapped."""

Cell = str | Text


def styled(state: str) -> Text:
    """Return the name of a state as a text in the colour of that state."""
    return Text(state, style=_STYLES.get(state, ""))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], title: str = "") -> None:
    """Print a table; without colours and without truncation if stdout is not a terminal."""
    console = _console()
    if title:
        console.print(Text(printable(title), style="bold"), soft_wrap=True)
    table = _table(columns)
    for row in rows:
        table.add_row(*map(printable_cell, row))
    console.print(table)


def print_report_table(
    columns: Sequence[str], rows: Iterable[tuple[Sequence[Cell], str]], *, row_gap: int = 0
) -> None:
    """Print a table whose cells may have several lines, wrapped at the width of the terminal.

    Args:
        columns: the headings of the columns.
        rows: the cells of each row, and its style.
        row_gap: number of empty lines after a row.
    """
    table = _table(columns, row_gap)
    for cells, style in rows:
        table.add_row(*map(_lines, cells), style=style)
    _report_console().print(table)


def print_paragraph(text: str) -> None:
    """Print a text below a report's tables, wrapped at their width, and an empty line."""
    _report_console().print(Text(printable(text), style="dim"), end="\n\n")


def print_markdown(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Print a table in Markdown."""
    _console().out(markdown_table(columns, rows), highlight=False)


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a table in Markdown; lines of a cell are separated by `<br>`."""
    return "\n".join(map(_row, (columns, ["---"] * len(columns), *rows)))


def _table(columns: Sequence[str], row_gap: int = 0) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, row_gap, 0))
    for column in columns:
        table.add_column(column, overflow="fold", vertical="top")
    return table


def _lines(cell: Cell) -> Text:
    """Return a table cell as printable text, with the line breaks of the cell."""
    if isinstance(cell, Text):
        return printable_cell(cell)
    return Text("\n").join(map(printable_cell, cell.split("\n")))


def print_line(text: Cell) -> None:
    """Print a line."""
    _console().print(printable_cell(text), highlight=False, soft_wrap=True)


def print_message(text: str) -> None:
    """Print a line on stderr."""
    Console(file=sys.stderr).print(printable_cell(text), highlight=False, soft_wrap=True)


def printable_cell(cell: Cell) -> Text:
    """Return a cell as printable text; a cell with characters to replace loses its colours.

    The result is a `Text`, because rich would interpret markup in a string.
    """
    if isinstance(cell, Text) and cell.plain.isprintable():
        return cell
    return Text(printable(str(cell)))


def print_document(text: str) -> None:
    """Print a document, such as a configuration file, exactly as it is.

    Raises:
        Failed: The document was not written in full, for example on a full disk.
    """
    sys.stdout.write(text)
    sys.stdout.flush()
    error = process.stdout_error()
    if error is not None and error.errno != errno.EPIPE:
        message = (
            f"the document on stdout is incomplete: {error.strerror}; write the document to "
            "another place"
        )
        raise Failed(message)


def print_json(value: object) -> None:
    """Print dataclasses, maps and lists as JSON."""
    _console().out(json_text(value), highlight=False)


def json_text(value: object) -> str:
    """Return dataclasses, maps and lists as JSON."""
    return json.dumps(value, indent=2, default=_plain)


def _row(cells: Sequence[Cell]) -> str:
    texts = (
        "<br>".join(markdown_text(printable(line)) for line in str(cell).split("\n"))
        for cell in cells
    )
    return f"| {' | '.join(texts)} |"


def markdown_text(text: str) -> str:
    """Escape a text so that it can be put in a cell of a Markdown table."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _plain(value: Any) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: getattr(value, field.name)
            for field in dataclasses.fields(value)
            if field.repr
        }
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def _console() -> Console:
    """Return a console for the current `sys.stdout`, which tests replace."""
    width = None if sys.stdout.isatty() else _UNCUT
    return Console(file=sys.stdout, width=width)


def _report_console() -> Console:
    """Return a console for reports, which are wrapped even if stdout is not a terminal."""
    narrowest, widest = _REPORT_WIDTHS
    columns = shutil.get_terminal_size((widest, 24)).columns
    return Console(file=sys.stdout, width=min(max(columns, narrowest), widest))
