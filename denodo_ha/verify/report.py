"""A verification as a table with what is wrong below it, or as JSON."""

from collections.abc import Sequence

from rich.text import Text

from denodo_ha.cli.output import print_json, print_line, print_table
from denodo_ha.verify.step import Log, State, Step

_STYLES = {State.OK: "green", State.NOTE: "yellow", State.WRONG: "red"}
_TOLD = {State.OK: "all right", State.NOTE: "right, with notes", State.WRONG: "wrong"}


def table(what: str, logs: Sequence[Log]) -> None:
    """Print every step, then what faults and notes mean."""
    state = worst(logs)
    print_line(Text.assemble(f"{what}: ", (_TOLD[state], _STYLES[state])))
    print_table(
        ("Subject", "Step", "Result", "ms", "Seen"),
        [
            (
                "" if place else log.subject,
                step.what,
                Text(step.state, style=_STYLES[step.state]),
                f"{step.seconds * 1000:.0f}",
                step.said,
            )
            for log in logs
            for place, step in enumerate(log.steps)
        ],
    )
    for log, step in _told(logs):
        print_line("")
        print_line(
            Text.assemble((step.code, _STYLES[step.state]), f" ({log.subject}, {step.what})")
        )
        print_line(f"  {step.said}")
        print_line(f"  {step.meaning}")


def as_json(what: str, cluster: str, logs: Sequence[Log]) -> None:
    """Print everything; times in seconds."""
    print_json(
        {
            "target": what,
            "cluster": cluster or None,
            "state": worst(logs),
            "subjects": [
                {
                    "name": log.subject,
                    "state": log.state,
                    "steps": [_step(one) for one in log.steps],
                }
                for log in logs
            ],
        }
    )


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
