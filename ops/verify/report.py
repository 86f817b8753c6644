"""A verification as a table with what is wrong below it, or as JSON."""

import json
import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.verify.step import Log, State, Step

_STYLES = {State.OK: "green", State.NOTE: "yellow", State.WRONG: "bold red"}
_UNCUT = 10_000
_TOLD = {State.OK: "all right", State.NOTE: "right, with notes", State.WRONG: "wrong"}


def table(what: str, logs: Sequence[Log]) -> None:
    """Print every step, then what notes and faults mean."""
    width = None if sys.stdout.isatty() else _UNCUT
    console = Console(file=sys.stdout, width=width, highlight=False)
    console.print(Text(f"{what}: "), Text(_TOLD[worst(logs)], style=_STYLES[worst(logs)]))
    shown = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("Subject", "Step", "Result", "ms", "Seen"):
        shown.add_column(column, justify="right" if column == "ms" else "left", overflow="fold")
    for log in logs:
        for place, step in enumerate(log.steps):
            shown.add_row(
                Text("" if place else log.subject),
                Text(step.what),
                Text(step.state, style=_STYLES[step.state]),
                f"{step.seconds * 1000:.0f}",
                Text(step.said),
            )
    console.print(shown)
    for log, step in _told(logs):
        console.print()
        console.print(
            Text(step.code, style=_STYLES[step.state]), Text(f"({log.subject}, {step.what})")
        )
        console.print(Text(f"  {step.said}"), soft_wrap=True)
        console.print(Text(f"  {step.meaning}"), soft_wrap=True)


def as_json(what: str, cluster: str, logs: Sequence[Log]) -> None:
    """Print everything; times in seconds."""
    told = {
        "target": what,
        "cluster": cluster or None,
        "state": worst(logs),
        "subjects": [
            {"name": log.subject, "state": log.state, "steps": [_step(one) for one in log.steps]}
            for log in logs
        ],
    }
    typer.echo(json.dumps(told, indent=2))


def worst(logs: Sequence[Log]) -> State:
    """The worst state of all."""
    states = {log.state for log in logs}
    return next((one for one in (State.WRONG, State.NOTE) if one in states), State.OK)


def _told(logs: Sequence[Log]) -> list[tuple[Log, Step]]:
    """Steps with a finding, the wrong ones first."""
    found = [(log, step) for log in logs for step in log.steps if step.code]
    return sorted(found, key=lambda one: one[1].state is not State.WRONG)


def _step(step: Step) -> dict[str, object]:
    return {
        "step": step.what,
        "state": step.state,
        "seconds": round(step.seconds, 4),
        "seen": step.said,
        "finding": step.code or None,
        "meaning": step.meaning or None,
    }
